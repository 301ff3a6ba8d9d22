"""MobileNet (v1) in the widths and resolutions that Keras applications publishes weights for.

Source: A. G. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from backend.features.keras_weights import PUBLISHER, PublishedWeights, load_into, locate
from backend.features.spec import IMAGENET_CLASSES, ImageNetNetwork, NetworkSpec

# Width multiplier as we name it: (as a number, as the published files name it).
WIDTHS = {"1.0": (1.0, "1_0"), "0.75": (0.75, "7_5"), "0.50": (0.5, "5_0"), "0.25": (0.25, "2_5")}
INPUT_SIZES = (224, 192, 160, 128)
FULL_WIDTH_EMBEDDING = 1024


def build_network(alpha: float, input_size: int, weights: Path | None) -> ImageNetNetwork:
    """MobileNet cut at its global average pool; without a weights file its weights are random."""
    from backend.frameworks import keras

    model = keras.applications.MobileNet((input_size, input_size, 3), alpha, weights=None, classes=IMAGENET_CLASSES)
    if weights is not None:
        load_into(model, weights)
    (pooled,) = (layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D))
    kernel, bias = model.get_layer("conv_preds").get_weights()  # a 1 x 1 convolution: [1, 1, d, 1000]
    return ImageNetNetwork(keras.Model(model.input, keras.layers.Flatten()(pooled.output)), kernel[0, 0], bias)


def _spec(width: str, input_size: int) -> NetworkSpec:
    alpha, published_width = WIDTHS[width]
    file_name = f"mobilenet_{published_width}_{input_size}_tf.h5"
    return NetworkSpec(
        name=f"mobilenet_{width}_{input_size}",
        input_size=input_size,
        embedding_dim=int(FULL_WIDTH_EMBEDDING * alpha),
        mean=127.5,
        scale=127.5,
        locate_weights=partial(locate, PublishedWeights(file_name, f"{PUBLISHER}/mobilenet/{file_name}")),
        build_network=partial(build_network, alpha, input_size),
    )


MOBILENETS = tuple(_spec(width, input_size) for width in WIDTHS for input_size in INPUT_SIZES)
