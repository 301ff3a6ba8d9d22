"""Mix strategies by what each would have brought on the labels that exist already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from backend.priority.candidates import annotated_rows, batch_size, given_labels, usable_space
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import position_scores
from backend.priority.strategies.information_density import information_density
from backend.priority.strategies.kcenter import kcenter
from backend.priority.strategies.margin import margin
from backend.priority.strategies.typicality import typicality

Arm = Callable[[PoolView, np.random.Generator, int], tuple[IntArray, FloatArray]]

ARMS: Mapping[str, Arm] = MappingProxyType(
    {"margin": margin, "kcenter": kcenter, "typicality": typicality, "information_density": information_density}
)
"""What the bandit may draw: a sharp, a covering, a typical and a dense choice."""

_SHARPNESS = 10.0
"""Inverse temperature of the cosines to class means in the replay."""


def bandit_mixture(
    view: PoolView, rng: np.random.Generator, count: int, *, rounds: int = 8, floor: float = 0.2, replayed: int = 600
) -> tuple[IntArray, FloatArray]:
    """A bandit over strategies: each place of the batch is given to an arm drawn by its weight.

    Formula: w_a ∝ exp(η Σ_t r_a,t), η = sqrt(8 ln K / `rounds`), and place i goes to arm a with probability
        (1 - `floor`) w_a + `floor` / K. The rewards come from a replay on at most `replayed` annotated photos: a
        quarter of them is known, in each round every arm chooses the next batch, r_a,t is the accuracy that the nearest
        class mean then has on all of them, scaled to [0, 1] over the arms, and one arm's batch becomes known. So the
        weights follow from the labels alone, and the function keeps no state. The score is the place, (count - i) /
        count.
    Range: (0, 1].
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned.
    Cost: that of the arms, once on the pool and `rounds` times on at most `replayed` photos.
    Paper: [16] Hsu & Lin 2015; Hedge [17] takes the place of EXP4 [19], since the replay shows the reward of every arm.
    """
    unlabelled = int(view.n - view.labelled.sum())
    wanted = batch_size(count, unlabelled)
    if wanted == 0:
        return np.empty(0, dtype=np.intp), position_scores(0)
    weights = (1.0 - floor) * arm_weights(view, rng, rounds=rounds, replayed=replayed) + floor / len(ARMS)
    proposals = [iter(arm(view, rng, wanted)[0].tolist()) for arm in ARMS.values()]
    taken: dict[int, None] = {}
    for arm in rng.choice(len(ARMS), size=wanted, p=weights / weights.sum()):
        # Every arm proposes as many rows as there are places, so one of its rows is always free.
        taken[next(row for row in proposals[arm] if row not in taken)] = None
    return np.fromiter(taken, dtype=np.intp, count=wanted), position_scores(wanted)


def arm_weights(
    view: PoolView, rng: np.random.Generator, *, rounds: int = 8, replayed: int = 600
) -> NDArray[np.float64]:
    """Weight of each arm after the replay, [K] summing to 1; even while fewer than 8 photos or 2 labels are known."""
    even = np.full(len(ARMS), 1.0 / len(ARMS))
    rows = annotated_rows(view)[:replayed]
    labels = given_labels(view, rows)
    rows, labels = rows[labels >= 0], labels[labels >= 0]
    if labels.size < 8 or np.unique(labels).size < 2 or rounds < 1:
        return even
    space = usable_space(view, rows)
    known = np.zeros(labels.size, dtype=bool)
    known[: labels.size // 4] = True
    batch = max(1, int((labels.size - known.sum()) // (rounds + 1)))
    rate = np.sqrt(8.0 * np.log(len(ARMS)) / rounds)
    gains = np.zeros(len(ARMS))
    weights = even
    for _ in range(rounds):
        past = PoolView(space=space, probabilities=_beliefs(space, labels, known), labelled=known)
        choices = [arm(past, rng, batch)[0] for arm in ARMS.values()]
        accuracy = np.array([_accuracy(space, labels, known, choice) for choice in choices])
        spread = accuracy.max() - accuracy.min()
        gains += (accuracy - accuracy.min()) / spread if spread > 0.0 else 0.0
        weights = np.exp(rate * (gains - gains.max()))
        weights /= weights.sum()
        known = known.copy()
        known[choices[int(rng.choice(len(ARMS), p=weights))]] = True
    return weights


def _beliefs(space: FloatArray, labels: IntArray, known: NDArray[np.bool_]) -> FloatArray:
    """Softmax of the cosines to the means of the known photos of each label, float32 [m, labels]."""
    present = np.unique(labels[known])
    means = np.stack([space[known & (labels == label)].mean(axis=0) for label in present])
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    cosines = space @ (means / np.where(norms > 0, norms, 1.0)).T
    powers = np.exp(_SHARPNESS * (cosines - cosines.max(axis=1, keepdims=True)))
    beliefs = np.zeros((space.shape[0], int(labels.max()) + 1), dtype=np.float32)
    beliefs[:, present] = powers / powers.sum(axis=1, keepdims=True)
    return beliefs


def _accuracy(space: FloatArray, labels: IntArray, known: NDArray[np.bool_], choice: IntArray) -> float:
    """Share of all replayed photos whose nearest class mean is right once `choice` is known too, [0, 1]."""
    after = known.copy()
    after[choice] = True
    return float((_beliefs(space, labels, after).argmax(axis=1) == labels).mean())
