"""Every parameter has a test: each optional parameter of a strategy, turned, does what its docstring says."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from backend.priority.pool_view import PoolView
from backend.priority.strategies import STRATEGIES

from .pools import clustered, hashed, on_circle, unit, view_of

pytestmark = pytest.mark.unit


def run(name: str, view: PoolView, count: int, **options: object) -> tuple[np.ndarray, np.ndarray]:
    return STRATEGIES[name](view, np.random.default_rng(0), count, **options)  # type: ignore[call-arg]


def annotated(n: int, labels: int, *, every: int = 3, noise: float = 0.2) -> tuple[PoolView, np.ndarray]:
    view, truth = clustered(n, labels, noise=noise)
    labelled = np.arange(n) % every == 0
    targets = np.eye(labels, dtype=np.float32)[truth[labelled]]
    return replace(view, labelled=labelled, annotated_probabilities=targets), truth


def typicality_neighbours() -> None:
    # A tight pair and a looser crowd of five: with one neighbour the pair is densest, with three the crowd is.
    view = view_of(on_circle([0, 0.1, 40, 41, 42, 43, 44]))
    assert run("typicality", view, 1, neighbours=1)[0][0] in {0, 1}
    assert run("typicality", view, 1, neighbours=3)[0][0] in range(2, 7)


def typicality_max_clusters() -> None:
    # Two well-separated groups: with one cluster for both, the two densest photos of all come from one group.
    view = view_of(on_circle([0, 1, 2, 3, 4, 5, 120, 130, 140, 150, 160, 170]))
    together = run("typicality", view, 2, max_clusters=1)[0]
    apart = run("typicality", view, 2, max_clusters=2)[0]
    assert max(together) < 6
    assert sorted(row // 6 for row in apart.tolist()) == [0, 1]


def typicality_smallest() -> None:
    view = view_of(on_circle([0, 1, 2, 3, 4, 5, 6, 170, 171, 172]), labelled=[3])
    # The unlabelled group of three is preferred, unless it is too small to count.
    assert run("typicality", view, 1, max_clusters=2, smallest=2)[0][0] in {7, 8, 9}
    assert run("typicality", view, 1, max_clusters=2, smallest=5)[0][0] < 7


def prob_cover_purity() -> None:
    view, _ = clustered(200, 4, noise=0.8)
    # The purer the balls must be, the smaller they are, and the more of them it takes to cover the pool.
    needed = [int((run("prob_cover", view, 200, purity=purity)[1] > 0).sum()) for purity in (0.2, 0.9, 1.0)]
    assert needed[0] < needed[1] < needed[2]


def prob_cover_neighbours() -> None:
    view, _ = clustered(200, 2, noise=0.05)
    few = int((run("prob_cover", view, 200, neighbours=3)[1] > 0).sum())
    many = int((run("prob_cover", view, 200, neighbours=64)[1] > 0).sum())
    assert many < few


def cluster_margin_factor() -> None:
    rng = np.random.default_rng(0)
    best = np.linspace(0.5, 1.0, 60)
    view = view_of(unit(rng.normal(size=(60, 4))), np.stack([best, 1 - best], axis=1), digests=hashed(60))
    # Only the 5 · factor least certain photos may be taken.
    assert sorted(run("cluster_margin", view, 5, factor=1)[0].tolist()) == [0, 1, 2, 3, 4]
    assert max(run("cluster_margin", view, 5, factor=10)[0]) > 10


def cluster_margin_largest() -> None:
    rng = np.random.default_rng(0)
    best = np.linspace(0.5, 1.0, 60)
    view = view_of(unit(rng.normal(size=(60, 4))), np.stack([best, 1 - best], axis=1), digests=hashed(60))
    assert max(run("cluster_margin", view, 5, largest=8)[0]) < 8
    assert max(run("cluster_margin", view, 5, largest=60)[0]) >= 8
    # The batch itself is never cut.
    assert run("cluster_margin", view, 20, largest=8)[0].size == 20


def information_density_beta() -> None:
    beliefs = np.array([(0.6, 0.4), (0.6, 0.4), (0.6, 0.4), (0.5, 0.5)])
    view = view_of(on_circle([0, 1, 2, 170]), beliefs)
    assert run("information_density", view, 1, beta=0.0)[0].tolist() == [3]
    assert run("information_density", view, 1, beta=4.0)[0][0] < 3


def hierarchical_leaves() -> None:
    view, _ = annotated(240, 4, every=2, noise=0.05)
    mixed = replace(view, annotated_probabilities=np.eye(4, dtype=np.float32)[np.arange(120) % 2])
    # One leaf cannot be split: the batch is an even draw, whatever the labels say.
    even = run("hierarchical", view, 40, leaves=1)[0]
    assert run("hierarchical", mixed, 40, leaves=1)[0].tolist() == even.tolist()
    assert run("hierarchical", view, 40, leaves=16)[0].tolist() != run("hierarchical", mixed, 40, leaves=16)[0].tolist()


def hierarchical_beta() -> None:
    view, truth = annotated(300, 3, every=4, noise=0.05)
    noisy = truth[view.labelled].copy()
    noisy[::4] = (noisy[::4] + 1) % 3
    view = replace(view, annotated_probabilities=np.eye(3, dtype=np.float32)[noisy])
    # Nothing is admissible when an error has to be less than nothing: the tree stays whole.
    strict = run("hierarchical", view, 30, beta=0.0)[0]
    silent = run("hierarchical", replace(view, annotated_probabilities=np.zeros((75, 3), dtype=np.float32)), 30)[0]
    assert strict.tolist() == silent.tolist()
    assert run("hierarchical", view, 30, beta=2.0)[0].tolist() != strict.tolist()


def representative_cluster_factor() -> None:
    best = np.linspace(0.5, 1.0, 40)
    view = view_of(on_circle(np.arange(40) * 9), np.stack([best, 1 - best], axis=1))
    assert sorted(run("representative_cluster", view, 4, factor=1)[0].tolist()) == [0, 1, 2, 3]
    assert max(run("representative_cluster", view, 4, factor=10)[0]) > 20


def graph_density_neighbours() -> None:
    # A pair that coincides is densest by its nearest neighbour; the crowd is by its three nearest.
    view = view_of(on_circle([0, 0, 50, 52, 54, 56, 58, 60]))
    assert run("graph_density", view, 1, neighbours=1)[0][0] in {0, 1}
    assert run("graph_density", view, 1, neighbours=3)[0][0] >= 2


def bandit_mixture_floor() -> None:
    view, _ = annotated(400, 8, noise=1.0)
    assert (
        run("bandit_mixture", view, 40, floor=1.0)[0].tolist() != run("bandit_mixture", view, 40, floor=0.0)[0].tolist()
    )


def bandit_mixture_rounds() -> None:
    view, _ = annotated(200, 3)
    unplayed = replace(view, annotated_probabilities=np.zeros((67, 3), dtype=np.float32))
    # Without a round the arms stay even, as they do when nothing was ever said.
    assert run("bandit_mixture", view, 40, rounds=0)[0].tolist() == run("bandit_mixture", unplayed, 40)[0].tolist()
    assert run("bandit_mixture", view, 40, rounds=4)[0].tolist() != run("bandit_mixture", unplayed, 40)[0].tolist()


def bandit_mixture_replayed() -> None:
    view, _ = annotated(200, 3)
    # Fewer than eight photos teach nothing.
    even = run("bandit_mixture", view, 40, rounds=0)[0]
    assert run("bandit_mixture", view, 40, replayed=7)[0].tolist() == even.tolist()
    assert run("bandit_mixture", view, 40, replayed=60)[0].tolist() != even.tolist()


def uherding_radius() -> None:
    # A crowd of five and one photo in doubt apart from it: a wide kernel asks in the crowd, a narrow one where doubt is.
    beliefs = np.array([(0.7, 0.3)] * 5 + [(0.5, 0.5)])
    view = view_of(on_circle([0, 5, 10, 15, 20, 180]), beliefs)
    assert run("uherding", view, 1, radius=1.0)[0].tolist() == [2]
    assert run("uherding", view, 1, radius=0.01)[0].tolist() == [5]


def uherding_references() -> None:
    # With one photo that stands for all others only its own surroundings count; with all of them the larger crowd does.
    view = view_of(on_circle([0, 1, 120, 121, 122, 123]), np.full((6, 2), 0.5))
    assert run("uherding", view, 1, references=1)[0][0] in {0, 1}
    assert run("uherding", view, 1, references=6)[0][0] in {2, 3, 4, 5}


CASES: dict[tuple[str, str], Callable[[], None]] = {
    ("typicality", "neighbours"): typicality_neighbours,
    ("typicality", "max_clusters"): typicality_max_clusters,
    ("typicality", "smallest"): typicality_smallest,
    ("prob_cover", "purity"): prob_cover_purity,
    ("prob_cover", "neighbours"): prob_cover_neighbours,
    ("cluster_margin", "factor"): cluster_margin_factor,
    ("cluster_margin", "largest"): cluster_margin_largest,
    ("information_density", "beta"): information_density_beta,
    ("hierarchical", "leaves"): hierarchical_leaves,
    ("hierarchical", "beta"): hierarchical_beta,
    ("representative_cluster", "factor"): representative_cluster_factor,
    ("graph_density", "neighbours"): graph_density_neighbours,
    ("bandit_mixture", "floor"): bandit_mixture_floor,
    ("bandit_mixture", "rounds"): bandit_mixture_rounds,
    ("bandit_mixture", "replayed"): bandit_mixture_replayed,
    ("uherding", "radius"): uherding_radius,
    ("uherding", "references"): uherding_references,
}


def test_every_parameter_has_a_case() -> None:
    parameters = {
        (name, parameter)
        for name, strategy in STRATEGIES.items()
        for parameter in list(inspect.signature(strategy).parameters)[3:]
    }
    assert set(CASES) == parameters


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.__name__)
def test_parameter(case: Callable[[], None]) -> None:
    case()


@pytest.mark.parametrize(("name", "parameter"), CASES, ids=["-".join(key) for key in CASES])
def test_parameter_is_named_in_the_docstring(name: str, parameter: str) -> None:
    assert f"`{parameter}`" in (inspect.getdoc(STRATEGIES[name]) or "")
