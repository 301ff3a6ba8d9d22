"""Label Studio's contract, asked of the application in this process."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from skimage import data as photographs

from backend.api.auth import WEBHOOK_HEADER, webhook_secret
from backend.worker.handlers import job_handlers
from backend.worker.runner import Runner
from tests.unit.api.conftest import App, MakeApp
from tests.unit.service.samples import CONFIG, PROJECT, annotated, annotation

pytestmark = pytest.mark.unit

SETUP = {
    "project": "7.1700000000",
    "schema": CONFIG,
    "hostname": "http://ls",
    "access_token": "t",
    "extra_params": None,
}
ANIMALS = """<View><Image name="photo" value="$photo"/>
<Choices name="what" toName="photo"><Choice value="cat"/><Choice value="rocket"/><Choice value="cup"/></Choices></View>"""


def test_health_answers_before_anything_is_loaded(app: App) -> None:
    answer = app.client.get("/health")
    assert answer.status_code == 200
    assert answer.json == {
        "status": "UP",
        "model_class": "LabelOrder",
        "backbone": "loading",
        "pushes_to_label_studio": False,
    }


def test_setup_names_a_version_that_is_a_string(app: App) -> None:
    answer = app.client.post("/setup", json=SETUP)
    assert answer.json == {"model_version": "wordnet"}
    assert app.client.get("/projects").json["projects"][0]["id"] == 7


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({**SETUP, "schema": "<View><Text name='t' value='$t'/></View>"}, "no_image_choice", "nothing that classifies"),
        ({**SETUP, "schema": "<View>"}, "malformed_xml", "not valid XML"),
        ({**SETUP, "extra_params": "{not json"}, "bad_setting", "not valid JSON"),
        ({**SETUP, "extra_params": '{"window_sise": 5}'}, "bad_setting", "did you mean window_size"),
        ({**SETUP, "extra_params": '{"window_size": 0}'}, "bad_setting", "window_size"),
        ({**SETUP, "extra_params": '{"strategy": "magic"}'}, "bad_setting", "magic"),
        ({**SETUP, "extra_params": '{"weights": {"novelti": 1}}'}, "bad_setting", "novelty"),
    ],
)
def test_setup_refuses_with_the_thing_and_the_fix(app: App, body: dict[str, Any], code: str, says: str) -> None:
    answer = app.client.post("/setup", json=body)
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == code
    assert says in answer.json["error"]["message"]
    assert answer.json["detail"] == answer.json["error"]["message"]
    assert says in answer.status, "of a refused /setup Label Studio shows the status line and nothing else"


def test_setup_without_a_project_says_so(app: App) -> None:
    assert app.client.post("/setup", json={}).status_code == 404


def test_a_body_that_is_no_object_is_refused(app: App) -> None:
    answer = app.client.post("/webhook", data="[1, 2]", content_type="application/json")
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "bad_request")


def test_an_unknown_address_has_the_same_error_shape(app: App) -> None:
    answer = app.client.get("/no/such/thing")
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found")


def test_webhook_stores_and_names_its_jobs(app: App) -> None:
    answer = app.client.post("/webhook", json=annotated("ANNOTATION_CREATED", annotation(1)))
    assert answer.status_code == 201
    assert list(answer.json["jobs"]) == ["refresh"]


def test_start_training_gives_the_job_to_ask_about(app: App) -> None:
    job = app.client.post("/webhook", json={"action": "START_TRAINING", "project": PROJECT}).json["job"]
    status = app.client.get(f"/job_status?job={job}").json
    assert (status["kind"], status["job_status"], status["percent"]) == ("train", "queued", 0)
    assert app.client.post("/job_status", json={"job": job}).json == status
    assert [item["job"] for item in app.client.get("/projects/7/jobs").json["jobs"] if item["kind"] == "train"] == [job]


def test_train_is_the_old_name_of_start_training(app: App) -> None:
    assert app.client.post("/train", json={"project": PROJECT}).status_code == 201


@pytest.mark.parametrize(
    ("body", "kind", "payload"),
    [
        ({}, "train", {}),
        ({"adaptation": {"loss": "softmax"}}, "train", {"adaptation": {"loss": "softmax"}}),
        ({"fine_tune": {"epochs": 2}}, "fine_tune", {"epochs": 2}),
    ],
)
def test_a_training_can_be_asked_for_with_its_options(
    app: App, body: dict[str, Any], kind: str, payload: dict[str, Any]
) -> None:
    app.client.post("/setup", json={"project": "1.1", "schema": CONFIG})
    answer = app.client.post("/projects/1/train", json=body)
    assert answer.status_code == 202
    job = app.jobs.ledger.get(answer.get_json()["job"])
    assert (job.kind, job.payload) == (kind, payload)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"epochs": 2}, 422, "or empty"),
        ([1], 422, "or empty"),
        ({"fine_tune": 2}, 422, "or empty"),
        ({"fine_tune": {"epochs": 0}}, 400, "epochs"),
        ({"adaptation": {"margin": -1}}, 400, "margin"),
        ({"adaptation": {"steps": 5}, "fine_tune": {"epochs": 2}}, 400, "train again afterwards"),
    ],
)
def test_a_training_that_makes_no_sense_is_refused(app: App, body: Any, status: int, says: str) -> None:
    app.client.post("/setup", json={"project": "1.1", "schema": CONFIG})
    answer = app.client.post("/projects/1/train", json=body)
    assert answer.status_code == status
    assert says in answer.get_json()["error"]["message"]


def test_versions_without_any_project(app: App) -> None:
    assert app.client.get("/versions").json["versions"] == []


def test_unknown_job_project_and_model_are_named(app: App) -> None:
    app.client.post("/setup", json=SETUP)
    for path, name in (("/job_status?job=x1", "x1"), ("/projects/99", "99"), ("/projects/7/models/head-9", "head-9")):
        answer = app.client.get(path)
        assert answer.status_code == 404
        assert name in answer.json["error"]["message"]


def test_basic_auth_guards_all_but_health(make_app: MakeApp) -> None:
    app = make_app(basic_auth_user="ls", basic_auth_password="pass word")
    assert app.client.get("/health").status_code == 200
    refused = app.client.post("/setup", json=SETUP)
    assert (refused.status_code, refused.json["error"]["code"]) == (401, "unauthorized")
    token = base64.b64encode(b"ls:pass word").decode()
    assert app.client.post("/setup", json=SETUP, headers={"Authorization": f"Basic {token}"}).status_code == 200
    wrong = base64.b64encode(b"ls:password").decode()
    assert app.client.post("/setup", json=SETUP, headers={"Authorization": f"Basic {wrong}"}).status_code == 401


def test_webhooks_come_without_basic_auth_and_carry_the_secret(make_app: MakeApp) -> None:
    app = make_app(basic_auth_user="ls", basic_auth_password="pass word")
    event = annotated("ANNOTATION_CREATED", annotation(1))
    assert app.client.post("/webhook", json=event).status_code == 401
    header = {WEBHOOK_HEADER: webhook_secret(app.settings)}
    assert app.client.post("/webhook", json=event, headers=header).status_code == 201
    assert app.client.get("/projects", headers=header).status_code == 401  # good for webhooks only


def photo_tasks(folder: Path) -> list[dict[str, Any]]:
    for name in ("cat", "rocket", "coffee"):
        picture = {"cat": photographs.cat, "rocket": photographs.rocket, "coffee": photographs.coffee}[name]()
        Image.fromarray(picture).save(folder / f"{name}.jpg", quality=92)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 not a photo")
    names = ("cat", "broken", "rocket", "coffee", "missing")
    return [{"id": n, "data": {"photo": str(folder / f"{name}.jpg")}} for n, name in enumerate(names, 1)]


def test_predict_answers_each_task_in_order_and_leaves_out_the_unreadable(app: App, tmp_path: Path) -> None:
    tasks = photo_tasks(tmp_path)
    body = {"project": "9.1", "label_config": ANIMALS, "tasks": tasks}
    results = app.client.post("/predict", json=body).json["results"]
    assert [bool(item) for item in results] == [True, False, True, True, False]
    assert results[1] == []
    chosen = [item["result"][0]["value"]["choices"][0] for item in results if item]
    assert chosen == ["cat", "rocket", "cup"]
    for item in results:
        if item:
            assert item["model_version"] == "wordnet"
            assert 0.5 < item["score"] < 1.0
            assert item["result"][0]["from_name"] == "what"
            assert 0.0 <= item["result"][0]["score"] <= 1.0
    failures = app.client.get("/projects/9/failures").json["failures"]
    assert [(item["task"], item["reason"]) for item in failures] == [(2, "unreadable"), (5, "not_found")]
    metrics = app.client.get("/metrics").text
    assert 'label_order_image_failures_total{reason="not_found"}' in metrics
    assert app.client.post("/predict", json=body).json["results"] == results  # the same from the store


def test_predict_beyond_its_time_answers_empty_and_embeds_in_the_background(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(predict_budget_seconds=1e-6)
    tasks = photo_tasks(tmp_path)[:1]
    answer = app.client.post("/predict", json={"project": "9.1", "label_config": ANIMALS, "tasks": tasks})
    assert answer.json["results"] == [[]]
    kinds = [job["kind"] for job in app.client.get("/projects/9/jobs").json["jobs"]]
    assert "embed" in kinds


def test_predict_without_tasks_is_refused(app: App) -> None:
    answer = app.client.post("/predict", json={"project": "9.1"})
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "bad_request")


def test_predict_of_no_task_answers_no_result(app: App) -> None:
    app.client.post("/setup", json={**SETUP, "schema": ANIMALS})
    assert app.client.post("/predict", json={"project": "7.1", "tasks": []}).json == {"results": []}


def test_the_jobs_make_a_window_that_predict_agrees_with(app: App, tmp_path: Path) -> None:
    tasks = photo_tasks(tmp_path)
    project = {"id": 9, "title": "Animals", "label_config": ANIMALS}
    app.client.post("/webhook", json={"action": "TASKS_CREATED", "project": project, "tasks": tasks})
    runner = Runner(app.jobs.ledger, job_handlers(app.runtime), wake=lambda: None)
    for _ in range(6):
        for job in app.jobs.ledger.waiting(9):
            runner.run(job)
    described = app.client.get("/projects/9").json
    assert described["published_version"] == "wordnet.1"
    assert described["tasks"] == {"total": 5, "embedded": 3, "failed": 2, "pending": 0}
    queue = app.client.get("/projects/9/queue").json["queue"]
    assert sorted(item["task"] for item in queue) == [1, 3, 4]
    assert all(item["reason"] and item["components"] for item in queue)
    results = app.client.post("/predict", json={"project": "9.1", "label_config": ANIMALS, "tasks": tasks}).json[
        "results"
    ]
    scores = {task["id"]: item["score"] for task, item in zip(tasks, results, strict=True) if item}
    assert scores == {item["task"]: item["score"] for item in queue}
    assert {item["model_version"] for item in results if item} == {"wordnet.1"}


def test_max_image_pixels_of_the_settings_reaches_predict(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(max_image_pixels=10_000)
    body = {"project": "9.1", "label_config": ANIMALS, "tasks": photo_tasks(tmp_path)[:1]}
    assert app.client.post("/predict", json=body).json["results"] == [[]]
    failures = app.client.get("/projects/9/failures").json["failures"]
    assert [item["reason"] for item in failures] == ["too_many_pixels"]
