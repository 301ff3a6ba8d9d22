"""What makes each strategy that strategy, on pools small enough to work out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.errors import BackendError
from backend.priority.candidates import candidate_rows, given_labels, only_rows
from backend.priority.neighbourhood import cluster, distances_within, pool_graph
from backend.priority.strategies import STRATEGIES
from backend.priority.strategies.bandit_mixture import ARMS, arm_weights
from backend.priority.strategies.graph_density import gaussian_edges
from backend.priority.strategies.hierarchical import ClusterTree, prune
from backend.priority.strategies.prob_cover import balls, pure_radius

from .pools import clustered, hashed, on_circle, unit, view_of

pytestmark = pytest.mark.unit

BELIEFS = np.array([(0.7, 0.2, 0.1), (0.4, 0.35, 0.25), (0.48, 0.47, 0.05), (0.98, 0.01, 0.01)])


def run(name: str, view: object, count: int, seed: int = 0, **options: object) -> tuple[np.ndarray, np.ndarray]:
    return STRATEGIES[name](view, np.random.default_rng(seed), count, **options)  # type: ignore[arg-type,call-arg]


@pytest.mark.parametrize(
    ("name", "order", "scores"),
    [
        ("least_confidence", [1, 2, 0, 3], [0.9, 0.78, 0.45, 0.03]),
        ("margin", [2, 1, 0, 3], [0.99, 0.95, 0.5, 0.03]),
        ("ratio", [2, 1, 0, 3], [0.47 / 0.48, 0.875, 2 / 7, 1 / 98]),
    ],
)
def test_uncertainty_orders_by_hand(name: str, order: list[int], scores: list[float]) -> None:
    rows, found = run(name, view_of(on_circle([0, 1, 2, 3]), BELIEFS), 4)
    assert rows.tolist() == order
    assert found == pytest.approx(scores, abs=1e-6)


def test_entropy_looks_at_all_labels() -> None:
    # Row 2 has the closest two guesses, row 1 spreads over all three.
    rows, _ = run("entropy", view_of(on_circle([0, 1, 2, 3]), BELIEFS), 4)
    assert rows.tolist() == [1, 2, 0, 3]


def test_ties_go_to_the_smaller_digest() -> None:
    view = view_of(on_circle([0, 1, 2]), np.full((3, 2), 0.5), digests=["c", "a", "b"])
    assert run("margin", view, 3)[0].tolist() == [1, 2, 0]


def test_random_is_uniform_over_the_unlabelled() -> None:
    view = view_of(on_circle(range(6)), labelled=[0, 3])
    first = [int(run("random", view, 1, seed)[0][0]) for seed in range(2000)]
    counts = np.bincount(first, minlength=6)
    assert counts[[0, 3]].tolist() == [0, 0]
    # Four rows, 500 each on average; five standard deviations of a binomial count are 97.
    assert np.all(np.abs(counts[[1, 2, 4, 5]] - 500) < 97)


def test_kcenter_flees_from_what_is_labelled() -> None:
    rows, scores = run("kcenter", view_of(on_circle([0, 30, 90, 180]), labelled=[0]), 3)
    assert rows.tolist() == [3, 2, 1]
    assert scores[:2] == pytest.approx([1.0, 0.5], abs=1e-6)


def test_typicality_takes_the_middle_of_each_unlabelled_cluster() -> None:
    spread = np.array([0, 2, 3, 4, 6])
    view = view_of(on_circle(np.concatenate([spread, 120 + spread, 240 + spread])), labelled=[0])
    rows, _ = run("typicality", view, 2)
    # Three clusters for one label and two places; the labelled cluster comes last. Row 2 of five is the middle.
    assert sorted(rows.tolist()) == [7, 12]


def test_typicality_leaves_tiny_clusters_to_the_end() -> None:
    view = view_of(on_circle([*range(12), 180]))
    rows, _ = run("typicality", view, 2)
    assert rows[0] != 12
    assert rows[1] == 12


def test_prob_cover_covers_the_larger_group_first() -> None:
    angles = [0, 1, 2, 3, 4, 5, 6, 120, 121, 122, 123]
    view = view_of(on_circle(angles), np.full((11, 2), 0.5))
    rows, scores = run("prob_cover", view, 2)
    assert rows[0] in range(7)
    assert rows[1] in range(7, 11)
    assert scores == pytest.approx([1.0, 4 / 7])


def test_pure_radius_by_hand() -> None:
    neighbours = np.array([[1, 2], [0, 2], [1, -1]], dtype=np.int32)
    similarities = np.array([[0.9, 0.5], [0.9, 0.8], [0.8, 0.0]], dtype=np.float32)
    graph = (neighbours, similarities)
    # The nearest photo of another cluster lies at 0.5, 0.2 and 0.2.
    assert pure_radius(graph, np.array([0, 0, 1]), 1.0) == pytest.approx(0.2)
    assert pure_radius(graph, np.array([0, 0, 1]), 0.5) == pytest.approx(0.2)
    assert pure_radius(graph, np.array([0, 0, 1]), 0.3) == pytest.approx(0.5)
    assert pure_radius(graph, np.array([0, 0, 0]), 1.0) == np.inf
    assert pure_radius((neighbours[:, :0], similarities[:, :0]), np.array([0, 0, 0]), 0.95) == np.inf


def test_balls_hold_themselves_and_are_mutual() -> None:
    neighbours = np.array([[1], [2], [1], [-1]], dtype=np.int32)
    similarities = np.array([[0.9], [0.5], [0.5], [0.0]], dtype=np.float32)
    assert balls((neighbours, similarities), 0.2).toarray().tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [False, False, True, False],
        [False, False, False, True],
    ]


def test_badge_begins_with_the_longest_gradient_and_then_turns_away() -> None:
    space = on_circle([0, 0, 0, 90])
    beliefs = np.array([(0.5, 0.5), (0.55, 0.45), (0.55, 0.45), (0.6, 0.4)])
    # Lengths (1 - p1)² 2: 0.5, 0.405, 0.405, 0.32. From row 0 the others lie at 0.005, 0.005 and 0.82.
    seconds = [int(run("badge", view_of(space, beliefs), 2, seed)[0][1]) for seed in range(200)]
    assert run("badge", view_of(space, beliefs), 1)[0].tolist() == [0]
    assert seconds.count(3) > 190


def test_badge_never_needs_certain_photos() -> None:
    view = view_of(on_circle([0, 10, 20]), np.array([(1.0, 0.0), (0.6, 0.4), (1.0, 0.0)]))
    assert run("badge", view, 1)[0].tolist() == [1]


def test_cluster_margin_takes_one_of_each_cluster_of_uncertain_photos() -> None:
    angles = [0, 1, 2, 3, 100, 101, 102, 200, 201]
    beliefs = np.full((9, 2), 0.5)
    certain = np.array([(1.0, 0.0)] * 3)
    view = view_of(on_circle([*angles, 300, 301, 302]), np.concatenate([beliefs, certain]))
    rows, _ = run("cluster_margin", view, 3, factor=3)
    # Smallest cluster first; the certain photos are not among the nine that are clustered.
    assert [int(row) for row in np.digitize(rows, [4, 7, 9])] == [2, 1, 0]


def test_information_density_prefers_the_crowd_among_equals() -> None:
    view = view_of(on_circle([0, 1, 2, 150]), np.full((4, 2), 0.5))
    rows, scores = run("information_density", view, 4)
    assert rows[3] == 3
    cosines = np.cos(np.radians(np.subtract.outer([0, 1, 2, 150], [0, 1, 2, 150])))
    expected = np.sort((1 + cosines.mean(axis=1)) / 2)[::-1]
    assert scores == pytest.approx(expected, abs=1e-5)


def test_informative_diverse_shares_the_batch_by_cluster_size() -> None:
    angles = [*range(8), *range(180, 184)]
    sure = np.linspace(0.5, 0.6, 8), np.linspace(0.8, 0.9, 4)
    best = np.concatenate(sure)
    view = view_of(on_circle(angles), np.stack([best, 1 - best], axis=1))
    rows, scores = run("informative_diverse", view, 3)
    # Two thirds of the pool lie in the first cluster: two places; the margin alone would give it all three.
    assert rows.tolist() == [0, 1, 8]
    assert scores == pytest.approx([1.0, 1 - (2 * best[1] - 1), 0.4], abs=1e-5)


def test_informative_diverse_fills_up_when_a_cluster_is_labelled_throughout() -> None:
    view = view_of(on_circle([*range(6), *range(180, 186)]), labelled=range(6))
    assert sorted(run("informative_diverse", view, 6)[0].tolist()) == list(range(6, 12))


def test_representative_cluster_takes_the_middle_of_the_uncertain() -> None:
    angles = [0, 5, 10, 15, 20, 100, 105, 110]
    view = view_of(on_circle(angles), np.full((8, 2), 0.5))
    rows, _ = run("representative_cluster", view, 2)
    assert rows.tolist() == [2, 6]


def test_graph_density_by_hand() -> None:
    # Angles 0, 1, 2 and 60: one nearest neighbour each gives the edges 0-1, 1-2, 2-3.
    graph = pool_graph(view := view_of(on_circle([0, 1, 2, 60])), np.arange(4), view.space, 1)
    edges = gaussian_edges(graph).toarray()
    near, far = 2 - 2 * np.cos(np.radians(1)), 2 - 2 * np.cos(np.radians(58))
    scale = (3 * near + far) / 4
    close, apart = np.exp(-near / (2 * scale)), np.exp(-far / (2 * scale))
    linked = edges > 0
    assert linked.sum() == 6
    assert edges[2, 3] == pytest.approx(apart, abs=1e-4)
    assert edges[linked & (edges != edges[2, 3])] == pytest.approx(np.full(4, close), abs=1e-4)
    rows, scores = run("graph_density", view, 2, neighbours=1)
    # Whichever of the dense ones is first, its neighbours lose its weight; the far one (apart) is next.
    assert rows[1] in {2, 3}
    assert scores[0] == pytest.approx(close, abs=1e-4)


def test_graph_density_avoids_the_neighbours_of_labels() -> None:
    angles = [0, 1, 2, 3, 90, 91, 92, 93]
    rows, _ = run("graph_density", view_of(on_circle(angles), labelled=[1, 2]), 1, neighbours=2)
    assert rows[0] >= 4


def test_uherding_by_hand() -> None:
    # Annotated at 0 and 60 degrees: distance 1, so r = 1. Four photos, all as much in doubt.
    view = view_of(on_circle([0, 60, 30, 120, 125, 130]), np.full((6, 2), 0.5), labelled=[0, 1])
    rows, scores = run("uherding", view, 2)

    def kernel(degrees: float) -> float:
        return float(np.exp(-(2 - 2 * np.cos(np.radians(degrees)))))

    near = (kernel(5) - kernel(60)) + (1 - kernel(65)) + (kernel(5) - kernel(70))
    assert rows.tolist() == [4, 2]
    assert scores == pytest.approx([near / 6, (1 - kernel(30)) / 6], abs=1e-4)


def test_uherding_turns_into_plain_uncertainty_where_annotated_photos_lie_close() -> None:
    best = np.array([0.9, 0.9, 0.7, 0.6, 0.65, 0.8])
    view = view_of(on_circle([0, 2, 30, 90, 95, 100]), np.stack([best, 1 - best], axis=1), labelled=[0, 1])
    assert run("uherding", view, 4)[0].tolist() == run("margin", view, 4)[0].tolist()


@pytest.fixture
def tree() -> ClusterTree:
    """Four leaves of ten photos: (0, 1) and (2, 3) are merged, then both."""
    return ClusterTree(np.array([[0, 1], [2, 3], [4, 5]]), np.repeat(np.arange(4), 10))


def test_roll_up_sums_the_subtrees(tree: ClusterTree) -> None:
    assert tree.roll_up(np.array([1.0, 2.0, 3.0, 4.0])).tolist() == [1, 2, 3, 4, 3, 7, 10]


def test_an_unlabelled_tree_stays_whole(tree: ClusterTree) -> None:
    sizes = tree.roll_up(np.full(4, 10.0))
    lower, parts = prune(tree, sizes, tree.roll_up(np.zeros((4, 2))), 2.0)
    assert parts == [6]
    assert lower[6] == 0.0


def test_pure_halves_are_split_and_stay_whole(tree: ClusterTree) -> None:
    counts = tree.roll_up(np.array([[8.0, 0.0], [8.0, 0.0], [0.0, 8.0], [0.0, 8.0]]))
    lower, parts = prune(tree, tree.roll_up(np.full(4, 10.0)), counts, 2.0)
    assert parts == [4, 5]
    # 16 of 20 seen: φ = 0.2, so the lower bound is 1 - 0.2 / 16.
    assert lower[4] == pytest.approx(1 - 0.2 / 16)


def test_hierarchical_asks_where_the_labels_are_mixed() -> None:
    rng = np.random.default_rng(0)
    space = on_circle(np.concatenate([rng.normal(0, 3, 150), rng.normal(180, 3, 150)]))
    labels = np.concatenate([np.zeros(150, dtype=int), rng.integers(2, size=150)])
    labelled = np.arange(300) % 3 == 0
    view = view_of(
        space,
        labelled=np.flatnonzero(labelled),
        annotated_probabilities=np.eye(2)[labels[labelled]],
        digests=hashed(300),
    )
    rows, _ = run("hierarchical", view, 60, leaves=8)
    assert (rows >= 150).mean() > 0.8


def test_hierarchical_counts_a_skipped_photo_nowhere() -> None:
    view, truth = clustered(120, 2)
    labelled = np.arange(120) % 2 == 0
    targets = np.eye(2, dtype=np.float32)[truth[labelled]]
    skipped = np.zeros_like(targets)
    answered = replace(view, labelled=labelled, annotated_probabilities=skipped)
    silent = run("hierarchical", answered, 30)[0]
    # Nothing said: one part, which is the evenly shuffled pool.
    generator = np.random.default_rng(0)
    generator.integers(2**31 - 1)
    order = np.argsort(view.digests)
    assert set(silent.tolist()) <= set(order[generator.permutation(np.flatnonzero(~labelled[order]))[:30]].tolist())


def test_bandit_favours_the_arm_that_would_have_helped() -> None:
    # Twelve photos of every rare class hide among many of one: only arms that spread out find them.
    rng = np.random.default_rng(3)
    centres = unit(rng.normal(size=(9, 32)))
    truth = np.r_[np.zeros(200, dtype=int), np.repeat(np.arange(1, 9), 12)]
    space = unit(centres[truth] + 0.05 * rng.normal(size=(truth.size, 32)))
    view = view_of(
        space,
        np.full((truth.size, 9), 1 / 9),
        labelled=np.arange(truth.size),
        annotated_probabilities=np.eye(9)[truth],
        digests=hashed(truth.size),
    )
    weights = dict(zip(ARMS, arm_weights(view, np.random.default_rng(0)), strict=True))
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights["kcenter"] >= 0.25
    assert min(weights, key=weights.__getitem__) != "kcenter"


def test_bandit_is_even_while_nothing_is_known() -> None:
    view, _ = clustered(50, 3)
    assert arm_weights(view, np.random.default_rng(0)).tolist() == [0.25] * 4
    one_label = replace(view, labelled=np.arange(50) < 20, annotated_probabilities=np.eye(3)[np.zeros(20, dtype=int)])
    assert arm_weights(one_label, np.random.default_rng(0)).tolist() == [0.25] * 4


def test_candidates_come_in_digest_order() -> None:
    view = view_of(on_circle(range(4)), labelled=[2], digests=["d", "b", "a", "c"])
    assert candidate_rows(view).tolist() == [1, 3, 0]


def test_given_labels_are_the_targets_in_row_order() -> None:
    targets = np.array([[0, 1, 0], [0, 0, 0], [0.2, 0.2, 0.6]])
    view = view_of(on_circle(range(5)), np.full((5, 3), 1 / 3), [1, 2, 4], annotated_probabilities=targets)
    assert given_labels(view, np.array([4, 1, 2])).tolist() == [2, 1, -1]


def test_only_rows_is_the_pool_without_the_others() -> None:
    view = view_of(
        on_circle([0, 10, 20, 30]),
        np.array([(0.1, 0.9), (0.2, 0.8), (0.3, 0.7), (0.4, 0.6)]),
        [1, 2],
        annotated_probabilities=np.array([(1.0, 0.0), (0.0, 1.0)]),
        relevance=np.array([0.0, 0.1, 0.2, 0.3], dtype=np.float32),
        neighbours=np.array([[1, 2], [0, -1], [3, 1], [2, 0]], dtype=np.int32),
        similarities=np.full((4, 2), 0.5, dtype=np.float32),
    )
    part = only_rows(view, np.array([3, 2, 0]))
    assert part.digests == ["000003", "000002", "000000"]
    assert part.labelled.tolist() == [False, True, False]
    assert part.annotated_probabilities is not None
    assert part.annotated_probabilities.tolist() == [[0.0, 1.0]]
    assert part.neighbours is not None
    assert part.neighbours.tolist() == [[1, 2], [0, -1], [-1, 1]]
    assert part.relevance == pytest.approx([0.3, 0.2, 0.0])
    assert part.head_probabilities is None
    assert np.array_equal(part.space, view.space[[3, 2, 0]])


def test_without_targets_the_beliefs_are_the_labels() -> None:
    view = view_of(on_circle([0, 1]), np.array([(0.1, 0.9), (0.8, 0.2)]), [0, 1])
    assert given_labels(view, np.array([0, 1])).tolist() == [1, 0]


def test_targets_that_do_not_fit_are_refused() -> None:
    view = view_of(on_circle([0, 1]), labelled=[0, 1], annotated_probabilities=np.ones((1, 2)))
    with pytest.raises(BackendError, match="has 1 rows, 2 are labelled"):
        given_labels(view, np.array([0, 1]))


def test_cluster_finds_separated_groups() -> None:
    view, truth = clustered(200, 4, noise=0.05)
    labels, centres = cluster(view.space, 4, np.random.default_rng(0))
    assert centres.shape == (4, 8)
    assert all(np.unique(labels[truth == group]).size == 1 for group in range(4))


@pytest.mark.parametrize("clusters", [0, 1])
def test_one_cluster_is_the_mean(clusters: int) -> None:
    space = on_circle([0, 90])
    labels, centres = cluster(space, clusters, np.random.default_rng(0))
    assert labels.tolist() == [0, 0]
    assert centres == pytest.approx(np.array([[0.5, 0.5]]))


def test_pool_graph_takes_the_views_own_neighbours() -> None:
    neighbours = np.array([[1, 2], [0, -1], [0, 1]], dtype=np.int32)
    similarities = np.array([[0.9, 0.8], [0.9, 0.0], [0.8, 0.7]], dtype=np.float32)
    view = view_of(on_circle([0, 1, 2]), neighbours=neighbours, similarities=similarities)
    order = np.array([2, 0, 1])
    found, cosines = pool_graph(view, order, view.space[order], 2)
    # Row 2 is at place 0, row 0 at place 1, row 1 at place 2.
    assert found.tolist() == [[1, 2], [2, 0], [1, -1]]
    assert cosines.tolist() == similarities[order].tolist()


def test_distances_within_are_exact_in_small_groups() -> None:
    rng = np.random.default_rng(0)
    space = unit(rng.normal(size=(30, 5)))
    pairwise = np.square(space[:, None] - space[None]).sum(axis=2)
    expected = np.sort(pairwise + np.diag(np.full(30, np.inf)), axis=1)[:, :4]
    assert distances_within(space, 4) == pytest.approx(expected, abs=1e-5)


def test_distances_within_large_groups_are_against_a_sample() -> None:
    space = unit(np.random.default_rng(0).normal(size=(30, 5)))
    sample = space[::4]
    pairwise = np.square(space[:, None] - sample[None]).sum(axis=2)
    pairwise[np.arange(0, 30, 4), np.arange(8)] = np.inf
    assert distances_within(space, 3, references=8) == pytest.approx(np.sort(pairwise, axis=1)[:, :3], abs=1e-5)
