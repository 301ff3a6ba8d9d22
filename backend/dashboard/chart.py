"""Accuracy against labels as an SVG picture: drawn by the server, so that pages need no script from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SIZES = (("wide", 1160, 320), ("narrow", 340, 260))
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 16, 40
TICKS = 5


@dataclass(frozen=True)
class Mark:
    """Where a point is drawn: pixels from the upper left corner."""

    x: float
    y: float
    top: float
    bottom: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A picture of `width` x `height` pixels.

    Attributes:
        name: `wide` or `narrow`: the style sheet shows the one that fits.
        marks: what is known.
        band, line: points of the polygons of what is projected; empty: nothing is.
        across: text and place of the lines of the accuracy axis.
        along: text and place of the ticks of the axis of labels.
    """

    name: str
    width: int
    height: int
    marks: list[Mark]
    band: str
    line: str
    across: list[tuple[str, float]]
    along: list[tuple[str, float]]


def charts(points: Sequence[Mapping[str, Any]], forecast: Sequence[Mapping[str, Any]], most: int) -> list[Chart]:
    """The curve in each size; the axis of labels is [0, most], that of accuracy starts where the lowest interval does."""
    shown = [item for item in forecast if item["labels"] <= most]
    lowest = min((item["low"] for item in (*points, *shown)), default=0.0)
    floor = min(math.floor(lowest * 10), 9) / 10
    if floor < 0.5:
        floor = math.floor(floor * 5) / 5  # lines at every fifth then
    return [_chart(name, width, height, points, shown, most, floor) for name, width, height in SIZES]


def _chart(
    name: str,
    width: int,
    height: int,
    points: Sequence[Mapping[str, Any]],
    forecast: Sequence[Mapping[str, Any]],
    most: int,
    floor: float,
) -> Chart:
    across, down = width - LEFT - RIGHT, height - TOP - BOTTOM

    def x(labels: float) -> float:
        return round(LEFT + across * labels / most, 1)

    def y(accuracy: float) -> float:
        return round(TOP + (1.0 - accuracy) / (1.0 - floor) * down, 1)

    upper = [f"{x(item['labels'])},{y(item['high'])}" for item in forecast]
    lower = [f"{x(item['labels'])},{y(item['low'])}" for item in forecast]
    step = _step(most, TICKS if name == "wide" else 3)
    return Chart(
        name,
        width,
        height,
        [
            Mark(
                x(item["labels"]),
                y(item["accuracy"]),
                y(item["high"]),
                y(item["low"]),
                f"{item['accuracy']:.3f} ({item['low']:.3f} to {item['high']:.3f}) at {item['labels']:,} labels, {item['version']}",
            )
            for item in points
        ],
        " ".join([*upper, *reversed(lower)]),
        " ".join(f"{x(item['labels'])},{y(item['accuracy'])}" for item in forecast),
        [(f"{value:.2f}", y(value)) for value in _lines(floor)],
        [(f"{value:,}", x(value)) for value in range(0, most + 1, step)],
    )


def _lines(floor: float) -> list[float]:
    """Accuracies at which a line is drawn: round ones, four to seven."""
    step = 0.05 if floor > 0.75 else 0.1 if floor >= 0.5 else 0.2
    return [round(floor + step * line, 2) for line in range(round((1.0 - floor) / step) + 1)]


def _step(most: int, ticks: int) -> int:
    """A round distance of ticks: 1, 2 or 5 times a power of ten."""
    rough = max(most / ticks, 1.0)
    unit = 10 ** math.floor(math.log10(rough))
    return int(next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough))
