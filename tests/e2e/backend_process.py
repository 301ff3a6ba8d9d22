"""The product as a process: `python -m backend serve` on a free port with a state folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import requests

from backend.demo.child_server import free_port
from backend.jobs.kinds import JobStatus
from backend.sync.client import LabelStudioClient
from backend.sync.connect import connect_project

REPOSITORY = Path(__file__).resolve().parents[2]
COMMON_SETTINGS = {
    "WEIGHTS_DIR": str(REPOSITORY / ".cache" / "models"),  # compiled once, shared with the unit tests
    "WORDNET_DIR": str(REPOSITORY / ".state" / "wordnet"),
    "BACKBONE": "efficientnet_lite2",
}


class BackendProcess:
    """Starts, asks, kills and starts again the backend on one state folder."""

    def __init__(self, state_dir: Path, environment: dict[str, str]) -> None:
        self.state_dir = state_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = state_dir.parent / "backend.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LABEL_STUDIO")},
            **COMMON_SETTINGS,
            "STATE_DIR": str(state_dir),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 60.0) -> None:
        """Start and wait until /health answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "backend", "serve"],
                cwd=REPOSITORY,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_for(lambda: self._healthy(), "the backend to answer /health", timeout)

    def stop(self) -> None:
        """Ask it to stop and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill web server and worker at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if number == signal.SIGKILL:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)
        try:
            self._process.wait(40)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def command(self, *arguments: str) -> str:
        """What a command of the product prints that runs on the same state; fails where the command does."""
        done = subprocess.run(
            [sys.executable, "-m", "backend", *arguments],
            cwd=REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def take_on(self, client: LabelStudioClient, project_id: int, photos: Sequence[Path], **options: Any) -> None:
        """Upload photos to a new project, connect it, and wait until its first window is published."""
        client.upload_images(project_id, photos)
        connect_project(client, project_id, self.url, extra_params=options or None)
        self.wait_for(lambda: client.project(project_id)["model_version"] == "wordnet", "a window", 240, every=1.0)
        self.wait_until_idle(project_id)

    def get(self, path: str) -> Any:
        """The JSON of a GET."""
        answer = requests.get(self.url + path, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON of a POST."""
        answer = requests.post(self.url + path, json=body, timeout=120)
        assert answer.ok, answer.text
        return answer.json()

    def queue(self, project_id: int) -> list[dict[str, Any]]:
        """The published window."""
        return list(self.get(f"/projects/{project_id}/queue?limit=1000")["queue"])

    def version(self, project_id: int) -> str:
        """The published version."""
        return str(self.get(f"/projects/{project_id}")["published_version"])

    def window(self, project_id: int) -> str:
        """The name of the current window: another one with each new order."""
        return str(self.get(f"/projects/{project_id}")["window"])

    def wait_for(self, condition: Callable[[], Any], what: str, timeout: float = 120.0, *, every: float = 0.2) -> Any:
        """Wait until `condition` is true; fails with the end of the log.

        Args:
            every: seconds between two looks. A question to Label Studio takes it a tenth of a second of a core.
        """
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            if self._process is not None and self._process.poll() is not None:
                break
            time.sleep(every)
        tail = self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""
        raise AssertionError(f"waited in vain for {what}\n{tail}")

    def wait_until_idle(self, project_id: int) -> None:
        """Wait until no job of the project waits or runs; polls that the clock asks for meanwhile don't count."""
        asked: set[str] = {job["job"] for job in self._pending(project_id)}

        def idle() -> bool:
            return not any(job["kind"] != "sync" or job["job"] in asked for job in self._pending(project_id))

        self.wait_for(idle, "the jobs to end", 300)

    def _pending(self, project_id: int) -> list[dict[str, Any]]:
        jobs = self.get(f"/projects/{project_id}/jobs")["jobs"]
        return [job for job in jobs if job["job_status"] in (JobStatus.QUEUED, JobStatus.RUNNING)]

    def _healthy(self) -> bool:
        try:
            return requests.get(self.url + "/health", timeout=1).ok
        except requests.RequestException:
            return False
