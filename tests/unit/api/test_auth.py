"""Nobody is let in who should not be, and guessing takes long."""

from __future__ import annotations

import base64

import pytest

from backend.api.auth import WEBHOOK_HEADER, webhook_secret
from backend.api.throttle import FREE_ATTEMPTS, MAX_ADDRESSES, MAX_PAUSE, Throttle
from tests.unit.api.conftest import App, MakeApp
from tests.unit.service.samples import PROJECT

pytestmark = pytest.mark.unit


@pytest.fixture
def guarded(make_app: MakeApp) -> App:
    return make_app(basic_auth_user="ls", basic_auth_password="pass word")


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


@pytest.mark.parametrize(
    "header",
    [
        "Basic \xff\xfe",
        "Basic",
        "Basic ",
        "Basic ====",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"ls").decode(),
        "Bearer x",
        "Digest username=ls",
        "\x00",
        "Basic " + base64.b64encode(b"ls:").decode(),
    ],
)
def test_broken_credentials_are_refused_like_wrong_ones(guarded: App, header: str) -> None:
    answer = guarded.client.get("/projects", headers={"Authorization": header})
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "unauthorized")


def test_who_guesses_waits_and_who_knows_gets_in_afterwards(guarded: App) -> None:
    for _ in range(FREE_ATTEMPTS):
        assert guarded.client.get("/projects", headers=basic("ls", "guess")).status_code == 401
    refused = guarded.client.get("/projects", headers=basic("ls", "pass word"))
    assert (refused.status_code, refused.json["error"]["code"]) == (429, "too_many_attempts")
    assert int(refused.headers["Retry-After"]) >= 1
    elsewhere = guarded.client.get(
        "/projects", headers=basic("ls", "pass word"), environ_base={"REMOTE_ADDR": "10.0.0.9"}
    )
    assert elsewhere.status_code == 200
    assert guarded.client.get("/health").status_code == 200


def test_calls_without_credentials_guess_nothing(guarded: App) -> None:
    for _ in range(3 * FREE_ATTEMPTS):
        assert guarded.client.get("/projects").status_code == 401
    assert guarded.client.get("/projects", headers=basic("ls", "pass word")).status_code == 200


def test_a_webhook_secret_is_asked_for_without_basic_auth_too(make_app: MakeApp) -> None:
    app = make_app(webhook_secret="chosen")
    event = {"action": "PROJECT_UPDATED", "project": PROJECT}
    assert app.client.post("/webhook", json=event).status_code == 401
    assert app.client.post("/webhook", json=event, headers={WEBHOOK_HEADER: "wrong"}).status_code == 401
    header = {WEBHOOK_HEADER: webhook_secret(app.settings)}
    assert app.client.post("/webhook", json=event, headers=header).status_code == 201
    assert app.client.get("/projects").status_code == 200


def test_pauses_grow_to_a_bound_and_are_forgiven() -> None:
    time = [0.0]
    throttle = Throttle(clock=lambda: time[0])
    pauses = []
    for _ in range(FREE_ATTEMPTS + 12):
        throttle.wrong("a")
        pauses.append(throttle.pause("a"))
    assert pauses[: FREE_ATTEMPTS - 1] == [0.0] * (FREE_ATTEMPTS - 1)
    assert pauses[FREE_ATTEMPTS - 1 : FREE_ATTEMPTS + 2] == [1.0, 2.0, 4.0]
    assert pauses[-1] == MAX_PAUSE
    time[0] = MAX_PAUSE
    assert throttle.pause("a") == 0.0
    throttle.right("a")
    throttle.wrong("a")
    assert throttle.pause("a") == 0.0


def test_addresses_without_number_take_no_memory_without_bound() -> None:
    throttle = Throttle()
    for number in range(2 * MAX_ADDRESSES):
        throttle.wrong(str(number))
    assert len(throttle._wrong) == MAX_ADDRESSES
