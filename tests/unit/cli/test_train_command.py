"""`train`: the job that is asked for, what is refused before it is, and the defaults that the help shows."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from backend.cli.app import build_app
from backend.jobs.queue import JobQueue
from backend.learning.adaptation import AdaptationOptions
from backend.service.context.context import Runtime
from backend.service.projects.project import set_up_project
from backend.settings import load_settings
from backend.storage.database import Database

pytestmark = pytest.mark.unit

CONFIG = '<View><Image name="i" value="$i"/><Choices name="c" toName="i"><Choice value="a"/></Choices></View>'


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobQueue:
    """The ledger of a server with project 1, which nobody works for."""
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    settings = load_settings()
    database = Database(settings.resolved_database_url)
    database.migrate()
    queue = JobQueue(settings, database)
    set_up_project(Runtime(settings, database, queue), 1, label_config=CONFIG)
    return queue


def call(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(build_app(), ["train", "--project", "1", *arguments])
    return done.exit_code, " ".join(done.output.split())


def asked(jobs: JobQueue, kind: str) -> dict[str, object]:
    (job,) = [job for job in jobs.ledger.of_project(1) if job.kind == kind]
    return dict(job.payload)


def test_a_training_is_asked_for(jobs: JobQueue) -> None:
    code, said = call("--no-wait")
    assert code == 0, said
    assert "is queued" in said
    assert asked(jobs, "train") == {}


def test_hyper_parameters_travel_with_the_job(jobs: JobQueue) -> None:
    code, said = call("--no-wait", "--adapt", "softmax", "--scale", "8", "--steps", "50")
    assert code == 0, said
    assert asked(jobs, "train") == {"adaptation": {"loss": "softmax", "scale": 8.0, "steps": 50}}


def test_fine_tuning_is_a_job_of_its_own(jobs: JobQueue) -> None:
    code, said = call("--no-wait", "--fine-tune", "3")
    assert code == 0, said
    assert asked(jobs, "fine_tune") == {"epochs": 3}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--adapt", "contrastive"), "loss must be softmax or triplet"),
        (("--margin", "-1"), "margin must be more than 0"),
        (("--labels-per-batch", "1"), "labels_per_batch must be 2 or more"),
        (("--fine-tune", "2", "--steps", "9"), "goes without"),
    ],
)
def test_nonsense_is_refused_before_a_job_is_asked_for(
    jobs: JobQueue, arguments: tuple[str, ...], complaint: str
) -> None:
    code, said = call("--no-wait", *arguments)
    assert code == 2
    assert complaint in said
    assert not [job for job in jobs.ledger.of_project(1) if job.kind != "sync"]


def test_a_job_that_nobody_takes_is_said_to_wait(jobs: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.cli.train.UNCLAIMED_SECONDS", 0.0)
    code, said = call()
    assert code == 2
    assert "no worker takes it" in said


def test_the_help_shows_the_defaults_that_hold() -> None:
    command = typer.main.get_command(build_app()).commands["train"]  # type: ignore[attr-defined]
    shown = {parameter.name: parameter.show_default for parameter in command.params}
    for field in fields(AdaptationOptions):
        if field.name not in ("loss", "seed"):
            assert shown[field.name] == str(field.default), field.name
