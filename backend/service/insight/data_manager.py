"""Chosen tasks as a tab of Label Studio's Data Manager."""

from __future__ import annotations

from collections.abc import Sequence

from backend.errors import BackendError
from backend.service.context.context import Runtime
from backend.service.projects.identity import client_for
from backend.storage.schema import Project
from backend.sync.task_calls import TaskFilter

PREFIX = "Label Order: "
MOST = 200
"""Most tasks of a tab: Label Studio keeps their ids in the tab's filter."""


def open_tab(runtime: Runtime, project: Project, tasks: Sequence[int], title: str) -> str:
    """The address of a tab that shows only these tasks, at most `MOST`; one tab of a project, made anew each time.

    Raises:
        BackendError: `no_label_studio`, no address and token are set.
        AnotherProjectError: Label Studio has another project under its number.
        LabelStudioError: it does not take the tab.
    """
    client = client_for(runtime, project)
    if client is None:
        raise BackendError(
            "The Data Manager is Label Studio's: set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY and start again.",
            reason="no_label_studio",
        )
    data = {
        "title": f"{PREFIX}{title}"[:80],
        "type": "list",
        "target": "tasks",
        "filters": {"conjunction": "or", "items": [item.as_item() for item in _chosen(sorted(set(tasks))[:MOST])]},
    }
    ours = next(
        (view for view in client.views(project.id) if str(view.get("data", {}).get("title", "")).startswith(PREFIX)),
        None,
    )
    view = client.save_view(project.id, data, int(ours["id"]) if ours else None)
    return f"{runtime.settings.label_studio_url}/projects/{project.id}/data?tab={view['id']}"


def _chosen(tasks: Sequence[int]) -> list[TaskFilter]:
    """Filters of which each task meets one; runs of numbers share one. The API knows lists of ids, but the page does
    not: a tab with `in_list` keeps the whole Data Manager of the project from opening (1.23.2).
    """
    runs: list[list[int]] = []
    for task in tasks:
        if runs and task == runs[-1][1] + 1:
            runs[-1][1] = task
        else:
            runs.append([task, task])
    return [
        TaskFilter("id", "equal", "Number", first)
        if first == last
        else TaskFilter("id", "in", "Number", {"min": first, "max": last})
        for first, last in runs
    ]
