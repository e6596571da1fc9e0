"""Prompted classifiers: to predict with, to calibrate, to keep, and to take away."""

from gram_core.classifier.calibration import Bin, calibration_error, fit_temperature, reliability
from gram_core.classifier.classifier import PromptedClassifier
from gram_core.classifier.files import ABOUT, FORMAT, PROMPTS
from gram_core.classifier.report import Report
from gram_core.classifier.words import NearWord, TokenWords

__all__ = [
    "ABOUT",
    "FORMAT",
    "PROMPTS",
    "Bin",
    "NearWord",
    "PromptedClassifier",
    "Report",
    "TokenWords",
    "calibration_error",
    "fit_temperature",
    "reliability",
]
