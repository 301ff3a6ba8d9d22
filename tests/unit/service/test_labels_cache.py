"""Label configs are read once, whoever asks; those that cannot be read are refused each time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.errors import LabelConfigError
from backend.labels import WordNet
from backend.service.context.context import Runtime
from backend.service.context.label_cache import LabelsCache
from backend.service.projects.labels import labels_of
from backend.service.projects.project import set_up_project
from tests.unit.service.samples import CONFIG

pytestmark = pytest.mark.unit


def test_a_config_that_was_checked_is_not_read_again_for_its_labels(runtime: Runtime) -> None:
    project = set_up_project(runtime, 7, label_config=CONFIG)
    assert labels_of(runtime, project).config is runtime.labels.parse(CONFIG)


def test_a_changed_text_is_another_config(runtime: Runtime) -> None:
    project = set_up_project(runtime, 7, label_config=CONFIG)
    before = labels_of(runtime, project)
    project = set_up_project(runtime, 7, label_config=CONFIG.replace("Golf", "Rowing"))
    after = labels_of(runtime, project)
    assert [label.value for label in after.spaces[0].control.labels] == ["Tennis", "Rowing", "Not relevant"]
    assert after.key != before.key


def test_a_config_that_cannot_be_read_is_refused_each_time(runtime: Runtime) -> None:
    for _ in range(2):
        with pytest.raises(LabelConfigError, match="not valid XML"):
            set_up_project(runtime, 7, label_config="<View>")


def test_a_config_under_way_is_built_once_and_holds_up_no_other(runtime: Runtime) -> None:
    cache, opened = LabelsCache(), []
    begun, may_go_on = threading.Event(), threading.Event()

    def slow() -> WordNet:
        opened.append(1)
        begun.set()
        assert may_go_on.wait(30)
        return runtime.wordnet

    first, other = cache.parse(CONFIG), cache.parse(CONFIG.replace("Golf", "Rowing"))
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(cache.get, first, slow) for _ in range(2)]
        assert begun.wait(30)
        assert cache.get(other, lambda: runtime.wordnet).spaces  # while the first is being built
        may_go_on.set()
        built = [one.result(30) for one in waiting]
    assert built[0] is built[1]
    assert len(opened) == 1
