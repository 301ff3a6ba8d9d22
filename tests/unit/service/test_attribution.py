from __future__ import annotations

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from backend.api.app import create_app
from backend.cli.app import build_app
from backend.service.explanation.attribution import RECENT, Attributions, kept_picture
from backend.service.pool.cache import PoolCache
from backend.storage.schema import Task
from tests.unit.service.photo_project import PhotoProject

pytestmark = [pytest.mark.unit, pytest.mark.long]

CLASSES = ("coffee", "rocket")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> PhotoProject:
    """Twelve photos, embedded by one small network, eight of them annotated."""
    made = PhotoProject(tmp_path_factory.mktemp("attribution"), CLASSES, 6, backbone="efficientnet_lite0")
    made.run("embed")
    made.annotate(range(8))
    made.run("refresh")
    return made


def test_a_task_is_explained_by_what_serves(project: PhotoProject) -> None:
    found = Attributions(project.runtime, PoolCache(project.runtime)).of_task(1, 9, steps=8)
    assert found.label == project.truth[9]
    assert found.agreement is not None  # the graph serves: its answers are distilled into a head
    assert found.explanation.gradients.error <= 0.05
    assert found.explanation.cam is not None
    assert len(found.neighbours) == 5
    assert [item.similarity for item in found.neighbours] == sorted(
        (item.similarity for item in found.neighbours), reverse=True
    )
    assert found.neighbours[0].label == project.truth[9]


def test_the_picture_comes_from_a_job_and_is_kept(project: PhotoProject) -> None:
    client = create_app(project.runtime, project.jobs).test_client()
    address = "/projects/1/tasks/{}/attribution.png"
    first = client.get(address.format(9))
    assert first.status_code == 202
    assert first.headers["Retry-After"]
    assert client.get(address.format(9)).get_json()["job"] == first.get_json()["job"]
    project.run_waiting()
    assert project.jobs.ledger.get(first.get_json()["job"]).result == {"message": "1 pictures", "tasks": [9]}
    answer = client.get(address.format(9))
    assert (answer.status_code, answer.content_type) == (200, "image/png")
    with Image.open(io.BytesIO(answer.data)) as picture:
        assert picture.width > 1000
        assert np.asarray(picture.convert("L")).std() > 10
    assert client.get(address.format(9), headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert client.get(address.format(9), headers={"Sec-Fetch-Site": "cross-site"}).status_code == 422
    missing = client.get(address.format(999))
    assert missing.status_code == 404
    assert missing.get_json()["error"]["message"] == "Project 1 has no task 999."


def test_who_waits_for_a_picture_gets_it_though_people_go_on_answering(project: PhotoProject) -> None:
    """An order comes every few seconds, and a picture takes longer."""
    client = create_app(project.runtime, project.jobs).test_client()
    asked = client.get("/projects/1/tasks/11/attribution.png")
    assert asked.status_code == 202
    project.run_waiting()
    made, window = kept_picture(project.runtime, 1, 11), project.row.snapshot
    project.annotate([8])
    project.run("refresh")
    assert project.row.snapshot != window
    assert client.get("/projects/1/tasks/11/attribution.png").status_code == 200
    os.utime(made, times=(time.time() - RECENT, time.time() - RECENT))
    assert client.get("/projects/1/tasks/11/attribution.png").status_code == 202  # it is one of an earlier belief
    project.run_waiting()
    assert kept_picture(project.runtime, 1, 11) != made


def test_a_photo_that_cannot_be_read_costs_nobody_else_the_picture(project: PhotoProject) -> None:
    with project.database.session() as session:
        session.get_one(Task, (1, 10)).failure = "unreadable"
    job = project.jobs.enqueue("attribute", 1, {"10": True})
    assert project.jobs.enqueue("attribute", 1, {"11": True}) == job  # two people ask at once
    project._runner.run(job)
    assert kept_picture(project.runtime, 1, 11).is_file()
    assert project.jobs.ledger.get(job).status == "failed"
    with project.database.session() as session:
        session.get_one(Task, (1, 10)).failure = None


def test_the_command_explains_a_task(project: PhotoProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("state_dir", "weights_dir", "wordnet_dir", "backbone"):
        monkeypatch.setenv(name.upper(), str(getattr(project.settings, name)))
    monkeypatch.setenv("LOCAL_ROOTS", ",".join(map(str, project.settings.local_roots)))
    arguments = ["attribute", "--project", "1", "--task", "9", "--output", str(tmp_path / "why.png"), "--steps", "8"]
    other = next(name for name in CLASSES if name != project.truth[9])
    result = CliRunner().invoke(build_app(), [*arguments, "--label", other])
    assert result.exit_code == 0, result.output
    assert f"{other}: 0." in result.stdout
    assert "distilled into a head: the same label on" in result.stdout
    assert (tmp_path / "why.png").stat().st_size > 50_000
    refused = CliRunner().invoke(build_app(), [*arguments, "--image", "x.jpg"])
    assert refused.exit_code == 2
    assert "Give --image, or --project and --task." in refused.stderr
