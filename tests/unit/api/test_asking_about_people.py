"""Label Studio that is slow, fails or refuses: machines are answered all the same, and nobody is signed out by it."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from backend.api.throttle import FREE_ATTEMPTS
from backend.dashboard.asking import FAILURE_SECONDS, MOST_KEPT, REMEMBERED_SECONDS, Askings
from backend.dashboard.visitor import Visitor
from backend.errors import BusyError, LabelStudioError
from backend.storage.schema import ModelVersion, Task
from backend.sync.person import PersonCalls, Role
from tests.local_server import Answer
from tests.unit.api.conftest import App, MakeApp
from tests.unit.api.people_server import PERSON, PeopleServer
from tests.unit.service.samples import CONFIG

pytestmark = pytest.mark.unit

STRANGERS = 2
TOKEN = {"with": "token", "token": "x" * 40}
MACHINE = {"Authorization": f"Basic {base64.b64encode(b'ls:pw').decode()}"}


@pytest.fixture
def label_studio() -> Iterator[PeopleServer]:
    with PeopleServer() as server:
        yield server
        server.talks.set()


@pytest.fixture
def app(make_app: MakeApp, label_studio: PeopleServer) -> App:
    """An application at which people sign in, with two projects."""
    app = make_app(
        label_studio_url=label_studio.url, basic_auth_user="ls", basic_auth_password="pw", web_threads=STRANGERS * 12
    )
    for project in (7, 8):
        set_up = {"project": f"{project}.1", "schema": CONFIG}
        assert app.client.post("/setup", json=set_up, headers=MACHINE).status_code == 200
    return app


def sign_in(app: App) -> None:
    assert app.client.post("/sign-in", data=TOKEN).status_code == 303


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Slow:
    """Label Studio that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.may_answer = threading.Event()
        self.fails = False

    def role(self, project_id: int) -> Role:
        self.asked.append(project_id)
        assert self.may_answer.wait(20)
        if self.fails:
            raise LabelStudioError("no answer", reason="label_studio_timeout")
        return Role.WRITE

    def projects(self) -> frozenset[int]:
        return frozenset({1})


def test_one_thread_asks_and_the_answer_of_another_project_is_not_waited_for() -> None:
    slow = Slow()
    person = Visitor("ann", slow, askings=Askings(8))
    found: list[Role] = []
    threads = [threading.Thread(target=lambda: found.append(person.role(1))) for _ in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: slow.asked == [1])
    assert person.sees([1, 2]) == {1}
    slow.may_answer.set()
    for thread in threads:
        thread.join(20)
    assert found == [Role.WRITE] * 6
    assert slow.asked == [1]


def test_a_known_answer_holds_while_it_is_asked_for_anew() -> None:
    clock, slow = [0.0], Slow()
    slow.may_answer.set()
    person = Visitor("ann", slow, clock=lambda: clock[0])
    assert person.may_write(1)
    slow.may_answer.clear()
    clock[0] = REMEMBERED_SECONDS + 1
    asker = threading.Thread(target=person.role, args=(1,))
    asker.start()
    until(lambda: slow.asked == [1, 1])
    assert person.may_write(1)
    slow.may_answer.set()
    asker.join(20)


def test_a_failure_is_remembered_for_seconds() -> None:
    clock, slow = [0.0], Slow()
    slow.may_answer.set()
    slow.fails = True
    person = Visitor("ann", slow, clock=lambda: clock[0])
    for _ in range(5):
        with pytest.raises(LabelStudioError) as caught:
            person.role(1)
        assert caught.value.reason == "label_studio_timeout"
    assert slow.asked == [1]
    slow.fails = False
    clock[0] = FAILURE_SECONDS + 1
    assert person.role(1) is Role.WRITE


def test_few_threads_wait_and_few_answers_are_kept() -> None:
    slow = Slow()
    people = [Visitor(str(number), slow, askings=askings) for askings in [Askings(2)] for number in range(3)]
    threads = [threading.Thread(target=person.role, args=(1,)) for person in people[:2]]
    for thread in threads:
        thread.start()
    until(lambda: len(slow.asked) == 2)
    with pytest.raises(BusyError):
        people[2].role(1)
    slow.may_answer.set()
    for thread in threads:
        thread.join(20)
    for number in range(2 * MOST_KEPT):
        people[2].role(number)
    assert len(people[2]._roles._kept) == MOST_KEPT


def test_strangers_hold_few_threads_while_label_studio_is_silent(app: App, label_studio: PeopleServer) -> None:
    label_studio.talks.clear()
    answers: list[int] = []

    def enter() -> None:
        answers.append(app.client.application.test_client().post("/sign-in", data=TOKEN).status_code)

    threads = [threading.Thread(target=enter) for _ in range(STRANGERS)]
    for thread in threads:
        thread.start()
    until(lambda: len(label_studio.asked) == STRANGERS)
    refused = app.client.post("/sign-in", data=TOKEN)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert app.client.get("/projects", headers=MACHINE).status_code == 200
    label_studio.talks.set()
    for thread in threads:
        thread.join(20)
    assert answers == [303] * STRANGERS


def test_a_failing_label_studio_is_asked_once_told_to_nobody_and_slows_who_goes_on(
    app: App, label_studio: PeopleServer
) -> None:
    label_studio.answers["whoami"] = Answer(503, {"detail": "pool db-internal-3 is down"})
    for number in range(FREE_ATTEMPTS):
        answer = app.client.post("/sign-in", data=TOKEN)
        assert answer.status_code == 502
        assert len(label_studio.asked) == number + 1
        assert "cannot be asked now" in answer.text
        assert "db-internal" not in answer.text
    assert app.client.post("/sign-in", data=TOKEN).status_code == 429


def test_an_account_of_label_studio_does_not_allow_more_guesses(app: App) -> None:
    for number in range(FREE_ATTEMPTS):
        guess = {"with": "password", "user": "ls", "password": str(number)}
        assert app.client.post("/sign-in", data=guess).status_code == 401
        if number < FREE_ATTEMPTS - 1:
            sign_in(app)
    assert app.client.post("/sign-in", data=TOKEN).status_code == 429


def test_who_may_not_list_projects_stays_signed_in(app: App, label_studio: PeopleServer) -> None:
    label_studio.answers["/api/projects/"] = Answer(403, {"detail": "no"})
    sign_in(app)
    for _ in range(2):
        page = app.client.get("/dashboard/?all=1")
        assert page.status_code == 200
        assert PERSON in page.text
    assert app.client.get("/projects").json == {"projects": []}
    label_studio.answers["/api/projects/7/"] = Answer(401, {"detail": "gone"})
    assert app.client.get("/projects/7").status_code == 401
    assert app.client.get("/dashboard/?all=1").status_code == 302


def test_nothing_stays_open_between_questions(label_studio: PeopleServer) -> None:
    calls = PersonCalls(label_studio.url, token="x" * 40)
    assert calls.name() == PERSON
    assert calls.role(7) is Role.WRITE
    assert len(label_studio.asked) == 3
    until(lambda: not label_studio.connected)


def test_the_list_of_projects_is_there_though_what_may_be_cancelled_is_not_known(
    app: App, label_studio: PeopleServer
) -> None:
    sign_in(app)
    app.jobs.ledger.request("embed", 7)
    for job in app.jobs.ledger.waiting(8):
        assert app.client.post(f"/projects/8/jobs/{job}/cancel", headers=MACHINE).status_code == 200
    asked = len(label_studio.asked)
    assert 'data-do="cancel"' in app.client.get("/dashboard/").text
    assert [item for item in label_studio.asked[asked:] if "/8/" in item] == []  # nothing is under way there
    app.client.post("/sign-out")
    label_studio.answers["/api/projects/7/"] = Answer(500, {"detail": "failed"})
    sign_in(app)
    page = app.client.get("/dashboard/")
    assert page.status_code == 200
    assert "embed 0 %" in page.text
    assert 'data-do="cancel"' not in page.text


def test_who_only_looks_starts_no_job_by_looking(app: App, label_studio: PeopleServer) -> None:
    with app.database.session() as session:
        session.merge(Task(project_id=7, task_id=1, data={}, image="x", digest="d"))
        for name in ("head.1", "head.2"):
            session.merge(ModelVersion(project_id=7, version=name, kind="head", status="candidate", backbone="b"))
    label_studio.writes = False
    sign_in(app)
    compared = "/projects/7/models/head.1/disagreements?against=head.2"
    before = app.client.get("/projects/7/jobs").json
    for path in ("/projects/7/tasks/1/attribution.png", compared):
        answer = app.client.get(path)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "forbidden")
    page = app.client.get("/dashboard/7?compare=head.1&against=head.2").text
    assert "not compared lately" in page
    assert 'id="comparing"' not in page
    assert app.client.get("/projects/7/jobs").json == before
    for path in ("/projects/7/tasks/1/attribution.png", compared):
        assert app.client.get(path, headers=MACHINE).status_code == 202


def test_a_listing_that_always_names_a_next_page_ends(label_studio: PeopleServer) -> None:
    label_studio.answers["/api/projects/"] = Answer(200, {"results": [{"id": 7}], "next": "http://ls/?page=2"})
    assert PersonCalls(label_studio.url, token="x" * 40).projects() == {7}


@pytest.mark.parametrize("listed", [{"id": 7}, None, [7], [{"id": "seven"}], [{}], [None]])
def test_what_is_no_list_of_projects_is_the_fault_of_label_studio(
    app: App, label_studio: PeopleServer, listed: object
) -> None:
    sign_in(app)
    label_studio.answers["/api/projects/"] = Answer(200, {"results": listed, "next": None})
    answer = app.client.get("/projects")
    assert answer.status_code == 502, answer.text
