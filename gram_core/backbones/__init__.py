"""Frozen CLIPs of open_clip, and their towers as explicit functions of prompts."""

from gram_core.backbones.backbone import Backbone
from gram_core.backbones.classes import ClassTable
from gram_core.backbones.loading import open_backbone
from gram_core.backbones.text import TextTower
from gram_core.backbones.visual import VisualTower

__all__ = ["Backbone", "ClassTable", "TextTower", "VisualTower", "open_backbone"]
