"""What a search finds: photos in order, those that are believed to be of what was asked before the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backend.labels import LabelSpace
from backend.service.pool.snapshot import Snapshot, mass_of, named

Answered = Literal["any", "no", "yes"]

STRANGE = 0.5
"""Probability of `Not relevant` from which on a photo counts as a stranger."""


@dataclass(frozen=True)
class Filters:
    """Which photos are searched.

    Attributes:
        answered: those with an answer, without one, or any.
        label: only those believed to be of this label, by its index; None: of any.
        relevant: those that belong, that do not, or any; without a `Not relevant` among the labels all belong.
    """

    answered: Answered = "any"
    label: int | None = None
    relevant: Answered = "any"


EVERYTHING = Filters()


@dataclass(frozen=True)
class SearchResult:
    """Photos in order, the best first.

    Attributes:
        asked: what was looked for, in words.
        label: index of the label that the photos are asked about; None: none in particular.
        photos: task, score (what it means depends on what was asked: cosine or probability), likeliest label, its
            probability in [0, 1], whether it is answered.
        believed: how many photos are believed to be of the labels that were asked for. They come first, and there may
            be more of them than `photos`; None: no label was asked for.
    """

    asked: str
    label: int | None
    photos: list[dict[str, Any]]
    believed: int | None = None


@dataclass(frozen=True)
class SearchedPool:
    """The photos of a project, its labels, and which photos are answered, bool [n]."""

    space: LabelSpace
    snapshot: Snapshot
    answered: NDArray[np.bool_]


def ranked(
    pool: SearchedPool, scores: NDArray[np.float32], asked: str, label: int | None, limit: int, filters: Filters
) -> SearchResult:
    """The `limit` photos of the largest scores, [n]."""
    rows = _largest(scores, np.flatnonzero(_allowed(pool, filters)), limit)
    return SearchResult(asked, label, described(pool, rows, scores))


def ranked_by_labels(
    pool: SearchedPool,
    labels: Sequence[int] | NDArray[np.intp],
    asked: str,
    label: int | None,
    limit: int,
    filters: Filters,
) -> SearchResult:
    """The photos that are believed to be of any of these labels, then others, each the most probable first."""
    scores = mass_of(pool.snapshot.controls[0].probabilities, labels)
    allowed = _allowed(pool, filters)
    believed = _named(pool, labels)
    first = np.flatnonzero(allowed & believed)
    rows = _largest(scores, first, limit)
    if rows.size < limit:
        rows = np.concatenate([rows, _largest(scores, np.flatnonzero(allowed & ~believed), limit - rows.size)])
    return SearchResult(asked, label, described(pool, rows, scores), int(first.size))


def _named(pool: SearchedPool, labels: Sequence[int] | NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which photos are believed to be of any of these labels, bool [n]."""
    if not pool.snapshot.controls[0].several:
        return np.isin(np.asarray(pool.snapshot.believed.label), labels)
    found = np.zeros(pool.answered.size, dtype=np.bool_)
    for place, said in named(pool.snapshot.controls[0].probabilities, several=True):
        found[place] = said[:, labels].any(axis=1)
    return found


def _largest(scores: NDArray[np.float32], rows: NDArray[np.intp], limit: int) -> NDArray[np.intp]:
    """The `limit` of these rows that have the largest scores, those first."""
    if rows.size > limit:
        rows = rows[np.argpartition(-scores[rows], limit - 1)[:limit]]
    return rows[np.argsort(-scores[rows], kind="stable")]


def _allowed(pool: SearchedPool, filters: Filters) -> NDArray[np.bool_]:
    """Which photos of the pool the filters let through, bool [n]."""
    allowed = {"any": np.ones_like(pool.answered), "no": ~pool.answered, "yes": pool.answered}[filters.answered].copy()
    if filters.label is None and filters.relevant == "any":
        return allowed
    if filters.label is not None:
        allowed &= _named(pool, [filters.label])
    irrelevant = np.flatnonzero(pool.space.irrelevant)
    if filters.relevant != "any" and irrelevant.size:
        strange = mass_of(pool.snapshot.controls[0].probabilities, irrelevant) > STRANGE
        allowed &= strange if filters.relevant == "no" else ~strange
    return allowed


def described(pool: SearchedPool, rows: NDArray[np.intp], scores: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Rows of the pool as people see them, see `SearchResult.photos`."""
    believed = np.asarray(pool.snapshot.controls[0].probabilities[rows], dtype=np.float32)
    titles = [label.title for label in pool.space.control.labels]
    return [
        {
            "task": int(pool.snapshot.task_ids[row]),
            "score": round(float(scores[row]), 4),
            "label": titles[int(own.argmax())],
            "probability": round(float(own.max()), 4),
            "answered": bool(pool.answered[row]),
        }
        for row, own in zip(rows, believed, strict=True)
    ]
