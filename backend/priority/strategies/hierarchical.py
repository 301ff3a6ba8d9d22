"""Ask in the parts of a cluster tree that are not yet known to be of one label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage

from backend.priority.candidates import annotated_rows, batch_size, given_labels, in_digest_order, usable_space
from backend.priority.neighbourhood import cluster
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import position_scores


@dataclass(frozen=True)
class ClusterTree:
    """A binary tree over the pool: leaves 0..c-1, the node made by merge j is c + j, the root is last.

    Attributes:
        children: int [c - 1, 2], the two nodes under each inner node.
        leaf: int [n], the leaf of each row.
    """

    children: IntArray
    leaf: IntArray

    @property
    def leaves(self) -> int:
        """How many leaves."""
        return int(self.children.shape[0]) + 1

    def roll_up(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over subtrees: [c, ...] at the leaves -> [2 c - 1, ...] at all nodes."""
        totals = np.concatenate([values, np.zeros((self.children.shape[0], *values.shape[1:]))])
        for index, (left, right) in enumerate(self.children):
            totals[self.leaves + index] = totals[left] + totals[right]
        return totals


def hierarchical(
    view: PoolView, rng: np.random.Generator, count: int, *, leaves: int = 256, beta: float = 2.0
) -> tuple[IntArray, FloatArray]:
    """Hierarchical sampling: informative and diverse, by a cluster tree whose impure nodes are split and asked more.

    Formula: a Ward tree over `leaves` k-means clusters; in node v of w photos, m of them labelled, share p of the
        labels is l: bounds p ± (φ / m + sqrt(φ p (1 - p) / m)), φ = 1 - m / w. Label l is admissible in v while its
        error is less than `beta` times that of any other, at the worst. The pruning with the least estimated error is
        taken; a node is drawn with probability proportional to w (1 - lower bound of its main label), a photo in it
        evenly. The score is the place, (count - i) / count for place i.
    Range: (0, 1].
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: O(n leaves k + leaves² k + leaves L + count leaves) time, O(n k + leaves²) memory.
    Paper: [13] Dasgupta & Hsu 2008; Ward's linkage [20].
    """
    order = in_digest_order(view, np.arange(view.n))
    unlabelled = ~view.labelled[order]
    wanted = batch_size(count, int(unlabelled.sum()))
    if wanted == 0:
        return np.empty(0, dtype=np.intp), position_scores(0)
    leaf, centres = cluster(usable_space(view, order), leaves, rng)
    merges = linkage(centres.astype(np.float64), "ward")[:, :2] if len(centres) > 1 else np.empty((0, 2))
    tree = ClusterTree(merges.astype(np.intp), leaf)
    sizes = np.bincount(leaf, minlength=tree.leaves).astype(np.float64)
    lower, parts = prune(tree, tree.roll_up(sizes), tree.roll_up(_label_counts(view, order, tree)), beta)
    impurity = tree.roll_up(sizes)[parts] * (1.0 - lower[parts])
    shuffled = rng.permutation(np.flatnonzero(unlabelled))
    owners = _part_of_leaf(tree, parts)[leaf[shuffled]]
    ends = np.cumsum(np.bincount(owners, minlength=len(parts)))
    members = np.split(shuffled[np.argsort(owners, kind="stable")], ends[:-1])
    return order[_draw(members, impurity, wanted, rng)], position_scores(wanted)


def prune(
    tree: ClusterTree, sizes: NDArray[np.float64], counts: NDArray[np.float64], beta: float
) -> tuple[NDArray[np.float64], list[int]]:
    """The pruning with the least estimated labelling error.

    Args:
        tree: c leaves.
        sizes: [2 c - 1], photos below each node.
        counts: [2 c - 1, L], labels seen below each node.
        beta: how much smaller an error must surely be, [1, ∞).

    Returns:
        Lower bound on the share of each node's main label, [2 c - 1] in [0, 1], and the nodes of the pruning, which
        together hold every leaf once.
    """
    seen = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, seen, out=np.zeros_like(counts), where=seen > 0)
    rest = np.divide(
        np.maximum(sizes[:, None] - seen, 0.0), sizes[:, None], out=np.ones_like(seen), where=sizes[:, None] > 0
    )
    spread = rest / np.maximum(seen, 1.0) + np.sqrt(rest * share * (1.0 - share) / np.maximum(seen, 1.0))
    spread[seen[:, 0] == 0] = 1.0
    lower, upper = np.maximum(share - spread, 0.0), np.minimum(share + spread, 1.0)
    rows = np.arange(counts.shape[0])
    main = share.argmax(axis=1)
    # The most probable rival decides whether the main label is admissible.
    rivals = upper.copy()
    rivals[rows, main] = 0.0
    admissible = (seen[:, 0] > 0) & (1.0 - lower[rows, main] < beta * (1.0 - rivals.max(axis=1)))
    error = np.where(admissible, 1.0 - share[rows, main], 1.0)
    split = np.zeros(counts.shape[0], dtype=bool)
    best = error.copy()
    for index, (left, right) in enumerate(tree.children):
        node = tree.leaves + index
        below = (sizes[left] * best[left] + sizes[right] * best[right]) / max(sizes[node], 1.0)
        # Without a better estimate below, the node stays whole.
        if below < best[node]:
            best[node], split[node] = below, True
    parts, open_nodes = [], [counts.shape[0] - 1]
    while open_nodes:
        node = open_nodes.pop()
        if split[node]:
            open_nodes.extend(int(child) for child in tree.children[node - tree.leaves])
        else:
            parts.append(node)
    return lower[rows, main], sorted(parts)


def _label_counts(view: PoolView, order: IntArray, tree: ClusterTree) -> NDArray[np.float64]:
    """How often each label was given in each leaf, [c, L]; a skipped photo counts nowhere."""
    counts = np.zeros((tree.leaves, view.probabilities.shape[1]))
    rows = annotated_rows(view)
    labels = given_labels(view, rows)
    said = labels >= 0
    position = np.empty(order.size, dtype=np.intp)
    position[order] = np.arange(order.size)
    np.add.at(counts, (tree.leaf[position[rows[said]]], labels[said]), 1.0)
    return counts


def _part_of_leaf(tree: ClusterTree, parts: list[int]) -> IntArray:
    """Which node of the pruning holds each leaf, as a place in `parts`, int [c]."""
    owner = np.full(2 * tree.leaves - 1, -1, dtype=np.intp)
    owner[parts] = np.arange(len(parts))
    for index in range(tree.children.shape[0] - 1, -1, -1):
        node = tree.leaves + index
        if owner[node] >= 0:
            owner[tree.children[index]] = owner[node]
    return owner[: tree.leaves]


def _draw(members: list[IntArray], weights: NDArray[np.float64], count: int, rng: np.random.Generator) -> IntArray:
    """Draw groups by weight, with repetition, and from each group its next member; groups without any are left out."""
    left = np.array([group.size for group in members])
    taken = np.zeros(len(members), dtype=np.intp)
    drawn = np.empty(count, dtype=np.intp)
    for place in range(count):
        open_weights = np.where(left > 0, weights, 0.0)
        if open_weights.sum() <= 0.0:
            open_weights = left.astype(np.float64)
        group = int(rng.choice(len(members), p=open_weights / open_weights.sum()))
        drawn[place] = members[group][taken[group]]
        taken[group] += 1
        left[group] -= 1
    return drawn
