"""The adapter under label-studio-ml 1.0.9's own web application, and called as 2.x calls it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from label_studio_ml.api import init_app
from PIL import Image
from skimage import data as photographs

from backend.model import LabelOrder, process_engine
from backend.storage.schema import Annotation
from tests.application import MODELS, WORDNET
from tests.unit.service.samples import annotation

pytestmark = pytest.mark.unit

CONFIG = """<View><Image name="photo" value="$photo"/>
<Choices name="sport" toName="photo"><Choice value="Cat"/><Choice value="Tennis"/><Choice value="Golf"/></Choices></View>"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    values = {
        "STATE_DIR": tmp_path / "state",
        "WEIGHTS_DIR": MODELS,
        "WORDNET_DIR": WORDNET,
        "BACKBONE": "efficientnet_lite2",
        "LOCAL_ROOTS": tmp_path,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    from backend import model

    model._engine_of.cache_clear()
    return tmp_path


@pytest.fixture
def server(environment: Path) -> Iterator[FlaskClient]:
    return init_app(LabelOrder, model_dir=str(environment / "models")).test_client()


def cat_task(folder: Path) -> dict[str, Any]:
    Image.fromarray(photographs.cat()).save(folder / "cat.jpg")
    return {"id": 1, "project": 9, "data": {"photo": str(folder / "cat.jpg")}}


def test_setup_and_predict_through_1_0_9(server: FlaskClient, environment: Path) -> None:
    assert server.post("/setup", json={"project": "9.1", "schema": CONFIG}).status_code == 200
    body = {"tasks": [cat_task(environment)], "project": "9.1", "label_config": CONFIG, "params": {"context": None}}
    results = server.post("/predict", json=body).json["results"]
    assert results[0]["result"][0]["value"]["choices"] == ["Cat"]
    assert results[0]["model_version"] == "wordnet"


def test_an_event_through_1_0_9_is_stored_by_its_job(server: FlaskClient) -> None:
    project = {"id": 9, "title": "Cats", "label_config": CONFIG}
    event = {"action": "ANNOTATION_CREATED", "project": project, "task": {"id": 1, "data": {"photo": "none.jpg"}}}
    assert server.post("/webhook", json={**event, "annotation": annotation(5)}).status_code == 201
    end = time.monotonic() + 120
    found = None
    while found is None and time.monotonic() < end:
        time.sleep(0.2)
        with process_engine().runtime.database.session() as session:
            found = session.get(Annotation, (9, 5))
    assert found is not None
    assert found.task_id == 1


def test_fit_as_2_x_calls_it_learns_and_answers_a_dict(environment: Path) -> None:
    task = cat_task(environment)
    given = {**annotation(5, "Cat"), "result": []}
    given["result"] = [{"from_name": "sport", "to_name": "photo", "type": "choices", "value": {"choices": ["Cat"]}}]
    project = {"id": 9, "title": "Cats", "label_config": CONFIG}
    data = {"action": "ANNOTATION_CREATED", "project": project, "task": task, "annotation": given}
    model = LabelOrder(label_config=CONFIG)
    created = model.fit("TASKS_CREATED", {"action": "TASKS_CREATED", "project": project, "tasks": [task]})
    assert created["status"] == "done"
    assert model.fit("ANNOTATION_CREATED", data, additional="ignored")["project"] == 9
    prediction = LabelOrder(label_config=CONFIG).predict([task])[0]
    assert prediction["model_version"].startswith("propagation.")
    assert prediction["result"][0]["value"]["choices"] == ["Cat"]


def test_fit_never_raises_into_the_request(environment: Path) -> None:
    model = LabelOrder(label_config=CONFIG)
    assert model.fit()["status"] == "nothing to do: no event"
    assert model.fit("ANNOTATION_CREATED", {"project": {}})["status"].startswith("ignored")
