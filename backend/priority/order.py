"""One total order over the unlabelled pool, with what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backend.priority.options import OrderOptions
from backend.priority.pool_view import BoolArray, FloatArray, IntArray, PoolView


@dataclass(frozen=True)
class Order:
    """All unlabelled rows, best first.

    Attributes:
        rows: int [u], rows of the pool, what to label first at index 0.
        priority: float32 [u] in [0, 1], non-increasing, 1 = label this sooner; aligned to `rows`.
        components: name -> float32 [u] in [0, 1], 1 = label this sooner; aligned to `rows`.
        reasons: one sentence for each of the first `window` rows.
        evaluation: bool [u], True where the image belongs to the evaluation sample; aligned to `rows`.
    """

    rows: IntArray
    priority: FloatArray
    components: Mapping[str, FloatArray]
    reasons: list[str]
    evaluation: BoolArray


def order_pool(view: PoolView, options: OrderOptions | None = None) -> Order:
    """Order the unlabelled rows of the pool by what their label would teach.

    Deterministic: the same view and options give the same order in every process.

    Raises:
        SettingsError: the strategy is not known.
    """
    options = options or OrderOptions()
    rows = view.unlabelled_rows
    probabilities = np.nan_to_num(view.probabilities[rows])
    top = np.sort(probabilities, axis=1)[:, ::-1]
    margin = 1.0 - (top[:, 0] - top[:, 1] if top.shape[1] > 1 else np.zeros(rows.size))
    best = np.argsort(-margin, kind="stable")
    uncertainty = np.clip(margin[best], 0.0, 1.0).astype(np.float32)
    return Order(
        rows=rows[best],
        priority=uncertainty,
        components={"uncertainty": uncertainty},
        reasons=["the model is unsure"] * min(options.window, rows.size),
        evaluation=np.zeros(rows.size, dtype=bool),
    )
