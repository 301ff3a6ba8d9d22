"""Coverage: the label tree as a treemap; area: photos believed below, colour: share of them answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.dashboard.page import Arguments, ProjectPage
from backend.dashboard.treemap import Box, squarify
from backend.errors import BackendError
from backend.service.context.context import Runtime
from backend.service.insight.coverage import ROOT, coverage_of
from backend.storage.schema import Project

SIZES = (("wide", 1160, 560), ("narrow", 368, 560))
HEADING = 24
GAP = 2
LETTER = 7.5
"""Pixels of a letter at 13 px, on average."""
BLOCK = 0.15
"""Share of all photos shown above which a branch on the second level is opened."""
DARKEST = 0.5
"""Opacity of the accent colour where all is answered: text above it stays readable."""

Node = Mapping[str, Any]


def _values(runtime: Runtime, project: Project, arguments: Arguments) -> dict[str, Any]:
    try:
        nodes = coverage_of(runtime, project)
    except BackendError as error:
        return {"waiting": str(error)}
    wanted = arguments.get("node", "")
    chosen = int(wanted) if wanted.isascii() and wanted.isdecimal() and int(wanted) < len(nodes) else ROOT
    if chosen != ROOT and nodes[chosen]["label"] is not None:
        chosen = nodes[chosen]["parent"]
    children = _children(nodes)
    while (
        len(only := [child for child in children.get(chosen, ()) if child["photos"]]) == 1 and only[0]["label"] is None
    ):
        chosen = only[0]["node"]  # a level with one branch tells nothing
    path: list[Node] = []
    above = chosen
    while above != ROOT:
        path.insert(0, nodes[above])
        above = nodes[above]["parent"]
    shown = children.get(chosen, [])
    return {
        "waiting": "",
        "path": path,
        "maps": [
            {
                "name": name,
                "width": width,
                "height": height,
                "tiles": _tiles(shown, children, Box(0, 0, width, height)),
            }
            for name, width, height in SIZES
        ],
        "rows": shown,
        "empty": [node for node in nodes if node["label"] is not None and not node["photos"]],
    }


def _children(nodes: Sequence[Node]) -> dict[int, list[Node]]:
    found: dict[int, list[Node]] = {}
    for node in sorted(nodes, key=lambda node: (-node["photos"], node["title"])):
        found.setdefault(node["parent"], []).append(node)
    return found


def _tiles(shown: Sequence[Node], children: Mapping[int, Sequence[Node]], box: Box) -> list[dict[str, Any]]:
    """The tiles of two levels, those above first; on the second, large branches are opened."""
    tiles: list[dict[str, Any]] = []
    kept = [node for node in shown if node["photos"]]
    everything = sum(node["photos"] for node in kept)
    for node, place in zip(kept, squarify([node["photos"] for node in kept], box), strict=True):
        below = _opened(children.get(node["node"], ()), children, everything)
        nested = bool(below) and place.height > 3 * HEADING and place.width > 3 * HEADING
        tiles.append(_tile(node, place, heading=nested))
        if nested:
            inside = Box(place.x + GAP, place.y + HEADING, place.width - 2 * GAP, place.height - HEADING - GAP)
            boxes = squarify([child["photos"] for child in below], inside)
            tiles.extend(_tile(child, at) for child, at in zip(below, boxes, strict=True))
    return tiles


def _opened(level: Sequence[Node], children: Mapping[int, Sequence[Node]], everything: int) -> list[Node]:
    """The nodes of a level that have photos, the largest first; branches that would be mere blocks give way to theirs.

    In a narrow domain nearly all labels lie below one branch, level by level: their colours are what a lead looks for.
    """
    found = [node for node in level if node["photos"]]
    while True:
        branches = [node for node in found if node["label"] is None and children.get(node["node"])]
        largest = max(branches, key=lambda node: node["photos"], default=None)
        if largest is None or largest["photos"] <= BLOCK * everything:
            return sorted(found, key=lambda node: (-node["photos"], node["title"]))
        found.remove(largest)
        found.extend(node for node in children[largest["node"]] if node["photos"])


def _tile(node: Node, place: Box, *, heading: bool = False) -> dict[str, Any]:
    share = node["answered"] / node["photos"]
    letters = int((place.width - 12) / LETTER)
    name = node["title"] if len(node["title"]) <= letters else node["title"][: max(letters - 1, 0)] + "…"
    return {
        **node,
        "x": round(place.x + GAP / 2, 1),
        "y": round(place.y + GAP / 2, 1),
        "width": round(max(place.width - GAP, 0.5), 1),
        "height": round(max(place.height - GAP, 0.5), 1),
        "opacity": 0.0 if heading else round(0.04 + (DARKEST - 0.04) * share, 3),
        "text": name if letters > 3 and place.height > 20 else "",
        "figures": f"{node['answered']:,} of {node['photos']:,}"
        if letters > 12 and place.height > 44 and not heading
        else "",
        "heading": heading,
        "said": f"{node['title']}: {node['photos']:,} photos, {node['answered']:,} answered",
    }


PAGE = ProjectPage("coverage", "Coverage", "coverage.html", _values)
