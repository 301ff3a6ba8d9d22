"""The page on Prometheus and the Grafana dashboard speak of the metrics that exist, with the labels that they have."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backend.metrics import REGISTRY

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "label_order_"


def names_and_labels() -> dict[str, set[str]]:
    """Each metric as Prometheus keeps it, and its labels; a histogram has a series for its buckets."""
    found = {}
    for name, collector in REGISTRY._names_to_collectors.items():
        labels = set(collector._labelnames)
        found[name] = labels | {"le"} if name.endswith("_bucket") else labels
    return found


def queries() -> list[str]:
    dashboard = json.loads((ROOT / "examples" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_every_metric_is_on_the_page_and_nothing_else() -> None:
    page = (ROOT / "docs" / "how-to" / "prometheus.md").read_text(encoding="utf-8")
    rows = set(re.findall(rf"^\| `({PREFIX}\w+)`", page, re.MULTILINE))
    collected = {metric.name + ("_total" if metric.type == "counter" else "") for metric in REGISTRY.collect()}
    assert rows == collected


@pytest.mark.parametrize("query", queries())
def test_a_panel_asks_for_what_is_there(query: str) -> None:
    existing = names_and_labels()
    asked = re.findall(rf"({PREFIX}\w+)", query)
    assert asked
    assert set(asked) <= existing.keys()
    labels = {label for name in asked for label in existing[name]}
    wanted = {name.strip() for group in re.findall(r"by \(([^)]*)\)", query) for name in group.split(",")}
    wanted |= set(re.findall(r"(\w+)=\"", query))
    assert wanted <= labels


def test_panels_do_not_lie_on_each_other() -> None:
    dashboard = json.loads((ROOT / "examples" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
