"""A treemap as rectangles: areas follow values, shapes are as square as they can be.

After Bruls, Huizing and van Wijk, "Squarified Treemaps" (2000).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float


def squarify(values: Sequence[float], box: Box) -> list[Box]:
    """A rectangle for each value, in the order given; together they fill `box`.

    Args:
        values: > 0, the largest first.
    """
    boxes: list[Box] = []
    total = sum(values)
    if not values or total <= 0 or box.width <= 0 or box.height <= 0:
        return [Box(box.x, box.y, 0.0, 0.0) for _ in values]
    areas = [value * box.width * box.height / total for value in values]
    start = 0
    while start < len(areas):
        short = max(min(box.width, box.height), 1e-9)
        end = start + 1
        while end < len(areas) and _worst(areas[start : end + 1], short) <= _worst(areas[start:end], short):
            end += 1
        row, box = _lay(areas[start:end], box)
        boxes.extend(row)
        start = end
    return boxes


def _worst(areas: Sequence[float], side: float) -> float:
    """The worst ratio of sides in a row of rectangles along a side of this length, >= 1."""
    total = sum(areas)
    thickness = total / side
    return max(max(thickness * thickness / area, area / (thickness * thickness)) for area in areas)


def _lay(areas: Sequence[float], box: Box) -> tuple[list[Box], Box]:
    """A row of rectangles along the shorter side of a box, and what of the box is left."""
    total = sum(areas)
    boxes = []
    if box.width >= box.height:
        thickness = min(total / max(box.height, 1e-9), box.width)
        at = box.y
        for area in areas:
            boxes.append(Box(box.x, at, thickness, area / max(thickness, 1e-9)))
            at += boxes[-1].height
        return boxes, Box(box.x + thickness, box.y, box.width - thickness, box.height)
    thickness = min(total / max(box.width, 1e-9), box.height)
    at = box.x
    for area in areas:
        boxes.append(Box(at, box.y, area / max(thickness, 1e-9), thickness))
        at += boxes[-1].width
    return boxes, Box(box.x, box.y + thickness, box.width, box.height - thickness)
