"""The pool's kNN graph: the space that it lives in, who is near whom, and which photos show the same picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backend.learning.graph_options import GraphOptions, dimension_for
from backend.learning.knn_graph import NeighbourIndex, affinity, drop_self, join_neighbours, normalised
from backend.learning.projection import Projection, fit_projection, unit_rows
from backend.learning.propagation import SpreadingGraph
from backend.learning.same_photo import same_photo_edges, same_photos

FloatArray = NDArray[np.float32]

REFIT_UP_TO = 50_000
"""Pools up to this size are projected and linked anew once they have doubled; larger ones hold a fair sample."""


class PoolGraph:
    """The graph of n images, that grows.

    Attributes:
        space: float32 [n, k], unit rows of the graph space.
        neighbours: int32 [n, j], nearest rows of `space`, most similar first; -1 = none.
        similarities: float32 [n, j], their cosines.
        same_photo: bool [n, j], which of them show the same picture (`same_photo_edges`).
        index: searches `space`.
        projection: from embeddings to features, whose leading axes are the graph space.
    """

    def __init__(
        self,
        embeddings: NDArray[np.floating],
        *,
        seed: int = 0,
        options: GraphOptions | None = None,
        projection: Projection | None = None,
    ) -> None:
        """Build the graph; in a `projection` learnt from annotations where one is given, else in one fitted here."""
        self.options = options or GraphOptions()
        self._learnt = projection
        self._seed = seed
        self._fit(embeddings)

    def _fit(self, embeddings: NDArray[np.floating]) -> None:
        options = self.options
        dimension = options.dimension or dimension_for(embeddings.shape[0])
        self.projection: Projection = self._learnt or fit_projection(
            embeddings, dimension=dimension, whitening=options.whitening, seed=self._seed
        )
        self._graph_dimension = options.graph_dimension or max(1, self.projection.dimension // 2)
        self._features: FloatArray = self.projection.project(embeddings)
        self.space: FloatArray = self._leading(self._features)
        self.index = NeighbourIndex.build(self.space, seed=self._seed)
        self.neighbours, self.similarities = drop_self(
            *self.index.search(self.space, options.neighbours + 1),
            np.arange(self.n, dtype=np.int32),
            options.neighbours,
        )
        self.same_photo = same_photo_edges(self.neighbours, self.similarities, embeddings)
        # Kept only while a refit may come.
        self._embeddings: NDArray[np.floating] | None = embeddings if self.n <= REFIT_UP_TO else None
        self._fitted_on = self.n
        self._graph: SpreadingGraph | None = None
        self._links: sparse.csr_matrix | None = None

    def _leading(self, features: FloatArray) -> FloatArray:
        return unit_rows(features[:, : self._graph_dimension])

    @property
    def n(self) -> int:
        """Images in the pool."""
        return int(self.space.shape[0])

    @property
    def graph(self) -> SpreadingGraph:
        """The symmetrically normalised affinity of the pool."""
        if self._graph is None:
            power = self.options.affinity_power
            self._graph = SpreadingGraph(normalised(affinity(self.neighbours, self.similarities, power=power)))
        return self._graph

    @property
    def links(self) -> sparse.csr_matrix:
        """Symmetric cosines on the graph's edges: csr float32 [n, n]."""
        if self._links is None:
            self._links = affinity(self.neighbours, self.similarities, power=1.0)
        return self._links

    def smooth(self, values: FloatArray) -> FloatArray:
        """Values of the pool [n] averaged with their neighbours', as far as the prior travels: float32 [n]."""
        columns = np.stack([np.nan_to_num(values), np.ones(self.n)], axis=1).astype(np.float32)
        mass = self.graph.spread(columns, alpha=self.options.prior_alpha, iterations=15)
        averaged: FloatArray = mass[:, 0] / np.maximum(mass[:, 1], np.float32(1e-12))
        return averaged

    def pairs_of(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Places in `rows` [p], and the rows [p] that show the same picture, the least alike first."""
        return same_photos(self.neighbours, self.similarities, self.same_photo, rows)

    def join(self, embeddings: NDArray[np.floating], joined: NDArray[np.floating] | None = None) -> None:
        """Link images [m, d] to the graph; a small one that has doubled since it was fitted is fitted anew.

        Args:
            joined: float [n + m, d], the embeddings of the pool and the new ones, from a caller who holds them. A large
                pool keeps none: without them its graph alone says which photos show the same picture.
        """
        if self._embeddings is not None:
            joined = np.concatenate([self._embeddings, embeddings]) if joined is None else joined
            self._embeddings = joined
            if joined.shape[0] >= 2 * self._fitted_on:
                self._fit(joined)
                return
        first = self.n
        features = self.projection.project(embeddings)
        self._features = np.concatenate([self._features, features])
        space = self._leading(features)
        self.space = np.concatenate([self.space, space])
        self.index.add(space)
        self.neighbours, self.similarities = join_neighbours(
            self.neighbours,
            self.similarities,
            *drop_self(
                *self.index.search(space, self.options.neighbours + 1),
                np.arange(first, self.n, dtype=np.int32),
                self.options.neighbours,
            ),
        )
        self.same_photo = same_photo_edges(self.neighbours, self.similarities, joined)
        self._graph, self._links = None, None
