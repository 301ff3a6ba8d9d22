"""What an order may look at: the pool as arrays, nothing of tasks, storage or HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class PoolView:
    """The pool of n images with L labels, at one moment. Arrays are read, never written.

    Attributes:
        space: float32 [n, k], unit rows: where distance means "looks different" (`PoolModel.space`).
        probabilities: float32 [n, L], rows sum to 1: what the model believes now; with `several` each in [0, 1].
        labelled: bool [n], True where a person has already annotated (or skipped) the image.
        digests: a stable name of each image, for ties and for the evaluation sample; None: the row index.
        head_probabilities: float32 [n, L] of the trained head, where there is one.
        membership: bool or sparse [L, T]; label l lies below node t of the label hierarchy. None: a flat hierarchy.
        node_names: readable names of the T nodes; empty for a node that people have no name for.
        label_names: readable names of the L labels.
        relevance: float32 [n] in [0, 1], 1 = belongs to the project; None: everything does.
        unknown: float32 [n] in [0, 1], 1 = most unlike anything the backbone was trained on.
        annotated_probabilities: float32 [m, L], the targets of the labelled rows, in row order; None: their beliefs.
        neighbours: int32 [n, j], nearest rows in `space`, most similar first, the row itself left out; -1 = none.
        similarities: float32 [n, j], cosines that belong to `neighbours`.
        same_photo: bool [n, j], which of the `neighbours` show the same picture (`PoolModel.same_photo`); None: none.
        learned_from: bool [n], annotated images that are learned from whatever their digest says of the evaluation sample;
            None: none.
        shown: float32 [n, L], what suggestions are made from, so that reasons speak of the same; None: `probabilities`.
        several: each label holds or does not, whatever the others do: several may.
        rng_seed: seed of all that is drawn at random.
    """

    space: FloatArray
    probabilities: FloatArray
    labelled: BoolArray
    digests: Sequence[str] | None = None
    head_probabilities: FloatArray | None = None
    membership: Any = None
    node_names: tuple[str, ...] = ()
    label_names: tuple[str, ...] = ()
    relevance: FloatArray | None = None
    unknown: FloatArray | None = None
    annotated_probabilities: FloatArray | None = None
    neighbours: NDArray[np.int32] | None = None
    similarities: FloatArray | None = None
    same_photo: BoolArray | None = None
    learned_from: BoolArray | None = None
    shown: FloatArray | None = None
    several: bool = False
    rng_seed: int = 0

    def __post_init__(self) -> None:
        n = self.labelled.shape[0]
        per_row = {
            "space": self.space,
            "probabilities": self.probabilities,
            "head_probabilities": self.head_probabilities,
            "relevance": self.relevance,
            "unknown": self.unknown,
            "neighbours": self.neighbours,
            "similarities": self.similarities,
            "same_photo": self.same_photo,
            "learned_from": self.learned_from,
            "shown": self.shown,
        }
        for name, array in per_row.items():
            if array is not None and array.shape[0] != n:
                raise BackendError(f"PoolView.{name} has {array.shape[0]} rows, labelled has {n}", reason="bad_view")
        if self.digests is not None and len(self.digests) != n:
            raise BackendError(f"PoolView.digests has {len(self.digests)} entries for {n} rows", reason="bad_view")

    @property
    def n(self) -> int:
        """Images in the pool."""
        return int(self.labelled.shape[0])

    @property
    def unlabelled_rows(self) -> IntArray:
        """Rows that nobody has annotated yet, ascending."""
        return np.flatnonzero(~self.labelled)

    @property
    def labelled_rows(self) -> IntArray:
        """Rows that are annotated, ascending."""
        return np.flatnonzero(self.labelled)
