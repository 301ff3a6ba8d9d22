"""A wrong suggestion corrected by one action, as annotators do it in the browser, with each label config that we ship."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from published import publish

from backend.demo.label_studio_process import LabelStudioProcess, import_images
from backend.labels import Control, parse_label_config
from backend.sync.client import LabelStudioClient
from backend.sync.window_plan import WindowItem

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

REPOSITORY = Path(__file__).resolve().parents[2]
WRONG_SCORE = 0.6


@dataclass(frozen=True)
class Correction:
    """What is suggested and what is right; how people get there: by clicking it, by its key, by typing a part of it."""

    config: str
    suggested: str
    clicked: str
    key: tuple[str, str]
    typed: tuple[str, str]


SINGLE = (
    Correction("label_config.xml", "Tennis", "Wrestling", ("2", "Basketball"), ("boxi", "Boxing")),
    Correction("examples/choices-sports.xml", "Golf", "Weightlifting", ("1", "Soccer"), ("slal", "Slalom")),
    Correction("examples/wordnet-branches.xml", "Dog", "Bridge", ("3", "Cat"), ("worsh", "Place of worship")),
)


def _control(config: str) -> Control:
    return parse_label_config((REPOSITORY / config).read_text(encoding="utf-8")).controls[0]


def _index(control: Control, title: str) -> int:
    return [label.title for label in control.labels].index(title)


@pytest.fixture
def suggest(
    client: LabelStudioClient,
    label_studio: LabelStudioProcess,
    photos: list[Path],
    make_project: Callable[..., int],
) -> Callable[[str, str, int], int]:
    """Makes a project with a shipped config and `count` photos, all with the same suggestion; returns its id."""

    def make(config: str, suggested: str, count: int) -> int:
        control = _control(config)
        project = make_project(
            label_config=(REPOSITORY / config).read_text(encoding="utf-8"),
            sampling="Uncertainty sampling",
            show_collab_predictions=True,
        )
        import_images(label_studio, project, photos[:count], collection=f"correction-{project}")
        result = [control.result([_index(control, suggested)], WRONG_SCORE)]
        publish(client, project, "propagation", [WindowItem(task["id"], result) for task in client.iter_tasks(project)])
        return project

    return make


def _label_all_tasks(page: Page, label_studio: LabelStudioProcess, project: int) -> None:
    page.goto(f"{label_studio.url}/projects/{project}/data")
    page.get_by_role("button", name="Label All Tasks").click()


def _expect_checked(page: Page, title: str) -> None:
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(1)
    expect(_box(page, title)).to_be_checked()


def _box(page: Page, title: str) -> Locator:
    return page.locator(f'input[type=checkbox][name="{title}"]')


def _click(page: Page, title: str) -> None:
    page.locator("label.lsf-choice__checkbox").filter(has=_box(page, title)).click()


def _submit(page: Page, press: Callable[[], None]) -> None:
    with page.expect_response(lambda answer: "/annotations" in answer.url and answer.request.method == "POST") as sent:
        press()
    assert sent.value.status == 201, sent.value.text()


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.config)
def test_one_click_one_key_or_a_search_replaces_a_wrong_suggestion(
    page: Page,
    label_studio: LabelStudioProcess,
    client: LabelStudioClient,
    suggest: Callable[[str, str, int], int],
    case: Correction,
) -> None:
    project = suggest(case.config, case.suggested, 4)
    button = page.get_by_test_id("bottombar-submit-button")
    _label_all_tasks(page, label_studio, project)

    _expect_checked(page, case.suggested)
    _click(page, case.clicked)
    _expect_checked(page, case.clicked)
    _submit(page, button.click)

    _expect_checked(page, case.suggested)
    page.keyboard.press(case.key[0])
    _expect_checked(page, case.key[1])
    _submit(page, lambda: page.keyboard.press("Control+Enter"))

    _expect_checked(page, case.suggested)
    page.keyboard.press("/")
    page.keyboard.type(case.typed[0])
    expect(page.get_by_role("checkbox")).to_have_count(1)
    page.keyboard.press("Enter")
    _expect_checked(page, case.typed[1])
    # The next picture leaves the search: a second Enter must not take the first label of the list.
    expect(page.get_by_role("checkbox")).to_have_count(len(_control(case.config).labels))
    expect(page.get_by_placeholder("/ finds a label")).not_to_be_focused()
    page.keyboard.press("Enter")
    _expect_checked(page, case.typed[1])
    _submit(page, lambda: page.keyboard.press("Control+Enter"))

    _expect_checked(page, case.suggested)
    _submit(page, button.click)  # a right suggestion needs no action at all

    control = _control(case.config)
    wanted = [case.clicked, case.key[1], case.typed[1], case.suggested]
    stored = sorted(client.iter_annotations(project), key=lambda annotation: int(annotation["task"]))
    assert [control.read(annotation["result"]) for annotation in stored] == [
        (_index(control, title),) for title in wanted
    ]
    assert all(annotation["parent_prediction"] for annotation in stored)


def test_where_several_labels_hold_each_click_or_key_sets_one_or_takes_it_back(
    page: Page,
    label_studio: LabelStudioProcess,
    client: LabelStudioClient,
    suggest: Callable[[str, str, int], int],
) -> None:
    config = "examples/multi-label.xml"
    project = suggest(config, "Person", 2)
    button = page.get_by_test_id("bottombar-submit-button")
    _label_all_tasks(page, label_studio, project)

    _expect_checked(page, "Person")
    _click(page, "Animal")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(2)
    _submit(page, button.click)

    _expect_checked(page, "Person")
    page.keyboard.press("1")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    page.keyboard.press("3")
    _expect_checked(page, "Plant")
    _submit(page, lambda: page.keyboard.press("Control+Enter"))

    control = _control(config)
    stored = sorted(client.iter_annotations(project), key=lambda annotation: int(annotation["task"]))
    assert [control.read(annotation["result"]) for annotation in stored] == [
        (_index(control, "Person"), _index(control, "Animal")),
        (_index(control, "Plant"),),
    ]
