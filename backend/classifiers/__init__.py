"""Trained classifiers as files: opened whatever their format, asked about photos, and judged."""

from backend.classifiers.opening import GraphOptions, OpenedClassifier, open_classifier

__all__ = ["GraphOptions", "OpenedClassifier", "open_classifier"]
