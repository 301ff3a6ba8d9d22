"""The published description of the API is true: every route is in it, and no request that it allows breaks a call."""

from __future__ import annotations

import re

import pytest

from backend.api.describe import description_of
from tests.unit.api.conftest import App

pytestmark = pytest.mark.unit


def test_every_route_is_described(app: App) -> None:
    flask = app.client.application
    document = app.client.get("/openapi.json").json
    methods: dict[str, set[str]] = {}
    for rule in flask.url_map.iter_rules():
        if rule.endpoint.startswith("dashboard."):
            continue  # pages for people, and their style and script
        assert description_of(flask.view_functions[rule.endpoint]) is not None, rule.rule
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        methods.setdefault(path, set()).update(m.lower() for m in (rule.methods or set()) - {"HEAD", "OPTIONS"})
    assert {path: set(calls) for path, calls in document["paths"].items()} == methods


def test_references_lead_to_schemas(app: App) -> None:
    document = app.client.get("/openapi.json")
    wanted = set(re.findall(r'"#/components/schemas/(\w+)"', document.text))
    assert wanted == set(document.json["components"]["schemas"])
    numbers = [call["operationId"] for path in document.json["paths"].values() for call in path.values()]
    assert len(numbers) == len(set(numbers))
