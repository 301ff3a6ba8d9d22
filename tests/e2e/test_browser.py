"""What people see and press, in headless Chromium: Start Training, the pre-annotation, the ordered Data Manager."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backend_process import BackendProcess
from playwright.sync_api import Page, expect

from backend.cli.label_studio_process import LabelStudioProcess
from backend.sync.client import LabelStudioClient
from backend.sync.connect import connect_project
from tests.chromium import WAIT_MS, find_chromium, label_studio_page

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
def page(label_studio: LabelStudioProcess, login: tuple[str, str]) -> Iterator[Page]:
    """A page of a browser that is logged in to Label Studio."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("Chromium is not installed: run make chromium")
    expect.set_options(timeout=WAIT_MS)
    with label_studio_page(chromium, label_studio.url, *login, width=1400, height=900) as page:
        yield page


@pytest.fixture
def backend(label_studio: LabelStudioProcess, tmp_path: Path, token: str) -> Iterator[BackendProcess]:
    process = BackendProcess(
        tmp_path / "state",
        {
            "LABEL_STUDIO_URL": label_studio.url,
            "LABEL_STUDIO_API_KEY": token,
            "WINDOW_SIZE": "20",
            "POLL_SECONDS": "2",
            "RETRAIN_EVERY": "1000",
        },
    )
    process.start()
    yield process
    process.stop()


@pytest.fixture
def project(
    backend: BackendProcess, client: LabelStudioClient, photos: list[Path], make_project: Callable[..., int]
) -> int:
    project_id = make_project(label_config=CONFIG)
    client.upload_images(project_id, photos[:30])
    connect_project(client, project_id, backend.url)
    backend.wait_for(lambda: client.project(project_id)["model_version"].startswith("wordnet."), "the first window")
    backend.wait_until_idle(project_id)
    return project_id


def test_start_training_in_the_model_settings_runs_the_job_and_changes_the_version(
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
    backend.wait_for(lambda: backend.version(project).startswith("propagation."), "the annotations to count")
    backend.wait_until_idle(project)
    before = backend.version(project)

    page.goto(f"{label_studio.url}/projects/{project}/settings/ml")
    page.get_by_role("button", name="Machine learning model options").click()
    page.get_by_text("Start Training", exact=True).click()
    page.get_by_role("button", name="Start Training").last.click()  # the question whether one is sure

    def trained() -> Any:
        jobs = backend.get(f"/projects/{project}/jobs")["jobs"]
        return [job for job in jobs if job["kind"] == "train" and job["job_status"] == "done"]

    backend.wait_for(trained, "the training", 300)
    backend.wait_until_idle(project)
    assert backend.version(project) != before
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
