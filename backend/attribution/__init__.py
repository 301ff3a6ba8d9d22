"""Why a classifier gives a label: what in the photo speaks for it.

Integrated gradients and Grad-CAM are written here in Keras 3: of the libraries, xplique and tf-keras-vis want Keras 2, and
saliency (framework-free, last released in 2024) would leave all but a dozen lines of each to us.
"""

from backend.attribution.gradients import AttributedModel, IntegratedGradients, grad_cam, integrated_gradients

__all__ = ["AttributedModel", "IntegratedGradients", "grad_cam", "integrated_gradients"]
