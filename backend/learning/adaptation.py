"""Embedding adaptation: a projection of the embeddings in which photos of one label lie close together.

A linear map on top of the whitened embeddings, trained on the annotations with one of two losses, as in Norouzzadeh et
al., "A deep active learning system for species identification and counting in camera trap images" (2021):

- softmax: cross-entropy of the cosines between a photo and one learnt prototype per label (NormFace, 2017);
- triplet: a photo of the same label is to be nearer than one of another (see `triplets`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.learning.transform import FeatureTransform, Floats
from backend.learning.triplets import Triplets, triplet_loss
from backend.progress import Progress


@dataclass(frozen=True)
class AdaptationOptions:
    """Hyper-parameters of `train_projection`.

    Attributes:
        loss: triplet (photos of one label closer than those of others; measured better) or softmax (one prototype for
            each label).
        dimensions: length of the adapted embedding; more keeps more detail, fewer generalises sooner.
        steps: gradient steps; each sees one batch.
        labels_per_batch: labels in a batch; triplet needs at least 2.
        photos_per_label: photos of each label in a batch, drawn with replacement; triplet needs at least 2.
        margin: triplet only: by how much another label's photo must be farther than one of the same label; distances
            between unit vectors lie in [0, 2].
        triplets: triplet only: which triplets of a batch count, see `triplets.triplet_loss`.
        scale: softmax only: logit of a cosine of 1; larger pulls harder on hard photos.
        learning_rate: of Adam.
        anchoring: penalty on the squared difference from the map the training starts at, so that few annotations
            change little.
        seed: of batches and initial weights.
    """

    loss: Literal["softmax", "triplet"] = "triplet"
    dimensions: int = 256
    steps: int = 300
    labels_per_batch: int = 16
    photos_per_label: int = 4
    margin: float = 0.3
    triplets: Triplets = "hard"
    scale: float = 16.0
    learning_rate: float = 1e-3
    anchoring: float = 1e-2
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError, naming the option, when a value makes no sense."""
        if self.loss not in ("softmax", "triplet"):
            raise ValueError(f"loss must be softmax or triplet, got {self.loss!r}")
        if self.triplets not in get_args(Triplets):
            raise ValueError(f"triplets must be one of {', '.join(get_args(Triplets))}, got {self.triplets!r}")
        for name in ("dimensions", "steps", "margin", "scale", "learning_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0, got {getattr(self, name)!r}")
        for name in ("labels_per_batch", "photos_per_label"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} must be 2 or more, got {getattr(self, name)!r}")
        if self.anchoring < 0:
            raise ValueError(f"anchoring must be 0 or more, got {self.anchoring!r}")


def train_projection(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.integer],
    base: FeatureTransform,
    options: AdaptationOptions | None = None,
    *,
    progress: Progress | None = None,
) -> FeatureTransform:
    """Learn a projection from embeddings [m, d] with one label index each [m]; returns `base` followed by it.

    The map starts as the leading `dimensions` axes of `base`: before the first step nothing has changed.

    Raises:
        BackendError: reason `too_few_annotations` when no two labels have two photos each.
        ValueError: shapes do not fit each other.
    """
    from backend.frameworks import keras

    options = options or AdaptationOptions()
    if len(embeddings) != len(labels):
        raise ValueError(f"{len(embeddings)} embeddings, but {len(labels)} labels")
    found, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if (counts >= 2).sum() < 2:
        raise BackendError(
            "Adapting the embedding needs at least two labels with two annotated photos each",
            reason="too_few_annotations",
        )
    features = base.apply(embeddings)
    width = min(options.dimensions, base.output_dim)
    start = np.eye(base.output_dim, width, dtype=np.float32)
    inputs = keras.Input((base.output_dim,), name="features")
    projection = keras.layers.Dense(
        width, use_bias=False, kernel_regularizer=_anchored(start, options.anchoring), name="projection"
    )
    outputs: Any = keras.layers.UnitNormalization()(projection(inputs))
    if options.loss == "softmax":
        prototypes = keras.layers.Dense(
            len(found),
            use_bias=False,
            kernel_initializer=keras.initializers.GlorotUniform(options.seed),
            kernel_constraint=keras.constraints.UnitNorm(axis=0),
            name="prototypes",
        )
        outputs = keras.layers.Rescaling(options.scale)(prototypes(outputs))
        loss: Any = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    else:
        loss = triplet_loss(options.triplets, options.margin)
    network = keras.Model(inputs, outputs)
    projection.set_weights([start])
    epochs = min(10, options.steps)
    network.compile(optimizer=keras.optimizers.Adam(options.learning_rate), loss=loss, jit_compile=False)
    network.fit(
        _batches(features, codes, counts, options),
        steps_per_epoch=options.steps // epochs,
        epochs=epochs,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: progress and progress((epoch + 1) / epochs, "Adapting the embedding")
            )
        ],
        shuffle=False,
        verbose=0,
    )
    return base.then(projection.get_weights()[0])


def _batches(
    features: Floats, codes: NDArray[np.integer], counts: NDArray[np.integer], options: AdaptationOptions
) -> Iterator[tuple[Floats, NDArray[np.int32]]]:
    """Endless batches of `photos_per_label` photos each of `labels_per_batch` labels that have two photos or more."""
    rng = np.random.default_rng(options.seed)
    usable = np.flatnonzero(counts >= 2)
    rows_of = {int(code): np.flatnonzero(codes == code) for code in usable}
    width = min(options.labels_per_batch, len(usable))
    while True:
        chosen = rng.choice(usable, width, replace=False)
        rows = np.concatenate([_draw(rows_of[int(code)], options.photos_per_label, rng) for code in chosen])
        yield features[rows], codes[rows].astype(np.int32)


def _draw(rows: NDArray[np.intp], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """`count` of the rows, each at most once more often than any other."""
    rounds = -(-count // len(rows))
    drawn: NDArray[np.intp] = np.concatenate([rng.permutation(rows) for _ in range(rounds)])
    return drawn[:count]


def _anchored(start: Floats, strength: float) -> Any:
    from backend.frameworks import keras

    anchor = keras.ops.convert_to_tensor(start)
    return lambda kernel: strength * keras.ops.sum(keras.ops.square(kernel - anchor))
