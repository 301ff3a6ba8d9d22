"""The pages of the backend in headless Chromium: a sheet answered, taken back, shared by two people; true figures."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from backend_process import BackendProcess
from crops_project import EACH, LABELS, annotations
from playwright.sync_api import Page, expect

from backend.sync.client import LabelStudioClient

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


def test_a_sheet_with_three_odd_ones_is_answered_at_once_and_taken_back(
    page: Page, backend: BackendProcess, client: LabelStudioClient, truth: tuple[int, dict[int, str]]
) -> None:
    project_id, names = truth
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(f"{backend.url}/dashboard/{project_id}/sheets")
    shown = page.locator("#sheet button.photo")
    expect(shown).to_have_count(24)
    question = page.locator("#question").inner_text()
    label = re.fullmatch(r"All (.+), except …", question).group(1)  # type: ignore[union-attr]
    tasks = [int(button.get_attribute("data-task") or 0) for button in shown.all()]
    assert {names[task] for task in tasks} == {label}
    before = annotations(client, project_id)

    for place in (1, 5, 20):
        shown.nth(place).click()
        page.locator("#label").fill("kitten")
    expect(page.locator("#confirm")).to_contain_text(f"Confirm 21 as {label}")
    page.locator("#confirm").click()
    expect(page.locator("#status")).to_contain_text("24 saved.")

    odd = {tasks[place] for place in (1, 5, 20)}
    expected = {task: ["kitten" if task in odd else label] for task in tasks}
    assert annotations(client, project_id) == {**before, **expected}
    expect(page.locator("#question")).not_to_have_text(question)  # the answered ones are on no sheet any more
    backend.wait_for(
        lambda: not {item["task"] for item in backend.queue(project_id)} & set(tasks), "the queue to know the answers"
    )

    page.keyboard.press("u")
    expect(page.locator("#status")).to_contain_text("24 answers taken back.")
    assert annotations(client, project_id) == before
    assert not faults


def test_two_people_never_have_the_same_photo_and_nobody_answers_for_the_other(
    backend: BackendProcess, client: LabelStudioClient, truth: tuple[int, dict[int, str]]
) -> None:
    project_id, _ = truth
    ann, bob = requests.Session(), requests.Session()
    for person in (ann, bob):
        person.get(f"{backend.url}/dashboard/{project_id}/sheets", timeout=30).raise_for_status()
    path = f"{backend.url}/projects/{project_id}/sheets"
    first, second = (person.post(path, json={"size": 12}, timeout=30).json() for person in (ann, bob))
    assert not {item["task"] for item in first["tasks"]} & {item["task"] for item in second["tasks"]}

    answers = {str(item["task"]): first["label"] for item in first["tasks"]}
    stolen = bob.post(f"{path}/{first['sheet']}/answers", json={"answers": answers}, timeout=30)
    assert (stolen.status_code, stolen.json()["error"]["code"]) == (404, "sheet_gone")

    # A person answers one of Ann's photos in Label Studio meanwhile: that answer stays the only one.
    task = first["tasks"][0]["task"]
    value = {"choices": ["kitten"]}
    client.annotate(task, [{"from_name": "what", "to_name": "image", "type": "choices", "value": value}])
    saved = ann.post(f"{path}/{first['sheet']}/answers", json={"answers": answers}, timeout=60).json()
    assert [item["task"] for item in saved["left_out"]] == [task]
    assert annotations(client, project_id)[task] == ["kitten"]
    assert len(saved["saved"]) == 11


def test_a_call_from_another_site_is_refused(backend: BackendProcess, truth: tuple[int, dict[int, str]]) -> None:
    project_id, _ = truth
    answer = requests.post(
        f"{backend.url}/projects/{project_id}/sheets", json={}, headers={"Origin": "http://evil.example"}, timeout=30
    )
    assert answer.json()["error"]["code"] == "other_site"


def test_the_pages_show_what_is_true(
    page: Page, backend: BackendProcess, client: LabelStudioClient, truth: tuple[int, dict[int, str]]
) -> None:
    project_id, _ = truth
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(f"{backend.url}/")
    expect(page).to_have_url(re.compile(r"/dashboard/"))
    page.goto(f"{backend.url}/dashboard/{project_id}")
    expect(page.locator(".figure").first).to_have_text(str(len(LABELS)))
    page.get_by_role("link", name="Queue").click()
    rows = page.locator("li.place")
    queue: list[dict[str, Any]] = backend.queue(project_id)
    expect(rows).to_have_count(len(queue))
    for place in (0, 7, 19):
        expect(rows.nth(place)).to_contain_text(queue[place]["reason"])
        expect(rows.nth(place)).to_contain_text(queue[place]["result"][0]["value"]["choices"][0])
    for place in range(5):  # pictures, not broken links
        expect(page.locator("img.thumb").nth(place)).to_have_js_property("naturalWidth", 256)
    nodes = backend.get(f"/projects/{project_id}/coverage")["nodes"]
    most = max((node for node in nodes if node["label"] is not None), key=lambda node: node["photos"])
    page.get_by_role("link", name="Coverage").click()
    if most["parent"] != -1:  # its branch is opened, so that its own tile is shown
        page.goto(f"{page.url}?node={most['parent']}")
    said = f"{most['title']}: {most['photos']} photos, {most['answered']} answered"
    tiles = page.locator("svg.treemap.wide a")
    tile = tiles.nth([item.get_attribute("aria-label") for item in tiles.all()].index(said))
    tile.click()
    expect(page).to_have_url(re.compile(r"/search\?label="))
    found = backend.get(f"/projects/{project_id}/search?label={most['label']}")["photos"]
    expect(page.locator(".grid li")).to_have_count(len(found))
    expect(page.locator(".grid img").first).to_have_attribute("alt", f"Task {found[0]['task']}")
    page.get_by_role("link", name=re.compile("as a sheet")).click()
    expect(page.locator("#question")).to_have_text(f"All {most['title']}, except …")
    page.goto(f"{backend.url}/dashboard/{project_id}/sheets")
    expect(page.locator("#sheet button.photo").first).to_be_visible()
    page.locator("#kind").select_option("clean")  # nothing was answered wrongly: told, and no error of the console
    expect(page.locator("#status")).to_have_text("No annotation looks wrong.")
    expect(page.locator("#sheet button.photo")).to_have_count(0)
    expect(page.locator("#confirm")).to_be_disabled()
    for name in ("", "/queue", "/sheets", "/coverage", "/map", "/mistakes", "/search?name=cat", "/settings"):
        for width in (1280, 400):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(f"{backend.url}/dashboard/{project_id}{name}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        broken = Axe().run(page).response["violations"]
        assert not broken, [(name, item["id"], item["nodes"][0]["html"]) for item in broken]
    assert not faults
    draw_and_choose(page, backend, project_id)
    assert not faults
    # Programs still get JSON at the root.
    assert backend.get("/")["status"] == "UP"


def draw_and_choose(page: Page, backend: BackendProcess, project_id: int) -> None:
    """The map is drawn on request; what a lasso holds, or a label, or the view, opens as a sheet."""
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{backend.url}/dashboard/{project_id}/map")
    page.get_by_role("button", name="Draw the map").click()
    expect(page.locator("#plane[data-ready]")).to_be_visible(timeout=120_000)
    points = backend.get(f"/projects/{project_id}/map")
    assert len(points["task"]) == 4 * EACH
    expect(page.locator("#status")).to_have_text(f"{4 * EACH} photos.")
    row = next(row for row, answered in enumerate(points["answered"]) if not answered)
    title = points["labels"][points["label"][row]]
    of_label = [
        task for task, label in zip(points["task"], points["label"], strict=True) if label == points["label"][row]
    ]
    page.locator("#legend").get_by_role("button", name=title, exact=True).click()
    expect(page.locator("#status")).to_contain_text(f"{len(of_label)} photos chosen")
    page.locator("#plane").focus()
    page.keyboard.press("Enter")  # everything is in view
    expect(page.locator("#status")).to_contain_text(
        f"{4 * EACH} photos chosen, {3 * EACH + EACH - 4} without an answer"
    )
    box = page.locator("#plane").bounding_box()
    assert box is not None
    side = 0.94 * min(box["width"], box["height"]) / 2
    x = box["x"] + box["width"] / 2 + side * (2 * points["x"][row] / points["grid"] - 1)
    y = box["y"] + box["height"] / 2 - side * (2 * points["y"][row] / points["grid"] - 1)
    page.mouse.move(x, y)
    expect(page.locator("#hint")).to_contain_text(title)
    expect(page.locator("#hint img")).to_have_js_property("naturalWidth", 256)
    page.keyboard.down("Shift")
    page.mouse.move(x - 14, y - 14)
    page.mouse.down()
    for at in ((x + 14, y - 14), (x + 14, y + 14), (x - 14, y + 14)):
        page.mouse.move(*at, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page.locator("#status")).to_contain_text(f"most are believed to be {title}")
    for colour in ("doubt", "place", "label"):
        page.locator("#colour").select_option(colour)
    broken = Axe().run(page).response["violations"]
    assert not broken, [(item["id"], item["nodes"][0]["html"]) for item in broken]
    page.set_viewport_size({"width": 400, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#sheet").click()
    expect(page.locator("#question")).to_have_text(f"All {title}, except …")
