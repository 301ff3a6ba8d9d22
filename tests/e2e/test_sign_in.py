"""Signing in with Label Studio: who may edit a project there writes here, who may look reads, nobody else sees it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from backend_process import BackendProcess
from django_shell import run_in_django
from playwright.sync_api import Page, expect

from backend.api.throttle import FREE_ATTEMPTS
from backend.demo.label_studio_process import LabelStudioProcess
from backend.sync.client import LabelStudioClient
from tests.chromium import WAIT_MS, browser_of, find_chromium, log_in

pytestmark = pytest.mark.e2e

CONFIG = """
<View>
  <Image name="i" value="$image"/>
  <Choices name="c" toName="i"><Choice value="cat"/><Choice value="cup"/></Choices>
</View>
"""
WRITING = {
    "/queue": "button[data-wish]:visible",
    "/sheets": "#confirm:visible",
    "/map": "#draw:visible",
    "/search?name=cat": "#tab:visible",
    "/settings": "#apply:visible",
}
"""Pages, each with a button of it that changes something."""

PASSWORD = "only-for-tests"
MACHINE = ("label-studio", "pass word")
PEOPLE = """
from organizations.models import Organization
from rest_framework.authtoken.models import Token
from users.models import User
first = Organization.objects.first()
answer = {}
for email in ("editor@example.com", "looker@example.com", "outsider@example.com"):
    user = User.objects.create_user(email=email, password="only-for-tests", username=email[:6])
    if email.startswith("outsider"):
        user.active_organization = Organization.create_organization(created_by=user, title="Others")
        user.active_organization.jwt.legacy_api_tokens_enabled = True
        user.active_organization.jwt.save()
    else:
        first.add_user(user)
        user.active_organization = first
    user.save()
    answer[email.split("@")[0]] = Token.objects.get_or_create(user=user)[0].key
"""


@pytest.fixture(scope="module")
def with_roles(start_label_studio: Callable[..., LabelStudioProcess]) -> LabelStudioProcess:
    """A Label Studio in which lookers change nothing."""
    roles = Path(__file__).with_name("roles")
    return start_label_studio(
        extra_environment={"DJANGO_SETTINGS_MODULE": "settings_with_roles", "PYTHONPATH": str(roles)}
    )


@pytest.fixture(scope="module")
def tokens(with_roles: LabelStudioProcess) -> dict[str, str]:
    """The token of each person."""
    return dict(run_in_django(with_roles, PEOPLE))


@pytest.fixture(scope="module")
def project_id(with_roles: LabelStudioProcess, photos: list[Path]) -> int:
    """A project of the first organisation, with photos."""
    client = with_roles.client()
    made = int(client.create_project(title="Shared", label_config=CONFIG)["id"])
    client.upload_images(made, photos[:12])
    return made


@pytest.fixture(scope="module")
def guarded(
    with_roles: LabelStudioProcess, token: str, project_id: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BackendProcess]:
    """A backend with Basic credentials, that knows the project and has ordered its photos."""
    settings = {
        "LABEL_STUDIO_URL": with_roles.url,
        "LABEL_STUDIO_API_KEY": token,
        "BASIC_AUTH_USER": MACHINE[0],
        "BASIC_AUTH_PASSWORD": MACHINE[1],
        "POLL_SECONDS": "2",
    }
    with BackendProcess(tmp_path_factory.mktemp("guarded") / "state", settings) as process:
        set_up = {"project": f"{project_id}.1", "schema": CONFIG}
        requests.post(f"{process.url}/setup", json=set_up, auth=MACHINE, timeout=30).raise_for_status()
        queue = f"{process.url}/projects/{project_id}/queue"
        process.wait_for(
            lambda: requests.get(queue, auth=MACHINE, timeout=30).json()["queue"], "a window", 240, every=1.0
        )
        yield process


@pytest.fixture
def browser_page(with_roles: LabelStudioProcess) -> Iterator[Page]:
    """A page of a browser that is logged in nowhere."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("Chromium is not installed: run make chromium")
    expect.set_options(timeout=WAIT_MS)
    with browser_of(chromium) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(WAIT_MS)
        yield page


def signed_in(backend: BackendProcess, token: str) -> requests.Session:
    """A person with a session."""
    person = requests.Session()
    answer = person.post(
        f"{backend.url}/sign-in", data={"with": "token", "token": token}, allow_redirects=False, timeout=30
    )
    assert answer.status_code == 303, answer.text
    return person


def test_reads_and_writes_are_those_that_label_studio_allows(
    guarded: BackendProcess, tokens: dict[str, str], project_id: int
) -> None:
    editor, looker, outsider = (signed_in(guarded, tokens[name]) for name in ("editor", "looker", "outsider"))
    project = f"{guarded.url}/projects/{project_id}"
    assert [person.get(project, timeout=30).status_code for person in (editor, looker, outsider)] == [200, 200, 404]
    sent = [person.post(f"{project}/map/draw", timeout=30) for person in (editor, looker, outsider)]
    assert [answer.status_code for answer in sent] == [202, 403, 404]
    job = sent[0].json()["job"]
    for person, status in ((editor, 200), (looker, 200), (outsider, 404)):
        assert person.get(f"{guarded.url}/job_status?job={job}", timeout=30).status_code == status
        page = person.get(f"{guarded.url}/dashboard/{project_id}/settings", timeout=30)
        assert page.status_code == status
        assert ('id="apply"' in page.text) == (person is editor)
    listed = [person.get(f"{guarded.url}/projects", timeout=30).json()["projects"] for person in (looker, outsider)]
    assert [[item["id"] for item in found] for found in listed] == [[project_id], []]
    assert "Shared" not in outsider.get(f"{guarded.url}/dashboard/?all=1", timeout=30).text
    # What only machines need stays theirs, with Basic credentials, beside the people.
    predict = {"tasks": [], "project": str(project_id), "label_config": CONFIG}
    for path in ("/predict", "/setup", "/webhook", "/train"):
        assert editor.post(guarded.url + path, json=predict, timeout=30).status_code == 403, path
    assert editor.get(f"{guarded.url}/metrics", timeout=30).status_code == 403
    assert requests.get(f"{guarded.url}/metrics", auth=MACHINE, timeout=30).status_code == 200
    assert requests.post(f"{project}/map/draw", auth=MACHINE, timeout=30).status_code == 202


def test_a_personal_access_token_signs_in_and_a_page_of_another_site_cannot_use_it(
    guarded: BackendProcess, with_roles: LabelStudioProcess, tokens: dict[str, str], project_id: int
) -> None:
    editor = LabelStudioClient(with_roles.url, tokens["editor"])
    person = signed_in(guarded, editor.create_personal_access_token())
    path = f"{guarded.url}/projects/{project_id}/models/unpin"
    for header in ({"Origin": "http://evil.example"}, {"Origin": with_roles.url}, {"Sec-Fetch-Site": "same-site"}):
        assert person.post(path, headers=header, timeout=30).json()["error"]["code"] == "other_site"
    assert person.post(path, headers={"Origin": guarded.url}, timeout=30).status_code == 200
    given = {"with": "token", "token": tokens["editor"]}
    crossing = requests.post(
        f"{guarded.url}/sign-in", data=given, headers={"Origin": "http://evil.example"}, timeout=30
    )
    assert crossing.json()["error"]["code"] == "other_site"


def test_signing_out_ends_the_session_and_addresses_of_others_are_not_gone_to(
    guarded: BackendProcess, tokens: dict[str, str], project_id: int
) -> None:
    person = signed_in(guarded, tokens["editor"])
    kept = dict(person.cookies)
    person.post(f"{guarded.url}/sign-out", timeout=30).raise_for_status()
    for cookies in ({}, kept, {"label_order_session": "guessed"}):
        answer = requests.get(f"{guarded.url}/projects/{project_id}", cookies=cookies, timeout=30)
        assert answer.status_code == 401
    wanted = {
        "//evil.example/": "/dashboard/",
        "https://evil.example": "/dashboard/",
        "/dashboard/\\evil": "/dashboard/",
    }
    for then, where in {**wanted, f"/dashboard/{project_id}/map": f"/dashboard/{project_id}/map"}.items():
        given = {"with": "token", "token": tokens["editor"], "then": then}
        answer = requests.post(f"{guarded.url}/sign-in", data=given, allow_redirects=False, timeout=30)
        assert (answer.status_code, answer.headers["Location"]) == (303, where)
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert tokens["editor"] not in cookie


@pytest.mark.browser
def test_a_person_comes_in_with_the_session_that_their_browser_has(
    browser_page: Page, guarded: BackendProcess, with_roles: LabelStudioProcess, tokens: dict[str, str], project_id: int
) -> None:
    page = browser_page
    page.goto(f"{guarded.url}/dashboard/{project_id}/settings")
    expect(page).to_have_url(re.compile(r"/sign-in\?then=/dashboard/"))
    expect(page.get_by_role("button", name="Use my session")).to_have_count(0)
    assert not Axe().run(page).response["violations"]
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in with the token").click()
    expect(page.get_by_role("alert")).to_contain_text("does not take this token")

    log_in(page, with_roles.url, "looker@example.com", PASSWORD)
    page.goto(f"{guarded.url}/dashboard/{project_id}/settings")
    page.get_by_role("button", name="Use my session").click()
    expect(page).to_have_url(f"{guarded.url}/dashboard/{project_id}/settings")
    expect(page.locator(".who")).to_contain_text("looker@example.com, reads only")
    expect(page.get_by_role("button", name="Apply")).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(r"/sign-in$"))
    page.go_back()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    page.get_by_text("With the backend's own").click()
    page.get_by_label("User name").fill(MACHINE[0])
    page.get_by_label("Password").fill(MACHINE[1])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.goto(f"{guarded.url}/dashboard/{project_id}/settings")
    expect(page.get_by_role("button", name="Apply")).to_be_visible()
    assert "label_order" not in page.evaluate("document.cookie")


@pytest.mark.browser
def test_who_only_looks_has_no_button_that_writes_and_starts_no_job(
    browser_page: Page, guarded: BackendProcess, tokens: dict[str, str], project_id: int
) -> None:
    page = browser_page
    for name in ("looker", "editor"):
        page.context.clear_cookies()
        page.goto(f"{guarded.url}/dashboard/{project_id}/queue")
        page.get_by_label("Token").fill(tokens[name])
        page.get_by_role("button", name="Sign in with the token").click()
        expect(page.locator(".who")).to_contain_text(f"{name}@example.com")
        expect(page.locator("ol.queue li")).to_have_count(12)
        for path, button in WRITING.items():
            page.goto(f"{guarded.url}/dashboard/{project_id}{path}")
            expect(page.locator(".who")).to_contain_text(f"{name}@example.com")
            if name == "looker":
                expect(page.locator(button)).to_have_count(0)
            else:
                expect(page.locator(button)).not_to_have_count(0)
        page.goto(f"{guarded.url}/dashboard/{project_id}/queue")
        with page.expect_response(re.compile(r"/attribution\.png$")) as answered:
            page.locator("button[data-why]").first.click()
        assert answered.value.status == (403 if name == "looker" else 202)
        if name == "looker":
            expect(page.locator(".why").first).to_contain_text("somebody who may edit")


def test_a_revoked_token_ends_the_session_and_guessing_takes_long(
    guarded: BackendProcess, with_roles: LabelStudioProcess, project_id: int
) -> None:
    code = """
from rest_framework.authtoken.models import Token
from users.models import User
user = User.objects.get(email="editor@example.com")
Token.objects.filter(user=user).delete()
answer = Token.objects.create(user=user).key
"""
    person = signed_in(guarded, run_in_django(with_roles, code))
    run_in_django(with_roles, code)
    assert person.get(f"{guarded.url}/projects/{project_id}", timeout=30).status_code == 401
    for number in range(FREE_ATTEMPTS):
        guess = {"with": "token", "token": f"{number:040d}"}
        assert requests.post(f"{guarded.url}/sign-in", data=guess, timeout=30).status_code == 401
    slowed = requests.post(f"{guarded.url}/sign-in", data={"with": "password"}, timeout=30)
    assert slowed.status_code == 429
    assert int(slowed.headers["Retry-After"]) >= 1
