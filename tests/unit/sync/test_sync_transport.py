"""One call: what is retried, what is refused, and what the errors say."""

from __future__ import annotations

import logging
from pathlib import Path

import jwt
import pytest

from backend.errors import LabelStudioError
from backend.sync.client import LabelStudioClient
from backend.sync.transport import Transport

from .scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.unit

LEGACY = "1234567890123456789012345678901234567890"
SIGNING_KEY = "a key that only signs tokens of tests"


def personal_access_token(**claims: object) -> str:
    return jwt.encode({"token_type": "refresh", "exp": 4102444800, **claims}, SIGNING_KEY)


def access_token(number: int) -> str:
    return jwt.encode({"token_type": "access", "iat": 1000, "exp": 1300, "jti": str(number)}, SIGNING_KEY)


def test_legacy_token_goes_into_the_header() -> None:
    with ScriptedServer(Answer(200, {"fine": True})) as server:
        assert Transport(server.url + "/", LEGACY).call("GET", "/api/x") == {"fine": True}
    assert server.requests[0].authorization == f"Token {LEGACY}"


def test_netrc_does_not_replace_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptedServer(Answer(200, {})) as server:
        transport = Transport(server.url, LEGACY)
        transport._loopback = False  # as for a remote Label Studio, whose environment settings count
        transport.call("GET", "/api/x")
    assert server.requests[0].authorization == f"Token {LEGACY}"


def test_personal_access_token_is_exchanged_once() -> None:
    token = personal_access_token()
    with ScriptedServer(Answer(200, {"access": access_token(1)}), Answer(200, {})) as server:
        transport = Transport(server.url, token)
        transport.call("GET", "/api/x")
        transport.call("POST", "/api/y", json={})
    exchange, *calls = server.requests
    assert (exchange.path, exchange.authorization) == ("/api/token/refresh/", None)
    assert token.encode() in exchange.body
    assert [call.authorization for call in calls] == [f"Bearer {access_token(1)}"] * 2


def test_refused_access_token_is_exchanged_again_and_the_call_repeated() -> None:
    script = (
        Answer(200, {"access": access_token(1)}),
        Answer(401, {"detail": "Token is expired"}),
        Answer(200, {"access": access_token(2)}),
        Answer(200, {"fine": True}),
    )
    with ScriptedServer(*script) as server:
        assert Transport(server.url, personal_access_token()).call("POST", "/api/x", json={}) == {"fine": True}
    assert [request.authorization for request in server.requests] == [
        None,
        f"Bearer {access_token(1)}",
        None,
        f"Bearer {access_token(2)}",
    ]


def test_refused_legacy_token_is_not_tried_twice() -> None:
    with (
        ScriptedServer(Answer(401, {"detail": "Invalid token."})) as server,
        pytest.raises(LabelStudioError, match="Account & Settings") as caught,
    ):
        Transport(server.url, LEGACY).call("GET", "/api/x")
    assert caught.value.reason == "label_studio_unauthorised"
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [502, 503, 504])
def test_get_is_retried_while_the_server_is_away(status: int) -> None:
    with ScriptedServer(Answer(status, {}), Answer(200, {"fine": True})) as server:
        assert Transport(server.url, LEGACY).call("GET", "/api/x") == {"fine": True}
    assert len(server.requests) == 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_may_have_taken_effect_is_never_repeated(method: str) -> None:
    with (
        ScriptedServer(Answer(503, {"detail": "busy"}), Answer(200, {})) as server,
        pytest.raises(LabelStudioError, match="503 busy") as caught,
    ):
        Transport(server.url, LEGACY).call(method, "/api/x", json={})
    assert caught.value.reason == "label_studio_failed"
    assert len(server.requests) == 1


def test_redirect_is_refused_and_the_token_stays_here() -> None:
    with ScriptedServer(Answer(200, {})) as elsewhere:
        moved = Answer(301, {}, (("Location", elsewhere.url + "/api/x"),))
        with (
            ScriptedServer(moved) as server,
            pytest.raises(LabelStudioError, match="LABEL_STUDIO_URL to the origin") as caught,
        ):
            Transport(server.url, LEGACY).call("POST", "/api/x", json={})
    assert caught.value.reason == "label_studio_redirect"
    assert elsewhere.requests == []


def test_answer_that_is_not_json() -> None:
    with (
        ScriptedServer(Answer(200, b"<html>welcome</html>")) as server,
        pytest.raises(LabelStudioError, match="not JSON") as caught,
    ):
        Transport(server.url, LEGACY).call("GET", "/api/x")
    assert caught.value.reason == "label_studio_not_json"


def test_empty_answer_is_none() -> None:
    with ScriptedServer(Answer(204, b"")) as server:
        assert Transport(server.url, LEGACY).call("POST", "/api/x") is None


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (Answer(403, {"detail": "No permission"}), "label_studio_forbidden", "403 No permission. The token's user"),
        (Answer(404, {"detail": "No Task"}), "label_studio_not_found", "404 No Task. Check the project id"),
        (
            Answer(400, {"detail": "Validation error", "validation_errors": {"title": ["too short"]}}),
            "label_studio_refused",
            "400 Validation error: {'title': ['too short']}",
        ),
        (Answer(500, b"<h1>Server Error</h1>"), "label_studio_failed", "500 Internal Server Error"),
        (Answer(400, ["a list"]), "label_studio_refused", "400 ['a list']"),
        (Answer(429, {"detail": "slow down"}), "label_studio_failed", "429 slow down. Label Studio, or a proxy"),
    ],
)
def test_refusals_name_call_and_reason(answer: Answer, reason: str, words: str) -> None:
    with ScriptedServer(answer) as server, pytest.raises(LabelStudioError) as caught:
        Transport(server.url, LEGACY).call("PATCH", "/api/thing/7/", json={})
    assert caught.value.reason == reason
    assert str(caught.value).startswith(f"PATCH {server.url}/api/thing/7/: ")
    assert words in str(caught.value)


def test_endless_detail_is_cut() -> None:
    with ScriptedServer(Answer(400, {"detail": "x" * 100_000})) as server, pytest.raises(LabelStudioError) as caught:
        Transport(server.url, LEGACY).call("GET", "/api/x")
    assert len(str(caught.value)) < 1000


def test_url_that_is_none() -> None:
    with pytest.raises(LabelStudioError, match="check LABEL_STUDIO_URL"):
        Transport("http://", LEGACY).call("GET", "/api/x")


def test_no_token_in_any_log(caplog: pytest.LogCaptureFixture) -> None:
    token = personal_access_token()
    with caplog.at_level(logging.DEBUG):
        with ScriptedServer(Answer(200, {"access": access_token(1)}), Answer(500, {})) as server:
            transport = Transport(server.url, token)
            with pytest.raises(LabelStudioError):
                transport.call("POST", "/api/x", json={})
        with ScriptedServer(Answer(401, {})) as server, pytest.raises(LabelStudioError):
            Transport(server.url, LEGACY).call("GET", "/api/x")
    assert token not in caplog.text
    assert access_token(1) not in caplog.text
    assert LEGACY not in caplog.text


@pytest.mark.parametrize("ask", ["model_versions", "project_tasks"])
def test_an_answer_without_what_it_should_hold_is_named(ask: str) -> None:
    with ScriptedServer(Answer(200, {})) as server:
        client = LabelStudioClient(server.url, LEGACY)
        with pytest.raises(LabelStudioError, match=r"GET http.*: the answer has no '\w+'") as caught:
            client.model_versions(1) if ask == "model_versions" else client.count_tasks(1)
    assert caught.value.reason == "label_studio_answer"
