"""A project whose photos have several labels: suggestions, reasons, figures, heads; and a Taxonomy that could take several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backend.errors import NotFoundError
from backend.service.insight.coverage import coverage_of
from backend.service.insight.mistakes import mistakes_of
from backend.service.insight.search import search_label
from backend.service.insight.search_results import Filters
from backend.service.pool.cache import PoolCache
from backend.service.projects.project import find_project, set_up_project
from backend.service.queue.predict import Predictor
from backend.service.queue.queue_window import current_window
from backend.service.sheets.sheets import next_sheet
from backend.service.training.portable import portable_version
from backend.service.versions.artifacts import load_heads
from backend.storage.schema import Annotation, Task

from .photo_project import PhotoProject

pytestmark = pytest.mark.unit

CLASSES = ("galaxy", "grass", "gravel", "temple")
GROUND = ("grass", "gravel")
PHOTOS_EACH = 10
ANNOTATED = range(16)
CHOICES = "".join(f'<Choice value="{name}"/>' for name in (*CLASSES, "ground"))
SEVERAL = f'<View><Image name="i" value="$i"/><Choices name="c" toName="i" choice="multiple">{CHOICES}</Choices></View>'
BRANCHES = (
    '<Choice value="outside"><Choice value="galaxy"/><Choice value="grass"/><Choice value="gravel"/></Choice>'
    '<Choice value="temple"/>'
)
TAXONOMY = f'<View><Image name="i" value="$i"/><Taxonomy name="c" toName="i">{BRANCHES}</Taxonomy></View>'


def labels_of(name: str) -> set[str]:
    return {name, "ground"} if name in GROUND else {name}


def path_of(name: str) -> list[str]:
    return [name] if name == "temple" else ["outside", name]


def annotate(project: PhotoProject, tasks: Sequence[int], kind: str) -> None:
    with project.database.session() as session:
        for task in tasks:
            name = project.truth[task]
            said: list[Any] = sorted(labels_of(name)) if kind == "choices" else [path_of(name)]
            result = [{"from_name": "c", "to_name": "i", "type": kind, "value": {kind: said}}]
            session.merge(Annotation(project_id=1, annotation_id=task, task_id=task, result=result))


def suggested(project: PhotoProject, tasks: Sequence[int], kind: str) -> dict[int, list[Any]]:
    """What is suggested for each task."""
    with project.database.session() as session:
        asked = [{"id": task, "data": session.get_one(Task, (1, task)).data} for task in tasks]
    answers = Predictor(project.runtime).predict(1, asked, 60.0)
    return {
        task: [label for item in (answer or {"result": []})["result"] for label in item["value"][kind]]
        for task, answer in zip(tasks, answers, strict=True)
    }


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> PhotoProject:
    """Sixteen of forty photos annotated, half of them with two labels; trained once."""
    project = PhotoProject(tmp_path_factory.mktemp("several"), CLASSES, PHOTOS_EACH, evaluation_share=0.1)
    set_up_project(project.runtime, 1, label_config=SEVERAL, title="Several")
    project.run("embed")
    annotate(project, ANNOTATED, "choices")
    project.run("train")
    return project


def test_all_labels_that_hold_are_suggested(several: PhotoProject) -> None:
    open_tasks = range(len(ANNOTATED), len(several.truth))
    found = suggested(several, open_tasks, "choices")
    right = [set(labels) == labels_of(several.truth[task]) for task, labels in found.items()]
    assert sum(right) >= 0.9 * len(right), found


def test_reasons_speak_of_labels_that_may_hold_not_of_one_against_another(several: PhotoProject) -> None:
    reasons = [entry.reason for entry in current_window(several.runtime, find_project(several.runtime, 1))]
    assert reasons
    assert not [said for said in reasons if "could be" in said or "the model says" in said]


def test_the_head_and_what_is_exported_answer_with_all_labels(several: PhotoProject) -> None:
    (head,) = load_heads(several.runtime, 1, "head-1") or []
    assert head.multiple
    assert head.report["agreement"] > 0.9
    portable = portable_version(several.runtime, 1, "propagation", lambda part, said: None, PoolCache(several.runtime))
    assert portable.distilled
    assert portable.heads[0].multiple
    assert portable.heads[0].report["agreement"] > 0.9


def test_a_taxonomy_whose_photos_have_one_label_each_is_judged_as_such(tmp_path: Path) -> None:
    """A Taxonomy takes several labels unless it says otherwise, and most teams give one."""
    project = PhotoProject(tmp_path, CLASSES, PHOTOS_EACH, evaluation_share=0.3)
    set_up_project(project.runtime, 1, label_config=TAXONOMY, title="Taxonomy")
    project.run("embed")
    annotate(project, range(32), "taxonomy")
    project.run("train")
    found = suggested(project, range(32, 40), "taxonomy")
    assert sum(labels == [path_of(project.truth[task])] for task, labels in found.items()) >= 7, found
    (head,) = load_heads(project.runtime, 1, "head-1") or []
    assert not head.multiple


def test_of_photos_with_several_labels_no_label_was_taken_for_another(tmp_path: Path) -> None:
    """What was made while each photo had one goes with the first that has two."""
    project = PhotoProject(tmp_path, CLASSES, PHOTOS_EACH, evaluation_share=0.0)
    set_up_project(project.runtime, 1, label_config=SEVERAL, title="Several")
    project.run("embed")
    project.annotate(range(24))
    project.run("refresh")
    assert mistakes_of(project.runtime, project.row)["photos"] == 24
    annotate(project, range(4, 8), "choices")
    project.run("refresh")
    found = mistakes_of(project.runtime, project.row)
    assert (found["photos"], found["suspects"]) == (0, [])
    assert "several labels" in found["why"]


def test_each_photo_is_covered_and_found_below_all_of_its_labels(several: PhotoProject) -> None:
    nodes = {node["title"]: node for node in coverage_of(several.runtime, several.row)}
    answered = {name: sum(name in labels_of(several.truth[task]) for task in ANNOTATED) for name in (*GROUND, "ground")}
    assert {name: nodes[name]["answered"] for name in answered} == answered
    ground = nodes["ground"]["label"]
    found = search_label(several.runtime, several.row, ground, 100, Filters(label=ground, answered="no"))
    shown = {photo["task"] for photo in found.photos}
    wanted = {task for task, name in several.truth.items() if name in GROUND and task not in ANNOTATED}
    assert len(shown & wanted) >= 0.9 * len(wanted)
    assert len(shown - wanted) <= 2


def test_no_sheet_gives_one_label_to_photos_of_several(several: PhotoProject) -> None:
    """All Ground, except …: confirmed, each of them would have been Ground and nothing else."""
    for kind in ("confirm", "same", "clean"):
        with pytest.raises(NotFoundError, match="several") as refused:
            next_sheet(several.runtime, 1, "a person", kind)
        assert refused.value.reason == "no_sheet"
