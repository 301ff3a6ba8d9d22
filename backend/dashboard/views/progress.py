"""Progress: how good the model is, what further labels will bring, what is under way, and what failed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from backend.dashboard.chart import charts
from backend.dashboard.page import Arguments, ProjectPage
from backend.dashboard.project_data import project_overview
from backend.errors import BackendError
from backend.service.context.context import Runtime
from backend.service.insight.disagreements import kept_comparison
from backend.service.insight.outlook import axis, outlook_of
from backend.storage.schema import Project

MAX_RATE = 100_000.0
SHOWN = 24


def _values(runtime: Runtime, project: Project, arguments: Arguments) -> dict[str, Any]:
    rate = _rate(arguments.get("rate", ""))
    outlook = outlook_of(runtime, project, rate)
    points, forecast = outlook["points"], outlook["forecast"]
    overview = project_overview(runtime, project)
    return {
        "project": overview,
        "comparison": _comparison(runtime, project, overview, arguments),
        "outlook": outlook,
        "charts": charts(points, forecast, axis(points, forecast)) if points else [],
        "rate": "" if rate is None else f"{rate:g}",
    }


def _comparison(
    runtime: Runtime, project: Project, overview: Mapping[str, Any], arguments: Arguments
) -> dict[str, Any] | None:
    """The chosen version beside the one that serves, or beside another; None where none is chosen."""
    chosen = arguments.get("compare", "")[:100]
    against = arguments.get("against", "")[:100] or overview["serving"]
    if not chosen or not against:
        return None
    try:
        found = kept_comparison(runtime, project, chosen, against, SHOWN)
    except BackendError as error:
        return {"version": chosen, "other": against, "why": str(error), "figures": [], "photos": []}
    if found is None:
        return {"version": chosen, "other": against, "why": "", "figures": [], "photos": [], "missing": True}
    figures = [
        {"name": row["figure"], "other": row[against], "own": row[chosen], "difference": row["difference"]}
        for row in found["figures"]
    ]
    return {**found, "figures": figures}


def _rate(text: str) -> float | None:
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if math.isfinite(rate) and 0.0 < rate <= MAX_RATE else None


PAGE = ProjectPage("", "Progress", "project.html", _values)
