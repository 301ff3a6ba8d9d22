"""Progress: how good the model is, what was labelled, what is under way, and what failed."""

from __future__ import annotations

from typing import Any

from backend.dashboard.chart import Point, gridlines, marks
from backend.dashboard.page import Arguments, ProjectPage
from backend.dashboard.project_data import project_overview
from backend.service.context.context import Runtime
from backend.storage.schema import Project


def _values(runtime: Runtime, project: Project, arguments: Arguments) -> dict[str, Any]:
    overview = project_overview(runtime, project)
    points = [
        Point(item["version"], item["annotations"], *(item["accuracy"][key] for key in ("value", "low", "high")))
        for item in overview["versions"]
        if item["accuracy"]
    ]
    return {"project": overview, "marks": marks(points), "gridlines": gridlines()}


PAGE = ProjectPage("", "Progress", "project.html", _values)
