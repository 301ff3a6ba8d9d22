"""`python -m backend demo` as a person runs it: on a folder of one's own, stopped, and started again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from backend.demo.child_server import free_port
from backend.demo.demo_folder import DemoFolder
from backend.demo.sample_photos import write_sample_photos
from backend.sync.client import LabelStudioClient

pytestmark = [pytest.mark.e2e, pytest.mark.long]

ROOT = Path(__file__).resolve().parents[2]
LABEL_STUDIO = ROOT / ".label-studio" / "venv"
SECONDS = 400
PHOTOS = 14


class Demo:
    """A demo process; `lines` is what it printed until it was ready."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self.log = log
        environment = {**os.environ, "BACKBONE": "efficientnet_lite0", "WEIGHTS_DIR": str(ROOT / ".cache" / "models")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "backend", "demo", "--label-studio", str(LABEL_STUDIO), *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
        )

    def until_ready(self) -> str:
        lines = []
        for line in self.process.stdout or ():
            lines.append(line)
            if line.startswith("Login:"):
                return "".join(lines)
        raise AssertionError(f"the demo ended with {self.process.wait()}:\n{self.log.read_text()}")


@pytest.mark.skipif(not LABEL_STUDIO.exists(), reason="Label Studio is not installed: run make label-studio")
@pytest.mark.timeout(900)
def test_demo_on_a_folder_of_ones_own_stops_all_it_started_and_goes_on_where_it_was(
    label_studio_template: Path, login: tuple[str, str], token: str, tmp_path: Path
) -> None:
    photos = tmp_path / "my photos"
    for number, path in enumerate(write_sample_photos(photos, count=PHOTOS)):
        if number % 3 == 0:
            (photos / "more").mkdir(exist_ok=True)
            path.rename(photos / "more" / path.name)
    port, backend_port = free_port(), free_port()
    arguments = ["--images", str(photos), "--folder", str(tmp_path / "demo"), "--port", str(port)]
    arguments += ["--backend-port", str(backend_port)]
    kept = DemoFolder(tmp_path / "demo")
    # Label Studio's database was migrated for the session: otherwise it takes a minute.
    (kept.path / "login.json").write_text(json.dumps({"email": login[0], "password": login[1], "token": token}))
    shutil.copytree(label_studio_template, kept.label_studio)
    client = LabelStudioClient(f"http://127.0.0.1:{port}", kept.login().token)

    def play(log: str, stop_with: signal.Signals) -> int:
        demo = Demo(arguments, tmp_path / log)
        try:
            shown = demo.until_ready()
            project = int(re.search(r"/projects/(\d+)/data", shown)[1])  # type: ignore[index]
            assert login[1] in shown
            assert f"{PHOTOS} photos" in shown
            tasks = {task["id"]: task["data"]["image"] for task in client.iter_tasks(project)}
            assert len(tasks) == PHOTOS
            queue = requests.get(f"http://127.0.0.1:{backend_port}/projects/{project}/queue", timeout=30).json()
            places = [item["task"] for item in queue["queue"]]
            assert sorted(places) == sorted(tasks)
            assert client.project(project)["model_version"] == queue["version"]
            assert client.next_task(project)["id"] == places[0]
            image = requests.get(
                client.url + tasks[places[0]], headers={"Authorization": client.authorization()}, timeout=30
            )
            assert image.headers["Content-Type"].startswith("image/")
        finally:
            demo.process.send_signal(stop_with)
            demo.process.wait(SECONDS)
        for used in (port, backend_port):
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", used)) != 0
        return project

    first = play("first.log", signal.SIGTERM)
    assert play("second.log", signal.SIGINT) == first
