"""Gradient-regulated meta-prompt learning: the engine behind GRAM Studio."""

__version__ = "0.1.0"
