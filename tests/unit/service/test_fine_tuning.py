"""Fine-tuning of the real EfficientNet-Lite 0 through its jobs: made, embedded, judged, promoted, rolled back, exported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, func, select
from typer.testing import CliRunner

from backend.cli.app import build_app
from backend.errors import SettingsError, WeightsError
from backend.features import open_backbone
from backend.images import decode_rgb
from backend.learning.export import FORMATS
from backend.priority import evaluation_mask
from backend.service.context.backbones import tuned_folder, tuned_metadata
from backend.service.pool.cache import PoolCache
from backend.service.pool.snapshot import backbone_of_snapshot
from backend.service.queue.predict import Predictor
from backend.service.training.fine_tune import MINIMUM_PHOTOS, fine_tune_options, fine_tune_project
from backend.service.versions.artifacts import load_heads, project_folder
from backend.service.versions.registry import list_versions, promote, rollback
from backend.storage.schema import Feature, ModelVersion, Task
from tests.photographs import photographs
from tests.unit.service.photo_project import MODELS, PhotoProject

pytestmark = [pytest.mark.unit, pytest.mark.long]

CLASSES = ("cat", "coffee", "motorcycle", "astronaut")
EACH = 22
UNREADABLE = 3  # its file is gone by the time of the fine-tuning


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhotoProject]:
    """A project whose backbone was fine-tuned on its annotations, with all that follows."""
    folder = tmp_path_factory.mktemp("fine-tuning")
    base = open_backbone("efficientnet_lite0", models_dir=MODELS)
    models = folder / "models"  # of its own: what is fine-tuned here is of no use to other runs
    shutil.copytree(MODELS / base.id, models / base.id)
    project = PhotoProject(
        folder, CLASSES, EACH, backbone="efficientnet_lite0", evaluation_share=0.3, weights_dir=models
    )
    project.run("embed")
    project.annotate(range(6))
    project.try_one("fine_tune", {"epochs": 1})
    project.annotate(range(len(project.truth)))
    with project.database.session() as session:
        unreadable = session.get_one(Task, (1, UNREADABLE))
        assert not evaluation_mask([str(unreadable.digest)], 0.3)[0]
        unreadable.image = str(Path(unreadable.image).with_name("gone.jpg"))
    project.run("refresh")
    project.run("fine_tune", {"epochs": 2})
    yield project
    project.database.close()


def version_of(project: PhotoProject) -> ModelVersion:
    (found,) = [item for item in list_versions(project.runtime, 1) if item.kind == "fine_tuned"]
    return found


def seen_by(project: PhotoProject, backbone: str) -> int:
    with project.database.session() as session:
        return session.scalar(select(func.count()).select_from(Feature).where(Feature.backbone == backbone)) or 0


def snapshot_backbone(project: PhotoProject) -> str | None:
    return backbone_of_snapshot(project_folder(project.runtime, 1) / "snapshots" / project.row.snapshot)


def predict(project: PhotoProject, task_id: int, path: Path) -> Any:
    return Predictor(project.runtime).predict(1, [{"id": task_id, "data": {"i": str(path)}}], 60)[0]


def test_it_is_recorded_with_its_backbone_and_judged_on_the_evaluation_photos(tuned: PhotoProject) -> None:
    version = version_of(tuned)
    assert version.version == "fine-tuned-1"
    assert version.backbone.startswith("efficientnet_lite0-tuned-")
    assert version.parent == "propagation"
    assert version.weights_digest
    assert version.evaluation["evaluation_sample"]["photos"] >= 20
    assert "fine-tuned on" in version.note
    if tuned.row.serving_version != version.version:
        reasons = (
            "is not promoted",
            "is compared with propagation",
            "answers as propagation does on every unlabelled photo",
        )
        assert any(reason in version.note for reason in reasons)
        assert (version.comparison is not None) == ("is compared with" in version.note)


def test_every_photo_that_can_be_read_is_embedded_and_what_served_kept_its_own(tuned: PhotoProject) -> None:
    assert seen_by(tuned, version_of(tuned).backbone) == len(tuned.truth) - 1
    assert seen_by(tuned, tuned.runtime.backbone.id) == len(tuned.truth)


def test_the_evaluation_sample_was_not_learned_from(tuned: PhotoProject) -> None:
    (metadata,) = tuned_metadata(tuned_folder(tuned.settings, 1)).values()
    with tuned.database.session() as session:
        digests = list(session.scalars(select(Task.digest).where(Task.digest.is_not(None))))
    learnable = int((~evaluation_mask([str(digest) for digest in digests], 0.3)).sum())
    assert metadata["photos"] == learnable - 1  # without the unreadable one
    assert metadata["options"]["epochs"] == len(metadata["losses"]) == 2


def test_a_job_that_was_cut_off_goes_on_where_it_was(tuned: PhotoProject) -> None:
    (weights,) = tuned_folder(tuned.settings, 1).glob("*.weights.h5")
    written = weights.stat().st_mtime_ns
    (job,) = [job for job in tuned.jobs.ledger.of_project(1) if (job.kind, job.status) == ("fine_tune", "done")]
    result = fine_tune_project(tuned.runtime, PoolCache(tuned.runtime), 1, job.id, {}, lambda part, message: None)
    assert result["backbone"] == version_of(tuned).backbone
    assert weights.stat().st_mtime_ns == written
    with tuned.database.session() as session:
        some = select(Feature.digest).where(Feature.backbone == result["backbone"]).limit(30)
        session.execute(
            delete(Feature).where(
                Feature.backbone == result["backbone"], Feature.digest.in_(list(session.scalars(some)))
            )
        )
    tuned.run_waiting()
    test_every_photo_that_can_be_read_is_embedded_and_what_served_kept_its_own(tuned)
    assert version_of(tuned).version == "fine-tuned-1"


def test_promoted_it_predicts_through_its_own_backbone_and_a_rollback_restores_the_other(tuned: PhotoProject) -> None:
    version, base = version_of(tuned), tuned.runtime.backbone.id
    promote(tuned.runtime, 1, version.version)
    tuned.run_waiting()
    assert tuned.row.backbone == version.backbone
    assert snapshot_backbone(tuned) == version.backbone
    assert tuned.row.published_version.startswith("fine-tuned-1.")
    new = sorted((photographs() / "cat").resolve().glob("*.jpg"))[EACH + 1]
    seen = seen_by(tuned, version.backbone), seen_by(tuned, base)
    answer = predict(tuned, 500, new)
    assert answer["model_version"] == tuned.row.published_version
    assert answer["result"][0]["value"]["choices"][0] in CLASSES
    assert (seen_by(tuned, version.backbone), seen_by(tuned, base)) == (seen[0] + 1, seen[1])
    tuned.run("refresh")
    with tuned.database.session() as session:  # the photo that the new backbone could not see is not lost in silence
        assert session.get_one(Task, (1, UNREADABLE)).failure

    assert rollback(tuned.runtime, 1)[0] == "propagation"
    assert tuned.row.backbone == ""
    tuned.run_waiting()
    assert snapshot_backbone(tuned) == base
    # The photo that came meanwhile was unknown to the old backbone; it is in its pool now.
    assert seen_by(tuned, base) == seen[1] + 1
    assert tuned.row.ordered_tasks == len(tuned.truth)


def test_exported_it_says_what_the_server_says(
    tuned: PhotoProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, settings = version_of(tuned), tuned.settings
    for name, value in {
        "STATE_DIR": settings.state_dir,
        "WEIGHTS_DIR": settings.weights_dir,
        "BACKBONE": settings.backbone,
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    arguments = ["export", "--project", "1", "--format", "keras", "--version", version.version, "--output", "model"]
    done = CliRunner().invoke(build_app(), arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    entry = FORMATS["keras"]
    spec = tuned.runtime.backbone.spec
    size = (spec.input_size, spec.input_size)
    paths = [sorted((photographs() / name).glob("*.jpg"))[EACH] for name in CLASSES]
    images = np.stack([decode_rgb(path.read_bytes(), size, fit=spec.fit, crop=spec.crop) for path in paths])
    found = entry.load(tmp_path / "model" / entry.file_name)(images)
    (head,) = load_heads(tuned.runtime, 1, version.version) or []
    np.testing.assert_allclose(
        found, head.predict(tuned.runtime.backbone_of(version.backbone).embed(images)), atol=1e-3
    )
    assert np.abs(found - head.predict(tuned.runtime.backbone.embed(images))).max() > 1e-3
    card = json.loads((tmp_path / "model" / "model_card.json").read_text(encoding="utf-8"))
    assert version.backbone in json.dumps(card)


def test_weights_that_are_gone_are_named(tuned: PhotoProject) -> None:
    backbone = version_of(tuned).backbone
    (weights,) = tuned_folder(tuned.settings, 1).glob("*.weights.h5")
    hidden = weights.rename(weights.with_suffix(".hidden"))
    tuned.open()
    with pytest.raises(WeightsError, match=f"{weights.name} is no longer below"):
        tuned.runtime.backbone_of(backbone)
    with pytest.raises(WeightsError, match=weights.name):
        promote(tuned.runtime, 1, version_of(tuned).version)
    assert tuned.row.backbone == ""
    weights.write_bytes(hidden.read_bytes() + b"changed")
    with pytest.raises(WeightsError, match="needs other weights"):
        tuned.runtime.backbone_of(backbone)
    hidden.rename(weights)
    assert tuned.runtime.backbone_of(backbone).id == backbone


def test_without_its_weights_what_was_predicted_is_still_answered(tuned: PhotoProject) -> None:
    promote(tuned.runtime, 1, version_of(tuned).version)
    tuned.run_waiting()
    (weights,) = tuned_folder(tuned.settings, 1).glob("*.weights.h5")
    hidden = weights.rename(weights.with_suffix(".hidden"))
    tuned.open()
    with tuned.database.session() as session:
        known = session.get_one(Task, (1, 0)).image
    new = str(sorted((photographs() / "motorcycle").resolve().glob("*.jpg"))[EACH + 2])
    tasks = [{"id": 0, "data": {"i": known}}, {"id": 600, "data": {"i": new}}]
    answers = Predictor(tuned.runtime).predict(1, tasks, 60)
    assert answers[0]["model_version"].startswith("fine-tuned-1.")
    assert answers[1] == []
    hidden.rename(weights)


def test_too_few_annotations_are_refused_with_the_number_needed(tuned: PhotoProject) -> None:
    refused = next(job for job in reversed(tuned.jobs.ledger.of_project(1)) if job.kind == "fine_tune")
    assert refused.status == "failed"
    assert f"needs {MINIMUM_PHOTOS} annotated photos" in refused.message


@pytest.mark.parametrize("wanted", [{"epochs": 0}, {"epoch": 1}, {"learning_rate": -1.0}, {"epochs": "many"}])
def test_hyper_parameters_that_make_no_sense_are_named(wanted: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wanted)) if wanted != {"epochs": "many"} else "fine-tuning"):
        fine_tune_options(json.loads(json.dumps(wanted)))
