"""What the pool believes after every annotation: labels spread over its kNN graph, in well under a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backend.learning.knn_graph import NeighbourIndex, affinity, normalised, without_self
from backend.learning.propagation import spread
from backend.learning.space import Space, fit_space

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class GraphOptions:
    """How the pool's graph is made and used; the defaults are what measured best over random subsets of classes."""

    dimension: int = 256
    whitening: float = 0.5
    neighbours: int = 15
    affinity_power: float = 3.0
    alpha: float = 0.95
    iterations: int = 30
    prior_mass: float = 0.02


class PoolModel:
    """The pool of n images as a graph that labels spread over.

    Attributes:
        space: float32 [n, k], unit rows of the graph space.
        neighbours: int32 [n, j], nearest rows of `space`, most similar first; -1 = none.
        similarities: float32 [n, j], their cosines.
        prior: float32 [n, L], beliefs before any annotation; rows sum to 1.
    """

    def __init__(
        self, embeddings: NDArray[np.floating], prior: FloatArray, *, seed: int = 0, options: GraphOptions | None = None
    ) -> None:
        self.options = options or GraphOptions()
        self._projection: Space = fit_space(
            embeddings, dimension=self.options.dimension, whitening=self.options.whitening, seed=seed
        )
        self.space: FloatArray = self._projection.project(embeddings)
        self.prior: FloatArray = _rows_to_one(prior)
        self._index = NeighbourIndex.build(self.space, seed=seed)
        found = self._index.search(self.space, self.options.neighbours + 1)
        self.neighbours, self.similarities = without_self(
            *found, np.arange(self.n, dtype=np.int32), self.options.neighbours
        )
        self._graph: sparse.csr_matrix | None = None
        self._spread: FloatArray | None = None

    @property
    def n(self) -> int:
        """Images in the pool."""
        return int(self.space.shape[0])

    @property
    def n_labels(self) -> int:
        """Labels L."""
        return int(self.prior.shape[1])

    @property
    def graph(self) -> sparse.csr_matrix:
        """The symmetrically normalised affinity, csr [n, n]."""
        if self._graph is None:
            self._graph = normalised(
                affinity(self.neighbours, self.similarities, power=self.options.affinity_power)
            )
        return self._graph

    def propagate(self, rows: NDArray[np.integer], targets: FloatArray) -> FloatArray:
        """Spread the annotations `targets` [m, L] of `rows` [m]: probabilities float32 [n, L], rows sum to 1."""
        seeds = np.zeros((self.n, self.n_labels), dtype=np.float32)
        np.add.at(seeds, rows, np.asarray(targets, dtype=np.float32))
        seeds /= np.maximum(seeds.sum(axis=0), 1e-6)
        state = spread(self.graph, seeds, alpha=self.options.alpha, iterations=self.options.iterations)
        scale = max(float(state.sum(axis=1).mean()), 1e-12)
        self._beliefs = _rows_to_one(state + np.float32(self.options.prior_mass * scale) * self.prior)
        return self._beliefs


def _rows_to_one(values: Any) -> FloatArray:
    clean = np.nan_to_num(np.asarray(values, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    clean = np.maximum(clean, 0.0)
    total = clean.sum(axis=1, keepdims=True)
    uniform = np.float32(1.0 / max(clean.shape[1], 1))
    return np.divide(clean, total, out=np.full_like(clean, uniform), where=total > 1e-20)
