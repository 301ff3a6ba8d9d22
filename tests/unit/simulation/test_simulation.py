from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import NotFoundError
from backend.priority import evaluation_mask
from backend.simulation import RANDOM_HEAD, CurvePoint, play_all, summarise, table_rows
from backend.simulation.engine import Setting, play
from backend.simulation.photos import (
    DISTRACTOR,
    Photos,
    class_folders,
    readable,
    split_by_class,
)
from backend.simulation.report import labels_needed, write_curves

pytestmark = pytest.mark.unit

CLASSES = tuple(f"class {label}" for label in range(8))


def photos(each: int = 30, classes: int = 8, seed: int = 0, distractors: int = 0) -> Photos:
    """Clusters of unequal width; distractors are scattered between them, and their prior hints at it."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(5).normal(size=(classes, 32)) * 1.5
    labels = np.repeat(np.arange(classes), each)
    embeddings = centres[labels] + rng.normal(size=(labels.size, 32)) * np.where(labels % 2, 1.5, 0.8)[:, None]
    if distractors:
        labels = np.concatenate([labels, np.full(distractors, DISTRACTOR)])
        embeddings = np.concatenate([embeddings, 2.0 * rng.normal(size=(distractors, 32)) + 1.0])
    relevance = np.clip(np.where(labels == DISTRACTOR, 0.25, 0.6) + 0.1 * rng.normal(size=labels.size), 0, 1)
    return Photos(
        embeddings.astype(np.float16),
        labels,
        tuple(f"{value:08x}" for value in rng.permutation(labels.size) + 1000 * seed),
        relevance=relevance.astype(np.float32) if distractors else None,
    )


def test_the_curve_has_its_points_and_the_default_needs_fewer_labels() -> None:
    runs = play_all(photos(), photos(seed=1), CLASSES, ["default", RANDOM_HEAD], budget=100, seeds=2, batch=8)
    assert [(run.strategy, run.seed) for run in runs] == [
        ("default", 0),
        ("default", 1),
        (RANDOM_HEAD, 0),
        (RANDOM_HEAD, 1),
    ]
    assert [point.labels for point in runs[0].points] == [0, 1, 2, 3, 5, *range(10, 101, 10)]
    assert [point.labels for point in runs[2].points] == [1, 2, 3, 5, *range(10, 101, 10)]
    assert all(0 <= point.accuracy <= 1 and 0 <= point.macro_f1 <= 1 for run in runs for point in run.points)
    ours, baseline = (
        np.mean([point.accuracy for run in part for point in run.points if point.labels == 10])
        for part in (runs[:2], runs[2:])
    )
    assert ours > baseline + 0.1


def test_the_same_seed_gives_the_same_curve() -> None:
    setting = Setting(photos(), photos(seed=1), CLASSES, budget=30)
    assert play(setting, "default", 0).points == play(setting, "default", 0).points
    assert play(setting, RANDOM_HEAD, 3).points == play(setting, RANDOM_HEAD, 3).points


def test_budgets_beyond_the_pool_end_with_the_pool() -> None:
    run = play(Setting(photos(each=6), photos(seed=1), CLASSES, budget=500), "default", 0)
    assert run.points[-1].labels == 48
    assert run.points[-1].accuracy > 0.8


def test_test_labels_are_used_for_measuring_only() -> None:
    pool, test = photos(), photos(seed=1)
    true = play(Setting(pool, test, CLASSES, budget=20), "default", 0)
    shifted = Photos(test.embeddings, (test.labels + 1) % 8, test.digests)
    wrong = play(Setting(pool, shifted, CLASSES, budget=20), "default", 0)
    assert true.points[-1].accuracy > 0.6 > wrong.points[-1].accuracy
    assert true.points[-1].accuracy + wrong.points[-1].accuracy <= 1.0


def test_evaluation_photos_are_asked_about_but_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.learning.pool_model import PoolModel

    pool = photos()
    held_out = evaluation_mask(pool.digests, 0.3)
    learned: set[int] = set()
    propagate = PoolModel.propagate

    def watched(self: PoolModel, rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
        learned.update(int(row) for row in rows)
        return propagate(self, rows, targets)

    monkeypatch.setattr(PoolModel, "propagate", watched)
    play(Setting(pool, photos(seed=1), CLASSES, budget=60, evaluation_share=0.3), "default", 0)
    assert not held_out[sorted(learned)].any()
    assert 60 * 0.7 - 3 <= len(learned) <= 60 * 0.7 + 3


def test_distractors_are_counted_and_mostly_not_asked_about() -> None:
    pool = photos(each=40, distractors=80)
    setting = Setting(pool, photos(seed=1), CLASSES, budget=100)
    assert setting.n_labels == 9
    ours, baseline = play(setting, "default", 0), play(setting, RANDOM_HEAD, 0)
    assert baseline.distractors_asked[100] > 10
    assert ours.distractors_asked[100] <= 6
    header, rows = table_rows(summarise([ours, baseline]))
    assert rows[0][header.index("distractors in 100")] == f"{ours.distractors_asked[100]:.1f}"


def test_every_class_is_found_among_many_strangers_in_crowds_of_their_own() -> None:
    everything = photos(each=16, classes=20, seed=2)
    pool = replace(everything, labels=np.where(everything.labels < len(CLASSES), everything.labels, DISTRACTOR))
    run = play(Setting(pool, photos(seed=1), CLASSES, budget=80), "default", 0)
    assert run.points[-1].accuracy > 0.9


def points(*pairs: tuple[int, float]) -> list[CurvePoint]:
    return [CurvePoint("default", 0, labels, accuracy, accuracy) for labels, accuracy in pairs]


@pytest.mark.parametrize(("target", "expected"), [(0.5, 100.0), (0.6, 150.0), (0.7, 200.0), (0.75, 275.0), (0.9, None)])
def test_labels_needed_by_straight_lines(target: float, expected: float | None) -> None:
    curve = points((100, 0.5), (200, 0.7), (250, 0.7), (300, 0.8))
    found = labels_needed(curve, target)
    assert found is None if expected is None else found == pytest.approx(expected)


def test_the_files_are_complete_and_the_page_needs_nothing_else(tmp_path: Path) -> None:
    runs = play_all(photos(), photos(seed=1), CLASSES, ["default", RANDOM_HEAD], budget=100, seeds=2, batch=10)
    write_curves(runs, tmp_path / "new" / "out", "8 classes <of> photos")
    written = json.loads((tmp_path / "new" / "out" / "curve.json").read_text())
    assert len(written) == 2 * 15 + 2 * 14
    assert set(written[0]) == {field.name for field in fields(CurvePoint)}
    assert (tmp_path / "new" / "out" / "curve.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "new" / "out" / "curve.html").read_text()
    assert "data:image/png;base64," in page
    assert "&lt;of&gt;" in page
    assert "http" not in page
    summary = summarise(runs)[0]
    accuracies = [run.points[-1].accuracy for run in runs[:2]]
    assert summary.accuracy[100] == pytest.approx((np.mean(accuracies), np.std(accuracies)))


def test_halves_share_no_photo_and_hold_every_class() -> None:
    both = photos(each=7, distractors=5)
    pool, test = split_by_class(both, 3)
    assert not set(pool.digests) & set(test.digests)
    assert np.bincount(pool.labels[pool.labels >= 0]).tolist() == [4] * 8
    assert np.bincount(test.labels).tolist() == [3] * 8
    assert (pool.labels == DISTRACTOR).sum() == 5
    assert split_by_class(both, 4)[0].digests != pool.digests


def test_the_share_of_the_pool_can_be_told() -> None:
    pool, test = split_by_class(photos(each=10, distractors=5), 3, share=0.9)
    assert np.bincount(pool.labels[pool.labels >= 0]).tolist() == [9] * 8
    assert np.bincount(test.labels).tolist() == [1] * 8


def test_the_halves_are_the_same_with_distractors_and_without() -> None:
    both = photos(each=7, distractors=5)
    without = split_by_class(both.take(np.flatnonzero(both.labels != DISTRACTOR)), 3)
    pool, test = split_by_class(both, 3)
    assert test.digests == without[1].digests
    assert set(pool.digests) > set(without[0].digests)


def test_folders_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        class_folders(tmp_path / "nowhere")
    (tmp_path / "one").mkdir()
    with pytest.raises(NotFoundError, match="at least 2 are needed"):
        class_folders(tmp_path)
    (tmp_path / "table_tennis").mkdir()
    (tmp_path / ".hidden").mkdir()
    assert class_folders(tmp_path) == ("one", "table_tennis")
    assert readable(class_folders(tmp_path)) == ("one", "table tennis")
