"""The ways to learn that a training tries on the same annotations; each makes a version.

To add one: a function that gives a `FitResult`, and its line in LEARNERS; or, in a package of your own, an entry point of
the group `label_order.learners` that gives a `Learner` of the kind "head".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend import extensions
from backend.errors import BackendError
from backend.extensions import Registry
from backend.learning.adaptation import AdaptationOptions, train_projection
from backend.learning.distillation import distil
from backend.learning.head import Head
from backend.learning.pool_model import PoolModel
from backend.learning.transform import FeatureTransform
from backend.progress import Progress
from backend.service.training.data import TrainingData

Floats = NDArray[np.float32]

ADAPTED = "adapted graph"


@dataclass(frozen=True)
class FitResult:
    """What a learner made of the data of one control.

    Attributes:
        predictions: probabilities of all photos of the pool, [n, L].
        head: the trained head, if the learner makes one.
        projection: the projection that it learnt, if it learns one.
    """

    predictions: Floats
    head: Head | None = None
    projection: FeatureTransform | None = None


@dataclass(frozen=True)
class TrainingOptions:
    """What was asked of a training.

    Attributes:
        adaptation: hyper-parameters of the projection; None: none is trained.
        warm_start: the heads that serve, one for each control; None: none do.
    """

    adaptation: AdaptationOptions | None = None
    warm_start: Sequence[Head] | None = None


@dataclass(frozen=True)
class Learner:
    """A way to learn.

    Attributes:
        name: kept with the versions that it makes.
        kind: their kind; names of versions begin with it.
        fits: whether it can learn from the data of a control.
        fit: data, options, the head to start from, progress.
    """

    name: str
    kind: str
    fits: Callable[[TrainingData, TrainingOptions], bool]
    fit: Callable[[TrainingData, TrainingOptions, Head | None, Progress], FitResult]


def _distilled(data: TrainingData, options: TrainingOptions, start: Head | None, progress: Progress) -> FitResult:
    """A linear head that learns what the graph believes of the whole pool: any program can run it."""
    rows = data.believed
    head = distil(
        data.embeddings[rows],
        data.propagated[rows],
        annotated=np.searchsorted(rows, data.known),
        progress=progress,
        several=data.multiple,
    )
    return FitResult(head.predict(data.embeddings), head=head)


def _adapted(data: TrainingData, options: TrainingOptions, start: Head | None, progress: Progress) -> FitResult:
    """Propagation over the graph as it is in a projection learnt from the annotations.

    A control that a projection cannot be learnt for keeps the graph it has.
    """
    said = data.targets.max(axis=1, initial=0.0) >= 0.5
    try:
        projection = train_projection(
            data.embeddings[data.known[said]],
            data.targets[said].argmax(axis=1),
            FeatureTransform(data.plain.mean, data.plain.matrix),
            options.adaptation,
            progress=progress,
        )
    except BackendError as error:
        if error.reason != "too_few_annotations":
            raise
        return FitResult(data.propagated)
    graph = PoolModel(
        data.embeddings,
        data.prior,
        projection=projection.as_projection(),
        hints=data.graph.hints,
        crowd_prior=data.graph.crowd_prior,
        depicted=data.graph.depicted,
    )
    return FitResult(data.calibrated(graph.propagate(data.known, data.targets)), projection=projection)


def _adaptable(data: TrainingData, options: TrainingOptions) -> bool:
    labels = data.targets.argmax(axis=1)[data.targets.max(axis=1, initial=0.0) >= 0.5]
    pairs = int((np.bincount(labels) >= 2).sum()) if labels.size else 0
    return options.adaptation is not None and not data.multiple and pairs >= 2


HEAD = Learner("head", "head", lambda data, options: True, _distilled)
LEARNERS: Mapping[str, Learner] = Registry(
    extensions.LEARNERS,
    {
        learner.name: learner
        for learner in (
            HEAD,
            Learner(ADAPTED, "adapted", _adaptable, _adapted),
        )
    },
)


def learners_for(data: Sequence[TrainingData], options: TrainingOptions) -> list[Learner]:
    """The learners that fit the data of all controls."""
    return [learner for learner in LEARNERS.values() if all(learner.fits(part, options) for part in data)]
