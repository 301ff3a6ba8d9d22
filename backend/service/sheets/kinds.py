"""The kinds of sheet: what each one asks, and how its photos are found. A new kind is a function and a line in `CHOOSERS`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError, NotFoundError
from backend.priority.sheets import Sheet, SheetOptions, best_sheet, irrelevant_sheet, sheet_is_better
from backend.service.context.context import Runtime
from backend.service.insight.suspects import current_review, suspects_of
from backend.service.pool.near_duplicates import read_near_duplicates
from backend.service.sheets.candidates import Candidates, features_of
from backend.storage.schema import Project

Kind = Literal["auto", "confirm", "clean", "strangers", "same", "chosen"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MIN_DUPLICATES = 2


@dataclass(frozen=True)
class Request:
    """What a sheet is chosen from.

    Attributes:
        free: bool [n], rows of the candidates that may be shown; shrinks as photos turn out to be taken.
        size: most photos.
        tasks: those that a person chose, for the kind `chosen`.
        label: title or stored value of what they are to be asked about; empty: what most of them are believed to be.
    """

    runtime: Runtime
    project: Project
    candidates: Candidates
    free: NDArray[np.bool_]
    size: int
    tasks: Sequence[int] = ()
    label: str = ""

    @property
    def unanswered(self) -> NDArray[np.bool_]:
        """Rows that may be answered for the first time: bool [n]."""
        return self.free & self.candidates.eligible


@dataclass(frozen=True)
class Proposal:
    """A sheet, and the label that its photos have already (an index; None: they have none)."""

    sheet: Sheet
    given: int | None = None


Chooser = Callable[[Request], Proposal | None]


def propose(request: Request, kind: Kind) -> Proposal:
    """The best sheet of a kind now. Where photos have several labels there are only sheets of what does not belong.

    Raises:
        NotFoundError: there is none; the message says what to do instead.
    """
    if request.candidates.several and kind != "strangers":
        raise NotFoundError(_SEVERAL, reason="no_sheet")
    found = CHOOSERS[kind](request)
    if found is None:
        raise NotFoundError(_NOTHING[kind], reason="no_sheet")
    return found


def _confirm(request: Request) -> Proposal | None:
    candidates = request.candidates
    options = SheetOptions(size=request.size)
    rows = candidates.surest(request.unanswered, options.candidates)  # no others can be on it
    sheet = best_sheet(
        candidates.probabilities[rows],
        lambda places: features_of(request.runtime, candidates, rows[places]),
        np.ones(rows.size, dtype=bool),
        options=options,
        excluded_labels=candidates.space.irrelevant,
    )
    return None if sheet is None else Proposal(replace(sheet, rows=rows[sheet.rows]))


def _auto(request: Request) -> Proposal | None:
    """A sheet where one is worth more than the same minutes on single photos."""
    found = _confirm(request)
    if found is None or not sheet_is_better(
        found.sheet, request.candidates.believed.confidence[request.unanswered][:, None]
    ):
        return None
    return found


def _strangers(request: Request) -> Proposal | None:
    candidates = request.candidates
    relevance = candidates.relevance()
    if relevance is None:
        return None
    label = int(np.flatnonzero(candidates.space.irrelevant)[0])
    features = partial(features_of, request.runtime, candidates)
    sheet = irrelevant_sheet(relevance, features, request.unanswered, label, size=request.size)
    return None if sheet is None else Proposal(sheet)


def _clean(request: Request) -> Proposal | None:
    """Annotations that look wrong, in cohorts: those of one label that are taken for one other."""
    candidates = request.candidates
    review = current_review(request.runtime, request.project)
    if review is None:
        return None
    cohorts: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
    for suspect in suspects_of(request.runtime, request.project, review):
        rows = candidates.rows_of(np.array([suspect.task], dtype=np.int64))
        if rows.size and request.free[rows[0]]:
            cohorts[suspect.given, suspect.believed].append((int(rows[0]), suspect.doubt))
    if not cohorts:
        return None
    given, believed = max(cohorts, key=lambda pair: (sum(doubt for _, doubt in cohorts[pair]), pair))
    found = cohorts[given, believed][: request.size]
    rows = np.array([row for row, _ in found], dtype=np.intp)
    doubt = float(np.mean([doubt for _, doubt in found]))
    return Proposal(Sheet(believed, rows, doubt, doubt), given)


def _same(request: Request) -> Proposal | None:
    """Unanswered photos that show what another one shows: with its label where that one is answered."""
    candidates = request.candidates
    tasks, groups = read_near_duplicates(request.runtime, request.project.id)
    known = np.isin(tasks, candidates.task_ids)
    rows, groups = candidates.rows_of(tasks[known]), groups[known]
    members: dict[int, list[int]] = defaultdict(list)
    for row, group in zip(rows, groups, strict=True):
        members[int(group)].append(int(row))
    by_label: dict[int, list[int]] = defaultdict(list)
    for group in sorted(members):
        label, shown = _of_group(members[group], request)
        by_label[label].extend(shown)
    best = max(by_label, key=lambda label: (len(by_label[label]), -label), default=None)
    if best is None or not by_label[best]:
        return None
    chosen = np.array(by_label[best][: request.size], dtype=np.intp)
    right = float(candidates.probabilities[chosen, best].astype(np.float32).mean())
    return Proposal(Sheet(best, chosen, right, right))


def _of_group(rows: list[int], request: Request) -> tuple[int, list[int]]:
    """The label of a group of copies, and those of it that are to be shown."""
    candidates = request.candidates
    answered = [row for row in rows if candidates.answered[row]]
    judges = answered or rows
    label = int(candidates.probabilities[judges].astype(np.float32).sum(axis=0).argmax())
    shown = [row for row in rows if request.unanswered[row]]
    return label, shown if answered or len(shown) >= MIN_DUPLICATES else []


def _chosen(request: Request) -> Proposal | None:
    """Photos that a person found by a search or on the map."""
    candidates = request.candidates
    rows = candidates.rows_of(np.array(list(dict.fromkeys(request.tasks)), dtype=np.int64))
    # Nothing keeps a person from choosing photos of the evaluation sample; on a sheet they would bias it.
    rows = rows[request.unanswered[rows]][: request.size]
    if not rows.size:
        return None
    believed = candidates.probabilities[rows].astype(np.float32)
    label = int(believed.sum(axis=0).argmax())
    if request.label:
        named = [
            index
            for index, item in enumerate(candidates.space.control.labels)
            if request.label in (item.title, item.value)
        ]
        if not named:
            raise BackendError(f"The label config has no label {request.label!r}.", reason="bad_label")
        label = named[0]
    right = float(believed[:, label].mean())
    return Proposal(Sheet(label, rows, right, right))


CHOOSERS: Mapping[Kind, Chooser] = {
    "auto": _auto,
    "confirm": _confirm,
    "clean": _clean,
    "strangers": _strangers,
    "same": _same,
    "chosen": _chosen,
}

_SEVERAL = (
    "A sheet gives each of its photos one label and no other, and photos of this project have several: "
    "press Label All Tasks in Label Studio, where all of them are suggested."
)

_NOTHING: Mapping[Kind, str] = {
    "auto": "Single photos teach more than a sheet now: label in Label Studio, and look again later.",
    "confirm": "No photos lie together surely enough for a sheet now: label single photos, and look again.",
    "clean": "No annotation looks wrong.",
    "strangers": "No photo looks as if it did not belong.",
    "same": "No two photos without a label show the same.",
    "chosen": "None of the chosen photos may be answered on a sheet: they are answered, before somebody, or kept for "
    "evaluation.",
}
