"""The benchmarks measure what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skactiveml", reason="scikit-activeml is in the dependency group `bench`")

from backend.errors import NotFoundError
from backend.learning.knn_graph import NeighbourIndex
from backend.learning.projection import unit_rows
from backend.priority.pool_view import PoolView
from backend.priority.strategies import STRATEGIES
from backend.simulation.engine import Run, Setting, play
from backend.simulation.photos import Photos, split_by_class
from backend.simulation.points import CurvePoint
from benchmarks import scaling
from benchmarks.photos import from_folder, from_npz
from benchmarks.scikit_activeml import ADAPTERS
from benchmarks.strategies import KNOWN, area, entrants, main, table

pytestmark = pytest.mark.unit


def photos(n: int = 120, classes: int = 4, seed: int = 0) -> Photos:
    rng = np.random.default_rng(seed)
    centres = 3 * rng.normal(size=(classes, 16))
    labels = np.arange(n) % classes
    embeddings = (centres[labels] + rng.normal(size=(n, 16))).astype(np.float16)
    return Photos(embeddings, labels, tuple(f"{row:03d}" for row in range(n)))


def written(folder: Path) -> Path:
    wanted = photos()
    np.savez(folder / "p.npz", embeddings=wanted.embeddings, labels=wanted.labels, classes=np.array(list("abcd")))
    return folder / "p.npz"


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


def test_from_npz_reads_what_was_written(tmp_path: Path) -> None:
    wanted = photos()
    found, classes = from_npz(written(tmp_path))
    assert np.array_equal(found.embeddings, wanted.embeddings)
    assert found.labels.tolist() == wanted.labels.tolist()
    assert classes == ("a", "b", "c", "d")
    assert len(set(found.digests)) == 120


def test_a_folder_without_classes_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="at least 2 are needed"):
        from_folder(tmp_path, backbone="efficientnet_lite2", state_dir=tmp_path)


@pytest.mark.parametrize("name", ["default", "random", "scikit-activeml CoreSet"])
def test_every_entrant_spends_the_budget_and_learns(name: str) -> None:
    pool, test = split_by_class(photos(), 0)
    run = play(Setting(pool, test, tuple("abcd"), budget=25), entrants(name)[0], 0, strategies=KNOWN)
    assert [point.labels for point in run.points] == [0, 1, 2, 3, 5, 10, 20, 25]
    assert run.points[-1].accuracy > 0.8


def test_the_area_weighs_each_point_by_its_labels() -> None:
    points = [CurvePoint("a", 0, 10, 0.5, 0.5), CurvePoint("a", 0, 40, 0.9, 0.9)]
    assert area([Run("a", 0, points)], "a") == pytest.approx((10 * 0.5 + 30 * 0.9) / 40)


def test_the_table_puts_the_best_first() -> None:
    runs = [
        Run(name, 0, [CurvePoint(name, 0, labels, accuracy, accuracy) for labels in (50, 100)])
        for name, accuracy in (("worse", 0.5), ("better", 0.9))
    ]
    assert list(table(runs).columns[0].cells) == ["better", "worse"]


def test_the_table_says_where_the_default_is_furthest_behind() -> None:
    heights = {"default": (0.2, 0.5, 0.8, 0.9), "theirs": (0.4, 0.6, 0.83, 0.7)}
    runs = [
        Run(name, seed, [CurvePoint(name, seed, *at) for at in zip((5, 10, 20, 30), curve, curve, strict=True)])
        for name, curve in heights.items()
        for seed in range(2)
    ]
    ahead = {name: [column._cells[row] for column in table(runs).columns[-2:]] for row, name in enumerate(heights)}
    assert ahead == {"default": ["–", "–"], "theirs": ["+10.0", "10"]}


def test_unknown_strategies_are_named() -> None:
    with pytest.raises(SystemExit, match="unknown nonsense"):
        entrants("margin,nonsense")


def test_main_writes_table_and_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--embeddings", str(written(tmp_path)), "--strategies", "margin,random,random+head", "--budget", "20"]
    assert main([*arguments, "--batch", "10", "--seeds", "1", "--output", str(tmp_path / "out")]) == 0
    assert "margin" in capsys.readouterr().out
    points = json.loads((tmp_path / "out" / "curve.json").read_text(encoding="utf-8"))
    assert {point["strategy"] for point in points} == {"margin", "random", "random+head"}


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
