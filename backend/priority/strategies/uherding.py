"""Ask for the photo that speaks for most doubt that no annotated one reaches; the reach shrinks as labels come."""

from __future__ import annotations

import math

import numpy as np

from backend.priority import measures
from backend.priority.candidates import batch_size, in_digest_order, usable_space
from backend.priority.greedy import lazy_greedy
from backend.priority.neighbourhood import distances_within
from backend.priority.pool_view import FloatArray, IntArray, PoolView
from backend.priority.selectors import nearest_centre, squared_distances

_BLOCK = 4_096
_SMALLEST = 1e-3  # radius, squared: of photos that coincide


def uherding(
    view: PoolView, rng: np.random.Generator, count: int, *, radius: float = 1.0, references: int = 2048
) -> tuple[IntArray, FloatArray]:
    """Uncertainty herding: greedy coverage of what is uncertain, by Gaussian kernels of one radius.

    Formula: Σᵢ uᵢ max over q of exp(-‖xᵢ - x_q‖² / r²), q the annotated and the chosen photos, u = 1 - (p1 - p2); each
        place goes to the photo that adds most. r is the smallest distance between two annotated photos, at most
        `radius`, so that coverage turns into plain uncertainty as labels come. In a large pool about `references`
        photos, every so-many-th one, stand for all others. The score is what a photo adds, over Σᵢ uᵢ. The paper
        calibrates the probabilities first; here they are taken as they come.
    Range: [0, 1]; 0 = no doubt is left that it would speak for.
    Direction: 1 = label sooner.
    Shape: rows int [min(count, unlabelled)], best first; scores float32, aligned; nothing is drawn from `rng`.
    Cost: O(n (references + annotated + count) k) time, O(n) memory.
    Paper: [46] Bae et al. 2025; greedy coverage [23].
    """
    order = in_digest_order(view, np.arange(view.n))
    unlabelled = ~view.labelled[order]
    wanted = batch_size(count, int(unlabelled.sum()))
    if wanted == 0:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.float32)
    space = usable_space(view, order)
    doubt = measures.margin(view.probabilities[order])
    annotated = space[~unlabelled]
    herd = Herd(space, doubt, annotated, shrunk(annotated, radius), references)
    bounds = np.full(order.size, -np.inf, dtype=np.float32)
    bounds[unlabelled] = herd.gains(np.flatnonzero(unlabelled))
    chosen, gains = lazy_greedy(bounds, herd.gains, herd.take, wanted)
    scores = np.clip(gains / max(float(doubt.sum(dtype=np.float64)), 1e-12), 0.0, 1.0)
    return order[chosen], np.minimum.accumulate(scores).astype(np.float32)


def shrunk(annotated: FloatArray, radius: float) -> float:
    """The smallest distance between two of the rows [m, k], squared; at most `radius` squared."""
    nearest = distances_within(annotated, 1)
    return max(min(float(nearest.min(initial=np.inf)), radius**2), _SMALLEST)


class Herd:
    """How far each photo is spoken for.

    Attributes:
        covered: float32 [n] in [0, 1], the largest kernel with anything annotated or chosen.
    """

    def __init__(
        self, space: FloatArray, doubt: FloatArray, annotated: FloatArray, squared_radius: float, references: int
    ) -> None:
        """Space [n, k], doubt [n], the annotated rows [m, k]."""
        self._space = space
        self._doubt = doubt
        self._scale = np.float32(-4.0 / squared_radius)  # distances come as quarters
        self.covered: FloatArray = np.exp(self._scale * nearest_centre(space, annotated))
        stride = max(1, math.ceil(space.shape[0] / references))
        self._stride = np.float32(stride)
        self._standing = np.arange(0, space.shape[0], stride)
        self._norms = np.einsum("ij,ij->i", space, space)

    def take(self, row: int) -> None:
        """Count a photo as chosen."""
        reach = np.exp(self._scale * squared_distances(self._space, self._space[row]))
        np.maximum(self.covered, reach, out=self.covered)

    def gains(self, rows: IntArray) -> FloatArray:
        """What each of `rows` [m] would add: float32 [m], at least 0; it never grows."""
        own = self._doubt[rows] * (1.0 - self.covered[rows])
        gains = np.empty(rows.size, dtype=np.float32)
        standing, norms = self._space[self._standing], self._norms
        weights = self._stride * self._doubt[self._standing]
        for start in range(0, rows.size, _BLOCK):
            block = rows[start : start + _BLOCK]
            distances = norms[block][:, None] + norms[self._standing] - 2.0 * (self._space[block] @ standing.T)
            news = np.exp(self._scale * np.clip(0.25 * distances, 0.0, 1.0))
            news -= self.covered[self._standing]
            np.maximum(news, 0.0, out=news)
            # A photo stands for itself but once, whether or not it stands for others too.
            news[block[:, None] == self._standing] = 0.0
            gains[start : start + _BLOCK] = news @ weights
        return gains + own
