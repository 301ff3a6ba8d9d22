"""Two workers on one database and one queue; one is killed, Redis and PostgreSQL are started again, all amid the work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import requests
from backend_process import REPOSITORY, BackendProcess
from test_postgresql_and_redis import PROJECT, annotated

from tests.database_servers import Server

pytestmark = pytest.mark.e2e

TASKS = 20
ANNOTATED = 12


def tell(backend: BackendProcess, number: int, task: int) -> int:
    """Send an event until it is answered for, as a proxy that retries does; the answer's status."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            answer = requests.post(f"{backend.url}/webhook", json=annotated(number, task), timeout=60)
            if answer.status_code in (201, 202):
                return answer.status_code
        except requests.RequestException:
            pass
        time.sleep(0.2)
    raise AssertionError("the webhook was never answered for")


def test_nothing_is_lost(postgresql_of_test: Server, redis_of_test: Server, photos: list[Path], tmp_path: Path) -> None:
    settings = {
        "DATABASE_URL": postgresql_of_test.url.replace("postgresql://", "postgresql+psycopg://"),
        "QUEUE_URL": redis_of_test.url,
        "LOCAL_ROOTS": str(photos[0].parent),
        "RETRAIN_EVERY": "1000",
    }
    backend = BackendProcess(tmp_path / "state", settings)
    backend.start()
    environment = {**backend._environment, "LOG_LEVEL": "WARNING"}
    second = subprocess.Popen(
        [sys.executable, "-m", "backend", "worker"], cwd=REPOSITORY, env=environment, start_new_session=True
    )
    try:
        tasks = [{"id": number, "data": {"image": str(path)}} for number, path in enumerate(photos[:TASKS], start=1)]
        backend.post("/webhook", {"action": "TASKS_CREATED", "project": PROJECT, "tasks": tasks})
        backend.wait_for(lambda: backend.version(5), "the first window")
        for number in range(1, ANNOTATED + 1):
            if number == 4:
                os.killpg(second.pid, signal.SIGKILL)
            if number == 6:
                redis_of_test.stop()
            if number == 8:
                redis_of_test.start_again()
                job = backend.post("/train", {"project": "5.1"})["job"]
            if number == 9:
                postgresql_of_test.stop()
                assert tell(backend, number, number) == 202  # a file holds it until the database is back
                postgresql_of_test.start_again()
            tell(backend, number, number)
        wanted = set(range(ANNOTATED + 1, TASKS + 1))

        def right() -> bool:
            answer = requests.get(f"{backend.url}/projects/5/queue?limit=1000", timeout=30)
            return answer.ok and {item["task"] for item in answer.json()["queue"]} == wanted

        backend.wait_for(right, "the queue without what is annotated", 200)
        backend.wait_until_idle(5)
        assert right()
        # The training that lost its database may have failed; it says so, and the next one learns all.
        assert backend.get(f"/job_status?job={job}")["job_status"] in ("done", "failed")
        job = backend.post("/train", {"project": "5.1"})["job"]
        backend.wait_until_idle(5)
        assert backend.get(f"/job_status?job={job}")["job_status"] == "done"
        assert right()
    finally:
        if second.poll() is None:
            os.killpg(second.pid, signal.SIGKILL)
        second.wait(30)
        backend.stop()
    with psycopg.connect(postgresql_of_test.url) as connection:
        stored = connection.execute("SELECT task_id FROM annotation WHERE NOT deleted ORDER BY 1").fetchall()
    assert [task for (task,) in stored] == list(range(1, ANNOTATED + 1))
