"""Log lines carry the request or job they belong to, and never a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.logs import configure_logging, logged_as
from backend.settings import Settings
from tests.unit.api.conftest import App

pytestmark = pytest.mark.unit

SECRETS = {
    "label_studio_api_key": "0123456789abcdef0123456789abcdef01234567",
    "basic_auth_password": "pass word",
    "webhook_secret": "hook-secret",
}
URLS = {"database_url": "postgresql+psycopg://u:db-secret@host/name", "queue_url": "redis://:redis-secret@host:6379/0"}


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def settings(kind: str, **more: Any) -> Settings:
    return Settings(_env_file=None, basic_auth_user="ls", log_format=kind, **{**SECRETS, **URLS, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["text", "json"])
def test_secrets_are_in_no_line(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings(kind))
    log = logging.getLogger("backend.test")
    for secret in (*SECRETS.values(), *URLS.values()):
        log.warning("calling with %s", secret)
        try:
            raise ValueError(f"the server said: {secret}")
        except ValueError:
            log.exception("failed")
    log.warning("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.abc-def.ghi")
    log.warning("Authorization: Basic bHM6cGFzcyB3b3Jk")
    log.warning("GET http://me:other-secret@photos.example/a.jpg")
    said = capsys.readouterr().err
    for secret in (
        *SECRETS.values(),
        "db-secret",
        "redis-secret",
        "eyJhbGciOiJIUzI1NiJ9",
        "bHM6cGFzcyB3b3Jk",
        "other-",
    ):
        assert secret not in said
    assert "photos.example/a.jpg" in said


def test_json_lines_carry_their_request_and_job(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings("json"))
    log = logging.getLogger("backend.test")
    with logged_as(request="r1"), logged_as(job="j1"):
        log.warning("inside")
    log.warning("outside")
    inside, outside = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (inside["request"], inside["job"], inside["message"]) == ("r1", "j1", "inside")
    assert "request" not in outside


def test_a_request_is_known_by_its_id_in_log_and_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = App(settings("json", database_url="", queue_url="", state_dir=tmp_path))
    configure_logging(app.settings)
    headers = {"Authorization": "Basic bHM6cGFzcyB3b3Jk"}
    answer = app.client.get("/projects/5", headers={**headers, "X-Request-ID": "mine-1"})
    assert answer.headers["X-Request-ID"] == "mine-1"
    made = app.client.get("/projects/5", headers={**headers, "X-Request-ID": "not\tmine" * 50})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["request"] for line in lines] == ["mine-1", made.headers["X-Request-ID"]]
    assert all("pass word" not in json.dumps(line) for line in lines)
    app.database.close()
