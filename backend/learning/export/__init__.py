"""A trained classifier as one file or folder that other programs run: raw RGB images in, label probabilities out."""

from backend.learning.export.bundle import ExportReport, export_classifier
from backend.learning.export.classifier import ExportBackbone
from backend.learning.export.registry import FORMATS

__all__ = ["FORMATS", "ExportBackbone", "ExportReport", "export_classifier"]
