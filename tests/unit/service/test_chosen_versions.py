"""What a person chose stays chosen, whatever a training or a comparison that began before comes to."""

from __future__ import annotations

import shutil

import pytest
from sqlalchemy import update

from backend.errors import BackendError
from backend.learning.promotion import Disagreement
from backend.service.context.context import Runtime
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project, set_up_project
from backend.service.versions.artifacts import head_folder
from backend.service.versions.comparisons import Comparison, Photo, open_comparison, settle_comparison
from backend.service.versions.registry import (
    EmbeddingConfig,
    conclude_training,
    find_version,
    promote,
    record_version,
    serve,
)
from backend.storage.schema import Project
from tests.unit.service.samples import CONFIG

pytestmark = [pytest.mark.unit, pytest.mark.both_databases]

PROJECT = 7


@pytest.fixture
def project(runtime: Runtime) -> Project:
    """A project served by head-1, as a job sees it that begins now."""
    set_up_project(runtime, PROJECT, label_config=CONFIG)
    for version in ("propagation", "head-1", "head-2"):
        kind = version.split("-")[0]
        record_version(
            runtime, PROJECT, version, kind=kind, status="candidate", backbone=runtime.backbone.id, parent="propagation"
        )
    serve(runtime, PROJECT, "head-1", pinned=False)
    return find_project(runtime, PROJECT)


def trained(runtime: Runtime, seen: Project) -> bool:
    """A training that began when the project was `seen` ends, and finds its head-3 better."""
    row = {"kind": "head", "status": "candidate", "backbone": runtime.backbone.id, "note": "head-3 serves from now on"}
    return conclude_training(
        runtime,
        PROJECT,
        {"head-3": row},
        promoted="head-3",
        seen=EmbeddingConfig.of(seen),
        annotations=10,
        learned_from="all",
    )


def test_a_training_promotes_what_is_better(runtime: Runtime, project: Project) -> None:
    assert trained(runtime, project)
    assert find_project(runtime, PROJECT).serving_version == "head-3"
    assert find_version(runtime, PROJECT, "head-1").status == "retired"


def test_a_training_leaves_alone_what_a_person_chose_meanwhile(runtime: Runtime, project: Project) -> None:
    promote(runtime, PROJECT, "head-2")
    assert not trained(runtime, project)
    now = find_project(runtime, PROJECT)
    assert (now.serving_version, now.pinned, now.trained_annotations) == ("head-2", True, 10)
    made = find_version(runtime, PROJECT, "head-3")
    assert made.status == "candidate"
    assert "chosen meanwhile" in made.note


def test_who_chose_what_serves_anyway_is_heard_too(runtime: Runtime, project: Project) -> None:
    promote(runtime, PROJECT, "head-1")
    assert not trained(runtime, project)
    assert find_project(runtime, PROJECT).pinned


def compare(runtime: Runtime, photos: range, better: int, labels_key: str = "") -> None:
    """People are asked about photos on which head-2 and head-1 differ."""
    start = Disagreement("head-2", "head-1", unlabelled=40, differing=len(photos), better=better)
    asked = Comparison(start, [Photo(task, (0,), (1,)) for task in photos], labels_key=labels_key)
    record_version(runtime, PROJECT, "head-2", kind="head", status="candidate", backbone="", comparison=asked.to_json())


def test_a_comparison_leaves_alone_what_a_person_chose_meanwhile(runtime: Runtime, project: Project) -> None:
    compare(runtime, range(10), better=8)
    promote(runtime, PROJECT, "propagation")
    assert settle_comparison(runtime, project, "head-1", {}, lambda task: True) == []
    now = find_project(runtime, PROJECT)
    assert (now.serving_version, now.pinned) == ("propagation", True)
    assert open_comparison(runtime, PROJECT) is None


def test_a_comparison_ends_where_the_labels_change(runtime: Runtime, project: Project) -> None:
    """What the versions said is kept by the places of the labels: turned round, the worse one would win."""
    compare(runtime, range(40), better=0, labels_key=labels_of(runtime, project).key)
    answers = dict.fromkeys(range(3), (1,))
    assert settle_comparison(runtime, project, "head-1", answers, lambda task: True)
    turned = CONFIG.replace(
        '<Choice value="Tennis"/><Choice value="Golf"/>', '<Choice value="Golf"/><Choice value="Tennis"/>'
    )
    assert turned != CONFIG
    project = set_up_project(runtime, PROJECT, label_config=turned)
    assert settle_comparison(runtime, project, "head-1", dict.fromkeys(range(40), (1,)), lambda task: True) == []
    assert open_comparison(runtime, PROJECT) is None
    assert "labels changed" in find_version(runtime, PROJECT, "head-2").note
    assert find_project(runtime, PROJECT).serving_version == "head-1"


def test_a_comparison_ends_once_the_photos_left_are_skipped_or_deleted(runtime: Runtime, project: Project) -> None:
    compare(runtime, range(10), better=1)
    answers = {0: (1,), 1: (0,)}
    assert settle_comparison(runtime, project, "head-1", answers, lambda task: task in (4, 5)) == [4, 5]
    assert settle_comparison(runtime, project, "head-1", answers, lambda task: False) == []
    assert open_comparison(runtime, PROJECT) is None
    assert find_project(runtime, PROJECT).serving_version == "head-1"


def test_a_version_whose_files_are_gone_is_not_promoted(runtime: Runtime, project: Project) -> None:
    with runtime.database.session() as session:
        session.execute(update(Project).values(serving_version="propagation"))
    record_version(
        runtime, PROJECT, "head-2", kind="head", status="candidate", backbone=runtime.backbone.id, artifact="somewhere"
    )
    shutil.rmtree(head_folder(runtime, PROJECT, "head-2"), ignore_errors=True)
    with pytest.raises(BackendError, match="head-2 are gone"):
        promote(runtime, PROJECT, "head-2")
    assert find_project(runtime, PROJECT).serving_version == "propagation"
