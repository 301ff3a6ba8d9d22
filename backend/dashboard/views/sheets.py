"""Sheets: look-alikes, answered at once."""

from __future__ import annotations

from typing import Any

from backend.dashboard.page import Arguments, ProjectPage
from backend.dashboard.project_data import shown_labels
from backend.service.context.context import Runtime
from backend.storage.schema import Project

KINDS = {
    "auto": "What teaches most",
    "confirm": "Sure and alike",
    "clean": "Answers that look wrong",
    "strangers": "Not relevant",
    "same": "The same photo",
    "chosen": "Chosen by search",
}


def _values(runtime: Runtime, project: Project, arguments: Arguments) -> dict[str, Any]:
    chosen = arguments.get("tasks", "") if arguments.get("kind") == "chosen" else ""
    return {
        "tasks": chosen,
        "label": arguments.get("label", ""),
        "labels": shown_labels(runtime, project),
        "kinds": KINDS.items(),
        "chosen": arguments.get("kind", "auto"),
    }


PAGE = ProjectPage("sheets", "Sheets", "sheets.html", _values)
