"""What a lead does on the pages by clicks and keys: doubted answers, a dispute, a search as a tab of the Data Manager."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from backend_process import BackendProcess
from crops_project import LABELS, annotations, answer
from playwright.sync_api import Page, expect

from backend.sync.client import LabelStudioClient

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.long]

Truth = tuple[int, dict[int, str]]
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


@pytest.fixture
def faults(page: Page) -> list[str]:
    """What the browser's console says is wrong."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    return found


def answer_some(
    backend: BackendProcess, client: LabelStudioClient, truth: Truth, each: int, wrong: int
) -> dict[int, str]:
    """Answer `each` photos of every class, the first `wrong` cats as cups; the answers by task."""
    project_id, names = truth
    done = set(annotations(client, project_id))
    given = {}
    for label in LABELS.values():
        tasks = [task for task, name in sorted(names.items()) if name == label and task not in done]
        for place, task in enumerate(tasks[:each]):
            given[task] = "cup" if label == "cat" and place < wrong else label
            client.annotate(task, answer(given[task]))
    backend.wait_for(
        lambda: backend.get(f"/projects/{project_id}/overview")["labelled"] == len(given) + len(LABELS), "the answers"
    )
    backend.wait_until_idle(project_id)
    return given


def test_doubted_answers_disputes_and_what_is_found_are_dealt_with_by_clicks(
    page: Page,
    backend: BackendProcess,
    client: LabelStudioClient,
    truth: Truth,
    django: Callable[[str], Any],
    faults: list[str],
) -> None:
    project_id, names = truth
    given = answer_some(backend, client, truth, each=8, wrong=1)
    slips = {task for task, label in given.items() if label != names[task]}
    backend.wait_for(
        lambda: {item["task"] for item in backend.get(f"/projects/{project_id}/mistakes")["suspects"]} >= slips,
        "the slips to be suspected",
    )

    # Answers that look wrong: Enter gives the other label, beside the first answer.
    page.goto(f"{backend.url}/dashboard/{project_id}/mistakes")
    page.get_by_role("link", name="Look at them on a sheet").click()
    expect(page.locator("#question")).to_have_text("Answered cup, but all cat, except …")
    shown = {int(button.get_attribute("data-task") or 0) for button in page.locator("#sheet button.photo").all()}
    assert slips <= shown
    for task in shown - slips:  # an honest cup that is doubted stays one
        page.locator(f"#sheet [data-task='{task}']").click()
    page.locator("#sheet button.photo").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("saved.")
    now = annotations(client, project_id)
    assert all(sorted(now[task]) == ["cat", "cup"] for task in slips)
    backend.wait_until_idle(project_id)

    # A second person disagrees: the photo is to be asked about again, and leads to Label Studio.
    other = LabelStudioClient(client.url, django(SECOND_PERSON))
    disputed = next(task for task, label in given.items() if label == "rocket")
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
    assert 10 < count < len(names)
    page.get_by_role("button", name="Open in the Data Manager").click()
    expect(page).to_have_url(re.compile(rf"{client.url}/projects/{project_id}/data\?tab=\d+"))
    expect(page.get_by_text(re.compile(rf"Tasks:\s*{count}\b")).first).to_be_visible()
    assert not [fault for fault in faults if backend.url in fault]
