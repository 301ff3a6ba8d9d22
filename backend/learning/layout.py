"""A map of many photos: unit vectors laid out in the plane so that what is alike lies together (t-SNE).

Attraction comes from each photo's 15 nearest, all alike: the picture is that of Gaussian weights at perplexity 30
(Böhm, Berens & Kobak, 2022), for a sixth of the neighbours. Repulsion is interpolated on a grid (FIt-SNE, Linderman et
al., 2019) from 3,000 photos on, by openTSNE, and time grows in step with the photos. One thread does it: others would
wait for each other at every step, and annotators need the processors more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backend.learning.knn_graph import NeighbourIndex
from backend.progress import Progress, silent

NEIGHBOURS = 15
EXAGGERATED, FREE = 250, 500
"""Iterations with attraction twelvefold, which sets the large arrangement, and without, which spreads the groups."""

EVERY = 10

GRIDDED = 3000
"""Photos from which on a grid is faster than the tree of Barnes and Hut."""

START = 1e-4
"""Standard deviation of the first places: small, so that attraction decides."""

Floats = NDArray[np.float32]


def lay_out(vectors: NDArray[np.floating], start: Floats | None = None, progress: Progress = silent) -> Floats:
    """Places in the plane, float32 [n, 2] in [-1, 1]; the same vectors give the same map.

    Args:
        vectors: float [n, k], unit rows, the leading axes first.
        start: float32 [n, 2], an earlier map's places, which the new one resembles then; NaN: not known.
        progress: called every ten iterations; what it raises ends the work.
    """
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    n = rows.shape[0]
    if n <= NEIGHBOURS:
        return _within(_axes(rows))
    progress(0.0, f"the nearest of {n} photos")
    neighbours, _ = NeighbourIndex.build(rows).search(rows, NEIGHBOURS + 1)
    return _within(_embed(_affinities(neighbours), _begin(rows, neighbours, start), progress))


def _axes(rows: Floats) -> Floats:
    places = np.zeros((rows.shape[0], 2), dtype=np.float32)
    axes = min(rows.shape[1], 2)
    places[:, :axes] = rows[:, :axes]
    return places


def _affinities(neighbours: NDArray[np.int32]) -> sparse.csr_matrix:
    """A symmetric matrix [n, n], its sum 1: who is among whose nearest."""
    n = neighbours.shape[0]
    own = np.repeat(np.arange(n), neighbours.shape[1])
    other = neighbours.ravel()
    kept = (other >= 0) & (other != own)
    links = sparse.csr_matrix((np.ones(int(kept.sum())), (own[kept], other[kept])), shape=(n, n))
    both = links + links.T
    return both / both.sum()


def _begin(rows: Floats, neighbours: NDArray[np.int32], start: Floats | None) -> NDArray[np.float64]:
    places = _axes(rows).astype(np.float64)
    known: NDArray[np.bool_] = np.zeros(len(rows), dtype=bool)
    if start is not None:
        known = np.asarray(~np.isnan(start).any(axis=1), dtype=bool)
    if start is not None and known.mean() > 0.5:
        beside = np.where((neighbours >= 0) & known[neighbours], neighbours, -1)
        near = np.where((beside >= 0)[..., None], np.nan_to_num(start)[beside], 0.0)
        count = np.maximum((beside >= 0).sum(axis=1), 1)[:, None]
        places = np.where(known[:, None], np.nan_to_num(start), near.sum(axis=1) / count).astype(np.float64)
    places += np.random.default_rng(0).normal(0.0, 1e-6, places.shape)  # copies do not start at one point
    places -= places.mean(axis=0)
    begun: NDArray[np.float64] = places / max(float(places[:, 0].std()), 1e-12) * START
    return begun


def _embed(affinities: sparse.csr_matrix, places: NDArray[np.float64], progress: Progress) -> Floats:
    from openTSNE import TSNEEmbedding  # loads for a second: only where it is used
    from openTSNE.affinity import PrecomputedAffinities

    done = 0

    def told(iteration: int, error: float, embedding: object) -> None:
        progress((done + iteration) / (EXAGGERATED + FREE), f"iteration {done + iteration} of {EXAGGERATED + FREE}")

    embedding = TSNEEmbedding(
        places,
        PrecomputedAffinities(affinities, normalize=False),
        n_jobs=1,
        random_state=0,
        negative_gradient_method="bh" if len(places) < GRIDDED else "fft",
        callbacks=told,
        callbacks_every_iters=EVERY,
    )
    embedding.optimize(EXAGGERATED, exaggeration=12, momentum=0.5, inplace=True)
    done = EXAGGERATED
    embedding.optimize(FREE, momentum=0.8, inplace=True)
    return np.asarray(embedding, dtype=np.float32)


def _within(places: Floats) -> Floats:
    """The places, centred and scaled into [-1, 1] with both axes alike; a few far ones stay at the border."""
    if not len(places):
        return places
    centred = places - np.median(places, axis=0)
    reach = np.quantile(np.abs(centred), 0.999) if len(places) > 1 else 1.0
    scaled: Floats = np.clip(centred / max(float(reach), 1e-12), -1.0, 1.0).astype(np.float32)
    return scaled
