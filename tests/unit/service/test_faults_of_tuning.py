"""Faults and kills, by counting, of what takes longest: fine-tuning, re-embedding, and what a training learns from the whole pool.

After each: what served goes on serving, nothing is half-written, no annotation is lost. The next attempt ends the job.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import OperationalError

from backend.service.context.backbones import backbone_files, tuned_folder, tuned_metadata
from backend.service.pool.snapshot import read_snapshot
from backend.service.projects.project import set_up_project
from backend.service.queue.predict import Predictor
from backend.service.queue.queue_window import current_window
from backend.service.training.portable import portable_version
from backend.service.versions.artifacts import load_heads, snapshots_folder
from backend.service.versions.registry import list_versions
from backend.storage.schema import Annotation, Feature, Job, ModelVersion, Project, Task
from tests.unit.features.own_network import write_network
from tests.unit.features.small_mobilenet import write_small_mobilenet
from tests.unit.service.faults import Counter, FileFaults, database_fault
from tests.unit.service.killed_jobs import MortalWorkers
from tests.unit.service.photo_project import PhotoProject

pytestmark = [pytest.mark.unit, pytest.mark.long]

log = logging.getLogger(__name__)

FILES = FileFaults()
STEP = int(os.environ.get("FAULT_STEP", "15"))  # 1: every single one; the suite takes every fifteenth
LEARNING = "learning from what is believed"
CLASSES = ("coffee", "rocket")
ANNOTATED = 34
KILLS_IN_A_ROW = 3  # then it is let finish: a job that kills five workers is given up

Start = Callable[[PhotoProject], str]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhotoProject]:
    """A project with so many annotations that its small network can be fine-tuned; propagation serves."""
    folder = tmp_path_factory.mktemp("tuning")
    backbone = write_small_mobilenet(folder / "models")
    made = PhotoProject(folder, CLASSES, 19, backbone=backbone, weights_dir=folder / "models", evaluation_share=0.0)
    made.run("embed")
    made.annotate(range(ANNOTATED))
    made.run("refresh")
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhotoProject]:
    """A project whose photos may have several labels."""
    folder = tmp_path_factory.mktemp("several")
    network = write_network(folder / "own.onnx")
    made = PhotoProject(folder, CLASSES, 12, backbone=str(network), weights_dir=folder / "models", evaluation_share=0.0)
    config = made.row.label_config.replace("<Choices ", '<Choices choice="multiple" ')
    set_up_project(made.runtime, 1, label_config=config)
    made.run("embed")
    made.annotate(range(20))
    made.run("refresh")
    made.run("train")
    yield made
    made.database.close()


def check(project: PhotoProject) -> None:
    """What has to hold whenever something was cut off, seen by somebody who only reads."""
    row = project.row
    with project.database.session() as session:
        annotated = set(session.scalars(select(Annotation.task_id)))
        tasks = [{"id": task.task_id, "data": task.data} for task in session.scalars(select(Task))]
    assert annotated == set(range(len(annotated)))
    assert len(annotated) in (20, ANNOTATED)
    snapshot = read_snapshot(snapshots_folder(project.runtime, 1) / row.snapshot)
    assert snapshot.version == row.published_version
    assert {item.task_id for item in current_window(project.runtime, row)} == set(project.truth) - annotated
    versions = {item.version: item for item in list_versions(project.runtime, 1)}
    assert row.published_version.rsplit(".", 1)[0] in versions
    for version in versions.values():
        if version.artifact is None:
            continue
        assert load_heads(project.runtime, 1, version.version)
        described = project.settings.state_dir / version.artifact / "control-0" / "head.json"
        assert json.loads(described.read_text())["weights_sha256"] == version.weights_digest
    for made in tuned(project):
        assert backbone_files(project.settings, made).tuned, "the digest of the file is in its name"
    answers = Predictor(project.runtime).predict(1, tasks, 60)
    assert {answer["model_version"] for answer in answers} == {row.published_version}  # type: ignore[call-overload]


def check_queue(project: PhotoProject) -> None:
    """The same, and the queue is right, after what one poll asks for."""
    project.run("sync")
    check(project)
    assert project.jobs.ledger.waiting(1) == []


def tuned(project: PhotoProject) -> list[str]:
    return list(tuned_metadata(tuned_folder(project.settings, 1)))


def fine_tune(project: PhotoProject) -> str:
    return project.jobs.enqueue("fine_tune", 1, {"epochs": 2})


def reembed(project: PhotoProject) -> str:
    """Ask for it as after a fine-tuning: nothing is known of the new backbone."""
    made = tuned(project)[0]
    with project.database.session() as session:
        session.execute(delete(Feature).where(Feature.backbone == made))
        session.execute(delete(ModelVersion).where(ModelVersion.kind == "fine_tuned"))
        session.execute(update(Project).values(serving_version="", backbone="", pinned=False))
    project.jobs.enqueue("refresh", 1)
    run_all(project, ("refresh",))
    return project.jobs.enqueue("reembed", 1, {"backbone": made})


def train(project: PhotoProject) -> str:
    with project.database.session() as session:
        session.execute(update(Project).values(learned_from=""))  # as if the annotations were new
    return project.jobs.enqueue("train", 1)


def run_all(project: PhotoProject, kinds: Sequence[str]) -> None:
    """Run what waits of some kinds, and what that asks for of the same; all have to succeed."""
    ledger = project.jobs.ledger
    while waiting := [job for kind in kinds for job in ledger.waiting(1, kind)]:
        for job in waiting:
            project._runner.run(job)
            assert ledger.get(job).status == "done", ledger.get(job).message


def restart(project: PhotoProject) -> None:
    """The process has ended, and another takes over."""
    project.open()
    project.jobs.ledger.recover(project._runner.name)


def fault_of(project: PhotoProject, what: str, number: int) -> AbstractContextManager[Counter]:
    if what == "files":
        return FILES.fault(project.settings.state_dir / "projects", number)
    return database_fault(project.database.engine, number, about="" if what == "database" else what)


def faults(project: PhotoProject, start: Start, what: str, step: int) -> int:
    """Ask for a job again and again, each time with a later fault, until it passes; the places where one can be put."""
    job = start(project)
    for number in range(1, 400, step):
        with fault_of(project, what, number) as counter:
            try:
                project._runner.run(job)
            except (OperationalError, OSError):
                assert counter.failed
        restart(project)
        check(project)
        ended = project.jobs.ledger.get(job)
        if not counter.failed:
            assert ended.status == "done", ended.message
            log.info("%s: faults of %s at %d places", ended.kind, what, counter.seen)
            return counter.seen
        assert ended.status in ("failed", "queued", "done"), ended.status
        if ended.status == "failed":
            assert "disk I/O" in ended.message or "full" in ended.message or "No space" in ended.message
            project.jobs.retry(1, job)  # as the button on the page does
        job = start(project)
    raise AssertionError("it never passed")


def kills(project: PhotoProject, start: Start, what: str, step: int, finish: Sequence[str]) -> int:
    """The same with a process that is killed; how many were."""
    workers, ledger = MortalWorkers(), project.jobs.ledger
    job = start(project)
    about = "" if what in ("database", "files") else what
    for killed, number in enumerate(range(1, 400, step)):
        if workers.survives(project.settings, job, "files" if what == "files" else "database", number, about):
            assert ledger.get(job).status == "done", ledger.get(job).message
            check(project)
            log.info("%d kills by the count of %s", killed, what)
            return killed
        restart(project)
        assert ledger.get(job).status == "queued"
        check(project)
        if killed % KILLS_IN_A_ROW == KILLS_IN_A_ROW - 1:
            run_all(project, finish)
        job = start(project)
    raise AssertionError("it never passed")


@pytest.mark.parametrize(("what", "at_least"), [("database", 12), ("files", 5)])
def test_faults_of_a_fine_tuning(project: PhotoProject, what: str, at_least: int) -> None:
    assert faults(project, fine_tune, what, STEP) >= at_least
    check_left(project)


def test_kills_within_a_fine_tuning(project: PhotoProject) -> None:
    assert kills(project, fine_tune, "database", STEP, ["fine_tune"]) >= 12 // STEP
    check_left(project)


def check_left(project: PhotoProject) -> None:
    """Nothing is left of attempts that were cut off."""
    assert list(tuned_folder(project.settings, 1).glob(".*")) == []


@pytest.mark.parametrize(("what", "at_least"), [("database", 15), ("files", 5)])
def test_faults_of_a_reembedding(project: PhotoProject, what: str, at_least: int) -> None:
    tune_once(project)
    assert faults(project, reembed, what, STEP) >= at_least
    run_all(project, ["refresh"])
    check_queue(project)
    check_embedded(project)


@pytest.mark.parametrize("what", ["database", "files"])
def test_kills_within_a_reembedding(project: PhotoProject, what: str) -> None:
    tune_once(project)
    kills(project, reembed, what, STEP, ["reembed"])
    run_all(project, ["refresh"])
    check_queue(project)
    check_embedded(project)


def tune_once(project: PhotoProject) -> None:
    """One fine-tuned backbone is enough for what follows: each is converted, which takes longest."""
    if not tuned(project):
        fine_tune(project)
        run_all(project, ["fine_tune"])
    with project.database.session() as session:
        session.execute(delete(Job).where(Job.kind == "reembed", Job.status == "queued"))


def check_embedded(project: PhotoProject) -> None:
    (version,) = [item for item in list_versions(project.runtime, 1) if item.kind == "fine_tuned"]
    with project.database.session() as session:
        seen = session.scalar(select(func.count()).select_from(Feature).where(Feature.backbone == version.backbone))
    assert seen == len(project.truth)


def test_faults_within_a_distillation(several: PhotoProject) -> None:
    assert faults(several, train, LEARNING, 1) >= 2
    run_all(several, ["refresh"])
    check_queue(several)


def test_kills_within_a_distillation(several: PhotoProject) -> None:
    before = len(list_versions(several.runtime, 1))
    assert kills(several, train, LEARNING, 1, ["train"]) >= 2
    assert len(list_versions(several.runtime, 1)) > before
    run_all(several, ["refresh"])
    check_queue(several)


def test_faults_while_an_export_reads(project: PhotoProject) -> None:
    for number in range(1, 400, STEP):
        with database_fault(project.database.engine, number) as counter:
            try:
                found = portable_version(project.runtime, 1, None, lambda part, said: None)
            except OperationalError:
                assert counter.failed
        check(project)
        if not counter.failed:
            assert found.heads
            log.info("an export reads at %d places", counter.seen)
            return
    raise AssertionError("it never passed")
