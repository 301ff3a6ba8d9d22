"""The models that attribution works for: .keras files of `retrain`, `run` and `export`, and a backbone's ImageNet layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backend.attribution.explained import Explained, explained_classifier, split_at_pools
from backend.attribution.gradients import AttributedModel
from backend.classifiers.opening import open_classifier
from backend.errors import BackendError
from backend.features import build_tuned, choose_backbone
from backend.labels import imagenet
from backend.settings import Settings


def open_keras_classifier(path: Path) -> Explained:
    """A .keras classifier that this product wrote.

    Raises:
        BackendError: it is of another format, or was made elsewhere.
    """
    from backend.frameworks import keras

    opened = open_classifier(path)
    if opened.path.suffix != ".keras":
        raise BackendError(
            f"{opened.path}: attribution needs gradients, which only .keras models give: retrain with --output-graph "
            "x.keras, or export with --format keras.",
            reason="bad_graph",
        )
    whole = keras.saving.load_model(opened.path, compile=False, safe_mode=True)
    return explained_classifier(
        whole,
        opened.path.name,
        opened.labels,
        size=opened.height,
        fit=opened.fit,
        crop=opened.crop,
        backbone=opened.card.get("backbone"),
    )


def open_imagenet(settings: Settings) -> Explained:
    """The ImageNet layer of the backbone that the settings name."""
    from backend.frameworks import tf

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
        AttributedModel(lambda pixels: head(network.body(pixels, training=False)), split_at_pools(network.body, head)),
        None,
    )
