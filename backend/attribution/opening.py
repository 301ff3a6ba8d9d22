"""The models that attribution works for: .keras files of `retrain`, `run` and `export`, and a backbone's ImageNet layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.attribution.gradients import AttributedModel
from backend.classifiers.opening import open_classifier
from backend.decoding import Fit
from backend.errors import BackendError
from backend.features import build_tuned, choose_backbone
from backend.labels import imagenet
from backend.settings import Settings


@dataclass(frozen=True)
class Explained:
    """A classifier with what is needed to explain it; pixels go in as (pixel - mean) / std."""

    name: str
    labels: tuple[str, ...]
    size: int
    fit: Fit
    crop: float
    mean: float
    std: float
    model: AttributedModel
    backbone: str | None  # id, where the card tells it


def open_keras_classifier(path: Path) -> Explained:
    """A .keras classifier that this product wrote.

    Raises:
        BackendError: it is of another format, or was made elsewhere.
    """
    import keras

    opened = open_classifier(path)
    if opened.path.suffix != ".keras":
        raise BackendError(
            f"{opened.path}: attribution needs gradients, which only .keras models give: retrain with --output-graph "
            "x.keras, or export with --format keras.",
            reason="bad_graph",
        )
    whole = keras.saving.load_model(opened.path, compile=False, safe_mode=True)
    names = [layer.name for layer in whole.layers]
    if "normalise" not in names:
        raise BackendError(
            f"{opened.path} was not made by this product: it has no layer `normalise`.", reason="bad_graph"
        )
    normalise = whole.get_layer("normalise")
    std = 1 / float(normalise.scale)
    rest = keras.Model(normalise.output, whole.output)
    body = next((layer for layer in whole.layers if isinstance(layer, keras.Model)), None)
    split = None
    if body is not None:
        split = _split(body, keras.Model(_output_of(whole, body), whole.output))
    return Explained(
        opened.path.name,
        opened.labels,
        opened.height,
        opened.fit,
        opened.crop,
        -float(normalise.offset) * std,
        std,
        AttributedModel(lambda pixels: rest(pixels, training=False), split),
        opened.card.get("backbone"),
    )


def open_imagenet(settings: Settings) -> Explained:
    """The ImageNet layer of the backbone that the settings name."""
    import tensorflow as tf

    choice = choose_backbone(
        settings.backbone, models_dir=settings.resolved_weights_dir, inception_weights=settings.inception_weights
    )
    network = build_tuned(choice.spec, choice.weights, None)

    def head(embeddings: Any) -> Any:
        return tf.nn.softmax(embeddings @ network.kernel + network.bias)

    spec = choice.spec
    labels = tuple(imagenet.name_of(wnid) for wnid in imagenet.wnids())
    return Explained(
        spec.name,
        labels,
        spec.input_size,
        spec.fit,
        spec.crop,
        spec.mean,
        spec.scale,
        AttributedModel(lambda pixels: head(network.body(pixels, training=False)), _split(network.body, head)),
        None,
    )


def _output_of(whole: Any, body: Any) -> Any:
    """The tensor that `body` gives inside `whole`: a model may have been called more than once."""
    for operation in whole.operations:  # also those that are no layers, as the square root of the features
        if operation is body:
            continue
        for node in operation._inbound_nodes:
            for tensor in node.input_tensors:
                if tensor._keras_history.operation is body:
                    return tensor
    return whole.output


def _split(body: Any, head: Any) -> Any:
    """The network before its global pool, and what follows; None: there is no such pool, or several."""
    import keras

    pools = [layer for layer in body.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)]
    if len(pools) != 1:
        return None
    before = keras.Model(body.input, pools[0].input)
    after = keras.Model(pools[0].input, body.output)

    return before, lambda features: head(after(features, training=False))
