"""An annotator at the browser: opens Label All Tasks, looks, picks a label, submits; and what Label Studio said to it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, Response, expect

STREAM_BUTTON = re.compile(r"^Label (All )?Tasks")
ANNOTATIONS = re.compile(r"/api/(tasks/\d+/annotations|annotations/\d+)/?(\?|$)")


PATIENCE = 600  # tenths of a second


@dataclass(frozen=True)
class Answer:
    """One press of Submit, Skip or Update.

    Attributes:
        task: the photo that was open.
        suggested: the label that was preselected when it was opened.
        chosen: the label that was submitted; None where the photo was skipped.
        status: what Label Studio answered, 201 or 200 where it was saved.
        annotation: the annotation as Label Studio stored it.
        sent: what the browser sent.
    """

    task: int
    suggested: str | None
    chosen: str | None
    status: int
    annotation: dict[str, Any]
    sent: dict[str, Any]


@dataclass
class Annotator:
    """One person with one page; `answers` is what came of all that they sent."""

    page: Page
    origin: str
    project: int
    answers: list[Answer] = field(default_factory=list)
    suggested: str | None = None

    def open_stream(self) -> None:
        """Press the button above the Data Manager's list."""
        self.page.goto(f"{self.origin}/projects/{self.project}/data")
        self.page.get_by_role("button", name=STREAM_BUTTON).first.click()
        self._look()

    @property
    def task(self) -> int:
        """The photo that is open."""
        found = re.match(r"\d+", self.page.locator(".lsf-current-task__task-id").inner_text())
        assert found is not None
        return int(found[0])

    def submit(self, label: str | None = None, *, look: bool = True) -> Answer:
        """Submit what is chosen, or another label; then look at the next photo, which has to have a suggestion."""
        if label is not None:
            self.page.get_by_role("checkbox", name=re.compile(rf"^{label}\b")).click()
        return self._send("Submit", label or self.suggested, look=look)

    def skip(self) -> Answer:
        """Leave this photo to others."""
        return self._send("Skip", None)

    def update_the_one_before(self, label: str) -> Answer:
        """Go back to the photo before, choose another label there, update it, and come back."""
        here = self.task
        self.page.get_by_test_id("prev-task").click()
        self._wait_until(lambda task: task != here)
        self.page.get_by_role("checkbox", name=re.compile(rf"^{label}\b")).click()
        answer = self._send("Update", label)
        self.page.get_by_test_id("next-task").click()
        self._wait_until(lambda task: task == here)
        self._look()
        return answer

    def _send(self, button: str, chosen: str | None, *, look: bool = True) -> Answer:
        task = self.task
        suggested = next((answer.suggested for answer in self.answers if answer.task == task), self.suggested)
        with self.page.expect_response(_is_annotation) as waited:
            self.page.locator("button").filter(has_text=re.compile(rf"^{button}$")).click()
        response: Response = waited.value
        body = response.json()
        answer = Answer(task, suggested, chosen, response.status, body, json.loads(response.request.post_data or "{}"))
        self.answers.append(answer)
        # The page keeps a refused photo open: going on with it would only hide which one it was.
        assert response.ok, f"{button} of photo {task} was refused: {response.status} {body}"
        if button != "Update" and look:
            self._wait_until(lambda shown: shown != task)
            self._look()
        return answer

    def _wait_until(self, wanted: Callable[[int], bool]) -> None:
        """Wait until the photo that is open is one that is wanted."""
        for _ in range(PATIENCE):
            if wanted(self.task):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"photo {self.task} stays open")

    def _look(self) -> None:
        """Wait until a photo is open with its suggestion, and keep that in mind."""
        expect(self.page.locator(".lsf-current-task__task-id")).to_have_text(re.compile(r"^\d+"))
        chosen = self.page.get_by_role("checkbox", checked=True)
        expect(chosen).to_have_count(1)
        self.suggested = chosen.get_attribute("name") or chosen.get_attribute("aria-label")


def _is_annotation(response: Response) -> bool:
    return bool(ANNOTATIONS.search(response.url)) and response.request.method in ("POST", "PATCH", "PUT")
