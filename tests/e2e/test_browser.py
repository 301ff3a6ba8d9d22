"""What people see and press, in headless Chromium: Start Training, the pre-annotation, the ordered Data Manager."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from annotator import Annotator
from backend_process import BackendProcess
from playwright.sync_api import Page, expect

from backend.demo.label_studio_process import LabelStudioProcess
from backend.sync.client import LabelStudioClient

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Choices name="what" toName="image" choice="single">
    <Choice value="cat"/><Choice value="rocket"/><Choice value="cup"/><Choice value="flower"/>
  </Choices>
</View>
"""


@pytest.fixture
def project(
    backend: BackendProcess, client: LabelStudioClient, photos: list[Path], make_project: Callable[..., int]
) -> int:
    project_id = make_project(label_config=CONFIG)
    backend.take_on(client, project_id, photos[:30], window_size=20, retrain_every=1000)
    return project_id


def test_start_training_in_the_model_settings_runs_the_job_and_publishes_a_new_window(
    page: Page,
    label_studio: LabelStudioProcess,
    backend: BackendProcess,
    client: LabelStudioClient,
    project: int,
) -> None:
    labels = ["cat", "rocket", "cup", "flower"]
    for number, item in enumerate(backend.queue(project)[:12]):
        choice = {"choices": [labels[number % 4]]}
        result = [{"from_name": "what", "to_name": "image", "type": "choices", "value": choice}]
        client.annotate(item["task"], result)
    backend.wait_for(lambda: backend.version(project) == "propagation", "the annotations to count")
    backend.wait_until_idle(project)
    before = backend.window(project)

    page.goto(f"{label_studio.url}/projects/{project}/settings/ml")
    page.get_by_role("button", name="Machine learning model options").click()
    page.get_by_text("Start Training", exact=True).click()
    page.get_by_role("button", name="Start Training").last.click()  # the question whether one is sure

    def trained() -> Any:
        jobs = backend.get(f"/projects/{project}/jobs")["jobs"]
        return [job for job in jobs if job["kind"] == "train" and job["job_status"] == "done"]

    backend.wait_for(trained, "the training", 300)
    backend.wait_until_idle(project)
    assert backend.window(project) != before
    assert client.project(project)["model_version"] == backend.version(project)


def test_the_labelling_screen_shows_the_first_of_the_queue_with_its_pre_annotation(
    page: Page, label_studio: LabelStudioProcess, backend: BackendProcess, client: LabelStudioClient, project: int
) -> None:
    first = backend.queue(project)[0]
    page.goto(f"{label_studio.url}/projects/{project}/data?labeling=1")
    shown = page.locator(".lsf-current-task__task-id")
    expect(shown).to_have_text(re.compile(rf"^{first['task']}\s*1 of 1$"))
    guess = first["result"][0]["value"]["choices"][0]
    expect(page.get_by_role("checkbox", name=re.compile(rf"^{guess}\b"))).to_be_checked()
    assert page.get_by_role("checkbox", checked=True).count() == 1


def test_a_photo_that_is_open_is_saved_while_the_labels_change_and_is_back_once_its_annotation_is_deleted(
    page: Page, label_studio: LabelStudioProcess, backend: BackendProcess, client: LabelStudioClient, project: int
) -> None:
    annotator = Annotator(page, label_studio.url, project)
    annotator.open_stream()
    removed = annotator.suggested
    kept = next(label for label in ("cat", "rocket", "cup", "flower") if label != removed)
    changed = CONFIG.replace(f'<Choice value="{removed}"/>', '<Choice value="temple"/>')
    client.update_project(project, label_config=changed)
    answer = annotator.submit(kept, look=False)  # the next photo was handed out before: its label may be none any more
    assert answer.status == 201

    def suggested() -> set[str]:
        return {part["value"]["choices"][0] for item in backend.queue(project) for part in item["result"]}

    backend.wait_for(lambda: removed not in suggested(), "suggestions of the new labels")
    backend.wait_until_idle(project)
    waiting = _tasks(backend, project)
    published = [row for row in client.predictions(project, backend.version(project)) if row["task"] in waiting]
    assert published
    assert all(part["value"]["choices"] != [removed] for row in published for part in row["result"])

    # Label Studio tells nobody of a single deletion: polling finds it.
    backend.wait_for(lambda: answer.task not in _tasks(backend, project), "the photo to leave the queue")
    client.transport.call("DELETE", f"/api/annotations/{answer.annotation['id']}/")
    backend.wait_for(lambda: answer.task in _tasks(backend, project), "the photo to be back")


def _tasks(backend: BackendProcess, project: int) -> list[int]:
    return [item["task"] for item in backend.queue(project)]
