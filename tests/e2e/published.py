"""A window published at once on a real Label Studio, as a refresh of the product does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from backend.sync.client import LabelStudioClient
from backend.sync.publish import Publication, PublishReport, WindowItem
from backend.sync.version_names import SupersededName

SUPERSEDED_AT = datetime(2026, 1, 2, 15, tzinfo=UTC)


def publish(
    client: LabelStudioClient, project_id: int, version: str, items: Sequence[WindowItem], **options: Any
) -> PublishReport:
    """Publish a whole window, all its places."""
    superseded = SupersededName(version, SUPERSEDED_AT)
    publication = Publication(client, project_id, version, items, superseded, **options)
    report = publication.begin()
    assert publication.settle(lambda: True)
    return report


def window_of(
    task_ids: Iterable[int], choice: Callable[[str], list[dict[str, Any]]], label: str = "cat"
) -> list[WindowItem]:
    """Places of these tasks in this order, all with the same suggestion."""
    return [WindowItem(task_id, choice(label)) for task_id in task_ids]


def tasks_of(items: Iterable[WindowItem]) -> list[int]:
    """The tasks of a window, in its order."""
    return [item.task_id for item in items]
