"""Two versions are compared over photos that nobody answered; what a person chooses serves; other sites cannot choose."""

from __future__ import annotations

import os

import pytest
from flask.testing import FlaskClient

from backend.api.app import create_app
from backend.service.insight.disagreements import KEPT_PAIRS, disagreements_of
from backend.service.versions.artifacts import head_folder, project_folder
from backend.service.versions.registry import list_versions
from tests.photographs import photographs
from tests.unit.service.photo_project import PhotoProject

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> PhotoProject:
    classes = sorted(folder.name for folder in photographs().iterdir() if folder.is_dir())[:3]
    made = PhotoProject(tmp_path_factory.mktemp("versions"), classes, 8, evaluation_share=0.0)
    made.run("embed")
    made.annotate(range(9))
    made.run("train")
    return made


@pytest.fixture
def client(project: PhotoProject) -> FlaskClient:
    return create_app(project.runtime, project.jobs).test_client()


def test_photos_that_two_versions_name_differently_are_those_that_differ(project: PhotoProject) -> None:
    versions = {item.version for item in list_versions(project.runtime, 1)}
    trained = next(name for name in sorted(versions) if name.startswith("head"))
    found = disagreements_of(project.runtime, project.row, trained, "propagation")
    assert found["compared"] == 24 - 9
    assert found["differing"] == len(found["photos"])
    assert all(item["label"] != item["other_label"] for item in found["photos"])
    same = disagreements_of(project.runtime, project.row, trained, trained)
    assert (same["compared"], same["differing"]) == (15, 0)
    gone = disagreements_of(project.runtime, project.row, "wordnet", trained)
    assert "wordnet" in gone["why"]


def test_a_job_compares_and_the_page_waits_for_it(project: PhotoProject, client: FlaskClient) -> None:
    """The web process opens no backbone and asks no version: it shows what the job kept."""
    trained = next(item.version for item in list_versions(project.runtime, 1) if item.version.startswith("head"))
    path = f"/projects/1/models/{trained}/disagreements?against=propagation"
    assert client.get(path, headers={"Sec-Fetch-Site": "cross-site"}).json["error"]["code"] == "other_site"
    assert 'id="comparing"' in client.get(f"/dashboard/1?compare={trained}&against=propagation").text
    asked = client.get(path)
    assert (asked.status_code, project.jobs.ledger.get(asked.json["job"]).kind) == (202, "compare")
    assert client.get(path).json["job"] == asked.json["job"]
    project.run_waiting()
    found = client.get(path)
    assert (found.status_code, found.json["compared"]) == (200, 24 - 9)
    assert "figures" in found.json
    assert project.jobs.ledger.get(asked.json["job"]).message.startswith(f"{trained} and propagation differ on")
    page = client.get(f"/dashboard/1?compare={trained}&against=propagation").text
    assert 'id="comparing"' not in page
    assert "Of 15 photos without an answer" in page
    limited = client.get(f"{path}&limit=1").json["photos"]
    assert limited == found.json["photos"][:1]


def test_a_person_promotes_goes_back_and_lets_go(project: PhotoProject, client: FlaskClient) -> None:
    trained = next(item.version for item in list_versions(project.runtime, 1) if item.version.startswith("head"))
    hostile = client.post(f"/projects/1/models/{trained}/promote", headers={"Origin": "http://evil.example"})
    assert hostile.json["error"]["code"] == "other_site"
    client.post(f"/projects/1/models/{trained}/promote")
    project.run_waiting()
    assert (project.row.serving_version, project.row.pinned) == (trained, True)
    page = client.get("/dashboard/1?compare=propagation").text
    assert "roll back to propagation" in page
    assert 'data-post="models/propagation/promote"' in page, (
        "who clicks on an older page, or after another, goes back no further"
    )
    assert f"--version {trained}" in page
    assert f"propagation beside {trained}" in page
    client.post("/projects/1/models/rollback")
    project.run_waiting()
    assert project.row.serving_version == "propagation"
    client.post("/projects/1/models/unpin")
    assert not project.row.pinned


def test_a_version_whose_folder_is_gone_or_damaged_says_so(project: PhotoProject, client: FlaskClient) -> None:
    trained = next(item.version for item in list_versions(project.runtime, 1) if item.version.startswith("head"))
    folder = head_folder(project.runtime, 1, trained)
    away = folder.rename(folder.with_name("away"))
    try:
        refused = client.post(f"/projects/1/models/{trained}/promote")
        assert refused.json["error"]["code"] == "artifact_missing"
        asked = client.get(f"/projects/1/models/{trained}/disagreements?against=wordnet").json["job"]
        project.run_waiting()
        assert trained in project.jobs.ledger.get(asked).message
        assert "0 of 0" not in project.jobs.ledger.get(asked).message
    finally:
        away.rename(folder)
    weights = folder / "control-0" / "weights.npz"
    whole = weights.read_bytes()
    try:
        weights.write_bytes(whole[:100])
        refused = client.post(f"/projects/1/models/{trained}/promote")
        assert refused.json["error"]["code"] == "artifact_damaged"
        assert str(project.settings.state_dir) not in refused.text, "where the server keeps its files"
    finally:
        weights.write_bytes(whole)
    assert project.row.serving_version != trained


def test_an_unknown_version_is_named_and_stays_text(project: PhotoProject, client: FlaskClient) -> None:
    page = client.get("/dashboard/1?compare=%3Cscript%3Ealert(1)%3C/script%3E&against=propagation").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    answer = client.get("/projects/1/models/nothing/disagreements?against=propagation")
    assert answer.status_code == 404


def test_a_job_is_cancelled_and_started_again_by_call(project: PhotoProject, client: FlaskClient) -> None:
    job = project.runtime.jobs.enqueue("train", 1)
    hostile = client.post(f"/projects/1/jobs/{job}/cancel", headers={"Sec-Fetch-Site": "cross-site"})
    assert hostile.json["error"]["code"] == "other_site"
    stopped = client.post(f"/projects/1/jobs/{job}/cancel")
    assert (stopped.status_code, stopped.json["job_status"]) == (200, "cancelled")
    assert "start again" in client.get("/dashboard/1").text
    project.run("refresh")  # which looks whether a training is due
    again = client.post(f"/projects/1/jobs/{job}/again")
    assert (again.status_code, project.jobs.ledger.get(again.json["job"]).kind) == (202, "train")
    client.post(f"/projects/1/jobs/{again.json['job']}/cancel")
    assert client.post("/projects/1/jobs/nothing/cancel").status_code == 404


def test_the_oldest_of_too_many_comparisons_makes_room(project: PhotoProject) -> None:
    trained = next(item.version for item in list_versions(project.runtime, 1) if item.version.startswith("head"))
    folder = project_folder(project.runtime, 1) / "comparisons"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(KEPT_PAIRS + 5):
        (folder / f"old{number}.json").write_text("{}")
        os.utime(folder / f"old{number}.json", (1000 + number, 1000 + number))
    project.run("compare", {f"{trained} propagation": True})
    left = sorted(folder.glob("*.json"), key=lambda item: item.stat().st_mtime)
    assert len(left) == KEPT_PAIRS
    assert left[-1].read_text().startswith('{"version"')
    assert not (folder / "old0.json").exists()
