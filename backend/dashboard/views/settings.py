"""Settings of a project, with a preview of how the queue would start."""

from __future__ import annotations

import json
from typing import Any

from backend.dashboard.page import Arguments, ProjectPage
from backend.priority.options import COMPONENTS
from backend.priority.strategies import STRATEGIES
from backend.service.context.context import Runtime
from backend.service.projects.options_change import options_of
from backend.storage.schema import Project

CHOICES = {"adaptation": ("off", "triplet", "softmax")}


def _values(runtime: Runtime, project: Project, arguments: Arguments) -> dict[str, Any]:
    choices = {**CHOICES, "strategy": tuple(sorted({"default", *STRATEGIES}))}
    return {
        "options": [
            {
                **option,
                "title": option["name"].replace("_", " "),
                "choices": choices.get(option["name"], ()),
                "text": _text(option["value"]),
            }
            for option in options_of(runtime, project.id)
        ],
        "components": COMPONENTS,
    }


def _text(value: object) -> str:
    """A value as a person types it: lists with commas, objects as JSON."""
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return json.dumps(value) if isinstance(value, dict) else str(value)


PAGE = ProjectPage("settings", "Settings", "settings.html", _values)
