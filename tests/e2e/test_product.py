"""The main job, end to end: a real Label Studio, the real backend, photos, annotations, training, a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from backend_process import BackendProcess
from sqlalchemy import create_engine, text

from backend.demo.label_studio_process import LabelStudioProcess, import_images
from backend.sync.client import LabelStudioClient
from backend.sync.connect import connect_project
from backend.sync.version_names import model_of

pytestmark = [pytest.mark.e2e, pytest.mark.long]

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Choices name="what" toName="image" choice="single">
    <Choice value="cat"/><Choice value="rocket"/><Choice value="cup"/><Choice value="flower"/><Choice value="temple"/>
    <Choice value="Not relevant"/>
  </Choices>
</View>
"""
WINDOW = 12


@pytest.fixture
def project(
    backend: BackendProcess, client: LabelStudioClient, photos: list[Path], make_project: Callable[..., int]
) -> int:
    """A project with 60 uploaded photos, connected, its first window published."""
    project_id = make_project(label_config=CONFIG)
    backend.take_on(client, project_id, photos, window_size=WINDOW, retrain_every=1000)
    return project_id


def _published(backend: BackendProcess, project_id: int) -> str:
    projects = {item["id"]: item for item in backend.get("/projects")["projects"]}
    return str(projects.get(project_id, {}).get("published_version", ""))


def _choice(label: str) -> list[dict[str, Any]]:
    return [{"from_name": "what", "to_name": "image", "type": "choices", "value": {"choices": [label]}}]


def _next(client: LabelStudioClient, project_id: int) -> int:
    return int(client.next_task(project_id)["id"])


def _stored_annotations(backend: BackendProcess, project_id: int) -> set[int]:
    engine = create_engine(f"sqlite:///{backend.state_dir / 'backend.sqlite3'}")
    with engine.connect() as connection:
        rows = connection.execute(
            text("select annotation_id from annotation where project_id = :p and not deleted"), {"p": project_id}
        )
        found = {int(row[0]) for row in rows}
    engine.dispose()
    return found


def test_label_studio_serves_the_published_order_and_every_annotation_changes_it(
    backend: BackendProcess, client: LabelStudioClient, project: int
) -> None:
    window = backend.queue(project)
    assert len(window) == WINDOW
    assert [item["position"] for item in window] == list(range(WINDOW))
    scores = [item["score"] for item in window]
    assert scores == sorted(set(scores))
    assert all(item["reason"] for item in window)
    stored = {item["task"]: item for item in client.predictions(project, backend.version(project))}
    assert set(stored) == {item["task"] for item in window}

    first_version = backend.version(project)
    annotated: list[int] = []
    for _ in range(10):
        # What Label Studio hands out is the head of the window that is published at this moment.
        expected = [item["task"] for item in backend.queue(project)]
        served = _next(client, project)
        assert served == expected[0]
        annotated.append(int(client.annotate(served, _choice("cat"))["id"]))
        backend.wait_for(
            lambda served=served: served not in [i["task"] for i in backend.queue(project)],
            "the annotated task to leave the window",
        )
        backend.wait_until_idle(project)
        backend.wait_for(
            lambda: client.project(project)["model_version"] == backend.version(project), "the version to be published"
        )
    assert backend.version(project) != first_version
    assert client.project(project)["model_version"] == backend.version(project)
    assert _stored_annotations(backend, project) == set(annotated)
    # One name for each model: its queue, and what left it. Nothing is deleted while somebody may look at it.
    stored = client.model_versions(project)
    assert {model_of(name) for name in stored} == {"wordnet", "propagation"}
    assert stored["wordnet"] == WINDOW


def test_annotations_made_while_the_backend_was_killed_arrive(
    backend: BackendProcess, client: LabelStudioClient, project: int
) -> None:
    tasks = [item["task"] for item in backend.queue(project)]
    backend.kill()
    made = {int(client.annotate(task, _choice("rocket"))["id"]) for task in tasks[:5]}
    backend.start()
    backend.wait_for(lambda: _stored_annotations(backend, project) == made, "the five annotations")
    backend.wait_for(
        lambda: not set(tasks[:5]) & {item["task"] for item in backend.queue(project)}, "a window without them"
    )


def test_a_team_is_served_from_the_window_only(
    backend: BackendProcess, client: LabelStudioClient, project: int, django: Callable[[str], Any]
) -> None:
    django(
        f"""
from users.models import User
from projects.models import Project, ProjectMember
project = Project.objects.get(id={project})
other, _ = User.objects.get_or_create(email="colleague@example.com", defaults=dict(username="colleague"))
for user in (project.created_by, other):
    ProjectMember.objects.get_or_create(user=user, project=project)
answer = ProjectMember.objects.filter(project=project).count()
"""
    )
    window = {item["task"] for item in backend.queue(project)}
    assert {_next(client, project) for _ in range(15)} <= window


def test_start_training_trains_and_publishes_a_new_window(
    backend: BackendProcess, client: LabelStudioClient, project: int
) -> None:
    labels = ["cat", "rocket", "cup", "flower"]
    for number, item in enumerate(backend.queue(project)):
        client.annotate(item["task"], _choice(labels[number % 4]))
    backend.wait_for(lambda: len(_stored_annotations(backend, project)) == WINDOW, "the annotations")
    backend.wait_until_idle(project)
    before = backend.window(project)
    ml_backend = client.ml_backends(project)[0]["id"]
    client.transport.call("POST", f"/api/ml/{ml_backend}/train")

    def trained() -> Any:
        jobs = backend.get(f"/projects/{project}/jobs")["jobs"]
        return [job for job in jobs if job["kind"] == "train" and job["job_status"] in ("done", "failed")]

    job = backend.wait_for(trained, "the training", 300)[0]
    assert job["job_status"] == "done", job["message"]
    assert backend.get(f"/job_status?job={job['job']}")["percent"] == 100
    backend.wait_until_idle(project)
    assert backend.window(project) != before
    assert client.project(project)["model_version"] == backend.version(project)
    assert "head-1" in {model["version"] for model in backend.get(f"/projects/{project}/models")["models"]}
    assert "head-1" in backend.get("/versions")["versions"]


def test_photos_from_local_files_and_one_that_cannot_be_read(
    backend: BackendProcess,
    label_studio: LabelStudioProcess,
    client: LabelStudioClient,
    make_project: Callable[..., int],
    tmp_path: Path,
    photos: list[Path],
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"this is no photo")
    project_id = make_project(label_config=CONFIG)
    import_images(label_studio, project_id, [*photos[:20], broken], collection=f"product-{project_id}")
    connect_project(client, project_id, backend.url)
    backend.wait_for(lambda: _published(backend, project_id), "the window", 180)
    backend.wait_until_idle(project_id)
    assert len(backend.queue(project_id)) == 20
    failures = backend.get(f"/projects/{project_id}/failures")["failures"]
    assert len(failures) == 1
    assert "broken.jpg" in failures[0]["image"]
    tasks = [{"id": item["id"], "data": item["data"]} for item in client.iter_tasks(project_id)]
    answers = backend.post("/predict", {"project": f"{project_id}.1", "tasks": tasks})["results"]
    assert len(answers) == 21
    empty = [task["id"] for task, answer in zip(tasks, answers, strict=True) if answer == []]
    assert empty == [failures[0]["task"]]
    assert "label_order_image_failures_total" in requests.get(backend.url + "/metrics", timeout=10).text


def test_retrieve_predictions_stores_one_for_each_task(
    backend: BackendProcess, client: LabelStudioClient, project: int
) -> None:
    client.transport.call(
        "POST",
        "/api/dm/actions",
        params={"id": "retrieve_tasks_predictions", "project": project},
        json={"selectedItems": {"all": True, "excluded": []}},
        timeout=120,
    )
    end = time.monotonic() + 60
    version = backend.version(project)
    while time.monotonic() < end and client.model_versions(project).get(version) != 60:
        time.sleep(0.5)
    assert client.model_versions(project)[version] == 60
