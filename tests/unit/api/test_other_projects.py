"""What belongs to one project cannot be looked at or changed by way of another: jobs, versions, photos."""

from __future__ import annotations

import pytest

from backend.jobs.kinds import JobKind
from backend.service.versions.registry import record_version
from backend.storage.schema import Task
from tests.unit.api.conftest import App, MakeApp
from tests.unit.service.samples import CONFIG

pytestmark = pytest.mark.unit

OWN, OTHER = 7, 8


@pytest.fixture
def two(make_app: MakeApp) -> App:
    """Two projects; the first has a job, a version and a task."""
    app = make_app()
    for project in (OWN, OTHER):
        app.client.post("/setup", json={"project": f"{project}.1", "schema": CONFIG})
    record_version(app.runtime, OWN, "head-1", kind="head", status="kept", annotations=3, backbone="")
    with app.database.session() as session:
        session.add(Task(project_id=OWN, task_id=1, data={}, image="/x.jpg", digest="d"))
    return app


def test_a_job_is_cancelled_and_started_again_only_by_its_own_project(two: App) -> None:
    job = two.runtime.jobs.enqueue(JobKind.TRAIN, OWN, {})
    for do in ("cancel", "again"):
        answer = two.client.post(f"/projects/{OTHER}/jobs/{job}/{do}")
        assert answer.status_code == 404
        assert job in answer.get_json()["error"]["message"]
    assert two.jobs.ledger.get(job).status == "queued"
    assert two.client.post(f"/projects/{OWN}/jobs/{job}/cancel").get_json()["job_status"] == "cancelled"
    assert two.client.post(f"/projects/{OTHER}/jobs/{job}/again").status_code == 404
    assert two.client.post(f"/projects/{OWN}/jobs/{job}/again").status_code == 202


@pytest.mark.parametrize(
    "path",
    [
        "models/head-1",
        "models/head-1/disagreements?against=head-1",
        "models/head-1/disagreements?against=wordnet",
        "tasks/1/thumbnail.jpg",
        "tasks/1/attribution.png",
    ],
)
def test_a_version_or_a_photo_of_another_project_is_not_there(two: App, path: str) -> None:
    assert two.client.get(f"/projects/{OTHER}/{path}").status_code == 404
    assert not [job for job in two.jobs.ledger.of_project(OTHER, 10) if job.kind in ("compare", "attribute")]


def test_a_version_of_another_project_is_not_promoted(two: App) -> None:
    before = two.client.get(f"/projects/{OTHER}/models").get_json()
    for name in ("head-1", "..%2F7%2Fmodels%2Fhead-1", "../7/models/head-1", "%00", "a" * 5000):
        assert two.client.post(f"/projects/{OTHER}/models/{name}/promote").status_code in (404, 422)
    assert two.client.get(f"/projects/{OTHER}/models").get_json() == before


@pytest.mark.parametrize(
    "value", ["../../etc/passwd", "<script>alert(1)</script>", "9" * 400, "-1", "٣", "\0", "1e400"]
)
def test_arguments_of_any_kind_break_no_page(two: App, value: str) -> None:
    names = ("node", "name", "label", "task", "tasks", "kind", "compare", "rate", "annotated", "believed", "answered")
    for page in ("", "/queue", "/sheets", "/coverage", "/map", "/mistakes", "/search", "/settings"):
        for name in names:
            answer = two.client.get(f"/dashboard/{OWN}{page}", query_string={name: value})
            assert answer.status_code < 500, (page, name)
            assert "<script>alert" not in answer.text, (page, name)
