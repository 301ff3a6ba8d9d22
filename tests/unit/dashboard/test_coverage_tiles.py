"""The treemap of a narrow domain, in which all labels lie below one branch, level by level."""

from __future__ import annotations

from typing import Any

import pytest

from backend.dashboard.treemap import Box
from backend.dashboard.views.coverage import _children, _tiles

pytestmark = pytest.mark.unit


def node(number: int, parent: int, photos: int, label: int | None = None) -> dict[str, Any]:
    return {
        "node": number,
        "parent": parent,
        "photos": photos,
        "answered": photos // 2,
        "label": label,
        "title": f"node {number}",
    }


def test_a_branch_that_holds_nearly_everything_gives_way_to_its_labels() -> None:
    labels = [node(10 + place, 2, 8, place) for place in range(10)]
    nodes = [node(0, -1, 90), node(1, -1, 10, 99), node(2, 3, 80), node(3, 0, 90), node(4, 3, 10), *labels]
    nodes += [node(30, 4, 10, 50)]
    children = _children(nodes)
    tiles = _tiles(children[-1], children, Box(0, 0, 1000, 500))
    shown = {tile["node"] for tile in tiles}
    assert shown == {0, 1, 4, *(item["node"] for item in labels)}  # 4 is small: it stays closed
    inside = [tile for tile in tiles if not tile["heading"]]
    assert sum(tile["photos"] for tile in inside) == 100  # each photo once
    area = {tile["node"]: tile["width"] * tile["height"] for tile in inside}
    assert area[10] == pytest.approx(area[19], rel=0.1)
