"""Annotations that look wrong, and which of them somebody looked at again since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from backend.labels import Control
from backend.learning.label_errors import DOUBTED, label_error_scores, likeliest_others
from backend.service.context.context import Runtime
from backend.service.pool.review import Review, read_review
from backend.service.projects.annotations import agreed_target
from backend.service.projects.labels import labels_of
from backend.storage.schema import Annotation, Project

CHECKED = 300
"""Most suspicions whose annotations are looked at, the strongest first."""


@dataclass(frozen=True)
class Suspect:
    """An annotation that looks wrong: label indices, and how much speaks against it, (0, 1]."""

    task: int
    given: int
    believed: int
    doubt: float


def current_review(runtime: Runtime, project: Project) -> Review | None:
    """The review for the labels that the project has now; None where there is none."""
    review = read_review(runtime, project.id)
    return review if review is not None and review.labels_key == labels_of(runtime, project).key else None


def suspects_of(runtime: Runtime, project: Project, review: Review) -> list[Suspect]:
    """Suspicions that nobody settled yet, the strongest first, at most `CHECKED`.

    One is settled once the photo got another label, or a second person gave it the same one.
    """
    held_out = review.held_out.astype(np.float32)
    doubts = label_error_scores(held_out, review.given)
    believed = likeliest_others(held_out, review.given)
    order = np.argsort(-doubts, kind="stable")
    order = order[doubts[order] >= DOUBTED][:CHECKED]
    control = labels_of(runtime, project).spaces[0].control
    open_tasks = _unsettled(
        runtime, project.id, control, {int(review.task_ids[row]): int(review.given[row]) for row in order}
    )
    return [
        Suspect(int(review.task_ids[row]), int(review.given[row]), int(believed[row]), round(float(doubts[row]), 4))
        for row in order
        if int(review.task_ids[row]) in open_tasks
    ]


def _unsettled(runtime: Runtime, project_id: int, control: Control, given: dict[int, int]) -> set[int]:
    by_task: dict[int, list[Annotation]] = {}
    for annotation in _annotations(runtime, project_id, list(given)):
        by_task.setdefault(int(annotation.task_id or 0), []).append(annotation)
    found = set()
    for task, made in by_task.items():
        target = agreed_target(made, control)
        said = [control.targets(item.result) for item in made if not item.was_cancelled]
        same = sum(one is not None and int(one.argmax()) == given[task] for one in said)
        if target is not None and int(target.argmax()) == given[task] and same == 1:
            found.add(task)
    return found


def _annotations(runtime: Runtime, project_id: int, tasks: Sequence[int]) -> list[Annotation]:
    query = (
        select(Annotation)
        .where(Annotation.project_id == project_id, Annotation.deleted.is_(False), Annotation.task_id.in_(tasks))
        .order_by(Annotation.updated_at, Annotation.annotation_id)
    )
    with runtime.database.session() as session:
        return list(session.scalars(query))
