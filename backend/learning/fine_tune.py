"""Fine-tuning: train the last convolutions of a backbone together with a head, on the annotated photos themselves.

Only worth its price with a few thousand annotations: every photo of the pool must be embedded anew afterwards. The
trunk below is frozen and run once; batch normalisation keeps its ImageNet statistics (the Keras transfer-learning
guide's advice for small sets).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.learning.export.classifier import ExportBackbone
from backend.learning.head import Head
from backend.learning.transform import Floats
from backend.progress import Progress

if TYPE_CHECKING:
    import keras

Batch = tuple[NDArray[np.uint8], Floats]


@dataclass(frozen=True)
class FineTuneOptions:
    """Hyper-parameters of `fine_tune`."""

    convolutions: int = 4  # at least so many of the last convolutions of each network are trained
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError, naming the option, when a value makes no sense."""
        for name in ("convolutions", "epochs", "batch_size", "learning_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0, got {getattr(self, name)!r}")


@dataclass(frozen=True)
class FineTuned:
    """What a fine-tuning came to; the trained weights are in the body that it was given."""

    photos: int  # learned from
    losses: tuple[float, ...]  # mean training loss of each epoch


def fine_tune(
    backbone: ExportBackbone,
    batches: Iterable[Batch],
    count: int,
    head: Head,
    folder: Path,
    options: FineTuneOptions | None = None,
    *,
    progress: Progress | None = None,
) -> FineTuned:
    """Train the end of `backbone.body`, in place.

    Args:
        batches: uint8 RGB images [b, size, size, 3] with their targets [b, L]; no batch needs to be full.
        count: how many images there are at most.
        head: trained on this backbone's embeddings; its layers are where the training starts from.
        folder: for what the frozen layers gave (one file, deleted at the end).

    Raises:
        BackendError: reason `no_photos` when there are no images.
        ValueError: there are more than `count`, or the head has hidden layers or other labels.
    """
    from backend.frameworks import keras

    options = options or FineTuneOptions()
    if head.layers.hidden_kernel is not None:
        raise ValueError("fine-tuning starts from a linear or cosine head")
    report = progress or (lambda part, message: None)
    trunk, tail = split_body(backbone.body, options.convolutions)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".activations-") as temporary:
        examples = _run_trunk(trunk, backbone, batches, count, head, Path(temporary), report)
        network = _with_logits(tail, backbone.widths, head)
        loss_family = keras.losses.BinaryCrossentropy if head.multiple else keras.losses.CategoricalCrossentropy
        network.compile(
            optimizer=keras.optimizers.Adam(options.learning_rate),
            loss=loss_family(from_logits=True),
            jit_compile=False,
        )
        history = network.fit(
            _shuffled(examples, options),
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
    return FineTuned(len(examples.targets), tuple(float(loss) for loss in history.history["loss"]))


def split_body(body: keras.Model, convolutions: int) -> tuple[keras.Model, keras.Model]:
    """Trunk and tail of a body: the tail is the shortest end that holds `convolutions` convolutions or more.

    The two share their layers with `body`. The whole body is the tail when no single tensor separates the two. Of
    several networks side by side each is split, and what their trunks give is one vector.
    """
    from backend.frameworks import keras

    joined = body.layers[-1]
    if not any(isinstance(layer, keras.Model) for layer in body.layers):
        return _split_network(body, convolutions)
    activations, tails = [], []
    for end in joined.input:
        *before, network = keras.Model(body.input, end).layers
        trunk, tail = _split_network(network, convolutions)
        activations.append(trunk(before[-1].output))
        tails.append(tail)
    flat = [keras.layers.Flatten()(activation) for activation in activations]
    sizes = [int(vector.shape[-1]) for vector in flat]
    packed = keras.Input((sum(sizes),))
    parts = keras.ops.split(packed, np.cumsum(sizes)[:-1].tolist(), axis=1)
    outputs = [
        tail(keras.layers.Reshape(tuple(tail.input_shape[1:]))(part)) for tail, part in zip(tails, parts, strict=True)
    ]
    return keras.Model(body.input, keras.layers.Concatenate()(flat)), keras.Model(
        packed, keras.layers.Concatenate()(outputs)
    )


def _split_network(body: keras.Model, convolutions: int) -> tuple[keras.Model, keras.Model]:
    from backend.frameworks import keras

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


@dataclass(frozen=True)
class _Examples:
    """What the trunk gave for m images, and their targets for the annotated labels."""

    activations: NDArray[np.float16]  # [m, ...], mapped from disk
    targets: Floats


def _run_trunk(
    trunk: keras.Model,
    backbone: ExportBackbone,
    batches: Iterable[Batch],
    count: int,
    head: Head,
    folder: Path,
    report: Progress,
) -> _Examples:
    # On disk: by default a thousand photos are 35 MB behind EfficientNet-Lite 2, and 260 MB behind Inception v3.
    shape = (count, *trunk.output_shape[1:])
    activations = np.memmap(folder / "activations", mode="w+", dtype=np.float16, shape=shape)
    targets = np.empty((count, int(head.annotated.sum())), dtype=np.float32)
    done = 0
    for images, wanted in batches:
        if wanted.shape != (len(images), head.n_labels) or done + len(images) > count:
            raise ValueError(
                f"{len(images)} images after {done} of {count}, with targets {wanted.shape} for {head.n_labels} labels"
            )
        pixels = (images.astype(np.float32) - np.float32(backbone.mean)) / np.float32(backbone.scale)
        rows = slice(done, done + len(images))
        activations[rows] = trunk.predict_on_batch(pixels)
        targets[rows] = wanted[:, head.annotated]
        done += len(images)
        report(0.5 * done / count, f"Read {done} of {count} annotated photos")
    if not done:
        raise BackendError(
            "None of the annotated photos could be read: see the log for the reasons.", reason="no_photos"
        )
    return _Examples(activations[:done], targets[:done])


def _shuffled(examples: _Examples, options: FineTuneOptions) -> keras.utils.PyDataset:
    """Batches in a new random order for each epoch, read from disk as they are wanted."""
    from backend.frameworks import keras

    class Shuffled(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._random = np.random.default_rng(options.seed)
            self._order = self._random.permutation(len(examples.targets))

        def __len__(self) -> int:
            return -(-len(self._order) // options.batch_size)

        def __getitem__(self, batch: int) -> tuple[NDArray[np.float16], Floats]:
            rows = np.sort(self._order[batch * options.batch_size : (batch + 1) * options.batch_size])
            return examples.activations[rows], examples.targets[rows]

        def on_epoch_end(self) -> None:
            self._order = self._random.permutation(self._order)

    return Shuffled()


def _with_logits(tail: keras.Model, widths: tuple[int, ...], head: Head) -> keras.Model:
    """The tail, the head's transform (frozen) and its outputs for annotated labels, as a network to be trained."""
    from backend.frameworks import keras
    from backend.learning.export.classifier import feature_layers, transform_layers

    _train_all_but_statistics(tail)
    inputs = keras.Input(tail.input_shape[1:])
    features: Any = feature_layers(widths, tail(inputs, training=False))
    features = transform_layers(head.transform, features)
    outputs = keras.layers.Dense(int(head.annotated.sum()), name="labels")
    network = keras.Model(inputs, outputs(features))
    for layer in network.layers:
        if layer.name == "transform":
            layer.trainable = False
    outputs.set_weights([head.layers.kernel[:, head.annotated], head.layers.bias[head.annotated]])
    return network


def _train_all_but_statistics(model: keras.Model) -> None:
    from backend.frameworks import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _train_all_but_statistics(layer)
        else:
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
