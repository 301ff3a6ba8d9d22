"""The arrays that a training reads: copies, so that the project's pool may grow while it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backend.learning.pool_model import PoolModel
from backend.learning.space import Space, fit_space
from backend.service.pool.cache import ProjectPool
from backend.service.pool.predictions import Annotated, ControlBelief

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]

MOST_GRAPH_ROWS = 50_000  # a graph of more is not needed to tell which way of learning is better
MOST_PSEUDO_LABELS = 20_000  # beyond that more unlabelled photos cost time and teach nothing new


@dataclass(frozen=True)
class TrainingData:
    """What the training of one control reads.

    Attributes:
        graph: the pool (or a sample of it that holds every annotated photo) as a graph of its own, g rows.
        embeddings: float16 [g, d], of those rows.
        plain: the space of those embeddings before anything was learnt of it: where a projection starts from.
        known, targets: rows of the graph that may be learned from, int [m], and their annotations, [m, L].
        held, held_targets: rows of the graph to measure on, int [e], and their annotations, [e, L].
        held_served: what the serving version says of the held rows, [e, L].
        free: rows nobody answered, none of them of the evaluation sample, int [u].
        propagated: what the annotations of `known`, spread over the graph, say of all rows, [g, L].
        multiple: whether several labels may hold.
    """

    graph: PoolModel
    embeddings: NDArray[np.float16]
    plain: Space
    known: Rows
    targets: Floats
    held: Rows
    held_targets: Floats
    held_served: Floats
    free: Rows
    propagated: Floats
    multiple: bool

    @property
    def prior(self) -> Floats:
        """Zero-annotation probabilities of all rows of the graph, [g, L]."""
        return self.graph.prior

    def without(self, fold: NDArray[np.bool_]) -> TrainingData:
        """The same, with the known rows that `fold` [m] marks held out: nothing in it has learned from them."""
        kept, out = self.known[~fold], self.known[fold]
        return replace(
            self,
            known=kept,
            targets=self.targets[~fold],
            held=out,
            held_targets=self.targets[fold],
            held_served=np.zeros((len(out), self.targets.shape[1]), dtype=np.float32),
            propagated=self.graph.fork().propagate(kept, self.targets[~fold]),
        )


def training_data(
    pool: ProjectPool, annotated: Annotated, belief: ControlBelief, number: int, sample: NDArray[np.bool_], seed: int
) -> TrainingData:
    """The data of control `number`; `sample` marks the rows of the evaluation sample, bool [n]."""
    targets, control = annotated.targets[number], pool.controls[number]
    (rows, values), (held, held_values) = targets.train, targets.held_out
    rng = np.random.default_rng(seed)
    free = np.flatnonzero(~(annotated.answered | pool.gone | sample))
    graph, kept = control.model.fork(), np.arange(pool.n)
    if pool.n > MOST_GRAPH_ROWS:
        some = rng.choice(free, min(free.size, MOST_GRAPH_ROWS), replace=False)
        kept = np.unique(np.concatenate([rows, held, some]))
        free = np.intersect1d(free, kept)
        graph = PoolModel(pool.embeddings[kept], control.model.prior[kept], seed=seed, projection=control.learnt)
    if free.size > MOST_PSEUDO_LABELS:
        free = np.sort(rng.choice(free, MOST_PSEUDO_LABELS, replace=False))
    embeddings = pool.embeddings if kept.size == pool.n else pool.embeddings[kept]
    return TrainingData(
        graph=graph,
        embeddings=embeddings,
        plain=graph.projection if control.learnt is None else fit_space(embeddings, seed=seed),
        known=np.searchsorted(kept, rows),
        targets=values,
        held=np.searchsorted(kept, held),
        held_targets=held_values,
        held_served=belief.served[held],
        free=np.searchsorted(kept, free),
        propagated=belief.propagated[kept],
        multiple=control.space.control.multiple,
    )
