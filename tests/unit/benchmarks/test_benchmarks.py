"""The benchmarks measure what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skactiveml", reason="scikit-activeml is in the dependency group `bench`")

from backend.learning.knn_graph import NeighbourIndex
from backend.learning.pool_model import PoolModel
from backend.learning.space import unit_rows
from backend.priority.pool_view import PoolView
from backend.priority.strategies import STRATEGIES
from benchmarks import scaling
from benchmarks.photos import LabelledPhotos, from_npz, halves
from benchmarks.scikit_activeml import ADAPTERS
from benchmarks.strategies import (
    LEARNERS,
    Played,
    contestants,
    labels_needed,
    main,
    ours,
    play,
    summary,
    uniform,
)

pytestmark = pytest.mark.unit


def photos(n: int = 120, classes: int = 4, seed: int = 0) -> LabelledPhotos:
    rng = np.random.default_rng(seed)
    centres = 3 * rng.normal(size=(classes, 16))
    labels = np.arange(n) % classes
    embeddings = (centres[labels] + rng.normal(size=(n, 16))).astype(np.float16)
    return LabelledPhotos(embeddings, labels, tuple("abcd"[:classes]), tuple(f"{row:03d}" for row in range(n)))


def view(n: int = 60, labels: int = 3) -> PoolView:
    rng = np.random.default_rng(1)
    space = rng.normal(size=(n, 5)).astype(np.float32)
    space /= np.linalg.norm(space, axis=1, keepdims=True)
    beliefs = rng.dirichlet(np.ones(labels), n).astype(np.float32)
    labelled = np.arange(n) % 6 == 0
    return PoolView(
        space, beliefs, labelled, annotated_probabilities=np.eye(labels, dtype=np.float32)[np.arange(10) % 3]
    )


@pytest.mark.parametrize("name", ADAPTERS)
def test_adapters_choose_unlabelled_rows_once(name: str) -> None:
    pool = view()
    rows, scores = ADAPTERS[name](pool, np.random.default_rng(0), 12)
    assert np.unique(rows).size == 12
    assert not pool.labelled[rows].any()
    assert np.all(np.diff(scores) < 0)


def test_the_librarys_margin_is_ours() -> None:
    pool = view()
    theirs, _ = ADAPTERS["scikit-activeml margin"](pool, np.random.default_rng(0), 12)
    assert theirs.tolist() == STRATEGIES["margin"](pool, np.random.default_rng(0), 12)[0].tolist()


def test_the_librarys_first_badge_is_ours() -> None:
    pool = view()
    theirs, _ = ADAPTERS["scikit-activeml Badge"](pool, np.random.default_rng(0), 1)
    assert theirs.tolist() == STRATEGIES["badge"](pool, np.random.default_rng(0), 1)[0].tolist()


def test_the_librarys_core_set_is_ours() -> None:
    pool = view()
    theirs, _ = ADAPTERS["scikit-activeml CoreSet"](pool, np.random.default_rng(0), 12)
    assert theirs.tolist() == STRATEGIES["kcenter"](pool, np.random.default_rng(0), 12)[0].tolist()


def test_halves_keep_every_class_and_every_photo() -> None:
    pool, test = halves(photos(), 0.25)
    assert np.bincount(pool.labels).tolist() == [22] * 4
    assert np.bincount(test.labels).tolist() == [8] * 4
    assert sorted(pool.digests + test.digests) == sorted(photos().digests)


def test_from_npz_reads_what_was_written(tmp_path: Path) -> None:
    wanted = photos(20)
    np.savez(tmp_path / "p.npz", embeddings=wanted.embeddings, labels=wanted.labels, classes=np.array(wanted.classes))
    found = from_npz(tmp_path / "p.npz")
    assert np.array_equal(found.embeddings, wanted.embeddings)
    assert found.labels.tolist() == wanted.labels.tolist()
    assert found.classes == wanted.classes
    assert len(set(found.digests)) == 20


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("name", ["default", "random", "scikit-activeml CoreSet"])
def test_play_spends_the_budget_and_learns(learner: str, name: str) -> None:
    pool, test = halves(photos(), 0.5)
    model = PoolModel(pool.embeddings, uniform(60, 4), seed=0)
    strategy = contestants(name)[name]
    played = play(name, strategy, LEARNERS[learner](model, pool, test), model, pool, test, seed=0, budget=25, batch=10)
    assert list(played.accuracy) == [10, 20, 25]
    assert played.accuracy[25] > 0.8


def test_ours_is_the_default_order() -> None:
    rows, scores = ours(view(), np.random.default_rng(0), 7)
    assert rows.size == scores.size == 7


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [
        ({25: 0.5, 50: 0.89, 75: 0.9}, 50),
        ({25: 0.88, 50: 0.87, 75: 0.9}, 75),
        ({25: 0.5, 50: 0.6}, None),
        ({}, None),
    ],
)
def test_labels_needed_must_hold(accuracy: dict[int, float], expected: int | None) -> None:
    assert labels_needed(accuracy, 0.88) == expected


def test_summary_puts_the_best_first_and_averages_seeds() -> None:
    runs = [
        Played("a", 0, {100: 0.5, 300: 0.9, 325: 0.9}, 1.0),
        Played("a", 1, {100: 0.7, 300: 0.8, 325: 0.8}, 3.0),
        Played("b", 0, {100: 0.9, 300: 0.95, 325: 0.95}, 1.0),
    ]
    best, other = summary(runs, 0.88)
    assert best["strategy"] == "b"
    assert best["labels_for_target"] == 100
    assert other["100"] == pytest.approx([0.6, 0.1])
    assert other["600"] is None
    assert other["labels_for_target"] is None
    assert other["choosing_seconds"] == 2.0


def test_unknown_strategies_are_named() -> None:
    with pytest.raises(SystemExit, match="unknown nonsense"):
        contestants("margin,nonsense")


def test_main_writes_table_and_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = photos()
    np.savez(tmp_path / "p.npz", embeddings=wanted.embeddings, labels=wanted.labels, classes=np.array(wanted.classes))
    arguments = ["--embeddings", str(tmp_path / "p.npz"), "--strategies", "margin,random", "--budget", "20"]
    assert main([*arguments, "--batch", "10", "--seeds", "1", "--output", str(tmp_path / "out.json")]) == 0
    assert "margin" in capsys.readouterr().out
    assert '"choosing_seconds"' in (tmp_path / "out.json").read_text(encoding="utf-8")


PLAN = scaling.Plan(
    labels=5, annotations=20, window=10, recall_queries=50, typiclust_up_to=0, strategy="default", seed=0
)


def test_scaling_measures_a_small_pool() -> None:
    cost = scaling.measure(500, PLAN)
    assert cost.tasks == 500
    assert cost.recall == 1.0
    assert cost.typiclust_seconds is None
    assert min(cost.build_seconds, cost.rerank_seconds, cost.after_one_annotation_seconds, cost.peak_gb) > 0


def test_synthetic_tasks_have_distinct_digests_and_all_labels() -> None:
    embeddings, labels, digests = scaling.synthetic(300, PLAN)
    assert embeddings.shape == (300, scaling.WIDTH)
    assert embeddings.dtype == np.float16
    assert len(set(digests)) == 300
    assert set(labels.tolist()) == set(range(5))


def test_groups_overlap_more_the_wider_they_spread() -> None:
    def nearest_of_own_group(spread: float) -> float:
        embeddings, labels, _ = scaling.synthetic(400, replace(PLAN, spread=spread))
        rows = embeddings.astype(np.float32)
        distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        return float((labels[distances.argmin(axis=1)] == labels).mean())

    assert nearest_of_own_group(0.1) == 1.0
    assert nearest_of_own_group(3.0) < 0.9


def test_recall_counts_what_the_index_finds() -> None:
    rng = np.random.default_rng(0)
    space = unit_rows(rng.normal(size=(200, 8)).astype(np.float32))
    assert scaling.recall_of(NeighbourIndex.build(space), space, PLAN) == 1.0
    half = NeighbourIndex.build(space[:100])  # the others stand where nothing looks for them
    half.add(-space[100:])
    assert 0.2 < scaling.recall_of(half, space, PLAN) < 0.8


def test_growth_of_linear_cost_is_linear() -> None:
    exponent, ratio = scaling.growth([1000, 100_000], [1.0, 100.0])
    assert exponent == pytest.approx(1.0)
    assert ratio == pytest.approx(1.0)


def test_growth_of_quadratic_cost_shows() -> None:
    exponent, ratio = scaling.growth([10, 50, 100], [1.0, 25.0, 100.0])
    assert exponent == pytest.approx(2.0)
    assert ratio == pytest.approx(10.0)
