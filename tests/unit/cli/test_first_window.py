from __future__ import annotations

from typing import Any

import pytest

from backend.cli.first_window import status_line, wait_for_window
from backend.errors import BackendError

pytestmark = pytest.mark.unit

TASKS = {"total": 240, "embedded": 40, "failed": 0, "pending": 200}


def _job(kind: str, status: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "job_status": status,
        "percent": 17,
        "message": "reading",
        "created_at": "2020-01-01T00:00:00+00:00",
    }


def test_it_says_how_far_the_slowest_job_is() -> None:
    jobs = [_job("sync", "running"), _job("embed", "running")]
    assert status_line(jobs, TASKS) == "waiting for the queue: 40 of 240 photos read; embed, 17 %: reading"
    assert status_line([], {**TASKS, "failed": 3}) == "waiting for the queue: 40 of 240 photos read, 3 cannot be read"


def _answers(tasks: dict[str, int]) -> dict[str, dict[str, Any]]:
    return {
        "/projects/7/queue?limit=10": {"queue": []},
        "/projects/7/jobs?limit=20": {"jobs": [_job("sync", "done")]},
        "/projects/7": {"tasks": tasks},
        "/projects/7/failures?limit=1": {"failures": [{"task": 5, "message": "the file is empty"}]},
    }


def test_a_project_without_tasks_is_not_waited_for() -> None:
    answers = _answers({"total": 0, "embedded": 0, "failed": 0, "pending": 0})
    assert wait_for_window(answers.__getitem__, 7, print) == []


def test_where_no_photo_can_be_read_the_first_reason_is_told() -> None:
    answers = _answers({"total": 3, "embedded": 0, "failed": 3, "pending": 0})
    with pytest.raises(BackendError, match=r"None of the 3 photos can be read\. Task 5: the file is empty"):
        wait_for_window(answers.__getitem__, 7, print)
