"""Photos of several labels in headless Chromium: all that hold are preselected, and Submit saves them together."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from backend_process import BackendProcess
from playwright.sync_api import Page, expect

from backend.demo.label_studio_process import LabelStudioProcess
from backend.sync.client import LabelStudioClient
from tests.photographs import photographs

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.browser]

LABELS = {"galaxy": ("galaxy",), "grass": ("grass", "ground"), "gravel": ("gravel", "ground"), "temple": ("temple",)}
PHOTOS_EACH = 12
ANNOTATED_EACH = 5
LOOKED_AT = 8
CHOICES = "".join(f'<Choice value="{name}"/>' for name in (*LABELS, "ground"))
CONFIG = (
    '<View><Image name="image" value="$image"/>'
    f'<Choices name="what" toName="image" choice="multiple">{CHOICES}</Choices></View>'
)


@pytest.fixture
def named_photos(tmp_path: Path) -> list[Path]:
    """Photos, named after their class."""
    return [
        Path(shutil.copy(photo, tmp_path / f"{name}-{photo.name}"))
        for name in LABELS
        for photo in sorted((photographs() / name).glob("*.jpg"))[:PHOTOS_EACH]
    ]


def shows(task: dict[str, object], photos: list[Path]) -> str:
    """The class of a task; Label Studio puts something before the file's name."""
    image = str(task["data"]["image"])  # type: ignore[index]
    return next(photo.name.split("-")[0] for photo in photos if image.endswith(f"-{photo.name}"))


@pytest.mark.timeout(900)
def test_all_labels_that_hold_are_preselected_and_saved(
    backend: BackendProcess,
    client: LabelStudioClient,
    label_studio: LabelStudioProcess,
    page: Page,
    named_photos: list[Path],
    make_project: Callable[..., int],
) -> None:
    project = make_project(label_config=CONFIG)
    backend.take_on(client, project, named_photos)
    truth = {int(task["id"]): shows(task, named_photos) for task in client.iter_tasks(project)}
    left = dict.fromkeys(LABELS, ANNOTATED_EACH)
    for task, name in truth.items():
        if left[name]:
            left[name] -= 1
            value = {"choices": list(LABELS[name])}
            client.annotate(task, [{"from_name": "what", "to_name": "image", "type": "choices", "value": value}])
    backend.wait_for(lambda: backend.version(project) == "propagation", "an order by what was learned")
    backend.wait_until_idle(project)

    page.goto(f"{label_studio.url}/projects/{project}/data")
    page.get_by_role("button", name=re.compile(r"^Label (All )?Tasks")).first.click()
    opened: dict[int, set[str]] = {}
    for _ in range(LOOKED_AT):
        shown = page.locator(".lsf-current-task__task-id")
        expect(shown).to_have_text(re.compile(r"^#?\d+"))
        if opened:
            expect(shown).not_to_have_text(re.compile(rf"^#?{list(opened)[-1]}\b"))
        task = int(re.sub(r"\D.*", "", shown.inner_text().lstrip("#")))
        expect(page.get_by_role("checkbox", checked=True).first).to_be_visible()
        boxes = page.get_by_role("checkbox", checked=True)
        opened[task] = set(boxes.evaluate_all("boxes => boxes.map(box => box.name)"))
        with page.expect_response(
            lambda answer: "/annotations" in answer.url and answer.request.method == "POST"
        ) as sent:
            page.get_by_test_id("bottombar-submit-button").click()
        assert sent.value.status == 201, sent.value.text()
        (result,) = sent.value.json()["result"]
        assert set(result["value"]["choices"]) == opened[task]
    right = [set(LABELS[truth[task]]) == labels for task, labels in opened.items()]
    assert sum(right) >= LOOKED_AT - 2, opened
    assert any(len(labels) == 2 for labels in opened.values()), opened
