"""The benchmark of the first labels measures what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.features import Backbone, open_backbone
from backend.labels import WordNet, ensure_wordnet
from backend.simulation.engine import play
from backend.simulation.photos import DISTRACTOR, Photos
from backend.simulation.points import CurvePoint
from benchmarks.first_labels import (
    Embedded,
    Variant,
    early_loss,
    groups_of,
    in_another_order,
    mean_curve,
    moved,
    project,
)

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).resolve().parents[3]

SPORTS = ("basketball", "tennis", "volleyball", "boxing", "judo", "sumo_wrestling", "rowing", "swimming")


@pytest.fixture(scope="module")
def wordnet() -> WordNet:
    folder = REPOSITORY / ".state" / "wordnet"
    ensure_wordnet(folder)
    return WordNet.open(folder)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return open_backbone("efficientnet_lite0", models_dir=REPOSITORY / ".cache" / "models")


def test_every_name_is_in_one_branch(wordnet: WordNet) -> None:
    names = [name.replace("_", " ") for name in SPORTS]
    groups = groups_of(names, wordnet)
    assert len(groups) > 1
    assert sorted(name for members in groups.values() for name in members) == sorted(names)


def test_a_project_of_half_of_the_classes_is_played_label_by_label(wordnet: WordNet, backbone: Backbone) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(SPORTS)), 12)
    embeddings = np.maximum(rng.normal(size=(len(SPORTS), 1280))[labels] + rng.normal(size=(labels.size, 1280)), 0)
    digests = tuple(f"{row:04d}" for row in range(labels.size))
    photos = Photos(embeddings.astype(np.float16), labels, digests)
    others = Photos(
        np.maximum(rng.normal(size=(9, 1280)), 0).astype(np.float16),
        np.full(9, DISTRACTOR),
        tuple(f"x{row}" for row in range(9)),
    )
    embedded = Embedded(photos, SPORTS, others, backbone, wordnet)
    setting = project(embedded, Variant(strangers=True, taxonomy=True), 1, classes=3, each=6, strangers=5)
    assert set(setting.classes) <= {"tennis", "boxing", "sumo wrestling", "swimming"}
    assert len(setting.pool) == 3 * 6 + 5
    assert len(setting.test) == 3 * 6
    assert setting.n_labels == 4
    other = in_another_order(setting, 1)
    assert other.pool.digests != setting.pool.digests == in_another_order(setting, 0).pool.digests
    assert dict(zip(other.pool.digests, other.pool.labels, strict=True)) == dict(
        zip(setting.pool.digests, setting.pool.labels, strict=True)
    )
    run = play(setting, "default", 0)
    assert [point.labels for point in run.points] == list(range(len(setting.pool) + 1))
    assert run.points[0].distractors_known is not None
    assert run.points[-1].unlabelled_accuracy is None


def test_means_and_the_early_loss() -> None:
    def points(*values: float | None) -> list[CurvePoint]:
        return [CurvePoint("default", 0, labels, 0.5, 0.5, value) for labels, value in enumerate(values)]

    curve = mean_curve([points(0.5, 0.4, 0.6, None), points(0.7, 0.6, 0.8, 0.9)], "unlabelled_accuracy")
    assert curve == pytest.approx({0: 0.6, 1: 0.5, 2: 0.7})
    assert early_loss(curve) == pytest.approx(0.1)
    assert early_loss({0: 0.5, 1: 0.6}) == 0.0


def test_how_far_the_order_of_the_photos_moves_what_is_right() -> None:
    def points(*values: float) -> list[CurvePoint]:
        return [CurvePoint("default", 0, labels, 0.5, 0.5, value) for labels, value in enumerate(values)]

    first, second = [points(0.5, 0.6), points(0.5, 0.8)], [points(0.7, 0.6), points(0.9, 0.6)]
    assert moved([first, second]) == pytest.approx({0: 0.1 / 2**0.5, 1: 0.1 / 2**0.5})
