"""A server whose backbone is an ONNX file without an ImageNet layer: from a task to its suggestion."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import WeightsError
from backend.jobs.kinds import JobKind
from backend.service.context.backbones import backbone_files
from tests.application import AppFactory
from tests.photographs import photographs
from tests.unit.features.own_network import write_network

pytestmark = pytest.mark.unit

CLASSES = ("cat", "coffee", "rocket")
CONFIG = (
    '<View><Image name="i" value="$i"/><Choices name="c" toName="i">'
    + "".join(f'<Choice value="{name}"/>' for name in CLASSES)
    + "</Choices></View>"
)


def test_it_orders_learns_and_answers(app_factory: AppFactory, tmp_path: Path) -> None:
    network = write_network(tmp_path / "own.onnx")
    app = app_factory(
        backbone=str(network), weights_dir=tmp_path / "models", local_roots=(str(photographs().resolve()),)
    )
    assert app.client.post("/setup", json={"project": "1.1", "schema": CONFIG}).status_code == 200
    tasks = [
        {"id": 10 * label + number, "data": {"i": str((photographs() / name / f"{number:03}.jpg").resolve())}}
        for label, name in enumerate(CLASSES)
        for number in range(8)
    ]
    event = {"action": "TASKS_CREATED", "project": {"id": 1, "label_config": CONFIG}, "tasks": tasks}
    assert app.client.post("/webhook", json=event).status_code == 201
    app.run_waiting(1)
    first = app.client.post("/predict", json={"project": "1.1", "tasks": tasks[:2]}).get_json()["results"]
    assert [answer.get("result") for answer in first] == [[], []], "nothing is known: nothing is suggested"
    for task in tasks[::2]:
        value = {"choices": [CLASSES[task["id"] // 10]]}
        annotation = {
            "id": task["id"],
            "task": task["id"],
            "project": 1,
            "completed_by": 1,
            "result": [{"from_name": "c", "to_name": "i", "type": "choices", "value": value}],
        }
        event = {"action": "ANNOTATION_CREATED", "project": {"id": 1}, "task": task, "annotation": annotation}
        assert app.client.post("/webhook", json=event).status_code == 201
    app.run_waiting(1)
    app.run(JobKind.TRAIN, 1)
    answers = app.client.post("/predict", json={"project": "1.1", "tasks": tasks[1::2]}).get_json()["results"]
    said = [answer["result"][0]["value"]["choices"][0] if answer["result"] else "" for answer in answers]
    right = [label == CLASSES[task["id"] // 10] for label, task in zip(said, tasks[1::2], strict=True)]
    assert sum(right) >= 8, said
    files = backbone_files(app.settings, app.runtime.backbone.id)
    with pytest.raises(WeightsError, match="neither fine-tuned nor exported"):
        files.in_keras()
