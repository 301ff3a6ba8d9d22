"""Jobs and versions on the page *Progress*, by click and by key: cancelled, started again, compared, promoted, rolled back.

The backend has a pool that is embedded already: no Label Studio and no photo is needed, and a training takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from backend_process import COMMON_SETTINGS, BackendProcess
from embedded_pool import PROJECT, TASKS, EmbeddedPool
from playwright.sync_api import Dialog, Page, expect

from backend.settings import Settings
from tests.chromium import WAIT_MS, browser_of, find_chromium

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.long]

ANSWERED = 120
MISTAKEN = 180
SETTINGS = {**COMMON_SETTINGS, "WINDOW_SIZE": "20", "RETRAIN_EVERY": "10000", "INFERENCE_THREADS": "1"}
PATH = f"/projects/{PROJECT}"


def serving(backend: BackendProcess) -> str | None:
    """The version that predicts."""
    return backend.get(f"{PATH}/overview")["serving"]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPool]:
    """A pool with answers that a training can learn from."""
    values: dict[str, Any] = {setting.lower(): value for setting, value in SETTINGS.items()}
    made = EmbeddedPool(Settings(_env_file=None, state_dir=tmp_path_factory.mktemp("jobs") / "state", **values))
    for task in range(ANSWERED):
        made.deliver("ANNOTATION_CREATED", made.annotation(task, second=task))
    yield made
    made.close()


@pytest.fixture(scope="module")
def trainable(pool: EmbeddedPool) -> Iterator[BackendProcess]:
    """A backend at work on it."""
    with BackendProcess(pool.settings.state_dir, SETTINGS) as process:
        process.wait_for(lambda: serving(process) == "propagation", "the first order")
        process.wait_until_idle(PROJECT)
        yield process


@pytest.fixture(scope="module")
def lead(trainable: BackendProcess) -> Iterator[Page]:
    """A lead's browser, with *Progress* open; the tests here are one day's work on it."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("Chromium is not installed: run make chromium")
    expect.set_options(timeout=WAIT_MS)
    with browser_of(chromium) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{trainable.url}/dashboard/{PROJECT}")
        yield page


def test_a_training_is_cancelled_and_started_again_by_key_and_by_click(lead: Page, trainable: BackendProcess) -> None:
    lead.evaluate("window.loadedOnce = true")
    row = lead.locator("#jobs [data-row]", has_text="train")
    again = lead.get_by_role("button", name="Start train again")
    cancel = lead.get_by_role("button", name="Cancel train")

    trainable.post(f"{PATH}/train", {"adaptation": {"loss": "triplet", "steps": 2000}})
    expect(row).to_be_visible()  # told by the events: nothing was loaded anew
    cancel.focus()
    lead.keyboard.press("Enter")
    expect(lead.locator("#stopped")).to_contain_text("train: cancelled")
    expect(again).to_have_count(1)

    again.focus()
    lead.keyboard.press("Enter")
    expect(lead.locator("#stopped")).to_have_text("It is queued again.")
    expect(row).to_be_visible()
    cancel.click()
    expect(lead.locator("#stopped")).to_contain_text("train: cancelled")
    states = [job["job_status"] for job in trainable.get(f"{PATH}/jobs")["jobs"] if job["kind"] == "train"]
    assert states == ["cancelled", "cancelled"]

    again.first.click()
    seen = shares_while_it_runs(lead, "train")
    assert len(set(seen)) > 2, seen
    assert seen == sorted(seen)
    expect(lead.locator("#versions tbody tr", has_text="head-1")).to_be_visible()
    expect(lead.locator("#jobs")).to_contain_text("Nothing.")
    expect(again).to_have_count(0)  # what was cancelled was done after all
    assert lead.evaluate("window.loadedOnce")


def shares_while_it_runs(page: Page, kind: str) -> list[float]:
    """The different places of a job's bar, in the order that the page showed them, until its row is gone."""
    return page.evaluate(
        """(kind) => new Promise((resolve) => {
            const seen = [];
            let begun = false, without = 0; // a row may be missing for a moment: told of before it is queued again
            const timer = setInterval(() => {
                const bar = document.querySelector(`#jobs progress[aria-label="${kind}"]`);
                without = bar ? 0 : without + 1;
                if (bar) { begun = true; if (seen.at(-1) !== bar.value) seen.push(bar.value); }
                else if (begun && without > 50) { clearInterval(timer); resolve(seen); }
            }, 20);
        })""",
        kind,
    )


def test_a_version_is_promoted_and_rolled_back_after_a_question(lead: Page, trainable: BackendProcess) -> None:
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    lead.goto(f"{trainable.url}/dashboard/{PROJECT}")
    before, window = serving(trainable), trainable.window(PROJECT)
    promote = lead.get_by_role("button", name="Promote head-1")
    lead.once("dialog", lambda dialog: dialog.dismiss())
    promote.click()
    assert serving(trainable) == before  # who says no changes nothing

    lead.once("dialog", agree)
    promote.click()
    expect(lead.locator("#said")).to_contain_text("head-1 serves from now on")
    assert asked == ["Let head-1 serve from now on? Training will not change it."]
    expect(lead.locator("#versions tbody tr", has_text="chosen")).to_contain_text("head-1")
    trainable.wait_until_idle(PROJECT)
    assert serving(trainable) == "head-1"
    assert trainable.get(PATH)["pinned"]
    assert trainable.window(PROJECT) != window  # the queue was ordered anew

    lead.goto(f"{trainable.url}/dashboard/{PROJECT}")
    lead.once("dialog", agree)
    back = lead.get_by_role("button", name="roll back to")
    parent = back.inner_text().removeprefix("roll back to ")
    back.focus()
    lead.keyboard.press("Enter")
    expect(lead.locator("#said")).to_contain_text(f"{parent} serves from now on")
    assert asked[1:] == [f"Let {parent} serve again instead of head-1?"]
    trainable.wait_until_idle(PROJECT)
    assert serving(trainable) == parent
    lead.once("dialog", agree)
    lead.get_by_role("button", name="Let training choose again").click()
    expect(lead.locator("#said")).to_have_text("Training chooses again.")
    assert not trainable.get(PATH)["pinned"]


def test_two_versions_are_compared_by_click(lead: Page, trainable: BackendProcess, pool: EmbeddedPool) -> None:
    # Somebody answers many photos wrongly: the graph believes it, the head that learnt before does not.
    answered = range(ANSWERED, ANSWERED + MISTAKEN)
    for task in answered:
        pool.deliver("ANNOTATION_CREATED", pool.annotation(task, second=1000 + task, mistaken=True))
    trainable.wait_for(lambda: trainable.get(f"{PATH}/overview")["labelled"] == answered.stop, "the answers")
    trainable.wait_until_idle(PROJECT)
    now, other = serving(trainable), "head-1"
    lead.goto(f"{trainable.url}/dashboard/{PROJECT}")
    lead.get_by_role("link", name=f"Compare {other} with {now}").click()
    section = lead.locator("#comparison")
    expect(section.get_by_role("heading")).to_have_text(f"{other} beside {now}")
    expect(section).to_contain_text("photos without an answer the two name")
    truth = trainable.get(f"{PATH}/models/{other}/disagreements?against={now}")
    assert truth["compared"] == TASKS - answered.stop
    assert truth["differing"] > 0
    expect(section).to_contain_text(f"Of {truth['compared']:,} photos")
    expect(section.locator("strong")).to_have_text(f"{truth['differing']:,}")
    shown = section.locator("ul.grid li")
    first = truth["photos"][0]
    expect(shown.first.locator("img")).to_have_attribute("alt", f"Task {first['task']}")
    expect(shown.first).to_contain_text(f"{first['label']} {100 * first['probability']:.0f} %")
    expect(shown.first).to_contain_text(f"{now}: {first['other_label']} {100 * first['other_probability']:.0f} %")
    expect(section.locator("tbody tr")).to_have_count(len(truth["figures"]))
    section.get_by_role("link", name="Open these as a search result").click()
    expect(lead.locator(".grid li")).to_have_count(len(truth["photos"]))
