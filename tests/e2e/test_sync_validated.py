"""A Label Studio that looks at each suggestion before it keeps it, or changes it: a flag of 1.23, off by default there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import LABEL_CONFIG
from published import publish, tasks_of, window_of

from backend.demo.label_studio_process import LabelStudioProcess
from backend.sync.client import LabelStudioClient
from backend.sync.connect import SAMPLING
from backend.sync.publish import WindowItem

pytestmark = pytest.mark.e2e

VALIDATES = {"fflag_feat_utc_210_prediction_validation_15082025": "true"}
Choice = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def strict(start_label_studio: Callable[..., LabelStudioProcess]) -> LabelStudioClient:
    return start_label_studio(extra_environment=VALIDATES).client()


@pytest.fixture
def project(strict: LabelStudioClient) -> int:
    made = strict.create_project(title="Strict", label_config=LABEL_CONFIG, sampling=SAMPLING)["id"]
    data = [{"data": {"image": f"https://images.example/{number}.jpg"}} for number in range(12)]
    assert strict.import_tasks(made, data) == 12
    return int(made)


def test_a_new_order_is_served(strict: LabelStudioClient, project: int, choice: Choice) -> None:
    items = window_of([task["id"] for task in strict.iter_tasks(project)][:8], choice)
    publish(strict, project, "model", items, label_config=LABEL_CONFIG)
    order = [*reversed(items[2:]), WindowItem(items[1].task_id, choice("rocket"))]
    publish(strict, project, "model", order, earlier=tasks_of(items), label_config=LABEL_CONFIG)
    served = []
    for _ in order:
        served.append(strict.next_task(project)["id"])
        strict.annotate(served[-1], choice("cat"))
    assert served == tasks_of(order)


def test_what_does_not_fit_or_is_gone_keeps_no_other_from_the_window(
    strict: LabelStudioClient, project: int, choice: Choice
) -> None:
    items = window_of([task["id"] for task in strict.iter_tasks(project)][:6], choice)
    deleted, unknown = items[2].task_id, items[4].task_id
    strict.transport.call("DELETE", f"/api/tasks/{deleted}/")
    items[4] = WindowItem(unknown, choice("zebra"))
    report = publish(strict, project, "model", items, label_config=LABEL_CONFIG)
    assert set(report.dropped) == {deleted, unknown}
    assert "zebra" in report.dropped[unknown]
    assert report.published == tuple(task for task in tasks_of(items) if task not in report.dropped)
    # The config changes, and the next order does not know it yet.
    config = LABEL_CONFIG.replace('value="cat"', 'value="lion"')
    strict.update_project(project, label_config=config)
    changed = [WindowItem(items[0].task_id, choice("rocket")), items[3], items[1]]
    report = publish(strict, project, "model", changed, earlier=tasks_of(items), label_config=LABEL_CONFIG)
    assert not report.dropped
    assert strict.next_task(project)["id"] == items[0].task_id
