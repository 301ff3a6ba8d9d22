"""What every registered strategy promises: its words, its ranges, its independence of the order of tasks."""

from __future__ import annotations

import inspect
import pkgutil
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import BackendError
from backend.learning.knn_graph import NeighbourIndex, drop_self
from backend.priority import OrderOptions, evaluation_mask, order_pool, strategies
from backend.priority.candidates import only_rows
from backend.priority.pool_view import PoolView
from backend.priority.strategies import STRATEGIES, Strategy

from .pools import awkward_pools, clustered, hashed, permuted, unhurried

pytestmark = pytest.mark.unit

BIBLIOGRAPHY = Path(__file__).resolve().parents[4] / "docs" / "bibliography.md"
FIELDS = ("Formula", "Range", "Direction", "Shape", "Cost", "Paper")
PUBLISHED = {
    "random", "least_confidence", "margin", "ratio", "entropy", "kcenter", "typicality", "prob_cover", "badge",
    "cluster_margin", "information_density", "hierarchical", "informative_diverse", "representative_cluster",
    "graph_density", "bandit_mixture", "uherding",
}  # fmt: skip

each_strategy = pytest.mark.parametrize("name", sorted(STRATEGIES))
few = settings(unhurried, max_examples=20)


def run(name: str, view: PoolView, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return STRATEGIES[name](view, np.random.default_rng(seed), count)


def source_numbers() -> set[int]:
    return {int(number) for number in re.findall(r"^(\d+)\. ", BIBLIOGRAPHY.read_text(encoding="utf-8"), re.M)}


def test_every_published_strategy_is_registered() -> None:
    assert set(STRATEGIES) == PUBLISHED


def test_every_file_is_one_strategy_and_one_line_of_the_registry() -> None:
    files = {module.name for module in pkgutil.iter_modules(strategies.__path__)}
    assert files == set(STRATEGIES)
    for name, strategy in STRATEGIES.items():
        assert strategy.__name__ == name
        assert strategy.__module__ == f"backend.priority.strategies.{name}"


def test_the_registry_cannot_be_changed_in_passing() -> None:
    with pytest.raises(TypeError):
        STRATEGIES["mine"] = STRATEGIES["random"]  # type: ignore[index]


@each_strategy
def test_docstring_says_formula_range_direction_shape_cost_and_paper(name: str) -> None:
    text = inspect.getdoc(STRATEGIES[name]) or ""
    for field in FIELDS:
        found = re.search(rf"^{field}: (.+)", text, re.M)
        assert found, f"{name}: the docstring has no line '{field}: …'"
    cited = {int(number) for number in re.findall(r"\[(\d+)\]", text.split("Paper: ")[1])}
    assert cited, f"{name}: 'Paper:' cites no entry of docs/bibliography.md"
    assert cited <= source_numbers(), f"{name}: cites what docs/bibliography.md does not list"


def test_every_citation_in_the_package_is_listed() -> None:
    package = Path(inspect.getfile(strategies)).parents[1]
    for file in package.rglob("*.py"):
        docstrings = re.findall(r'"""(.*?)"""', file.read_text(encoding="utf-8"), re.S)
        cited = {int(number) for text in docstrings for number in re.findall(r"(?<![\w\]])\[(\d+)(?:, \d+)*\]", text)}
        assert cited - {0} <= source_numbers(), f"{file.name} cites what docs/bibliography.md does not list"


def test_entries_of_the_bibliography_are_numbered_without_gaps() -> None:
    assert source_numbers() == set(range(1, len(source_numbers()) + 1))


@each_strategy
def test_signature(name: str) -> None:
    parameters = list(inspect.signature(STRATEGIES[name]).parameters.values())
    assert [parameter.name for parameter in parameters[:3]] == ["view", "rng", "count"]
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY and p.default is not p.empty for p in parameters[3:])


@each_strategy
@few
@given(view=awkward_pools(), count=st.integers(0, 45), seed=st.integers(0, 5))
def test_batch_is_valid_deterministic_and_follows_the_pool(name: str, view: PoolView, count: int, seed: int) -> None:
    rows, scores = run(name, view, count, seed)
    assert rows.size == min(count, view.unlabelled_rows.size)
    assert scores.shape == rows.shape
    assert np.issubdtype(rows.dtype, np.integer)
    assert scores.dtype == np.float32
    assert np.unique(rows).size == rows.size
    assert not view.labelled[rows].any()
    assert np.all((scores >= 0) & (scores <= 1))
    assert np.all(np.diff(scores) <= 0)

    again, same_scores = run(name, view, count, seed)
    assert again.tolist() == rows.tolist()
    assert same_scores.tolist() == scores.tolist()

    permutation = np.random.default_rng(seed + 1).permutation(view.n)
    moved, moved_scores = run(name, permuted(view, permutation), count, seed)
    assert permutation[moved].tolist() == rows.tolist()
    assert moved_scores.tolist() == scores.tolist()


@each_strategy
def test_the_graph_of_the_view_moves_with_it(name: str) -> None:
    view, _ = clustered(90, 4)
    found = NeighbourIndex.build(view.space).search(view.space, 16)
    neighbours, similarities = drop_self(*found, np.arange(90), 15)
    labelled = np.arange(90) % 7 == 0
    view = replace(view, neighbours=neighbours, similarities=similarities, labelled=labelled)
    permutation = np.random.default_rng(4).permutation(90)
    rows, _ = run(name, view, 12)
    moved, _ = run(name, permuted(view, permutation), 12)
    assert permutation[moved].tolist() == rows.tolist()


@each_strategy
def test_a_pool_of_copies_is_still_asked_once_each(name: str) -> None:
    view = PoolView(
        space=np.tile(np.array([[0.6, 0.8]], dtype=np.float32), (30, 1)),
        probabilities=np.tile(np.array([[0.5, 0.3, 0.2]], dtype=np.float32), (30, 1)),
        labelled=np.arange(30) < 10,
        digests=hashed(30),
    )
    rows, _ = run(name, view, 20)
    assert sorted(rows.tolist()) == list(range(10, 30))


@each_strategy
def test_without_digests_the_row_decides(name: str) -> None:
    view, _ = clustered(40, 3)
    rows, scores = run(name, replace(view, digests=None), 10)
    named, named_scores = run(name, replace(view, digests=[f"{row:04d}" for row in range(40)]), 10)
    assert rows.tolist() == named.tolist()
    assert scores.tolist() == named_scores.tolist()


@each_strategy
def test_a_negative_count_is_refused(name: str) -> None:
    view, _ = clustered(5, 2)
    with pytest.raises(BackendError, match="count must not be negative"):
        run(name, view, -1)


@each_strategy
def test_the_callers_arrays_are_left_alone(name: str) -> None:
    view, _ = clustered(60, 3)
    view = replace(view, labelled=np.arange(60) % 5 == 0)
    before = view.space.copy(), view.probabilities.copy(), view.labelled.copy()
    run(name, view, 20)
    for array, copy in zip((view.space, view.probabilities, view.labelled), before, strict=True):
        assert np.array_equal(array, copy)


@each_strategy
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_the_order_begins_with_the_strategys_batch(name: str, share: float) -> None:
    view, truth = clustered(80, 4)
    labelled = np.arange(80) % 4 == 0
    targets = np.eye(4, dtype=np.float32)[truth[labelled]]
    view = replace(view, labelled=labelled, annotated_probabilities=targets)
    order = order_pool(view, OrderOptions(strategy=name, window=15, evaluation_share=share))
    assert sorted(order.rows.tolist()) == view.unlabelled_rows.tolist()
    assert np.all(np.diff(order.priority) <= 0)
    assert order.evaluation.any() == (share > 0)


def test_evaluation_photos_are_not_taken_for_labels() -> None:
    view, _ = clustered(80, 4)
    view = replace(view, labelled=np.arange(80) % 8 == 0)
    options = OrderOptions(strategy="kcenter", window=15, evaluation_share=0.3)
    order = order_pool(view, options)
    held_out = evaluation_mask(view.digests or [], 0.3) & ~view.labelled
    rest = np.flatnonzero(~held_out)
    alone, _ = run("kcenter", only_rows(view, rest), 15)
    assert order.rows[~order.evaluation][:15].tolist() == rest[alone].tolist()


def test_a_strategy_is_a_plain_function() -> None:
    strategy: Strategy = STRATEGIES["random"]
    assert all(inspect.isfunction(entry) for entry in STRATEGIES.values())
    assert callable(strategy)
