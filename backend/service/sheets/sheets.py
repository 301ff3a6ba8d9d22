"""A sheet for a person: chosen, held while they look, answered in Label Studio, and taken back."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import or_, select, update

from backend.errors import BackendError, LabelStudioError, NotFoundError
from backend.jobs.kinds import JobKind
from backend.labels import Control
from backend.priority.sheets import Sheet, SheetOptions, best_sheet, strangers_sheet
from backend.service.context.context import Runtime
from backend.service.projects.annotations import annotation_values, record_annotations, record_deletions
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project
from backend.service.sheets.candidates import Candidates, features_of, read_candidates
from backend.storage.schema import Project, SheetPhoto, now
from backend.sync.client import LabelStudioClient

Kind = Literal["confirm", "strangers"]
KINDS: tuple[Kind, ...] = get_args(Kind)
HELD_MINUTES = 10
WRITERS = 4
"""Annotations written to Label Studio at once: more do not make SQLite faster."""


@dataclass(frozen=True)
class HeldSheet:
    """A sheet before a person.

    Attributes:
        id: names it in answers.
        kind: what it asks.
        label: title of the class that its photos are believed to be.
        expected_right: share of its photos expected to be of that class, [0, 1].
        tasks: its photos, most alike first; each with the confidence in its own likeliest label, [0, 1].
    """

    id: str
    kind: Kind
    label: str
    expected_right: float
    tasks: Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Outcome:
    """What became of each answered photo: saved, or the sentence why not."""

    saved: Sequence[int]
    left_out: Mapping[int, str]


def next_sheet(runtime: Runtime, project_id: int, holder: str, kind: Kind = "confirm", size: int = 24) -> HeldSheet:
    """The best sheet now; its photos are this person's until they answer, or ten minutes have passed.

    Photos that somebody has open in Label Studio, or that were answered there a moment ago, are left out.

    Raises:
        NotFoundError: the project is not known, or there is nothing that fits on a sheet.
        BackendError: nothing is predicted yet.
    """
    project = find_project(runtime, project_id)
    release(runtime, project_id, holder)
    candidates = read_candidates(runtime, project)
    eligible = candidates.eligible.copy()
    while True:
        sheet = _choose(runtime, candidates, eligible, kind, size)
        if sheet is None:
            raise NotFoundError(_NOTHING[kind], reason="no_sheet")
        free = _free_in_label_studio(runtime, project_id, [int(candidates.task_ids[row]) for row in sheet.rows])
        taken = np.array([int(candidates.task_ids[row]) not in free for row in sheet.rows])
        eligible[sheet.rows[taken]] = False
        if taken.mean() > 0.5:
            continue
        held = _hold(runtime, project, candidates, sheet, sheet.rows[~taken], kind, holder)
        if held.tasks:
            return held
        eligible[sheet.rows] = False  # another person was faster


def answer_sheet(runtime: Runtime, project_id: int, sheet_id: str, holder: str, answers: Mapping[int, str]) -> Outcome:
    """Write the answers of a sheet to Label Studio as annotations, and learn from them at once.

    Args:
        answers: task -> title or stored value of the label; a photo without an answer goes back to the others.

    Raises:
        NotFoundError: the sheet is not this person's, or no longer.
        BackendError: a label that the config does not have; nothing is saved then.
    """
    project = find_project(runtime, project_id)
    client = _client(runtime)
    control = labels_of(runtime, project).spaces[0].control
    by_name = {name: index for index, label in enumerate(control.labels) for name in (label.title, label.value)}
    unknown = sorted({name for name in answers.values() if name not in by_name})
    if unknown:
        raise BackendError(f"The label config of project {project_id} has no label {unknown[0]!r}.", reason="bad_label")
    held = _held(runtime, project_id, sheet_id, holder)
    strange = sorted(set(answers) - set(held))
    if strange:
        raise NotFoundError(f"Task {strange[0]} is not on sheet {sheet_id}.", reason="not_on_sheet")
    free = _free_in_label_studio(runtime, project_id, list(answers))
    left_out = {task: "somebody else answered it or has it open" for task in answers if task not in free}
    written: dict[int, dict[str, Any]] = {}
    wanted = [(task, by_name[name]) for task, name in answers.items() if task in free]
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="sheet") as pool:
        for (task, _), result in zip(wanted, pool.map(partial(_write, client, control, sheet_id), wanted), strict=True):
            if isinstance(result, LabelStudioError):
                left_out[task] = str(result)
            else:
                written[task] = result
    with runtime.database.session() as session:
        values = [annotation_values(task, annotation) for task, annotation in sorted(written.items())]
        record_annotations(session, runtime.database, project_id, values)
        for task, annotation in sorted(written.items()):
            session.execute(
                update(SheetPhoto)
                .where(SheetPhoto.project_id == project_id, SheetPhoto.task_id == task)
                .values(
                    answered=answers[task], annotation_id=int(annotation["id"]), answered_at=now(), held_until=now()
                )
            )
    release(runtime, project_id, holder)
    if written:
        runtime.jobs.enqueue(JobKind.REFRESH, project_id)
    return Outcome(sorted(written), left_out)


def undo_sheet(runtime: Runtime, project_id: int, holder: str) -> Outcome:
    """Take back this person's last answered sheet: its annotations are deleted in Label Studio. May be repeated.

    Raises:
        NotFoundError: there is nothing left to take back.
    """
    find_project(runtime, project_id)
    client = _client(runtime)
    with runtime.database.session() as session:
        mine = select(SheetPhoto).where(
            SheetPhoto.project_id == project_id, SheetPhoto.holder == holder, SheetPhoto.answered.is_not(None)
        )
        last = session.scalars(mine.order_by(SheetPhoto.answered_at.desc()).limit(1)).first()
        photos = [] if last is None else list(session.scalars(mine.where(SheetPhoto.sheet == last.sheet)))
    if not photos:
        raise NotFoundError("You have no answered sheet that could be taken back.", reason="nothing_to_undo")
    gone: list[int] = []
    left_out: dict[int, str] = {}
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="sheet") as pool:
        ids = [int(photo.annotation_id or 0) for photo in photos]
        for photo, error in zip(photos, pool.map(partial(_delete, client), ids), strict=True):
            if error is None:
                gone.append(photo.task_id)
            else:
                left_out[photo.task_id] = str(error)
    with runtime.database.session() as session:
        removed = [int(photo.annotation_id or 0) for photo in photos if photo.task_id in gone]
        record_deletions(session, runtime.database, project_id, removed)
        session.execute(
            update(SheetPhoto)
            .where(SheetPhoto.project_id == project_id, SheetPhoto.task_id.in_(gone))
            .values(answered=None, annotation_id=None, answered_at=None)
        )
    runtime.jobs.enqueue(JobKind.REFRESH, project_id)
    return Outcome(sorted(gone), left_out)


def release(runtime: Runtime, project_id: int, holder: str) -> None:
    """Give back what a person holds and has not answered."""
    with runtime.database.session() as session:
        session.execute(
            update(SheetPhoto)
            .where(SheetPhoto.project_id == project_id, SheetPhoto.holder == holder, SheetPhoto.held_until > now())
            .values(held_until=now())
        )


_NOTHING: dict[Kind, str] = {
    "confirm": "No photos lie together surely enough for a sheet now: label single photos, and look again.",
    "strangers": "No photo looks as if it did not belong.",
}


def _choose(
    runtime: Runtime, candidates: Candidates, eligible: NDArray[np.bool_], kind: Kind, size: int
) -> Sheet | None:
    features = partial(features_of, runtime, candidates)
    irrelevant = candidates.space.irrelevant
    if kind == "confirm":
        options = SheetOptions(size=size)
        return best_sheet(candidates.probabilities, features, eligible, options=options, excluded_labels=irrelevant)
    relevance = candidates.relevance()
    if relevance is None:
        return None
    return strangers_sheet(relevance, features, eligible, int(np.flatnonzero(irrelevant)[0]), size=size)


def _free_in_label_studio(runtime: Runtime, project_id: int, task_ids: Sequence[int]) -> set[int]:
    """The tasks that nobody has answered or skipped in Label Studio, and nobody has open there."""
    client = runtime.label_studio
    if client is None:
        return set(task_ids)
    return {
        int(task["id"])
        for task in client.tasks_by_id(project_id, task_ids)
        if not task.get("total_annotations") and not task.get("cancelled_annotations") and not task.get("locked_by")
    }


def _hold(
    runtime: Runtime,
    project: Project,
    candidates: Candidates,
    sheet: Sheet,
    rows: NDArray[np.intp],
    kind: Kind,
    holder: str,
) -> HeldSheet:
    """Take the photos for this person; those that another person took in this moment are left out."""
    sheet_id = uuid.uuid4().hex
    label = candidates.space.control.labels[sheet.label].title
    until = now() + timedelta(minutes=HELD_MINUTES)
    kept: list[tuple[int, float]] = []
    with runtime.database.session() as session:
        for row in sorted(
            rows, key=lambda row: int(candidates.task_ids[row])
        ):  # one order for all writers: no deadlock
            task = int(candidates.task_ids[row])
            values = {
                "sheet": sheet_id,
                "kind": kind,
                "holder": holder,
                "held_until": until,
                "suggested": label,
                "answered": None,
                "annotation_id": None,
                "answered_at": None,
            }
            statement = runtime.database.insert(SheetPhoto).values(project_id=project.id, task_id=task, **values)
            free = SheetPhoto.held_until <= now()
            statement = statement.on_conflict_do_update(
                index_elements=["project_id", "task_id"], set_=values, where=or_(free, SheetPhoto.holder == holder)
            )
            if session.execute(statement).rowcount:  # type: ignore[attr-defined]
                kept.append((task, float(candidates.probabilities[row].max())))
    order = {int(candidates.task_ids[row]): place for place, row in enumerate(rows)}
    kept.sort(key=lambda item: order[item[0]])
    return HeldSheet(sheet_id, kind, label, sheet.expected_right, kept)


def _held(runtime: Runtime, project_id: int, sheet_id: str, holder: str) -> list[int]:
    with runtime.database.session() as session:
        tasks = list(
            session.scalars(
                select(SheetPhoto.task_id).where(
                    SheetPhoto.project_id == project_id,
                    SheetPhoto.sheet == sheet_id,
                    SheetPhoto.holder == holder,
                    SheetPhoto.held_until > now(),
                )
            )
        )
    if not tasks:
        raise NotFoundError(
            f"Sheet {sheet_id} is no longer yours: it was answered, or held for more than {HELD_MINUTES} minutes. "
            "Take the next one.",
            reason="sheet_gone",
        )
    return tasks


def _client(runtime: Runtime) -> LabelStudioClient:
    if runtime.label_studio is None:
        raise BackendError(
            "Answers are written to Label Studio: set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY and start again.",
            reason="no_label_studio",
        )
    return runtime.label_studio


def _write(
    client: LabelStudioClient, control: Control, sheet_id: str, item: tuple[int, int]
) -> dict[str, Any] | LabelStudioError:
    task, label = item
    result = control.result([label], 1.0)
    result.pop("score")
    result["meta"] = {"sheet": sheet_id}
    try:
        return client.annotate(task, [result])
    except LabelStudioError as error:
        return error


def _delete(client: LabelStudioClient, annotation_id: int) -> LabelStudioError | None:
    try:
        client.delete_annotation(annotation_id)
    except LabelStudioError as error:
        return error
    return None
