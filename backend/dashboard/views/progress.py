"""Progress: how good the model is, what further labels will bring, what is under way, and what failed."""

from __future__ import annotations

import math
from typing import Any

from backend.dashboard.chart import charts
from backend.dashboard.page import Arguments, ProjectPage
from backend.dashboard.project_data import project_overview
from backend.service.context.context import Runtime
from backend.service.insight.outlook import axis, outlook_of
from backend.storage.schema import Project

MOST_RATE = 100_000.0


def _values(runtime: Runtime, project: Project, arguments: Arguments) -> dict[str, Any]:
    rate = _rate(arguments.get("rate", ""))
    outlook = outlook_of(runtime, project, rate)
    points, forecast = outlook["points"], outlook["forecast"]
    return {
        "project": project_overview(runtime, project),
        "outlook": outlook,
        "charts": charts(points, forecast, axis(points, forecast)) if points else [],
        "rate": "" if rate is None else f"{rate:g}",
    }


def _rate(text: str) -> float | None:
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if math.isfinite(rate) and 0.0 < rate <= MOST_RATE else None


PAGE = ProjectPage("", "Progress", "project.html", _values)
