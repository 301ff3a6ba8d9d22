"""Label All Tasks in headless Chromium by two people at once: every Submit is saved, whatever the backend publishes meanwhile.

Over the API an annotation needs no `parent_prediction`; the browser sends one each time, and Label Studio refuses the
annotation if that prediction is gone. So what people do is tested here as people do it, with their pauses.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from annotator import Annotator
from backend_process import BackendProcess
from playwright.sync_api import Browser, Page, expect

from backend.demo.label_studio_process import LabelStudioProcess
from backend.sync.client import LabelStudioClient
from tests.chromium import WAIT_MS, browser_of, find_chromium, log_in

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.browser]

LABELS = ("cat", "rocket", "cup", "flower")
CONFIG = f"""
<View>
  <Image name="image" value="$image"/>
  <Choices name="what" toName="image" choice="single">
    {"".join(f'<Choice value="{label}"/>' for label in LABELS)}
  </Choices>
</View>
"""
COLLEAGUE = ("second-annotator@example.com", "only-for-tests-too")
PHOTOS = 60
FIRST_DOES, SECOND_DOES = 20, 10
RETRAIN_EVERY = 10
GOES_BACK = 10  # the first annotator, after this photo: it was corrected, and is corrected again
LOOKS_UNTIL_TRAINED = 13  # the first annotator, with a photo open
# Seconds that a photo is looked at: shorter and longer than a publication takes.
PAUSES = (1.0, 2.0, 1.0, 4.0, 1.0, 12.0, 1.5, 1.0, 3.0, 1.0)


@pytest.fixture
def colleague(django: Callable[[str], Any]) -> tuple[str, str]:
    """E-mail and password of a second user of the organisation."""
    email, password = COLLEAGUE
    django(
        f"""
from users.models import User
from organizations.models import Organization
user, _ = User.objects.get_or_create(email={email!r}, defaults=dict(username="second-annotator"))
user.set_password({password!r})
organization = Organization.objects.first()
organization.add_user(user)
user.active_organization = organization
user.save()
"""
    )
    return email, password


@pytest.fixture
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("Chromium is not installed: run make chromium")
    expect.set_options(timeout=WAIT_MS)
    with browser_of(chromium) as browser:
        yield browser


def logged_in(browser: Browser, label_studio: LabelStudioProcess, user: tuple[str, str]) -> Page:
    page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.set_default_timeout(WAIT_MS)
    log_in(page, label_studio.url, *user)
    return page


Window = Mapping[int, float]  # the published score of each task, the lowest served first


@dataclass(frozen=True)
class Handout:
    """One photo that Label Studio handed out: between which moments, and which ones it could not be."""

    asked: float
    shown: float
    task: int
    taken: frozenset[int]

    def is_first_of(self, windows: Sequence[Window]) -> bool:
        """Whether it came first, by the scores of one window or while the next one took its place.

        Suggestions are changed one by one: until the last is, some tasks have their old score and others the new one.
        """
        mine = [window[self.task] for window in windows if self.task in window]
        others = {task for window in windows for task in window} - self.taken - {self.task}
        return bool(mine) and all(min(mine) <= max(window.get(task, math.inf) for window in windows) for task in others)


@dataclass(frozen=True)
class Published:
    """A window that counted as published from `moment` on."""

    moment: float
    name: str
    scores: Window


class PublishedWindows:
    """Notes each window of a project from the moment when it is published."""

    def __init__(self, backend: BackendProcess, project: int) -> None:
        self._backend = backend
        self._project = project
        self._seen: list[Published] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def __len__(self) -> int:
        return len(self._seen)

    def _watch(self) -> None:
        while not self._stop.is_set():
            queue = self._backend.get(f"/projects/{self._project}/queue?limit=1000")
            window = {item["task"]: item["score"] for item in queue["queue"]}
            if not self._seen or self._seen[-1].scores != window:
                self._seen.append(Published(time.monotonic(), queue["window"], window))
            self._stop.wait(0.2)

    def around(self, handout: Handout) -> list[Window]:
        """The windows that a photo may have been handed out by: Label Studio has one a moment before it is noted here.

        Where Label Studio was too slow for the places that people reached, the windows before count as well, back to the
        one that it served so far.
        """
        right = self._places_right()
        before: list[Window] = []
        for window in reversed([window for window in self._seen if window.moment <= handout.asked]):
            before.append(window.scores)
            first = sorted(window.scores, key=lambda task: window.scores[task])[: right.get(window.name, 0)]
            if not handout.taken.issuperset(first):
                break
        during = [window.scores for window in self._seen if handout.asked < window.moment <= handout.shown]
        after = [window.scores for window in self._seen if window.moment > handout.shown][:1]
        return before + during + after

    def _places_right(self) -> dict[str, int]:
        jobs = self._backend.get(f"/projects/{self._project}/jobs?limit=1000")["jobs"]
        told = [job["result"] for job in jobs if job["result"] and "places_right" in job["result"]]
        return {result["window"]: result["places_right"] for result in told}


class Room:
    """Two annotators who work on a project at the same time."""

    def __init__(self, first: Annotator, second: Annotator) -> None:
        self.people = (first, second)
        self.handouts: list[Handout] = []

    def do(self, person: Annotator, number: int) -> None:
        """What this person does with the photo that is open: every third is corrected, some are skipped."""
        asked = time.monotonic()
        if number % 7 == 5:
            person.skip()
        elif number % 3 == 1:
            person.submit(next(label for label in LABELS if label != person.suggested))
        else:
            person.submit()
        taken = {answer.task for one in self.people for answer in one.answers if answer.chosen is not None}
        taken |= {answer.task for answer in person.answers}
        taken |= {other.task for other in self.people if other is not person}
        self.handouts.append(Handout(asked, time.monotonic(), person.task, frozenset(taken)))


@pytest.mark.timeout(1500)
def test_nothing_is_refused_or_lost_while_two_people_label(
    browser: Browser,
    label_studio: LabelStudioProcess,
    login: tuple[str, str],
    colleague: tuple[str, str],
    backend: BackendProcess,
    client: LabelStudioClient,
    photos: list[Path],
    make_project: Callable[..., int],
) -> None:
    project = make_project(label_config=CONFIG)
    backend.take_on(client, project, photos[:PHOTOS], window_size=25, retrain_every=RETRAIN_EVERY)
    users = (login, colleague)
    first, second = (Annotator(logged_in(browser, label_studio, user), label_studio.url, project) for user in users)
    room = Room(first, second)
    first.open_stream()
    second.open_stream()
    with PublishedWindows(backend, project) as windows:
        _work(
            room,
            lambda: backend.wait_for(lambda: _trainings(backend, project), "a training that nobody asked for", 300),
        )
        backend.wait_until_idle(project)

    _check_that_all_was_saved(client, project, first, second)
    assert len(windows) > FIRST_DOES / 2, "the order was changed while they worked"
    for handout in room.handouts:
        assert handout.is_first_of(windows.around(handout)), (handout, windows.around(handout))
    _check_that_suggestions_are_counted(backend, project, first, second)


def _work(room: Room, until_trained: Callable[[], None]) -> None:
    """Each does the next photo when its pause is over; the other's photo stays open meanwhile."""
    first, second = room.people
    pauses = itertools.cycle(PAUSES)
    todo = {id(first): list(range(FIRST_DOES)), id(second): list(range(SECOND_DOES))}
    due = {id(first): time.monotonic() + 2.0, id(second): time.monotonic() + 4.0}
    while any(todo.values()):
        person = min((one for one in room.people if todo[id(one)]), key=lambda one: due[id(one)])
        person.page.wait_for_timeout(1000 * max(due[id(person)] - time.monotonic(), 0.0))
        number = todo[id(person)].pop(0)
        if person is first and number == LOOKS_UNTIL_TRAINED:
            until_trained()
        room.do(person, number)
        if person is first and number == GOES_BACK:
            first.update_the_one_before("flower")
        due[id(person)] = time.monotonic() + next(pauses) * (1.0 if person is first else 2.0)


def _check_that_all_was_saved(client: LabelStudioClient, project: int, first: Annotator, second: Annotator) -> None:
    answers = [*first.answers, *second.answers]
    refused = [answer for answer in answers if answer.status not in (200, 201)]
    assert refused == []
    assert len(answers) == FIRST_DOES + SECOND_DOES + 1
    stored = {annotation["id"]: annotation for annotation in client.iter_annotations(project)}
    assert len(stored) == FIRST_DOES + SECOND_DOES
    for answer in answers:
        annotation = stored[answer.annotation["id"]]
        assert annotation["task"] == answer.task
        assert annotation["was_cancelled"] is (answer.chosen is None)
        parent = client.prediction(annotation["parent_prediction"])
        # What it refers to says what was on the screen, though the window was published many times since.
        assert parent["result"][0]["value"]["choices"] == [answer.suggested]
    latest = {answer.annotation["id"]: answer for answer in answers if answer.chosen is not None}
    for number, answer in latest.items():
        assert stored[number]["result"][0]["value"]["choices"] == [answer.chosen]


def _check_that_suggestions_are_counted(
    backend: BackendProcess, project: int, first: Annotator, second: Annotator
) -> None:
    latest = {
        answer.annotation["id"]: answer for answer in [*first.answers, *second.answers] if answer.chosen is not None
    }
    accepted = sum(answer.chosen == answer.suggested for answer in latest.values())

    def counted() -> bool:
        rows = backend.get(f"/projects/{project}/suggestions")["suggestions"]
        sums = {name: sum(row[name] for row in rows) for name in ("accepted", "corrected")}
        return sums == {"accepted": accepted, "corrected": len(latest) - accepted}

    backend.wait_for(counted, "every answered suggestion to be counted")


def _trainings(backend: BackendProcess, project: int) -> list[dict[str, Any]]:
    jobs = backend.get(f"/projects/{project}/jobs?limit=1000")["jobs"]
    return [job for job in jobs if job["kind"] == "train" and job["job_status"] == "done"]
