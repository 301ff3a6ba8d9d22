"""The worker is killed again and again while it trains: nothing is lost, and nothing half-written is ever served.

`WORKER_KILLS` says how often: 10 in the suite.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backend_process import COMMON_SETTINGS, BackendProcess
from embedded_pool import LABELS, PROJECT, TASKS, EmbeddedPool
from worker_process import WorkerFactory

from backend.jobs.ledger import MAX_ATTEMPTS
from backend.learning.head import Head
from backend.service.pool.snapshot import Snapshot, read_snapshot
from backend.service.queue.predict import Predictor
from backend.service.queue.queue_window import current_window
from backend.service.versions.artifacts import load_projection
from backend.service.versions.registry import list_versions
from backend.settings import Settings
from backend.storage.schema import ModelVersion

pytestmark = [pytest.mark.e2e, pytest.mark.long]

KILLS = int(os.environ.get("WORKER_KILLS", "10"))
KILLS_WHILE_WRITING = KILLS // 4  # what is written and promoted in a fraction of a second would hardly be hit else
WRITING_SECONDS = 0.3
FIRST_ANNOTATIONS = 420  # half of them for evaluation: so many that nothing is cross-validated, which would take long
WINDOW = 20
SETTINGS = {
    **COMMON_SETTINGS,
    "WINDOW_SIZE": str(WINDOW),
    "EVALUATION_SHARE": "0.5",
    "RETRAIN_EVERY": "10000",
    "INFERENCE_THREADS": "1",
}


@dataclass(frozen=True)
class Delivery:
    """An event of an annotation: its action and content."""

    action: str
    annotation: Mapping[str, Any]


@dataclass(frozen=True)
class Round:
    """A worker's life, measured in lengths of a training.

    Attributes:
        kill_after: when after its start it is killed.
        writing: seconds after it began to write a head at which it is killed, if that is sooner; None: never.
        deliveries: when after its start what is delivered; what is due after its death is delivered then.
    """

    kill_after: float
    writing: float | None
    deliveries: list[tuple[float, Delivery]]


@pytest.fixture
def open_pool(tmp_path: Path) -> Iterator[Callable[[str], EmbeddedPool]]:
    """Makes states of their own, by name."""
    opened: list[EmbeddedPool] = []

    def open_one(name: str) -> EmbeddedPool:
        values: dict[str, Any] = {setting.lower(): value for setting, value in SETTINGS.items()}
        opened.append(EmbeddedPool(Settings(_env_file=None, state_dir=tmp_path / name / "state", **values)))
        return opened[-1]

    yield open_one
    for pool in opened:
        pool.close()


@pytest.mark.timeout(1800)
def test_kills_at_random_points_of_a_training_lose_nothing(open_pool: Callable[[str], EmbeddedPool]) -> None:
    calm, disturbed = open_pool("calm"), open_pool("disturbed")
    first, later = _deliveries(calm)
    for delivery in (*first, *(item for part in later for item in part)):
        calm.deliver(delivery.action, delivery.annotation)
    workers = WorkerFactory()
    length = _train_undisturbed(calm, workers)

    sent: dict[int, Mapping[str, Any]] = {}
    for delivery in first:
        _send(disturbed, delivery, sent)
    struck = 0
    for number, part in enumerate([*_rounds(later), *_further_rounds()]):
        if number >= KILLS and struck > KILLS // 2:
            break
        asked = {job.status for job in disturbed.all_jobs() if job.kind == "train"}
        if number % 3 == 0 or not asked & {"queued", "running"}:
            disturbed.start_training()
        length = _live_and_die(workers, disturbed, part, sent, length)
        struck += any(job.kind == "train" and job.status == "running" for job in disturbed.all_jobs())
        _check_from_outside(disturbed, sent)
    assert struck > KILLS // 2, "most kills are to hit a running training"

    _finish_with_the_real_command(disturbed)
    _check_from_outside(disturbed, sent)
    _check_ledger(disturbed)
    assert disturbed.stored_annotations() == calm.stored_annotations()
    for pool in (calm, disturbed):
        # A head serves once people have judged it better where it differs; until then what it learnt from does.
        assert any(item.version.startswith("head-") for item in list_versions(pool.runtime, pool.project.id))
        serving = pool.project.serving_version or "propagation"
        assert pool.project.published_version.startswith(f"{serving}.")
        window = {item.task_id for item in current_window(pool.runtime, pool.project)}
        assert len(window) == WINDOW
        assert not window & set(sent)
        assert _share_right(pool) > 0.9


def _deliveries(pool: EmbeddedPool) -> tuple[list[Delivery], list[list[Delivery]]]:
    """What annotators do: some annotations at first, then two for each kill, of which one is a mistake that is
    corrected a kill later."""
    tasks = random.Random(1).sample(range(TASKS), FIRST_ANNOTATIONS + 2 * KILLS)
    first = [Delivery("ANNOTATION_CREATED", pool.annotation(task, second=0)) for task in tasks[:FIRST_ANNOTATIONS]]
    later = []
    mistake: int | None = None
    for number in range(KILLS):
        right, wrong = tasks[FIRST_ANNOTATIONS + 2 * number :][:2]
        part = [Delivery("ANNOTATION_CREATED", pool.annotation(right, second=number))]
        if mistake is not None:
            part.append(Delivery("ANNOTATION_UPDATED", pool.annotation(mistake, second=number)))
        part.append(Delivery("ANNOTATION_CREATED", pool.annotation(wrong, second=number, mistaken=number < KILLS - 1)))
        mistake = wrong
        later.append(part)
    return first, later


def _train_undisturbed(pool: EmbeddedPool, workers: WorkerFactory) -> float:
    """Let a worker train once on all annotations; the seconds from its start until it has published what it learnt."""
    pool.start_training()
    started = time.monotonic()
    worker = workers.start(pool.settings)
    _wait_for(pool.at_rest, "the undisturbed training")
    length = time.monotonic() - started
    worker.kill()
    worker.join()
    return length


def _rounds(later: list[list[Delivery]]) -> list[Round]:
    """Kills spread evenly over the whole training, and kills while it writes, in random order."""
    chance = random.Random(2)
    anywhere = KILLS - KILLS_WHILE_WRITING
    slots: list[int | None] = [*range(anywhere), *[None] * KILLS_WHILE_WRITING]
    chance.shuffle(slots)
    rounds = []
    for slot, part in zip(slots, later, strict=True):
        if slot is None:
            kill_after, writing = 3.0, chance.uniform(0.0, WRITING_SECONDS)
        else:
            kill_after, writing = (slot + chance.random()) / anywhere, None
        moments = sorted(chance.uniform(0.0, 1.2 * min(kill_after, 1.0)) for _ in part)
        rounds.append(Round(kill_after, writing, list(zip(moments, part, strict=True))))
    return rounds


def _further_rounds() -> list[Round]:
    """Kills for those that missed the training, because the machine had less to do by then than when it was timed."""
    chance = random.Random(3)
    return [Round(chance.uniform(0.1, 0.9), None, []) for _ in range(2 * KILLS)]


def _live_and_die(
    workers: WorkerFactory, pool: EmbeddedPool, part: Round, sent: dict[int, Mapping[str, Any]], length: float
) -> float:
    """One round, with trainings of `length` seconds; how long they are now, since the machine may have more or less to do."""
    predictor = Predictor(pool.runtime)  # stays open meanwhile, as that of the web server does
    models = pool.folder / "models"
    written = _names(models)
    deliveries = deque(part.deliveries)
    worker = workers.start(pool.settings)
    started = time.monotonic()
    while (age := time.monotonic() - started) < part.kill_after * length:
        if deliveries and age >= deliveries[0][0] * length:
            _send(pool, deliveries.popleft()[1], sent)
            _check_answers(predictor, pool)
        if part.writing is not None and _names(models) != written:
            time.sleep(part.writing)
            length = age
            break
        if pool.at_rest():  # it ended sooner than the one before, or was given up, since it had died of it too often
            length = age if _names(models) != written else length
            break
        time.sleep(0.01)
    worker.kill()
    worker.join()
    for _, delivery in deliveries:
        _send(pool, delivery, sent)
    return length


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def _send(pool: EmbeddedPool, delivery: Delivery, sent: dict[int, Mapping[str, Any]]) -> None:
    pool.deliver(delivery.action, delivery.annotation)
    sent[delivery.annotation["id"]] = delivery.annotation


def _check_from_outside(pool: EmbeddedPool, sent: Mapping[int, Mapping[str, Any]]) -> None:
    """What must hold whenever a worker died, seen by somebody who only reads."""
    assert pool.stored_annotations() == sent
    project = pool.project
    versions = {item.version: item for item in list_versions(pool.runtime, PROJECT)}
    for version in versions.values():
        if version.kind == "head":
            _check_head(pool, version)
        elif version.kind == "adapted":
            assert load_projection(pool.runtime, PROJECT, version.version, 0) is not None
        else:
            assert version.artifact is None
    if project.serving_version:
        assert versions[project.serving_version].status == "serving"
    if project.projection:
        assert versions[project.projection].kind == "adapted"
    if project.snapshot:
        snapshot = _snapshot(pool)
        assert snapshot.version == project.published_version
        assert snapshot.version.rsplit(".", 1)[0] in versions
        assert snapshot.task_ids.tolist() == list(range(TASKS))
        np.testing.assert_allclose(snapshot.controls[0].probabilities.sum(axis=1, dtype=np.float64), 1.0, atol=0.01)
        window = current_window(pool.runtime, project)
        assert [item.position for item in window] == list(range(WINDOW))
    _check_answers(Predictor(pool.runtime), pool)


def _check_head(pool: EmbeddedPool, version: ModelVersion) -> None:
    """A version's files are there, whole, and those that its row speaks of."""
    assert version.artifact is not None
    folder = pool.settings.state_dir / version.artifact / "control-0"
    assert Head.load(folder).n_labels == len(LABELS)
    assert json.loads((folder / "head.json").read_text())["weights_sha256"] == version.weights_digest


def _check_answers(predictor: Predictor, pool: EmbeddedPool) -> None:
    """/predict answers for every task, with one version."""
    answers = predictor.predict(PROJECT, pool.tasks, budget_seconds=30.0)
    assert len(answers) == TASKS
    versions = set()
    for answer in answers:
        assert isinstance(answer, dict)
        # Of labels that are as probable as each other none is suggested.
        assert all(part["value"]["choices"][0] in LABELS for part in answer["result"])
        versions.add(answer["model_version"])
    assert len(versions) == 1


def _finish_with_the_real_command(pool: EmbeddedPool) -> None:
    """Start the server as users do; it brings all that was left undone to an end, and a new training runs as well."""
    server = BackendProcess(pool.settings.state_dir, SETTINGS)
    server.start()
    try:
        server.wait_for(pool.at_rest, "the jobs that the killed workers left", 180)
        server.post("/train", {"project": {"id": PROJECT}})
        server.wait_for(pool.at_rest, "the last training", 180)
        answers = server.post("/predict", {"project": f"{PROJECT}.1", "tasks": pool.tasks})["results"]
        assert {answer["model_version"] for answer in answers} == {server.version(PROJECT)}
    finally:
        server.stop()


def _check_ledger(pool: EmbeddedPool) -> None:
    """Every job ended, and those that did not succeed say why: too many workers died of it, or another did the same."""
    jobs = pool.all_jobs()
    by_id = {job.id: job for job in jobs}
    newest = {job.kind: job for job in reversed(jobs)}
    assert {kind: job.status for kind, job in newest.items()} == dict.fromkeys(newest, "done")
    for job in jobs:
        if job.status == "failed" and "given up" in job.message:
            assert job.attempts == MAX_ATTEMPTS
        elif job.status == "failed":
            assert job.message.startswith("its worker died; job ")
            assert job.message.split()[4] in by_id
        else:
            assert job.status == "done"


def _snapshot(pool: EmbeddedPool) -> Snapshot:
    return read_snapshot(pool.folder / "snapshots" / pool.project.snapshot)


def _share_right(pool: EmbeddedPool) -> float:
    """Share of all tasks whose likeliest label is the true one."""
    return float((_snapshot(pool).controls[0].probabilities.argmax(axis=1) == pool.truth).mean())


def _wait_for(condition: Callable[[], bool], what: str, timeout: float = 180.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
