"""What the pool believes after every annotation: labels spread over its kNN graph, in well under a second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backend.learning.knn_graph import NeighbourIndex, affinity, normalised, without_self
from backend.learning.linear import LinearModel, fit_ridge
from backend.learning.propagation import spread
from backend.learning.space import Space, fit_space

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class GraphOptions:
    """How the pool's graph is made and used; the defaults are what measured best over random subsets of classes.

    Attributes:
        dimension: principal components kept.
        whitening: how far their variances are evened out, [0, 1].
        graph_dimension: leading components that the graph looks at.
        neighbours: edges of each image.
        affinity_power: exponent of the cosine on an edge.
        alpha: how far labels travel, (0, 1).
        iterations: most spreading steps.
        prior_evidence: weight of the prior against the evidence that one annotation of the image itself would be.
        label_trust: weight of an annotated image against a confident spread label in the linear half.
    """

    dimension: int = 256
    whitening: float = 0.5
    graph_dimension: int = 128
    neighbours: int = 10
    affinity_power: float = 3.0
    alpha: float = 0.9
    iterations: int = 40
    prior_evidence: float = 0.005
    label_trust: float = 5.0


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
        self.prior: FloatArray = rows_to_one(prior)
        self._features_space: Space = fit_space(
            embeddings, dimension=self.options.dimension, whitening=self.options.whitening, seed=seed
        )
        self._graph_space = self._features_space.leading(self.options.graph_dimension)
        self.features: FloatArray = self._features_space.project(embeddings)
        self.space: FloatArray = self._graph_space.project(embeddings)
        self._index = NeighbourIndex.build(self.space, seed=seed)
        found = self._index.search(self.space, self.options.neighbours + 1)
        self.neighbours, self.similarities = without_self(
            *found, np.arange(self.n, dtype=np.int32), self.options.neighbours
        )
        self._graph: sparse.csr_matrix | None = None
        self._state: FloatArray | None = None
        self.spread_labels: FloatArray = self.prior
        self._linear: LinearModel | None = None

    @property
    def n(self) -> int:
        """Images in the pool."""
        return int(self.prior.shape[0])

    @property
    def n_labels(self) -> int:
        """Labels L."""
        return int(self.prior.shape[1])

    @property
    def graph(self) -> sparse.csr_matrix:
        """The symmetrically normalised affinity, csr [n, n]."""
        if self._graph is None:
            self._graph = normalised(affinity(self.neighbours, self.similarities, power=self.options.affinity_power))
        return self._graph

    def propagate(self, rows: NDArray[np.integer], targets: FloatArray) -> FloatArray:
        """Spread the annotations `targets` [m, L] of `rows` [m]: probabilities float32 [n, L], rows sum to 1.

        Label columns are divided by their count, so that a class with many annotations does not flood its
        neighbours. How much label mass arrives at an image is its evidence; the prior weighs against it.
        """
        rows = np.asarray(rows, dtype=np.intp)
        targets = np.asarray(targets, dtype=np.float32)
        if rows.size == 0:
            self.spread_labels, self._linear = self.prior, None
            return self.prior
        seeds = np.zeros((self.n, self.n_labels + 1), dtype=np.float32)
        np.add.at(seeds[:, :-1], rows, targets)
        seeds[:, :-1] /= np.maximum(seeds[:, :-1].sum(axis=0), 1.0)
        seeds[rows, -1] = 1.0
        start = self._state if self._state is not None and self._state.shape == seeds.shape else None
        self._state = spread(
            self.graph, seeds, alpha=self.options.alpha, iterations=self.options.iterations, start=start
        )
        evidence = self._state[:, -1:] / np.float32(1.0 - self.options.alpha)
        spread_labels = rows_to_one(self._state[:, :-1], otherwise=self.prior)
        spread_labels = rows_to_one(evidence * spread_labels + np.float32(self.options.prior_evidence) * self.prior)
        own = rows_to_one(targets, otherwise=spread_labels[rows])
        spread_labels[rows] = own
        self.spread_labels = spread_labels
        trust = spread_labels.max(axis=1)
        trust[rows] *= np.float32(self.options.label_trust)
        hard = np.zeros_like(spread_labels)
        hard[np.arange(self.n), spread_labels.argmax(axis=1)] = 1.0
        hard[rows] = own
        self._linear = fit_ridge(self.features, hard, trust)
        beliefs = self._together(spread_labels, self._linear.probabilities(self.features))
        beliefs[rows] = own
        return beliefs

    def extend(self, embeddings: NDArray[np.floating], prior: FloatArray) -> FloatArray:
        """Probabilities float32 [m, L] of images outside the pool, from the last `propagate`."""
        if self._linear is None:
            return rows_to_one(prior)
        queries = self._graph_space.project(embeddings)
        neighbours, similarities = self._index.search(queries, self.options.neighbours)
        weights = np.maximum(similarities, 0.0) ** np.float32(self.options.affinity_power)
        weights[neighbours < 0] = 0.0
        mixed = np.einsum("mj,mjl->ml", weights, self.spread_labels[neighbours])
        nearby = rows_to_one(mixed, otherwise=rows_to_one(prior))
        return self._together(nearby, self._linear.probabilities(self._features_space.project(embeddings)))

    @staticmethod
    def _together(spread_labels: FloatArray, linear: FloatArray) -> FloatArray:
        """Geometric mean of the two halves, each floored so that neither can veto: rows sum to 1."""
        floor = np.float32(1e-2)
        return rows_to_one(np.sqrt((spread_labels + floor) * (linear + floor)) - floor)


def rows_to_one(values: FloatArray, *, otherwise: FloatArray | None = None) -> FloatArray:
    """Non-negative rows scaled to sum to 1; a row without mass becomes `otherwise` (uniform by default)."""
    clean = np.nan_to_num(np.asarray(values, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    clean = np.maximum(clean, 0.0)
    total = clean.sum(axis=1, keepdims=True)
    fallback = np.full_like(clean, 1.0 / max(clean.shape[1], 1)) if otherwise is None else otherwise.copy()
    scaled: FloatArray = np.divide(clean, total, out=fallback, where=total > 1e-20)
    return scaled
