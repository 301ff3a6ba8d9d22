"""Accuracy against labels as an SVG picture: drawn by the server, so that pages need no script from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 16, 32


@dataclass(frozen=True)
class Point:
    """A version: its labels, its accuracy and the ends of its interval, all of them in [0, 1] but the labels."""

    name: str
    labels: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Mark:
    """Where a point is drawn: pixels from the upper left corner."""

    name: str
    x: float
    y: float
    top: float
    bottom: float
    text: str


def marks(points: Sequence[Point]) -> list[Mark]:
    """Where each point and its interval go; the axis of labels starts at 0, that of accuracy is [0, 1]."""
    most = max((point.labels for point in points), default=0) or 1
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def height(value: float) -> float:
        return round(TOP + (1.0 - value) * down, 1)

    return [
        Mark(
            name=point.name,
            x=round(LEFT + across * point.labels / most, 1),
            y=height(point.accuracy),
            top=height(point.high),
            bottom=height(point.low),
            text=f"{point.name}: {point.accuracy:.3f} ({point.low:.3f} to {point.high:.3f}) at {point.labels} labels",
        )
        for point in sorted(points, key=lambda point: point.labels)
    ]


def gridlines() -> list[tuple[str, float]]:
    """Text and height of the lines of the accuracy axis."""
    down = HEIGHT - TOP - BOTTOM
    return [(f"{value:.2f}", round(TOP + (1.0 - value) * down, 1)) for value in (0.0, 0.25, 0.5, 0.75, 1.0)]
