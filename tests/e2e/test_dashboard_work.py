"""What a lead does on the pages by clicks and keys: doubted answers, a dispute, a tab of the Data Manager, copies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from backend_process import BackendProcess
from crops_project import CONFIG, LABELS, annotations, answer, true_labels
from PIL import Image
from playwright.sync_api import Page, expect

from backend.images.digest import sha256_digest
from backend.priority import evaluation_mask
from backend.settings import Settings
from backend.sync.client import LabelStudioClient

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.long]

PHOTOS = 16  # of each class
ANSWERED = 8  # of them
SECOND_PERSON = """
from organizations.models import Organization
from rest_framework.authtoken.models import Token
from users.models import User
user, made = User.objects.get_or_create(email="second@example.com", defaults={"username": "second"})
Organization.objects.first().add_user(user)
user.active_organization = Organization.objects.first()
user.save()
answer = Token.objects.get_or_create(user=user)[0].key
"""


@dataclass(frozen=True)
class Answered:
    """A project that is half answered: true and given label of its tasks, one cat taken for a cup."""

    project_id: int
    names: dict[int, str]
    given: dict[int, str]

    @property
    def slips(self) -> set[int]:
        """The tasks that were answered wrongly."""
        return {task for task, label in self.given.items() if label != self.names[task]}


@pytest.fixture(scope="module")
def answered(backend: BackendProcess, client: LabelStudioClient, crops: list[Path]) -> Iterator[Answered]:
    """One project for all tests here, in this order: the last one may answer every photo."""
    project_id = int(client.create_project(title="Work", label_config=CONFIG)["id"])
    photos = crops[: PHOTOS * len(LABELS)]
    backend.take_on(client, project_id, photos, window_size=20, retrain_every=1000, evaluation_share=0)
    names, given = true_labels(client, project_id), {}
    for label in LABELS.values():
        for task in [task for task, name in sorted(names.items()) if name == label][:ANSWERED]:
            given[task] = "cup" if label == "cat" and "cup" not in given.values() else label
            client.annotate(task, answer(given[task]))
    backend.wait_for(lambda: backend.get(f"/projects/{project_id}/overview")["labelled"] == len(given), "the answers")
    backend.wait_until_idle(project_id)
    yield Answered(project_id, names, given)
    client.transport.call("DELETE", f"/api/projects/{project_id}/")


@pytest.fixture
def faults(page: Page) -> list[str]:
    """What the browser's console says is wrong."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    return found


def test_doubted_answers_disputes_and_what_is_found_are_dealt_with_by_clicks(
    page: Page,
    backend: BackendProcess,
    client: LabelStudioClient,
    answered: Answered,
    django: Callable[[str], Any],
    faults: list[str],
) -> None:
    project_id = answered.project_id
    backend.wait_for(
        lambda: (
            {item["task"] for item in backend.get(f"/projects/{project_id}/mistakes")["suspects"]} >= answered.slips
        ),
        "the slip to be suspected",
    )

    # Answers that look wrong: Enter gives the other label, beside the first answer.
    page.goto(f"{backend.url}/dashboard/{project_id}/mistakes")
    page.get_by_role("link", name="Look at them on a sheet").click()
    expect(page.locator("#question")).to_have_text("Answered cup, but all cat, except …")
    shown = {int(button.get_attribute("data-task") or 0) for button in page.locator("#sheet button.photo").all()}
    assert answered.slips <= shown
    for task in shown - answered.slips:  # an honest cup that is doubted stays one
        page.locator(f"#sheet [data-task='{task}']").click()
    page.locator("#sheet button.photo").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("saved.")
    now = annotations(client, project_id)
    assert all(sorted(now[task]) == ["cat", "cup"] for task in answered.slips)
    backend.wait_until_idle(project_id)

    # A second person disagrees: the photo is to be asked about again, and leads to Label Studio.
    other = LabelStudioClient(client.url, django(SECOND_PERSON))
    disputed = next(task for task, label in answered.given.items() if label == "rocket")
    other.annotate(disputed, answer("cup"))
    backend.wait_for(
        lambda: backend.get(f"/projects/{project_id}/mistakes")["agreement"]["disputed"], "the dispute", 60
    )
    page.goto(f"{backend.url}/dashboard/{project_id}/mistakes")
    card = page.locator("section", has=page.get_by_role("heading", name="Ask again"))
    expect(card.locator(".grid .note")).to_contain_text(["cup"])
    card.locator(f"img[alt='Task {disputed}']").click()
    expect(page).to_have_url(re.compile(rf"/projects/{project_id}/data.*task={disputed}"))

    # What a search finds opens as a tab of the Data Manager with just these tasks.
    page.goto(f"{backend.url}/dashboard/{project_id}/search?name=rocket&answered=no&believed=1")
    found = page.locator(".grid li")
    count = found.count()
    assert 0 < count < len(answered.names)
    page.get_by_role("button", name="Open in the Data Manager").click()
    expect(page).to_have_url(re.compile(rf"{client.url}/projects/{project_id}/data\?tab=\d+"))
    expect(page.get_by_text(re.compile(rf"Tasks:\s*{count}\b")).first).to_be_visible()
    assert not [fault for fault in faults if backend.url in fault]


def test_why_a_photo_gets_its_label_is_shown_in_the_queue(
    page: Page, backend: BackendProcess, answered: Answered, faults: list[str]
) -> None:
    backend.wait_until_idle(answered.project_id)
    page.goto(f"{backend.url}/dashboard/{answered.project_id}/queue")
    button = page.locator("button[data-why]").first
    place = page.locator(f"#why-{button.get_attribute('data-why')}")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(place).to_contain_text("The picture is being made")
    picture = place.locator("img")
    expect(picture).to_be_visible(timeout=240_000)
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 1000
    assert picture.get_attribute("alt")
    page.set_viewport_size({"width": 400, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.keyboard.press("Enter")
    expect(place).to_be_hidden()
    page.keyboard.press("Enter")  # it is there already
    expect(picture).to_be_visible()
    assert not [address for address in asked if "attribution" in address]
    assert not [fault for fault in faults if backend.url in fault]


def learned_from(path: Path) -> bool:
    """Whether a photo is not of the evaluation sample, whose answers are kept from its copies, too."""
    return not evaluation_mask([sha256_digest(path.read_bytes())], Settings(_env_file=None).evaluation_share)[0]


def test_copies_of_an_answered_photo_get_its_label_by_one_key(
    page: Page,
    backend: BackendProcess,
    client: LabelStudioClient,
    answered: Answered,
    tmp_path: Path,
    crops: list[Path],
) -> None:
    project_id = answered.project_id
    tasks = {int(task["id"]): str(task["data"]["image"]) for task in client.iter_tasks(project_id)}
    cats = [task for task, label in answered.given.items() if label == answered.names[task] == "cat"]
    originals = (next(path for path in crops if tasks[cat].endswith(path.name)) for cat in cats)
    original = next(path for path in originals if learned_from(path))
    copies = [tmp_path / f"copy_{quality}.jpg" for quality in (88, 92, 95)]
    for copy, quality in zip(copies, (88, 92, 95), strict=True):
        copy.write_bytes(compressed(original, quality))
    client.upload_images(project_id, copies)
    embedded = len(tasks) + len(copies)
    backend.wait_for(lambda: backend.get(f"/projects/{project_id}")["tasks"]["embedded"] == embedded, "the copies")
    backend.wait_until_idle(project_id)
    new = {int(task["id"]) for task in client.iter_tasks(project_id)} - set(tasks)

    shown = page.locator("#sheet button.photo")

    def tasks_shown() -> set[int]:
        return {int(button.get_attribute("data-task") or 0) for button in shown.all()}

    for _ in range(20):  # until an order knows the new photos; crops of one picture, which may be more, come before
        page.goto(f"{backend.url}/dashboard/{project_id}/sheets")
        page.locator("#kind").select_option("same")
        page.wait_for_timeout(2000)
        asked = page.locator("#question").inner_text().removeprefix("All ").removesuffix(", except …")
        if new <= tasks_shown():
            break
        if tasks_shown():
            assert {answered.names[task] for task in tasks_shown()} == {asked}
            page.keyboard.press("Enter")
            expect(page.locator("#status")).to_contain_text("saved.")
    expect(page.locator("#question")).to_have_text("All cat, except …", timeout=5000)
    assert new <= tasks_shown()
    expect(shown.first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("saved.")
    now = annotations(client, project_id)
    assert all(now[task] == ["cat"] for task in new)


def compressed(path: Path, quality: int) -> bytes:
    """A photo as another JPEG."""
    data = BytesIO()
    with Image.open(path) as photo:
        photo.save(data, "JPEG", quality=quality)
    return data.getvalue()
