"""A second control says what does not belong: the order leaves it to the end, as it does where the first one says it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from backend.service.projects.project import set_up_project
from backend.service.queue.queue_window import current_window
from backend.storage.schema import Annotation

from .photo_project import PhotoProject

pytestmark = pytest.mark.unit

CLASSES = ("galaxy", "grass", "gravel", "temple")
STRANGER = "temple"
LABELS = "".join(f'<Choice value="{name}"/>' for name in CLASSES if name != STRANGER)
CONFIG = (
    f'<View><Image name="i" value="$i"/><Choices name="c" toName="i">{LABELS}</Choices>'
    '<Choices name="use" toName="i"><Choice value="Relevant"/><Choice value="Not relevant"/></Choices></View>'
)


def annotate(project: PhotoProject, tasks: Sequence[int]) -> None:
    """What belongs gets both answers, what does not the second one alone."""
    with project.database.session() as session:
        for task in tasks:
            name = project.truth[task]
            said = [("use", "Not relevant" if name == STRANGER else "Relevant")]
            said += [] if name == STRANGER else [("c", name)]
            result = [
                {"from_name": control, "to_name": "i", "type": "choices", "value": {"choices": [label]}}
                for control, label in said
            ]
            session.merge(Annotation(project_id=1, annotation_id=task, task_id=task, result=result))


def test_what_the_second_control_calls_irrelevant_comes_last(tmp_path: Path) -> None:
    project = PhotoProject(tmp_path, CLASSES, 10, evaluation_share=0.0)
    set_up_project(project.runtime, 1, label_config=CONFIG, title="Two controls")
    project.run("embed")
    annotate(project, range(12))
    project.run("refresh")
    window = current_window(project.runtime, project.row)
    assert len(window) == 28
    last = [project.truth[item.task_id] for item in window[-7:]]
    assert last.count(STRANGER) >= 6, [project.truth[item.task_id] for item in window]
    assert any("probably not relevant" in item.reason for item in window[-7:])
