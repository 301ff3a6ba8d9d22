"""Label Studio: the order goes in as predictions, tasks and annotations come back."""

from __future__ import annotations

from backend.sync.client import LabelStudioClient
from backend.sync.connect import ConnectReport, connect_project
from backend.sync.publish import Publication, PublishReport, WindowItem
from backend.sync.pull import PulledPage, has_all_tasks, pull_pages, task_difference

__all__ = [
    "ConnectReport",
    "LabelStudioClient",
    "Publication",
    "PublishReport",
    "PulledPage",
    "WindowItem",
    "connect_project",
    "has_all_tasks",
    "pull_pages",
    "task_difference",
]
