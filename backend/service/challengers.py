"""The heads that a training tries: each one a way to learn from the same annotations; the best may serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.learning.head import Head, HeadOptions, train_head
from backend.learning.pseudo_labels import with_pseudo_labels
from backend.learning.transform import fit_centring
from backend.service.beliefs import Annotated, ControlBelief
from backend.service.pool import ProjectPool

Floats = NDArray[np.float32]
Progress = Callable[[float, str], None]

MOST_PSEUDO_LABELS = 20_000  # beyond that more unlabelled photos cost time and teach nothing new


@dataclass(frozen=True)
class TrainingData:
    """Arrays that the training of one control reads; copies, since the pool grows while it runs.

    Attributes:
        embeddings, targets, prior: of the annotated photos that may be learned from, [m, …].
        held_embeddings, held_targets, held_prior, held_served: of the evaluation photos, [e, …]; `held_served` is
            what the serving version says of them.
        pool_embeddings, pool_propagated: of unlabelled photos, [u, …], none of them of the evaluation sample.
        multiple: whether several labels may hold.
    """

    embeddings: NDArray[np.float16]
    targets: Floats
    prior: Floats
    held_embeddings: NDArray[np.float16]
    held_targets: Floats
    held_prior: Floats
    held_served: Floats
    pool_embeddings: NDArray[np.float16]
    pool_propagated: Floats
    multiple: bool


def training_data(
    pool: ProjectPool, annotated: Annotated, belief: ControlBelief, number: int, sample: NDArray[np.bool_], seed: int
) -> TrainingData:
    """The data of control `number`; `sample` marks the rows of the evaluation sample, bool [n]."""
    targets, control = annotated.targets[number], pool.controls[number]
    rows, values = targets.train
    held, held_values = targets.held_out
    free = np.flatnonzero(~(annotated.answered | pool.gone | sample))
    if free.size > MOST_PSEUDO_LABELS:
        free = np.sort(np.random.default_rng(seed).choice(free, MOST_PSEUDO_LABELS, replace=False))
    prior = control.model.prior
    return TrainingData(
        embeddings=pool.embeddings[rows],
        targets=values,
        prior=prior[rows],
        held_embeddings=pool.embeddings[held],
        held_targets=held_values,
        held_prior=prior[held],
        held_served=belief.served[held],
        pool_embeddings=pool.embeddings[free],
        pool_propagated=belief.propagated[free],
        multiple=control.space.control.multiple,
    )


def train_plain(data: TrainingData, warm_start: Head | None, progress: Progress) -> Head:
    """A linear head on the annotated photos alone."""
    return train_head(
        data.embeddings,
        data.targets,
        HeadOptions(multiple=data.multiple),
        evaluation=_held_out(data),
        warm_start=warm_start,
        progress=progress,
        prior=data.prior,
    )


def train_with_pseudo_labels(data: TrainingData, warm_start: Head | None, progress: Progress) -> Head:
    """A cosine head on the annotated photos and on what propagation believes of the others: the best from few labels."""
    examples = with_pseudo_labels(data.embeddings, data.targets, data.pool_embeddings, data.pool_propagated)
    return train_head(
        examples.embeddings,
        examples.targets,
        HeadOptions(kind="cosine"),
        evaluation=_held_out(data),
        warm_start=warm_start,
        progress=progress,
        transform=fit_centring(examples.embeddings),
        weights=examples.weights,
    )


def _held_out(data: TrainingData) -> tuple[NDArray[np.float16], Floats] | None:
    return (data.held_embeddings, data.held_targets) if len(data.held_targets) else None


CHALLENGERS: Mapping[str, Callable[[TrainingData, Head | None, Progress], Head]] = {
    "linear": train_plain,
    "cosine with pseudo-labels": train_with_pseudo_labels,
}


def challengers_for(data: TrainingData) -> list[str]:
    """Names of the challengers that fit the data: pseudo-labels name one label, which multiple labels are not."""
    return [name for name in CHALLENGERS if not (data.multiple and name != "linear")]
