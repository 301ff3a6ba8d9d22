"""The first page: every project, whether it is connected, what is under way, how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.dashboard.project_data import project_overview
from backend.service.context.context import Runtime
from backend.storage.schema import Project


def projects_overview(runtime: Runtime, projects: Sequence[Project]) -> list[dict[str, Any]]:
    """A row for each project."""
    return [project_overview(runtime, project) for project in projects]
