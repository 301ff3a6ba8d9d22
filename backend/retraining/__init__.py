"""Retraining from a folder of class folders, without Label Studio: what TensorFlow for Poets' `retrain` did."""

from backend.retraining.options import RetrainOptions
from backend.retraining.result import Retrained
from backend.retraining.retrain import retrain

__all__ = ["RetrainOptions", "Retrained", "retrain"]
