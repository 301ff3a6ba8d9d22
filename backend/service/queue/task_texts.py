"""Suggestion and reason of the first places, in words, brought to the data of their tasks where the label config shows them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project
from backend.service.queue.publishing import NEXT_PLACES
from backend.service.queue.queue_window import current_window
from backend.storage.schema import QueueItem
from backend.sync.task_fields import TaskTexts, shown_by, write_texts

log = logging.getLogger(__name__)

PLACES = 100  # further down nobody looks before the order is made anew


def update_task_texts(runtime: Runtime, project_id: int, earlier: Sequence[QueueItem]) -> int:
    """Tell the tasks of the published window what is suggested and why.

    A newer order that waits takes over, once the places that people may reach before it are told: while somebody answers
    as fast as orders are made, one always waits.

    Args:
        earlier: the window before, whose tasks lose their texts where they left the first places.

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
    written = write_texts(
        client,
        project_id,
        texts,
        left=[item.task_id for item in earlier],
        urgent=NEXT_PLACES,
        keep_on=lambda: not runtime.jobs.ledger.waiting(project_id, JobKind.REFRESH),
    )
    if written:
        log.info("project %s: %d tasks show their suggestion and reason", project_id, written)
    return written
