"""Rectangles of a treemap: they fill their box, keep to areas and do not overlap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.dashboard.treemap import Box, squarify

pytestmark = pytest.mark.unit


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=40).map(lambda values: sorted(values, reverse=True)),
    st.integers(20, 1200),
    st.integers(20, 800),
)
def test_areas_follow_values_and_stay_inside(values: list[int], width: int, height: int) -> None:
    boxes = squarify(values, Box(10, 20, width, height))
    assert len(boxes) == len(values)
    unit = width * height / sum(values)
    for value, box in zip(values, boxes, strict=True):
        assert box.width * box.height == pytest.approx(value * unit, rel=1e-6)
        assert box.x >= 10 - 1e-6
        assert box.y >= 20 - 1e-6
        assert box.x + box.width <= 10 + width + 1e-6
        assert box.y + box.height <= 20 + height + 1e-6
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert min(across, down) < 1e-6


def test_the_example_of_the_paper() -> None:
    boxes = squarify([6, 6, 4, 3, 2, 2, 1], Box(0, 0, 6, 4))
    assert [(round(box.width, 2), round(box.height, 2)) for box in boxes[:4]] == [
        (3, 2),
        (3, 2),
        (1.71, 2.33),
        (1.29, 2.33),
    ]


def test_nothing_in_nothing() -> None:
    assert squarify([], Box(0, 0, 10, 10)) == []
