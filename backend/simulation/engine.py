"""Plays the annotator over arrays, through the same pool model and the same order that the server uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from backend.learning.pool_model import PoolModel
from backend.priority import OrderOptions, PoolView, order_pool
from backend.priority.evaluation_sample import evaluation_mask, sample_position

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.intp]

RANDOM_HEAD = "random+head"
"""The baseline: random order, logistic regression on the embeddings of the labelled images only."""

CHECKPOINTS = (100, 300, 600, 1000)


@dataclass(frozen=True)
class Photos:
    """Embedded photos of a pool or test set.

    Attributes:
        embeddings: float16 [n, d].
        labels: int [n], true label; -1 = a distractor, which the annotator answers with `Not relevant`.
        digests: sha-256 of each image.
        prior: float32 [n, L], beliefs before any annotation.
        relevance: float32 [n] in [0, 1], 1 = relevant, from ImageNet; None where no filter is set.
        unknown: float32 [n] in [0, 1], 1 = most unlike ImageNet; None where it was not computed.
    """

    embeddings: NDArray[np.float16]
    labels: IntArray
    digests: Sequence[str]
    prior: FloatArray
    relevance: FloatArray | None = None
    unknown: FloatArray | None = None


@dataclass(frozen=True)
class CurvePoint:
    """Accuracy after so many labels."""

    strategy: str
    seed: int
    labels: int
    accuracy: float
    macro_f1: float


@dataclass
class Run:
    """One strategy played with one seed."""

    strategy: str
    seed: int
    points: list[CurvePoint] = field(default_factory=list)
    seconds: float = 0.0
    asked_distractors: dict[int, int] = field(default_factory=dict)
