from __future__ import annotations

import pytest

from backend.cli.connect import webhook_headers
from backend.settings import load_settings
from tests.unit.cli.conftest import Run

pytestmark = pytest.mark.unit

DOWN = ("--url", "http://127.0.0.1:1", "--api-key", "0" * 40)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "LABEL_STUDIO_URL"),
        (("--url", "http://127.0.0.1:1"), "LABEL_STUDIO_API_KEY"),
        (("--url", "127.0.0.1"), "LABEL_STUDIO_URL"),
        ((*DOWN, "--extra-params", "{"), "not valid JSON"),
        ((*DOWN, "--extra-params", "[1]"), "JSON object"),
        ((*DOWN, "--extra-params", '{"window_sise": 3}'), "window_sise: unknown, did you mean window_size?"),
        ((*DOWN, "--extra-params", '{"window_size": 0}'), "window_size"),
        (DOWN, "http://127.0.0.1:1"),
    ],
)
def test_a_mistake_names_the_thing(run: Run, arguments: tuple[str, ...], named: str) -> None:
    result = run("connect", "--project", "1", *arguments)
    assert result.exit_code == 2
    assert named in result.stderr
    assert "0" * 40 not in result.output


def test_webhooks_carry_a_secret_exactly_where_the_backend_asks_for_one(run: Run) -> None:
    assert webhook_headers(load_settings()) == {}
    secured = webhook_headers(load_settings(basic_auth_user="u", basic_auth_password="p"))
    assert set(secured) == {"X-Webhook-Secret"}
    assert secured["X-Webhook-Secret"] != "p"
    chosen = load_settings(basic_auth_user="u", basic_auth_password="p", webhook_secret="chosen")
    assert webhook_headers(chosen) == {"X-Webhook-Secret": "chosen"}
