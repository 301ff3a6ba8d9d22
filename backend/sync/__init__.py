"""Label Studio: the order goes in as predictions, tasks and annotations come back."""

from __future__ import annotations

from backend.sync.client import LabelStudioClient
from backend.sync.connect import ConnectReport, connect_project
from backend.sync.publish import PublishReport, WindowItem, publish_window
from backend.sync.pull import PulledPage, pull_pages, tasks_gone

__all__ = [
    "ConnectReport",
    "LabelStudioClient",
    "PublishReport",
    "PulledPage",
    "WindowItem",
    "connect_project",
    "publish_window",
    "pull_pages",
    "tasks_gone",
]
