"""Suggestion and reason of the first places, in words, brought to the data of their tasks where the label config shows them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy import update

from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project
from backend.service.queue.publishing import NEXT_PLACES
from backend.service.queue.queue_window import current_window
from backend.storage.schema import Project, QueueItem
from backend.sync.task_fields import TaskTexts, shown_by, take_texts, write_texts

log = logging.getLogger(__name__)

PLACES = 100  # further down nobody looks before the order is made anew
MOST_LEFT = 2000  # tasks whose texts are still to be taken: while people go on, orders leave ever more of them


def update_task_texts(runtime: Runtime, project_id: int, earlier: Sequence[QueueItem]) -> int:
    """Tell the tasks of the published window what is suggested and why.

    A newer order that waits takes over, once the places that people may reach before it are told: while somebody answers
    as fast as orders are made, one always waits. Tasks that left the first places lose their texts once none does, but for
    those that somebody may hold open.

    Args:
        earlier: the window before.

    Returns:
        How many tasks were written.

    Raises:
        LabelStudioError: a call failed.
    """
    client = runtime.label_studio
    project = find_project(runtime, project_id)
    if client is None or not shown_by(project.label_config):
        return 0
    texts = {
        item.task_id: TaskTexts(item.suggestion, item.reason) for item in current_window(runtime, project)[:PLACES]
    }

    def keep_on() -> bool:
        return not runtime.jobs.ledger.waiting(project_id, JobKind.REFRESH)

    known = dict.fromkeys([*(item.task_id for item in earlier[:PLACES]), *project.texts_left])
    left = [task for task in known if task not in texts][:MOST_LEFT]
    _note_left(runtime, project, left)  # before any call that may fail
    written = write_texts(client, project_id, texts, urgent=NEXT_PLACES, keep_on=keep_on)
    held = set(project.held_open)
    due = take_texts(client, project_id, [task for task in left if task not in held], keep_on=keep_on)
    _note_left(runtime, project, [task for task in left if task in held.union(due)])
    if written:
        log.info("project %s: %d tasks show their suggestion and reason", project_id, written)
    return written


def _note_left(runtime: Runtime, project: Project, left: list[int]) -> None:
    if left == project.texts_left:
        return
    with runtime.database.session() as session:
        session.execute(update(Project).where(Project.id == project.id).values(texts_left=left))
    project.texts_left = left
