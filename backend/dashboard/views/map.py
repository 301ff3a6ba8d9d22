"""Map: the photos in the plane, what is alike together; what is chosen there opens as a sheet."""

from __future__ import annotations

from typing import Any

from backend.dashboard.page import Arguments, ProjectPage
from backend.service.context.context import Runtime
from backend.service.insight.photo_map import map_state
from backend.storage.schema import Project

COLOURS = {
    "label": "likeliest label",
    "doubt": "doubt",
    "place": "place in the queue",
    "relevance": "relevance",
}


def _values(runtime: Runtime, project: Project, arguments: Arguments) -> dict[str, Any]:
    return {"map": map_state(runtime, project), "colours": COLOURS}


PAGE = ProjectPage("map", "Map", "map.html", _values)
