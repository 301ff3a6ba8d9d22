"""Why a classifier gives a label: what in the photo speaks for it.

Integrated gradients and Grad-CAM are a dozen lines each on a Keras 3 model, so that the completeness error is ours to check.
"""

from backend.attribution.explained import Explained, Explanation, HeadsOnBackbone, explain, explained_classifier
from backend.attribution.gradients import AttributedModel, IntegratedGradients, grad_cam, integrated_gradients

__all__ = [
    "AttributedModel",
    "Explained",
    "Explanation",
    "HeadsOnBackbone",
    "IntegratedGradients",
    "explain",
    "explained_classifier",
    "grad_cam",
    "integrated_gradients",
]
