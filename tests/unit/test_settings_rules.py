"""Rules over several settings: half a lock is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.cli.app import build_app
from backend.errors import SettingsError
from backend.settings import Settings, check_listening, load_settings

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def no_settings_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # no .env
    for name in ("BASIC_AUTH_USER", "BASIC_AUTH_PASSWORD", "BASIC_AUTH_PASS", "HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("given", ["BASIC_AUTH_USER", "BASIC_AUTH_PASSWORD", "BASIC_AUTH_PASS"])
def test_half_set_credentials_stop_the_start_and_name_both(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(given, "secret-value")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "BASIC_AUTH_USER and BASIC_AUTH_PASSWORD" in str(caught.value)
    assert "secret-value" not in str(caught.value)


@pytest.mark.parametrize("name", ["BASIC_AUTH_PASSWORD", "BASIC_AUTH_PASS"])
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_the_password_has_two_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, where: str) -> None:
    if where == ".env":
        (tmp_path / ".env").write_text(f"BASIC_AUTH_USER=ls\n{name}=secret\n")
    else:
        monkeypatch.setenv("BASIC_AUTH_USER", "ls")
        monkeypatch.setenv(name, "secret")
    assert load_settings().basic_auth_password == "secret"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "backend.internal"])
def test_beyond_this_machine_only_with_credentials(host: str) -> None:
    with pytest.raises(SettingsError, match="--insecure"):
        check_listening(Settings(host=host, _env_file=None), insecure=False)
    check_listening(Settings(host=host, _env_file=None), insecure=True)
    secured = Settings(host=host, basic_auth_user="a", basic_auth_password="b", _env_file=None)
    check_listening(secured, insecure=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost", "127.9.9.9"])
def test_on_this_machine_without(host: str) -> None:
    check_listening(Settings(host=host, _env_file=None), insecure=False)


def test_the_default_is_this_machine() -> None:
    assert not load_settings().listens_beyond_this_machine


@pytest.mark.parametrize("command", ["serve", "web"])
def test_the_commands_refuse_to_listen_openly(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("HOST", "0.0.0.0")
    run = CliRunner().invoke(build_app(), [command])
    assert run.exit_code == 2
    assert "BASIC_AUTH_PASSWORD" in " ".join(run.output.split())
