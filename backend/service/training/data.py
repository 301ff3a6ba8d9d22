"""The arrays that a training reads. A pool that grows meanwhile gets new arrays: these stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.learning.calibration import tempered
from backend.learning.pool_model import PoolModel
from backend.learning.projection import Projection, fit_projection
from backend.service.pool.cache import ProjectPool
from backend.service.pool.predictions import Annotated, ControlPrediction, several_hold

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]

MAX_DISTILLED_ROWS = (
    20_000  # photos beside the annotated ones that a head learns from: more cost time and teach it nothing new
)


@dataclass(frozen=True)
class TrainingData:
    """What the training of one control reads.

    Attributes:
        graph: the pool of n photos.
        task_ids: int64 [n].
        embeddings: float16 [n, d].
        plain: the space of the embeddings before anything was learnt of it: where a projection starts from.
        known, targets: rows of the pool that may be learned from, int [m], and their annotations, [m, L].
        held, held_targets: rows to measure on, int [e], and their annotations, [e, L].
        believed: rows whose predictions a head learns from, int [b]: the known ones, and at most `MAX_DISTILLED_ROWS`
            others.
        served: what the serving version says of all rows, [n, L].
        propagated: what the annotations of `known`, spread over the graph, say of all rows, calibrated, [n, L].
        temperature: what `propagated` was calibrated by.
        unlabelled: bool [n], rows that nobody answered yet.
        sample: bool [n], rows of the evaluation sample.
        multiple: whether photos have several labels, see `several_hold`.
    """

    graph: PoolModel
    task_ids: NDArray[np.int64]
    embeddings: NDArray[np.float16]
    plain: Projection
    known: Rows
    targets: Floats
    held: Rows
    held_targets: Floats
    believed: Rows
    served: Floats
    propagated: Floats
    temperature: float
    unlabelled: NDArray[np.bool_]
    sample: NDArray[np.bool_]
    multiple: bool

    @property
    def prior(self) -> Floats:
        """Zero-annotation probabilities of all rows, [n, L]."""
        return self.graph.prior

    def calibrated(self, propagated: Floats) -> Floats:
        """What was spread over a graph of the same photos [n, L], calibrated as `propagated` is."""
        return tempered(propagated, self.temperature)


def training_data(
    pool: ProjectPool,
    annotated: Annotated,
    prediction: ControlPrediction,
    number: int,
    sample: NDArray[np.bool_],
    seed: int,
) -> TrainingData:
    """The data of control `number`; `sample` marks the rows of the evaluation sample, bool [n]."""
    targets, control = annotated.targets[number], pool.controls[number]
    (rows, values), (held, held_values) = targets.train, targets.held_out
    unlabelled = ~(annotated.answered | pool.gone)
    others = np.setdiff1d(np.flatnonzero(~pool.gone), rows)
    if others.size > MAX_DISTILLED_ROWS:
        others = np.random.default_rng(seed).choice(others, MAX_DISTILLED_ROWS, replace=False)
    return TrainingData(
        graph=control.model.fork(),
        task_ids=pool.task_ids,
        embeddings=pool.embeddings,
        plain=control.model.projection if control.learnt is None else fit_projection(pool.embeddings, seed=seed),
        known=rows,
        targets=values,
        held=held,
        held_targets=held_values,
        believed=np.union1d(rows, others),
        served=prediction.served,
        propagated=prediction.calibrated,
        temperature=prediction.temperature,
        unlabelled=unlabelled,
        sample=sample,
        multiple=several_hold(control, targets),
    )
