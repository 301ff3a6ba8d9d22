"""The whole classifier as one Keras model: normalisation, backbone, transform, head, probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.learning.head_inference import Head
from backend.learning.transform import FeatureTransform, Floats

if TYPE_CHECKING:
    import keras

_NEVER = -1e4  # logit of a label that must get probability 0; exp underflows to 0, no infinity reaches a converter

_TINY = 1e-12  # keeps the gradient of the square root finite where a feature is 0: attribution needs it


@dataclass(frozen=True)
class ExportBackbone:
    """What is needed of a backbone: its body takes (pixel - mean) / scale and gives embeddings.

    `body` maps float32 [n, input_size, input_size, 3] to [n, d]; `fit` says how photos become squares (model card).
    `widths` are those of several networks side by side, whose parts heads see normalised; () leaves embeddings alone.
    """

    id: str
    body: keras.Model
    input_size: int
    mean: float
    scale: float
    fit: str
    widths: tuple[int, ...] = ()


def build_classifier(backbone: ExportBackbone, head: Head) -> keras.Model:
    """uint8 RGB images [n, input_size, input_size, 3] to label probabilities [n, L], the same as `head.predict`.

    Labels without annotations get their mean prior. Only Keras' own layers are used: the model loads without any
    code of this product.

    Raises:
        ValueError: the head was trained on embeddings of another length.
    """
    from backend.frameworks import keras

    if backbone.body.output_shape[-1] != head.transform.input_dim:
        raise ValueError(
            f"the head takes embeddings of length {head.transform.input_dim}, "
            f"backbone {backbone.id} gives {backbone.body.output_shape[-1]}"
        )
    images = keras.Input((backbone.input_size, backbone.input_size, 3), dtype="uint8", name="images")
    pixels = keras.layers.Rescaling(1 / backbone.scale, offset=-backbone.mean / backbone.scale, name="normalise")
    embeddings = _with_plain_names(backbone.body)(pixels(images), training=False)
    probabilities = head_layers(head, feature_layers(backbone.widths, embeddings))
    return keras.Model(images, probabilities, name="classifier")


def _with_plain_names(body: keras.Model, prefix: str = "backbone") -> keras.Model:
    """A copy whose layer names all start with a letter, as TensorFlow's scopes (SavedModel, ONNX) demand."""
    from backend.frameworks import keras

    def renamed(layer: keras.Layer) -> keras.Layer:
        name = f"{prefix}.{layer.name}"
        if isinstance(layer, keras.Model):  # one of several networks side by side
            inner = _with_plain_names(layer, name)
            inner.name = name
            return inner
        return layer.__class__.from_config(layer.get_config() | {"name": name})

    copy = keras.models.clone_model(body, clone_function=renamed)
    copy.set_weights(body.get_weights())
    return copy


def head_layers(head: Head, embeddings: Any) -> Any:
    """The head's layers on a Keras tensor of embeddings [n, d]: a Keras tensor of probabilities [n, L]."""
    outputs = transform_layers(head.transform, embeddings)
    layers = head.layers
    if layers.hidden_kernel is not None and layers.hidden_bias is not None:
        outputs = _dense(outputs, layers.hidden_kernel, layers.hidden_bias, "hidden", "relu")
    temperature = np.float32(head.temperature)
    if head.multiple:
        outputs = _dense(outputs, layers.kernel / temperature, layers.bias / temperature, "labels", "sigmoid")
        share = head.annotated.astype(np.float32)
    else:
        bias = np.where(head.annotated, layers.bias / temperature, np.float32(_NEVER))
        outputs = _dense(outputs, layers.kernel / temperature, bias, "labels", "softmax")
        kept = head.mean_prior[~head.annotated].sum()
        share = np.full(head.n_labels, np.clip(1 - kept, 0, 1), dtype=np.float32)
    offset = np.where(head.annotated, np.float32(0), head.mean_prior)
    return _rescaling(outputs, share, offset)


def feature_layers(widths: Sequence[int], embeddings: Any) -> Any:
    """What heads see of a Keras tensor of embeddings [n, d]: each part's signed square root, scaled to unit length."""
    from backend.frameworks import keras

    if not widths:
        return embeddings
    # One part is not split: TensorFlow takes an empty list of places for one of floats.
    parts = keras.ops.split(embeddings, np.cumsum(widths)[:-1].tolist(), axis=1) if len(widths) > 1 else [embeddings]
    roots = [keras.ops.sign(part) * keras.ops.sqrt(keras.ops.absolute(part) + _TINY) for part in parts]
    scaled = [keras.layers.UnitNormalization(name=f"unit_{place}")(root) for place, root in enumerate(roots)]
    return keras.layers.Concatenate(name="features")(scaled) if len(scaled) > 1 else scaled[0]


def transform_layers(transform: FeatureTransform, embeddings: Any) -> Any:
    """The transform's layers on a Keras tensor [n, d]: a Keras tensor [n, k]."""
    from backend.frameworks import keras

    if transform.matrix is None:
        outputs = keras.layers.Rescaling(1.0, offset=(-transform.mean).tolist(), name="centre")(embeddings)
    else:
        outputs = _dense(embeddings, transform.matrix, -transform.mean @ transform.matrix, "transform", None)
    return keras.layers.UnitNormalization(name="unit")(outputs) if transform.unit else outputs


def _dense(inputs: Any, kernel: Floats, bias: Floats, name: str, activation: str | None) -> Any:
    from backend.frameworks import keras

    layer = keras.layers.Dense(kernel.shape[1], activation=activation, name=name)
    outputs = layer(inputs)
    layer.set_weights([np.asarray(kernel, dtype=np.float32), np.asarray(bias, dtype=np.float32)])
    return outputs


def _rescaling(inputs: Any, scale: Floats, offset: Floats) -> Any:
    from backend.frameworks import keras

    if np.all(scale == 1) and not offset.any():
        return keras.layers.Identity(name="probabilities")(inputs)
    return keras.layers.Rescaling(scale.tolist(), offset=offset.tolist(), name="probabilities")(inputs)
