"""Whatever is sent, the answer is one of ours: never a 500, never more memory than allowed."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from backend.api.body import MAX_NESTING, BodyBudget
from backend.errors import BusyError
from backend.storage.schema import Job
from tests.unit.api.conftest import App, MakeApp
from tests.unit.service.samples import CONFIG, PROJECT, annotated, annotation, task

pytestmark = pytest.mark.unit


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


SETUP = {"project": "7.1", "schema": CONFIG}
BROKEN: list[tuple[str, Any]] = [
    ("/predict", {"project": "7.1", "tasks": [1]}),
    ("/predict", {"project": "7.1", "tasks": [{"id": 2**70, "data": {}}]}),
    ("/predict", {"project": "7.1", "tasks": [{"id": 1, "data": [1]}]}),
    ("/predict", {"project": "7.1", "tasks": [], "label_config": 1}),
    ("/setup", {"project": "²", "schema": CONFIG}),
    ("/setup", {"project": 2**70, "schema": CONFIG}),
    ("/setup", {"project": str(2**31), "schema": CONFIG}),
    ("/setup", {"project": "7", "schema": [CONFIG]}),
    ("/setup", {"project": "7", "schema": CONFIG, "extra_params": nested(100_000)}),
    ("/setup", {"project": "7", "schema": CONFIG, "extra_params": [1]}),
    ("/webhook", {"action": 3, "project": PROJECT}),
    ("/webhook", {"action": "PROJECT_UPDATED", "project": {"id": 7, "title": [None]}}),
    ("/webhook", {"action": "ANNOTATION_CREATED", "project": PROJECT, "task": 1, "annotation": 1}),
    ("/webhook", {"action": "ANNOTATION_CREATED", "project": PROJECT, "annotation": {"id": "²", "task": 1}}),
    ("/train", {"project": [1]}),
    ("/job_status", {"job": [1]}),
    ("/projects/7/train", {"adaptation": {"steps": 10**400}}),
]


@pytest.mark.parametrize(("path", "body"), BROKEN)
def test_broken_requests_are_refused_with_a_reason(app: App, path: str, body: Any) -> None:
    app.client.post("/setup", json=SETUP)
    answer = app.client.post(path, json=body)
    assert answer.status_code in (400, 404, 422)
    assert answer.json["error"]["code"]
    assert len(answer.json["error"]["message"]) < 500


@pytest.mark.parametrize(
    "data",
    [
        b'{"project": ',
        b"\xff\xfe",
        b'{"project": NaN}',
        b'{"project": 1e999}',
        b'{"project": Infinity}',
        b'{"a": ' + nested(100_000).encode() + b"}",
        b'{"a": ' + nested(MAX_NESTING + 1).encode() + b"}",
        b'{"a": ' + b"9" * 10_000 + b"}",
        '{"a": "\ud800"}'.encode("utf-8", "surrogatepass"),
    ],
)
def test_what_is_no_json_is_refused(app: App, data: bytes) -> None:
    answer = app.client.post("/setup", data=data, content_type="application/json")
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_json")


@pytest.mark.parametrize(
    "path",
    [
        "/projects/4294967296",
        "/projects/99999999999999999999/queue",
        "/projects/7/models/%00",
        "/projects/7/tasks/9223372036854775808/attribution.png",
    ],
)
def test_addresses_of_nothing_are_not_found(app: App, path: str) -> None:
    app.client.post("/setup", json=SETUP)
    assert app.client.get(path).status_code == 404


@pytest.mark.parametrize("limit", ["x", "-1", "0", "1.5", "²", ""])
def test_a_limit_that_is_none_is_refused(app: App, limit: str) -> None:
    app.client.post("/setup", json=SETUP)
    assert app.client.get("/projects/7/jobs", query_string={"limit": limit}).status_code == 422


def test_a_limit_beyond_the_most_is_the_most(app: App) -> None:
    app.client.post("/setup", json=SETUP)
    assert app.client.get("/projects/7/jobs?limit=99999").status_code == 200


def test_a_lone_surrogate_costs_its_own_task_alone(app: App) -> None:
    tasks = [task(1), {"id": 2, "data": {"image": "/data/upload/7/\ud800\0.jpg"}}]
    event = {"action": "TASKS_CREATED", "project": PROJECT, "tasks": tasks}
    assert app.client.post("/webhook", json=event).status_code == 201
    assert app.client.get("/projects/7").json["tasks"]["total"] == 2
    answer = app.client.post("/predict", json={"project": "7.1", "label_config": CONFIG, "tasks": tasks})
    assert answer.json["results"] == [[], []]


def test_a_malformed_annotation_is_answered_with_its_name(app: App) -> None:
    answer = app.client.post("/webhook", json=annotated("ANNOTATION_CREATED", {**annotation(5), "result": ["x"]}))
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "bad_event")
    assert "Annotation 5" in answer.json["error"]["message"]


def test_actions_that_nobody_knows_make_no_metric_of_their_own(app: App) -> None:
    for number in range(20):
        app.client.post("/webhook", json={"action": f"NONSENSE_{number}", "project": PROJECT})
    text = app.client.get("/metrics").text
    assert "NONSENSE" not in text
    assert 'label_order_events_total{action="unknown"}' in text


@pytest.mark.parametrize(("path", "most"), [("/predict", 1_000_000), ("/webhook", 1_000_000), ("/job_status", 1 << 20)])
@pytest.mark.parametrize("stated", [True, False])
def test_too_large_a_body_is_refused_unread(make_app: MakeApp, path: str, most: int, stated: bool) -> None:
    app = make_app(max_request_bytes=1_000_000)
    body = json.dumps({"project": "7.1", "action": "x", "tasks": [], "more": "x" * most}).encode()
    stream: dict[str, Any] = {"input_stream": io.BytesIO(body), "content_type": "application/json"}
    if stated:
        stream["content_length"] = len(body)
    else:
        stream |= {"headers": {"Transfer-Encoding": "chunked"}, "environ_overrides": {"wsgi.input_terminated": True}}
    answer = app.client.post(path, **stream)
    assert (answer.status_code, answer.json["error"]["code"]) == (413, "request_too_large")
    assert "MAX_REQUEST_BYTES" in answer.json["error"]["message"]


def test_bodies_together_have_a_limit_too() -> None:
    budget = BodyBudget(100)
    with budget.hold(60):
        with budget.hold(40):
            pass
        with pytest.raises(BusyError), budget.hold(50):
            pass
    with budget.hold(100):
        pass


def test_methods_that_a_call_has_not_say_which_it_has(app: App) -> None:
    answer = app.client.get("/predict")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert answer.json["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("roots", [["nonsense.n.99"], ["domain:qqxyzzy.n.01"], ["qqqxyzzy"]])
def test_relevance_that_nobody_knows_is_refused_when_it_is_set(app: App, roots: list[str]) -> None:
    answer = app.client.post("/setup", json={**SETUP, "extra_params": {"relevance": roots}})
    assert answer.status_code == 400
    assert "relevance" in answer.json["error"]["message"]
    assert app.client.post("/setup", json={**SETUP, "extra_params": {"relevance": ["Tennis"]}}).status_code == 200


def test_answers_name_settings_instead_of_folders(app: App) -> None:
    app.client.post("/setup", json=SETUP)
    job = app.jobs.enqueue("train", 7)
    with app.database.session() as session:
        session.get_one(Job, job).message = f"{app.settings.state_dir.resolve()}/projects/7/models is damaged"
    assert app.client.get(f"/job_status?job={job}").json["message"] == "STATE_DIR/projects/7/models is damaged"
