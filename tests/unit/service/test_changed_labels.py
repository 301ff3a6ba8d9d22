"""The label config is changed while a trained head serves: what it says goes to the labels that it was made for."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import BackendError
from backend.service.projects.project import set_up_project
from backend.service.queue.queue_window import current_window
from backend.service.training.portable import portable_version
from backend.service.versions.registry import list_versions, promote
from backend.sync.version_names import model_of
from tests.photographs import photographs
from tests.unit.service.photo_project import PhotoProject

pytestmark = pytest.mark.unit


@pytest.fixture
def project(tmp_path: Path) -> PhotoProject:
    """Twenty-four photos of three classes, nine of them annotated, and a trained head that serves."""
    classes = sorted(folder.name for folder in photographs().iterdir() if folder.is_dir())[:3]
    made = PhotoProject(tmp_path, classes, 8, evaluation_share=0.0)
    made.run("embed")
    made.annotate(range(9))
    made.run("train")
    promote(made.runtime, 1, _head(made))
    made.run_waiting()
    return made


def _head(project: PhotoProject) -> str:
    return next(item.version for item in list_versions(project.runtime, 1) if item.version.startswith("head"))


def _change(project: PhotoProject, labels: list[str]) -> None:
    choices = "".join(f'<Choice value="{name}"/>' for name in labels)
    config = f'<View><Image name="i" value="$i"/><Choices name="c" toName="i">{choices}</Choices></View>'
    set_up_project(project.runtime, 1, label_config=config)
    project.run_waiting()


def _right(project: PhotoProject) -> float:
    """Share of the photos in the window whose suggestion is right."""
    window = current_window(project.runtime, project.row)
    named = [(item.task_id, item.result[0]["value"]["choices"]) for item in window if item.result]
    return sum(chosen == [project.truth[task]] for task, chosen in named) / len(window)


@pytest.mark.parametrize("turned", [1, 2])
def test_labels_in_another_order_get_what_is_said_of_them(project: PhotoProject, turned: int) -> None:
    assert model_of(project.row.published_version) == _head(project)
    before = _right(project)
    assert before > 0.8
    classes = list(project.classes)
    _change(project, [*classes[turned:], *classes[:turned]])
    assert _right(project) >= before - 0.1


def test_a_head_made_for_other_labels_neither_serves_nor_leaves_the_house(project: PhotoProject) -> None:
    head = _head(project)
    _change(project, [*project.classes[:2], "something else"])
    assert model_of(project.row.published_version) == "propagation"
    with pytest.raises(BackendError, match="other labels"):
        portable_version(project.runtime, 1, head, lambda share, said: None)
    with pytest.raises(BackendError, match="other labels"):
        promote(project.runtime, 1, head)
    _change(project, list(project.classes))
    assert model_of(project.row.published_version) == head
