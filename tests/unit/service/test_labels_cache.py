"""Label configs are read once, whoever asks; those that cannot be read are refused each time."""

from __future__ import annotations

import pytest

from backend.errors import LabelConfigError
from backend.service.context.context import Runtime
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
