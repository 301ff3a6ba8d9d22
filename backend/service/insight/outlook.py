"""The outlook of a project: how its accuracy grew, what further labels will bring, what they cost, and when to stop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import func, select

from backend.learning.learning_curve import (
    FEWEST,
    Forecast,
    Needed,
    Observation,
    forecast_curve,
    labels_needed,
)
from backend.service.context.context import Runtime
from backend.service.versions.curve import curve_points
from backend.storage.schema import Annotation, Project, Task

TARGETS = (0.9, 0.95, 0.97, 0.99)
STEP = 100
"""Labels whose gain decides whether to go on."""

WORTHWHILE = 0.005
"""Gain of `STEP` labels, in accuracy, below which they are not worth much."""

PAUSE_SECONDS = 300.0
"""A longer gap between two answers of a person is a pause."""

PACED = 2000
"""Newest answers that the pace is taken from."""

DENSE = 80


def outlook_of(runtime: Runtime, project: Project, rate: float | None = None) -> dict[str, Any]:
    """The curve, its forecast, and what the targets cost; `rate` is the price of an hour, in any currency."""
    points = curve_points(runtime, project.id)
    total = _photos(runtime, project.id)
    pace = seconds_per_label(runtime, project.id)
    # The last point may be some answers old: what is left is counted from the answers that there are.
    now = max(points[-1].annotations if points else 0, _answered(runtime, project.id))
    left = max(total - now, 0)
    found: dict[str, Any] = {
        "points": [
            {
                "labels": point.annotations,
                "accuracy": round(point.accuracy, 4),
                "low": round(point.low, 4),
                "high": round(point.high, 4),
                "version": point.version,
            }
            for point in points
        ],
        "forecast": [],
        "targets": [],
        "left": left,
        "seconds_per_label": None if pace is None else round(pace, 2),
        "advice": _too_early(len(points)),
    }
    if len(points) < FEWEST or not left:
        return found if left else found | {"advice": "Every photo has an answer."}
    observed = [Observation(item.annotations, item.accuracy, item.low, item.high) for item in points]
    ahead = np.unique(np.r_[np.geomspace(now + 1, total, DENSE), now + min(STEP, left)].round().astype(np.int64))
    forecast = forecast_curve(observed, ahead.tolist())
    found["forecast"] = [
        {
            "labels": int(n),
            "accuracy": round(float(middle), 4),
            "low": round(float(low), 4),
            "high": round(float(high), 4),
        }
        for n, middle, low, high in zip(forecast.labels, forecast.middle, forecast.low, forecast.high, strict=True)
    ]
    best = max(points[-1].accuracy, 0.0)
    found["targets"] = [
        _target(target, labels_needed(forecast, target), now, pace, rate) for target in TARGETS if target > best
    ]
    found["advice"] = _advice(forecast, now, left)
    return found


def seconds_per_label(runtime: Runtime, project_id: int) -> float | None:
    """Seconds of work for an answer at the people's own pace, pauses left out; None while nobody answered twice in a row."""
    query = (
        select(Annotation.completed_by, func.coalesce(Annotation.created_at, Annotation.updated_at))
        .where(
            Annotation.project_id == project_id,
            Annotation.deleted.is_(False),
        )
        .order_by(Annotation.annotation_id.desc())
        .limit(PACED)
    )
    by_person: dict[int, list[datetime]] = defaultdict(list)
    with runtime.database.session() as session:
        for person, at in session.execute(query):
            by_person[person or 0].append(at)
    gaps = [
        (late - early).total_seconds()
        for times in by_person.values()
        for early, late in zip(sorted(times), sorted(times)[1:], strict=False)
    ]
    worked = [gap for gap in gaps if gap <= PAUSE_SECONDS]
    return float(np.mean(worked)) if worked else None


def _photos(runtime: Runtime, project_id: int) -> int:
    query = select(func.count()).select_from(Task).where(Task.project_id == project_id, Task.digest.is_not(None))
    with runtime.database.session() as session:
        return session.scalar(query) or 0


def _target(accuracy: float, needed: Needed, now: int, pace: float | None, rate: float | None) -> dict[str, Any]:
    more = [None if value is None else value - now for value in (needed.middle, needed.low, needed.high)]
    hours = None if more[0] is None or pace is None else more[0] * pace / 3600.0
    return {
        "accuracy": accuracy,
        "labels": more[0],
        "low": more[1],
        "high": more[2],
        "hours": None if hours is None else round(hours, 2),
        "cost": None if hours is None or rate is None else round(hours * rate, 2),
    }


def _answered(runtime: Runtime, project_id: int) -> int:
    """Photos in reach of the model that have an answer."""
    query = (
        select(func.count(func.distinct(Annotation.task_id)))
        .join(Task, (Task.project_id == Annotation.project_id) & (Task.task_id == Annotation.task_id))
        .where(
            Annotation.project_id == project_id,
            Annotation.deleted.is_(False),
            Annotation.was_cancelled.is_(False),
            Task.digest.is_not(None),
        )
    )
    with runtime.database.session() as session:
        return session.scalar(query) or 0


def _advice(forecast: Forecast, now: int, left: int) -> str:
    place = int(np.searchsorted(forecast.labels, now + min(STEP, left)))
    gain = forecast.draws[:, place] - forecast.draws[:, 0]
    low, middle, high = (100.0 * float(value) for value in np.quantile(gain, [0.025, 0.5, 0.975]))
    points = [f"{value:.1f}".replace("-", "\N{MINUS SIGN}") for value in (middle, low, high)]
    labels = f"the next {STEP} labels bring"
    if left <= STEP:
        labels = "the only photo that is left brings" if left == 1 else f"the {left} photos that are left bring"
    brings = f"{labels} about {points[0]} points of accuracy ({points[1]} to {points[2]})"
    if high < 100.0 * WORTHWHILE:
        return f"You can stop: {brings}."
    if middle < 100.0 * WORTHWHILE:
        return f"Nearly there: {brings}."
    return f"Go on: {brings}."


def _too_early(points: int) -> str:
    missing = FEWEST - points
    return f"A forecast needs {FEWEST} points of the curve; {missing} more to come: label on." if missing > 0 else ""


def axis(points: Sequence[dict[str, Any]], forecast: Sequence[dict[str, Any]]) -> int:
    """How far the axis of labels reaches: three times what is known, no further than what is projected."""
    known = int(points[-1]["labels"]) if points else 0
    return max(known, min(3 * known, int(forecast[-1]["labels"])) if forecast else 0, 10)
