"""Starting and stopping a Label Studio of our own."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from pathlib import Path

import pytest
import requests

from backend.demo.label_studio_process import LabelStudioProcess
from backend.errors import LabelStudioError

pytestmark = pytest.mark.e2e


def test_stops_with_all_its_processes_and_keeps_its_data(start_label_studio, label_studio_bin: Path, login) -> None:
    first = start_label_studio()
    project = first.client().create_project(title="Kept")["id"]
    assert first._process is not None
    group = first._process.pid
    first.stop()
    assert not first.running
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{first.url}/health", timeout=2)
    first.stop()  # harmless
    first.start()
    try:
        assert first.client().project(project)["title"] == "Kept"
        log = first.log_path.read_text(errors="replace")
        assert "Starting development server" in log
        assert "pypi.org" not in log, "it asks no network for its newest version"
    finally:
        first.stop()


def test_folder_of_another_user_is_refused(
    label_studio_bin: Path, label_studio_template: Path, tmp_path: Path, login: tuple[str, str]
) -> None:
    shutil.copytree(label_studio_template, tmp_path / "data")
    stranger = LabelStudioProcess(
        label_studio_bin, tmp_path / "data", email=login[0], password=login[1], token=secrets.token_hex(20)
    )
    with pytest.raises(LabelStudioError, match="another user or token") as caught:
        stranger.start()
    assert caught.value.reason == "label_studio_credentials"
    assert not stranger.running


def test_port_in_use(label_studio_bin: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = LabelStudioProcess(
            label_studio_bin, tmp_path / "data", email="a@example.com", password="12345678", token="0" * 40, port=port
        )
        with pytest.raises(LabelStudioError, match=f"Port {port} is in use"):
            process.start()
    assert not process.running


def test_not_installed(tmp_path: Path) -> None:
    absent = LabelStudioProcess(tmp_path, tmp_path / "data", email="a@example.com", password="12345678", token="0" * 40)
    with pytest.raises(LabelStudioError, match="make label-studio") as caught:
        absent.start()
    assert caught.value.reason == "label_studio_missing"


def test_a_server_that_dies_shows_the_end_of_its_log(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "label-studio"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho no space left on device\nexit 1\n")
    program.chmod(0o755)
    process = LabelStudioProcess(
        program.parent, tmp_path / "data", email="a@example.com", password="12345678", token="0" * 40
    )
    with pytest.raises(LabelStudioError, match="no space left on device") as caught:
        process.start(timeout=30)
    assert caught.value.reason == "label_studio_start"


def test_nothing_of_the_backend_s_environment_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "secret")
    process = LabelStudioProcess(tmp_path, tmp_path, email="a@example.com", password="12345678", token="0" * 40)
    environment = process.environment()
    assert "HOST" not in environment
    assert "secret" not in environment.values()
