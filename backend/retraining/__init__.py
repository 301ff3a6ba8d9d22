"""Retraining from a folder of class folders, without Label Studio: what TensorFlow for Poets' `retrain` did."""

from backend.retraining.options import RetrainOptions
from backend.retraining.retrain import Retrained, retrain

__all__ = ["RetrainOptions", "Retrained", "retrain"]
