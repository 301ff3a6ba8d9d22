"""Queue: the photos that come next, with what is suggested and why they are asked about now."""

from __future__ import annotations

from typing import Any

from backend.dashboard.page import Arguments, ProjectPage
from backend.dashboard.project_data import queue_rows
from backend.service.context.context import Runtime
from backend.storage.schema import Project


def _values(runtime: Runtime, project: Project, arguments: Arguments) -> dict[str, Any]:
    return {"rows": queue_rows(runtime, project)}


PAGE = ProjectPage("queue", "Queue", "queue.html", _values)
