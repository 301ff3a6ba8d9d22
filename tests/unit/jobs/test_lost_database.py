"""PostgreSQL is started anew while jobs run: none of them fails for it, and none is taken for dead afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from backend.jobs.ledger import JobLedger
from backend.progress import Progress
from backend.storage.database import Database
from backend.storage.schema import Job
from backend.worker import runner as runner_module
from backend.worker.runner import Runner
from tests.database_servers import Server

pytestmark = pytest.mark.unit

BEAT = 0.1


@pytest.fixture
def ledger(postgresql_of_test: Server) -> Iterator[JobLedger]:
    database = Database(postgresql_of_test.url.replace("postgresql://", "postgresql+psycopg://"))
    database.migrate()
    yield JobLedger(database)
    database.close()


def test_a_database_that_is_started_anew_costs_no_job_and_no_heartbeat(
    ledger: JobLedger, postgresql_of_test: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "HEARTBEAT_SECONDS", BEAT)
    beats: list[bool] = []

    def hours_of_work(job: Job, progress: Progress) -> dict[str, str]:
        progress(0.1, "before")
        postgresql_of_test.stop()
        time.sleep(3 * BEAT)
        progress(0.5, "while it is away")
        threading.Timer(1.0, postgresql_of_test.start_again).start()
        return {"message": "all good"}

    def short_work(job: Job, progress: Progress) -> None:
        started = ledger.get(job.id).heartbeat_at
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and ledger.get(job.id).heartbeat_at == started:
            time.sleep(BEAT)
        beats.append(ledger.get(job.id).heartbeat_at != started)

    runner = Runner(ledger, {"train": hours_of_work, "map": short_work}, wake=lambda: None)
    stop = threading.Event()
    beating = threading.Thread(target=runner.keep_beating, args=(stop,))
    beating.start()
    try:
        for kind in ("train", "map"):
            job_id, _ = ledger.request(kind, 1)
            runner.run(job_id)
            assert ledger.get(job_id).status == "done"
        assert beats == [True]
    finally:
        stop.set()
        beating.join()
