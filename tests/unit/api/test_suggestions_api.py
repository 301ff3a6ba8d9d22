"""What became of suggestions, over HTTP: from the webhook of an annotation to the count by day and version."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.api.conftest import App

pytestmark = pytest.mark.unit

CONFIG = """<View><Image name="image" value="$image"/><Choices name="what" toName="image">
<Choice value="cat"/><Choice value="cup"/></Choices></View>"""
PROJECT = {"id": 9, "title": "Animals", "label_config": CONFIG}


def submit(app: App, number: int, suggested: str, chosen: str) -> None:
    def result(label: str) -> list[dict[str, Any]]:
        return [{"from_name": "what", "to_name": "image", "type": "choices", "value": {"choices": [label]}}]

    stamp = datetime.now(UTC).isoformat()
    prediction = {"id": 100 + number, "result": result(suggested), "model_version": "propagation", "score": 0.1}
    annotation = {
        "id": number,
        "task": number,
        "result": result(chosen),
        "created_at": stamp,
        "updated_at": stamp,
        "parent_prediction": prediction["id"],
        "prediction": prediction,
    }
    task = {"id": number, "data": {"image": f"https://images.example/{number}.jpg"}}
    event = {"action": "ANNOTATION_CREATED", "project": PROJECT, "task": task, "annotation": annotation}
    assert app.client.post("/webhook", json=event).status_code == 201


def test_suggestions_are_counted_by_day_and_version(app: App) -> None:
    for number in range(3):
        submit(app, number, "cat", "cat")
    submit(app, 3, "cat", "cup")
    answer = app.client.get("/projects/9/suggestions?days=7").json
    today = datetime.now(UTC).date().isoformat()
    row = {"day": today, "version": "propagation", "accepted": 3, "corrected": 1, "share": 0.75}
    assert answer == {"project": 9, "days": 7, "suggestions": [row]}
    metrics = app.client.get("/metrics").text
    assert 'label_order_suggestions{outcome="accepted",project="9",version="propagation"} 3.0' in metrics


def test_suggestions_of_an_unknown_project_are_not_found(app: App) -> None:
    assert app.client.get("/projects/77/suggestions").status_code == 404
