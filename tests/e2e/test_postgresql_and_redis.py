"""The backend as several machines share it: its database in PostgreSQL, its job queue in Redis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from backend_process import BackendProcess

pytestmark = pytest.mark.e2e

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Choices name="what" toName="image" choice="single">
    <Choice value="cat"/><Choice value="rocket"/><Choice value="cup"/><Choice value="flower"/><Choice value="temple"/>
  </Choices>
</View>
"""
LABELS = ("cat", "rocket", "cup", "flower", "temple")
PROJECT = {"id": 5, "title": "Shared", "label_config": CONFIG}


def annotated(number: int, task: int) -> dict[str, Any]:
    """The event of annotation `number`."""
    value = {"choices": [LABELS[number % len(LABELS)]]}
    result = [{"from_name": "what", "to_name": "image", "type": "choices", "value": value}]
    annotation = {"id": number, "task": task, "result": result, "updated_at": "2026-01-01T00:00:00Z"}
    return {"action": "ANNOTATION_CREATED", "project": PROJECT, "task": {"id": task}, "annotation": annotation}


def test_the_queue_learns_and_survives_a_kill(
    postgresql_database: str, redis_url: str, photos: list[Path], tmp_path: Path
) -> None:
    backend = BackendProcess(
        tmp_path / "state",
        {
            "DATABASE_URL": postgresql_database,
            "QUEUE_URL": redis_url,
            "LOCAL_ROOTS": str(photos[0].parent),
            "RETRAIN_EVERY": "1000",
        },
    )
    backend.start()
    try:
        tasks = [{"id": number, "data": {"image": str(path)}} for number, path in enumerate(photos[:30], start=1)]
        backend.post("/webhook", {"action": "TASKS_CREATED", "project": PROJECT, "tasks": tasks})
        backend.wait_for(lambda: backend.version(5), "the first window")
        backend.wait_until_idle(5)
        first = backend.queue(5)
        assert sorted(item["task"] for item in first) == [task["id"] for task in tasks]

        backend.kill()
        backend.start()
        asked = [item["task"] for item in first[:10]]
        for number, task in enumerate(asked):
            backend.post("/webhook", annotated(number, task))
        backend.wait_for(
            lambda: not set(asked) & {item["task"] for item in backend.queue(5)}, "a window without the annotated tasks"
        )
        backend.wait_until_idle(5)
        job = backend.post("/train", {"project": "5.1"})["job"]
        backend.wait_for(
            lambda: backend.get(f"/job_status?job={job}")["job_status"] in ("done", "failed"), "the training", 300
        )
        assert backend.get(f"/job_status?job={job}")["job_status"] == "done"
        backend.wait_until_idle(5)

        answer = backend.post("/predict", {"project": "5.1", "label_config": CONFIG, "tasks": tasks})
        assert all(prediction["result"] for prediction in answer["results"])
        assert {prediction["model_version"] for prediction in answer["results"]} == {backend.version(5)}
    finally:
        backend.stop()
    assert not (tmp_path / "state" / "backend.sqlite3").exists()
    assert not (tmp_path / "state" / "queue.sqlite3").exists()
    with psycopg.connect(postgresql_database.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM annotation").fetchone() == (10,)
    with redis.Redis.from_url(redis_url) as client:
        assert client.info("commandstats")["cmdstat_lpush"]["calls"] >= 3  # sync or embed, refresh, train
