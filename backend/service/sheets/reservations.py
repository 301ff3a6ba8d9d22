"""Which photos are before whom: taken for ten minutes, given back, found again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import or_, update

from backend.errors import NotFoundError
from backend.service.context.context import Runtime
from backend.service.sheets.candidates import Candidates
from backend.service.sheets.kinds import Kind, Proposal
from backend.storage.schema import Project, SheetPhoto, now

RESERVED_MINUTES = 10


@dataclass(frozen=True)
class ReservedSheet:
    """A sheet before a person.

    Attributes:
        id: names it in answers.
        kind: what it asks.
        label: title of the class that its photos are believed to be.
        given: title of the label that they have already; empty: none.
        expected_right: share of its photos expected to be of that class, [0, 1].
        tasks: its photos, most alike first; each with the confidence in its own likeliest label, [0, 1].
    """

    id: str
    kind: Kind
    label: str
    given: str
    expected_right: float
    tasks: Sequence[tuple[int, float]]


def reserve(
    runtime: Runtime,
    project: Project,
    candidates: Candidates,
    proposal: Proposal,
    rows: NDArray[np.intp],
    kind: Kind,
    holder: str,
) -> ReservedSheet:
    """Take the photos for this person; those that another person took in this moment are left out."""
    labels = candidates.space.control.labels
    values = {
        "sheet": uuid.uuid4().hex,
        "kind": kind,
        "holder": holder,
        "held_until": now() + timedelta(minutes=RESERVED_MINUTES),
        "suggested": labels[proposal.sheet.label].title,
        "answered": None,
        "annotation_id": None,
        "answered_at": None,
    }
    order = {int(candidates.task_ids[row]): place for place, row in enumerate(rows)}
    kept: list[tuple[int, float]] = []
    with runtime.database.session() as session:
        for row in sorted(rows, key=lambda row: int(candidates.task_ids[row])):  # one order for all: no deadlock
            task = int(candidates.task_ids[row])
            statement = runtime.database.insert(SheetPhoto).values(project_id=project.id, task_id=task, **values)
            free = SheetPhoto.held_until <= now()
            statement = statement.on_conflict_do_update(
                index_elements=["project_id", "task_id"], set_=values, where=or_(free, SheetPhoto.holder == holder)
            )
            if session.execute(statement).rowcount:  # type: ignore[attr-defined]
                kept.append((task, float(candidates.probabilities[row].max())))
    return ReservedSheet(
        str(values["sheet"]),
        kind,
        str(values["suggested"]),
        "" if proposal.given is None else labels[proposal.given].title,
        proposal.sheet.expected_right,
        sorted(kept, key=lambda item: order[item[0]]),
    )


@contextmanager
def answering(runtime: Runtime, project_id: int, sheet_id: str, holder: str) -> Iterator[tuple[str, list[int]]]:
    """The kind and the tasks of a sheet that this person still holds, and nobody else within the block.

    Meanwhile a call that says the same again finds no sheet: a click that was sent twice is answered once.

    Raises:
        NotFoundError: `sheet_gone`, it was answered, is being answered, or was held for too long.
    """
    of_project = SheetPhoto.project_id == project_id
    mark = f"answers {uuid.uuid4().hex}"
    taken = (
        update(SheetPhoto)
        .where(of_project, SheetPhoto.sheet == sheet_id, SheetPhoto.holder == holder, SheetPhoto.held_until > now())
        .values(holder=mark)
        .returning(SheetPhoto.kind, SheetPhoto.task_id)
    )
    with runtime.database.session() as session:
        found = [(kind, task) for kind, task in session.execute(taken)]
    if not found:
        raise NotFoundError(
            f"Sheet {sheet_id} is no longer yours: it was answered, or held for more than {RESERVED_MINUTES} minutes. "
            "Take the next one.",
            reason="sheet_gone",
        )
    try:
        yield found[0][0], [task for _, task in found]
    finally:
        with runtime.database.session() as session:
            session.execute(update(SheetPhoto).where(of_project, SheetPhoto.holder == mark).values(holder=holder))


def release(runtime: Runtime, project_id: int, holder: str) -> None:
    """Give back what a person holds and has not answered."""
    with runtime.database.session() as session:
        session.execute(
            update(SheetPhoto)
            .where(SheetPhoto.project_id == project_id, SheetPhoto.holder == holder, SheetPhoto.held_until > now())
            .values(held_until=now())
        )
