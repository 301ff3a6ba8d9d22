"""The ways to learn that a training tries on the same annotations; the best may serve.

To add one: a function that gives a `Learned`, and its line in RECIPES.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.learning.adaptation import AdaptationOptions, train_projection
from backend.learning.head import Head, HeadOptions, train_head
from backend.learning.pool_model import PoolModel
from backend.learning.pseudo_labels import with_pseudo_labels
from backend.learning.transform import FeatureTransform, fit_centring
from backend.service.training.data import TrainingData

Floats = NDArray[np.float32]
Progress = Callable[[float, str], None]

PRIOR = "wordnet"
PROPAGATED = "propagation"
ADAPTED = "adapted graph"


@dataclass(frozen=True)
class Learned:
    """What a recipe made of the data of one control.

    Attributes:
        held: probabilities of the held rows, [e, L].
        head: the trained head, if the recipe makes one.
        projection: the projection that it learnt, if it learns one.
    """

    held: Floats
    head: Head | None = None
    projection: FeatureTransform | None = None


@dataclass(frozen=True)
class Wanted:
    """What was asked of a training.

    Attributes:
        adaptation: hyper-parameters of the projection; None: none is trained.
        warm_start: the heads that serve, one for each control; None: none do.
    """

    adaptation: AdaptationOptions | None
    warm_start: Sequence[Head] | None = None


@dataclass(frozen=True)
class Recipe:
    """A way to learn.

    Attributes:
        name: kept with the versions that it makes.
        kind: their kind; names of versions begin with it.
        fits: whether it can learn from the data of a control.
        learn: data, what was asked, the head to start from, the number of epochs if it is settled, progress.
    """

    name: str
    kind: str
    fits: Callable[[TrainingData, Wanted], bool]
    learn: Callable[[TrainingData, Wanted, Head | None, int | None, Progress], Learned]


def _linear(data: TrainingData, wanted: Wanted, start: Head | None, epochs: int | None, progress: Progress) -> Learned:
    """A linear head on the annotated photos alone."""
    head = train_head(
        data.embeddings[data.known],
        data.targets,
        HeadOptions(multiple=data.multiple),
        evaluation=_held_out(data),
        warm_start=start,
        progress=progress,
        prior=data.prior[data.known],
        epochs=epochs,
    )
    return _of_head(head, data)


def _with_pseudo_labels(
    data: TrainingData, wanted: Wanted, start: Head | None, epochs: int | None, progress: Progress
) -> Learned:
    """A cosine head on the annotated photos and on what propagation believes of the others: the best from few labels."""
    examples = with_pseudo_labels(
        data.embeddings[data.known], data.targets, data.embeddings[data.free], data.propagated[data.free]
    )
    head = train_head(
        examples.embeddings,
        examples.targets,
        HeadOptions(kind="cosine"),
        evaluation=_held_out(data),
        warm_start=start,
        progress=progress,
        transform=fit_centring(examples.embeddings),
        weights=examples.weights,
        epochs=epochs,
    )
    return _of_head(head, data)


def _adapted(data: TrainingData, wanted: Wanted, start: Head | None, epochs: int | None, progress: Progress) -> Learned:
    """Propagation over the graph as it is in a projection learnt from the annotations.

    A control that a projection cannot be learnt for keeps the graph it has.
    """
    said = data.targets.max(axis=1, initial=0.0) >= 0.5
    rows = data.known[said]
    try:
        projection = train_projection(
            data.embeddings[rows],
            data.targets[said].argmax(axis=1),
            FeatureTransform(data.plain.mean, data.plain.projection),
            wanted.adaptation,
            progress=progress,
        )
    except BackendError as error:
        if error.reason != "too_few_annotations":
            raise
        return Learned(data.propagated[data.held])
    graph = PoolModel(data.embeddings, data.prior, projection=projection.as_space())
    return Learned(graph.propagate(data.known, data.targets)[data.held], projection=projection)


def _held_out(data: TrainingData) -> tuple[NDArray[np.float16], Floats] | None:
    return (data.embeddings[data.held], data.held_targets) if len(data.held) else None


def _of_head(head: Head, data: TrainingData) -> Learned:
    return Learned(head.predict(data.embeddings[data.held], data.prior[data.held]), head=head)


def _adaptable(data: TrainingData, wanted: Wanted) -> bool:
    labels = data.targets.argmax(axis=1)[data.targets.max(axis=1, initial=0.0) >= 0.5]
    pairs = int((np.bincount(labels) >= 2).sum()) if labels.size else 0
    return wanted.adaptation is not None and not data.multiple and pairs >= 2


RECIPES: tuple[Recipe, ...] = (
    Recipe("linear", "head", lambda data, wanted: True, _linear),
    # Pseudo-labels name one label, which multiple labels are not.
    Recipe("cosine with pseudo-labels", "head", lambda data, wanted: not data.multiple, _with_pseudo_labels),
    Recipe(ADAPTED, "adapted", _adaptable, _adapted),
)


def recipes_for(data: Sequence[TrainingData], wanted: Wanted) -> list[Recipe]:
    """The recipes that fit the data of all controls."""
    return [recipe for recipe in RECIPES if all(recipe.fits(part, wanted) for part in data)]
