"""Inception v3, as in Keras applications.

Source: C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2015.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from backend.features import inception_2015
from backend.features.keras_weights import PUBLISHER, PublishedWeights, load_into, locate
from backend.features.spec import IMAGENET_CLASSES, ImageNetNetwork, NetworkSpec

WEIGHTS = PublishedWeights(
    file_name="inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
    url=f"{PUBLISHER}/inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
    md5="9a0d58056eeedaa3f26cb7ebd46da564",
    setting="INCEPTION_WEIGHTS",
)


def build_network(weights: Path | None) -> ImageNetNetwork:
    """Inception v3 cut at its average pool, or the frozen graph of 2015 (.pb); without a file its weights are random."""
    if weights is not None and weights.suffix == inception_2015.ENDING:
        spec = INCEPTION_V3
        return inception_2015.build_network(weights, spec.input_size, spec.embedding_dim, spec.mean, spec.scale)
    from backend.frameworks import keras

    model = keras.applications.InceptionV3(weights=None, classes=IMAGENET_CLASSES)
    if weights is not None:
        load_into(model, weights)
    kernel, bias = model.get_layer("predictions").get_weights()
    return ImageNetNetwork(keras.Model(model.input, model.get_layer("avg_pool").output), kernel, bias)


INCEPTION_V3 = NetworkSpec(
    name="inception_v3",
    input_size=299,
    embedding_dim=2048,
    mean=127.5,
    scale=127.5,
    locate_weights=partial(locate, WEIGHTS),
    build_network=build_network,
    takes_given=True,
)
