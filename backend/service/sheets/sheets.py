"""A sheet for a person: chosen, reserved while they look, answered in Label Studio, and taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import select, update

from backend.errors import BackendError, LabelStudioError, NotFoundError
from backend.jobs.kinds import JobKind
from backend.labels import Control
from backend.service.context.context import Runtime
from backend.service.projects.annotations import annotation_values, record_annotations, record_deletions
from backend.service.projects.identity import client_for
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project
from backend.service.sheets.candidates import read_candidates
from backend.service.sheets.kinds import Kind, Request, propose
from backend.service.sheets.reservations import ReservedSheet, answering, release, reserve
from backend.storage.schema import Project, SheetPhoto, now
from backend.sync.client import LabelStudioClient

WRITERS = 4
"""Annotations written to Label Studio at once: more do not make SQLite faster."""

SECOND_ANSWERS: frozenset[str] = frozenset({"clean"})
"""Kinds of sheet whose photos are answered already: what is said on them stands beside the first answer."""


@dataclass(frozen=True)
class Outcome:
    """What became of each answered photo: saved, or the sentence why not."""

    saved: Sequence[int]
    left_out: Mapping[int, str]


def next_sheet(
    runtime: Runtime,
    project_id: int,
    holder: str,
    kind: Kind = "confirm",
    size: int = 24,
    *,
    tasks: Sequence[int] = (),
    label: str = "",
) -> ReservedSheet:
    """The best sheet now; its photos are this person's until they answer, or ten minutes have passed.

    Photos that somebody has open in Label Studio, or that were answered there a moment ago, are left out.

    Args:
        tasks: the photos of a sheet of the kind `chosen`.
        label: what these are asked about; empty: what most of them are believed to be.

    Raises:
        NotFoundError: the project is not known, or there is nothing that fits on a sheet.
        BackendError: nothing is predicted yet.
    """
    project = find_project(runtime, project_id)
    release(runtime, project_id, holder)
    candidates = read_candidates(runtime, project)
    free = candidates.free.copy()
    while True:
        found = propose(Request(runtime, project, candidates, free, size, tasks, label), kind)
        rows = found.sheet.rows
        tasks = [int(candidates.task_ids[row]) for row in rows]
        untouched = _free_in_label_studio(runtime, project_id, tasks, answered=kind in SECOND_ANSWERS)
        taken = np.array([task not in untouched for task in tasks])
        free[rows[taken]] = False
        if taken.mean() > 0.5:
            continue
        reserved = reserve(runtime, project, candidates, found, rows[~taken], kind, holder)
        if reserved.tasks:
            return reserved
        free[rows] = False  # another person was faster


def answer_sheet(
    runtime: Runtime, project_id: int, sheet_id: str, holder: str, answers: Mapping[int, str], *, by: str = ""
) -> Outcome:
    """Write the answers of a sheet to Label Studio as annotations, and learn from them at once.

    Args:
        answers: task -> title or stored value of the label; a photo without an answer goes back to the others.
        by: who answers, where they signed in; the annotations tell it.

    Raises:
        NotFoundError: the sheet is not this person's, or no longer.
        BackendError: a label that the config does not have; nothing is saved then.
    """
    project = find_project(runtime, project_id)
    client = _client(runtime, project)
    control = labels_of(runtime, project).spaces[0].control
    by_name = {name: index for index, label in enumerate(control.labels) for name in (label.title, label.value)}
    unknown = sorted({name for name in answers.values() if name not in by_name})
    if unknown:
        raise BackendError(f"The label config of project {project_id} has no label {unknown[0]!r}.", reason="bad_label")
    with answering(runtime, project_id, sheet_id, holder) as (kind, reserved):
        strange = sorted(set(answers) - set(reserved))
        if strange:
            raise NotFoundError(f"Task {strange[0]} is not on sheet {sheet_id}.", reason="not_on_sheet")
        free = _free_in_label_studio(runtime, project_id, list(answers), answered=kind in SECOND_ANSWERS)
        left_out = {task: "somebody else answered it or has it open" for task in answers if task not in free}
        written: dict[int, dict[str, Any]] = {}
        wanted = [(task, by_name[name]) for task, name in answers.items() if task in free]
        with ThreadPoolExecutor(WRITERS, thread_name_prefix="sheet") as pool:
            for (task, _), result in zip(
                wanted,
                pool.map(partial(_write, client, control, {"sheet": sheet_id, **({"by": by} if by else {})}), wanted),
                strict=True,
            ):
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
    project = find_project(runtime, project_id)
    with runtime.database.session() as session:
        mine = select(SheetPhoto).where(
            SheetPhoto.project_id == project_id, SheetPhoto.holder == holder, SheetPhoto.answered.is_not(None)
        )
        last = session.scalars(mine.order_by(SheetPhoto.answered_at.desc()).limit(1)).first()
        photos = [] if last is None else list(session.scalars(mine.where(SheetPhoto.sheet == last.sheet)))
    if not photos:
        raise NotFoundError("You have no answered sheet that could be taken back.", reason="nothing_to_undo")
    client = _client(runtime, project)
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


def _free_in_label_studio(runtime: Runtime, project_id: int, task_ids: Sequence[int], *, answered: bool) -> set[int]:
    """The tasks that nobody has open in Label Studio; and, unless `answered`, that nobody answered or skipped there."""
    client = runtime.label_studio
    if client is None:
        return set(task_ids)
    return {
        int(task["id"])
        for task in client.tasks_by_id(project_id, task_ids)
        if not task.get("locked_by")
        and (answered or not (task.get("total_annotations") or task.get("cancelled_annotations")))
    }


def _client(runtime: Runtime, project: Project) -> LabelStudioClient:
    client = client_for(runtime, project)
    if client is None:
        raise BackendError(
            "Answers are written to Label Studio: set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY and start again.",
            reason="no_label_studio",
        )
    return client


def _write(
    client: LabelStudioClient, control: Control, meta: Mapping[str, str], item: tuple[int, int]
) -> dict[str, Any] | LabelStudioError:
    task, label = item
    result = control.result([label], 1.0)
    result.pop("score")
    result["meta"] = dict(meta)
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
