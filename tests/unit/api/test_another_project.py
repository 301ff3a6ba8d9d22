"""Calls about another project of a number that is known, and people of the Label Studio that has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from backend.storage.schema import Project, now
from tests.unit.api.conftest import App, MakeApp
from tests.unit.api.people_server import PeopleServer
from tests.unit.service.samples import CONFIG

pytestmark = pytest.mark.unit

MACHINE = {"Authorization": "Basic bHM6cHc="}  # ls:pw
OURS, THEIRS = "7.1700000000", "7.1710000000"
TOLD_OF_THEIRS = {"id": 7, "created_at": "2024-03-09T16:00:00Z", "label_config": CONFIG}


@pytest.fixture
def label_studio() -> Iterator[PeopleServer]:
    with PeopleServer() as server:
        yield server


@pytest.fixture
def app(make_app: MakeApp, label_studio: PeopleServer) -> App:
    made = make_app(label_studio_url=label_studio.url, basic_auth_user="ls", basic_auth_password="pw")
    set_up = {"project": OURS, "schema": CONFIG}
    assert made.client.post("/setup", json=set_up, headers=MACHINE).status_code == 200
    return made


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/setup", {"project": THEIRS, "schema": CONFIG}),
        ("/predict", {"project": THEIRS, "label_config": CONFIG, "tasks": []}),
        ("/webhook", {"action": "TASKS_DELETED", "project": TOLD_OF_THEIRS, "tasks": [{"id": 1}]}),
        ("/webhook", {"action": "START_TRAINING", "project": TOLD_OF_THEIRS}),
        ("/train", {"project": TOLD_OF_THEIRS}),
    ],
)
def test_calls_about_another_project_are_refused_with_what_to_do(app: App, path: str, body: dict[str, object]) -> None:
    answer = app.client.post(path, json=body, headers=MACHINE)
    assert answer.status_code == 409
    assert answer.json["error"]["code"] == "another_project"
    assert "forget --project 7" in answer.json["error"]["message"]
    assert app.client.post("/setup", json={"project": OURS, "schema": CONFIG}, headers=MACHINE).status_code == 200


def test_who_signs_in_through_another_label_studio_does_not_see_the_old_project(app: App) -> None:
    assert app.client.post("/sign-in", data={"with": "token", "token": "x" * 40}).status_code == 303
    pages = ("/dashboard/7", "/projects/7", "/projects/7/queue")
    assert [app.client.get(page).status_code for page in pages] == [200, 200, 200]
    assert [item["id"] for item in app.client.get("/projects").json["projects"]] == [7]
    with app.database.session() as session:
        session.execute(update(Project).values(missing_since=now(), another_made_at=now()))
    assert [app.client.get(page).status_code for page in pages] == [404, 404, 404]
    assert app.client.get("/projects").json["projects"] == []
    assert b"/dashboard/7" not in app.client.get("/dashboard/?all").data
    assert app.client.get("/projects/7", headers=MACHINE).status_code == 200
