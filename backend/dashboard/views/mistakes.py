"""Mistakes: what is taken for what, annotations that look wrong, and whether annotators agree."""

from __future__ import annotations

from typing import Any

from backend.dashboard.page import Arguments, ProjectPage
from backend.service.context.context import Runtime
from backend.service.insight.mistakes import mistakes_of, photos_of_cell
from backend.storage.schema import Project

SHOWN = 48


def _values(runtime: Runtime, project: Project, arguments: Arguments) -> dict[str, Any]:
    found = mistakes_of(runtime, project)
    given, believed = (_number(arguments.get(name, "")) for name in ("given", "believed"))
    cell = None
    if given is not None and believed is not None:
        names = {item["label"]: item["title"] for item in (*found["labels"], *found["matrix"]["labels"])}
        cell = {
            "given": given,
            "believed": believed,
            "given_title": names.get(given, "?"),
            "believed_title": names.get(believed, "?"),
            "photos": photos_of_cell(runtime, project, given, believed, SHOWN),
        }
    most = max((max(row, default=0) for row in found["matrix"]["cells"]), default=0)
    return {"mistakes": found, "cell": cell, "most": most}


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else None


PAGE = ProjectPage("mistakes", "Mistakes", "mistakes.html", _values)
