"""Sessions end by themselves; what Label Studio said of a person is asked anew after a minute."""

from __future__ import annotations

import pytest
from flask import Flask, Request, Response
from flask import request as current_request

from backend.api.sessions import COOKIE, PER_PERSON, Sessions
from backend.dashboard.asking import REMEMBERED_SECONDS
from backend.dashboard.visitor import Visitor
from backend.errors import LabelStudioError
from backend.sync.person import PersonCalls, Role
from tests.unit.api.conftest import MakeApp

pytestmark = pytest.mark.unit


class Asked:
    """A Label Studio that counts what it is asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.answer = Role.WRITE

    def role(self, project_id: int) -> Role:
        self.calls += 1
        return self.answer

    def projects(self) -> frozenset[int]:
        self.calls += 1
        return frozenset({1})


def request_with(cookie: str) -> Request:
    with Flask("test").test_request_context(headers={"Cookie": f"{COOKIE}={cookie}"}):
        return current_request._get_current_object()  # type: ignore[attr-defined, no-any-return]


def test_a_session_ends_after_its_time_and_when_it_is_ended() -> None:
    time = [0.0]
    sessions = Sessions(100.0, clock=lambda: time[0])
    first, second = sessions.start(Visitor("ann")), sessions.start(Visitor("bob"))
    found = sessions.of(request_with(first))
    assert found is not None
    assert found.name == "ann"
    sessions.end(request_with(first))
    assert sessions.of(request_with(first)) is None
    assert sessions.of(request_with(second)) is not None
    time[0] = 100.0
    assert sessions.of(request_with(second)) is None
    assert sessions.of(request_with("")) is None


def test_one_person_cannot_push_others_out() -> None:
    sessions = Sessions(100.0)
    other = sessions.start(Visitor("bob"))
    own = [sessions.start(Visitor("ann")) for _ in range(3 * PER_PERSON)]
    assert [sessions.of(request_with(key)) is not None for key in own].count(True) == PER_PERSON
    assert sessions.of(request_with(other)) is not None


def test_a_cookie_is_sent_over_tls_alone_where_there_is_tls() -> None:
    response = Response()
    Sessions(60.0).give(response, "key", secure=True)
    cookie = response.headers["Set-Cookie"]
    assert all(part in cookie for part in ("Secure", "HttpOnly", "SameSite=Lax", "Max-Age=60"))


def test_a_role_is_remembered_for_a_minute() -> None:
    time, asked = [0.0], Asked()
    person = Visitor("ann", asked, clock=lambda: time[0])
    assert [person.may_write(1) for _ in range(5)] == [True] * 5
    assert [person.sees([1, 2]) for _ in range(5)] == [{1}] * 5
    assert asked.calls == 2
    asked.answer = Role.READ
    time[0] = REMEMBERED_SECONDS + 1
    assert not person.may_write(1)


@pytest.mark.parametrize("given", ["", " ", "a b", "a\r\nX-Evil: 1", "ä", "x" * 5000])
def test_what_cannot_be_a_token_is_sent_nowhere(given: str) -> None:
    with pytest.raises(LabelStudioError) as caught:
        PersonCalls("http://127.0.0.1:9", token=given)
    assert caught.value.reason == "label_studio_token"
    with pytest.raises(LabelStudioError) as caught:
        PersonCalls("http://127.0.0.1:9", cookie=given or " ")
    assert caught.value.reason == "label_studio_token"


@pytest.mark.parametrize("missing", ["sign_in", "label_studio_url", "basic_auth"])
def test_nobody_signs_in_where_it_is_off(make_app: MakeApp, missing: str) -> None:
    given: dict[str, object] = {
        "label_studio_url": "http://127.0.0.1:9",
        "basic_auth_user": "ls",
        "basic_auth_password": "pw",
    }
    without = {
        "sign_in": {"sign_in": False},
        "label_studio_url": {"label_studio_url": ""},
        "basic_auth": {"basic_auth_user": "", "basic_auth_password": ""},
    }
    given |= without[missing]
    app = make_app(**given)
    for answer in (app.client.get("/sign-in"), app.client.post("/sign-in", data={"with": "token", "token": "x"})):
        assert answer.status_code == 404
    page = app.client.get("/dashboard/?all=1")
    assert page.status_code == (200 if missing == "basic_auth" else 401)
    assert ("WWW-Authenticate" in page.headers) == (missing != "basic_auth")


def test_without_label_studio_nobody_is_let_in(make_app: MakeApp) -> None:
    app = make_app(label_studio_url="http://127.0.0.1:9", basic_auth_user="ls", basic_auth_password="pw")
    answer = app.client.post("/sign-in", data={"with": "token", "token": "x" * 40})
    assert answer.status_code == 502
    assert "Label Studio cannot be asked" in answer.text
    assert app.client.get("/dashboard/").status_code == 302
    assert app.client.get("/projects").headers["WWW-Authenticate"].startswith("Basic")
    assert "WWW-Authenticate" not in app.client.get("/projects", headers={"Sec-Fetch-Mode": "cors"}).headers
