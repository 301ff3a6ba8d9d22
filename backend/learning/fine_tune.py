"""Fine-tuning: train the last convolutions of a backbone together with a head, on the annotated photos themselves.

Only worth its price with a few thousand annotations: every photo of the pool must be embedded anew afterwards. The
trunk below is frozen and run once; batch normalisation keeps its ImageNet statistics (the Keras transfer-learning
guide's advice for small sets).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.export.classifier import ExportBackbone
from backend.learning.head import Head, Progress
from backend.learning.transform import Floats

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class FineTuneOptions:
    """Hyper-parameters of `fine_tune`."""

    convolutions: int = 3  # at least so many of the last convolutions are trained
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError, naming the option, when a value makes no sense."""
        for name in ("convolutions", "epochs", "batch_size", "learning_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0, got {getattr(self, name)!r}")


@dataclass(frozen=True)
class FineTuned:
    """A backbone of its own: its embeddings do not mix with those of the backbone it came from."""

    backbone_id: str  # "<name>-tuned-<digest prefix>"
    weights: Path  # Keras weights file of the whole body
    digest: str  # sha-256 of the weights' values
    losses: tuple[float, ...]  # mean training loss of each epoch


def fine_tune(
    backbone: ExportBackbone,
    name: str,
    batches: Iterable[NDArray[np.uint8]],
    targets: Floats,
    head: Head,
    folder: Path,
    options: FineTuneOptions | None = None,
    *,
    progress: Progress | None = None,
) -> FineTuned:
    """Train the end of `backbone.body`, in place, and write its weights into `folder` as `<id>.weights.h5`.

    Args:
        name: the architecture's name; the new backbone id starts with it.
        batches: uint8 RGB images [b, size, size, 3], in the order of the rows of `targets` [m, L].
        head: trained on this backbone's embeddings; its layers are where the training starts from.

    Raises:
        ValueError: the images are not as many as the targets, or the head has hidden layers or other labels.
    """
    import keras

    options = options or FineTuneOptions()
    if head.layers.hidden_kernel is not None or targets.shape[1] != head.n_labels:
        raise ValueError("fine-tuning starts from a linear or cosine head with the same labels as the targets")
    report = progress or (lambda part, message: None)
    keras.utils.set_random_seed(options.seed)
    trunk, tail = split_body(backbone.body, options.convolutions)
    activations = _run_trunk(trunk, backbone, batches, len(targets), report)
    network = _with_logits(tail, head)
    annotated = np.flatnonzero(head.annotated)
    loss_family = keras.losses.BinaryCrossentropy if head.multiple else keras.losses.CategoricalCrossentropy
    network.compile(
        optimizer=keras.optimizers.Adam(options.learning_rate), loss=loss_family(from_logits=True), jit_compile=False
    )
    history = network.fit(
        activations,
        targets[:, annotated],
        batch_size=options.batch_size,
        epochs=options.epochs,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: report(
                    0.5 + 0.5 * (epoch + 1) / options.epochs, f"Fine-tuning, epoch {epoch + 1} of {options.epochs}"
                )
            )
        ],
        verbose=0,
    )
    digest = weights_digest(backbone.body)
    backbone_id = f"{name}-tuned-{digest[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f".{backbone_id}.weights.h5"
    backbone.body.save_weights(written)
    return FineTuned(
        backbone_id,
        written.rename(folder / f"{backbone_id}.weights.h5"),
        digest,
        tuple(float(loss) for loss in history.history["loss"]),
    )


def split_body(body: keras.Model, convolutions: int) -> tuple[keras.Model, keras.Model]:
    """Trunk and tail of a body: the tail is the shortest end that holds `convolutions` convolutions or more.

    The two share their layers with `body`. The whole body is the tail when no single tensor separates the two.
    """
    import keras

    held = 0
    for position in range(len(body.layers) - 1, 0, -1):
        layer = body.layers[position]
        if held >= convolutions:
            try:
                tail = keras.Model(layer.output, body.output)
            except ValueError:  # a shortcut connection passes this layer by
                continue
            return keras.Model(body.input, layer.output), tail
        held += isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
    return keras.Model(body.input, body.input), body


def weights_digest(body: keras.Model) -> str:
    """sha-256 over the values of all weights, in order."""
    found = hashlib.sha256()
    for array in body.get_weights():
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _run_trunk(
    trunk: keras.Model,
    backbone: ExportBackbone,
    batches: Iterable[NDArray[np.uint8]],
    count: int,
    report: Callable[[float, str], None],
) -> Floats:
    parts: list[Floats] = []
    done = 0
    for images in batches:
        pixels = (images.astype(np.float32) - np.float32(backbone.mean)) / np.float32(backbone.scale)
        parts.append(trunk.predict_on_batch(pixels).astype(np.float16))
        done += len(images)
        report(0.5 * min(done / count, 1), f"Read {done} of {count} annotated photos")
    if done != count:
        raise ValueError(f"{done} images, but {count} rows of targets")
    return np.concatenate(parts)


def _with_logits(tail: keras.Model, head: Head) -> keras.Model:
    """The tail, the head's transform (frozen) and its outputs for annotated labels, as a network to be trained."""
    import keras

    from backend.learning.export.classifier import transform_layers

    for layer in tail.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    inputs = keras.Input(tail.input_shape[1:])
    features: Any = transform_layers(head.transform, tail(inputs, training=False))
    outputs = keras.layers.Dense(int(head.annotated.sum()), name="labels")
    network = keras.Model(inputs, outputs(features))
    for layer in network.layers:
        if layer.name == "transform":
            layer.trainable = False
    outputs.set_weights([head.layers.kernel[:, head.annotated], head.layers.bias[head.annotated]])
    return network
