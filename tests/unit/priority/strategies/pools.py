"""Small pools to choose from."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from backend.priority.pool_view import PoolView

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Nothing is asserted about time."""


def unit(rows: object) -> np.ndarray:
    """Rows of length 1; zero rows stay zero."""
    values = np.atleast_2d(np.asarray(rows, dtype=np.float32))
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)


def on_circle(degrees: object) -> np.ndarray:
    """Unit rows [n, 2] at the given angles."""
    radians = np.radians(np.asarray(degrees, dtype=np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def view_of(space: object, probabilities: object = None, labelled: object = (), **more: object) -> PoolView:
    """A view with digests in row order; without probabilities, uniform over two labels."""
    rows = np.asarray(space, dtype=np.float32)
    n = rows.shape[0]
    beliefs = np.full((n, 2), 0.5) if probabilities is None else np.asarray(probabilities)
    known = np.zeros(n, dtype=bool)
    known[np.asarray(labelled, dtype=np.intp)] = True
    more.setdefault("digests", [f"{row:06d}" for row in range(n)])
    return PoolView(space=rows, probabilities=beliefs.astype(np.float32), labelled=known, **more)  # type: ignore[arg-type]


def clustered(n: int, labels: int, *, width: int = 8, noise: float = 0.2, seed: int = 0) -> tuple[PoolView, np.ndarray]:
    """A pool of well-separated classes, with random beliefs, and the class of each row."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(labels, width)))
    truth = rng.integers(labels, size=n)
    space = unit(centres[truth] + noise * rng.normal(size=(n, width)) / np.sqrt(width))
    return view_of(space, rng.dirichlet(np.ones(labels), n), digests=hashed(n)), truth


def hashed(n: int) -> list[str]:
    """n distinct digests, in no particular order."""
    return [hashlib.sha256(str(row).encode()).hexdigest() for row in range(n)]


def permuted(view: PoolView, permutation: np.ndarray) -> PoolView:
    """The same pool, row `permutation[i]` now at place i."""
    labelled = view.labelled[permutation]
    targets = view.annotated_probabilities
    if targets is not None:
        whole = np.zeros((view.n, targets.shape[1]), dtype=np.float32)
        whole[view.labelled_rows] = targets
        targets = whole[permutation][labelled]
    neighbours = view.neighbours
    if neighbours is not None:
        place = np.append(np.argsort(permutation), -1)
        neighbours = place[neighbours[permutation]].astype(np.int32)
    return replace(
        view,
        space=view.space[permutation],
        probabilities=view.probabilities[permutation],
        labelled=labelled,
        digests=None if view.digests is None else [view.digests[row] for row in permutation],
        annotated_probabilities=targets,
        neighbours=neighbours,
        similarities=None if view.similarities is None else view.similarities[permutation],
        same_photo=None if view.same_photo is None else view.same_photo[permutation],
    )


@st.composite
def awkward_pools(draw: st.DrawFn) -> PoolView:
    """Pools of 0 to 40 photos and 1 to 6 labels, with duplicates, zero rows, NaN and certain beliefs among them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, labels, width = draw(st.integers(0, 40)), draw(st.integers(1, 6)), draw(st.integers(1, 8))
    space = unit(rng.normal(size=(n, width)).reshape(n, width)) if n else np.empty((0, width), dtype=np.float32)
    beliefs = rng.dirichlet(np.full(labels, draw(st.sampled_from([0.05, 1.0]))), n).astype(np.float32)
    labelled = rng.random(n) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))
    if n and draw(st.booleans()):
        copies = rng.integers(n, size=n // 2)
        space[: copies.size], beliefs[: copies.size] = space[copies], beliefs[copies]
    if n and draw(st.booleans()):
        space[rng.integers(n)] = 0.0
        space[rng.integers(n)] = np.nan
        beliefs[rng.integers(n)] = np.nan
        beliefs[rng.integers(n)] = 0.0
    targets = None
    if draw(st.booleans()):
        targets = np.eye(labels, dtype=np.float32)[rng.integers(labels, size=int(labelled.sum()))]
        targets[rng.random(targets.shape[0]) < 0.1] = 0.0
    view = PoolView(space, beliefs, labelled, digests=hashed(n), annotated_probabilities=targets)
    for array in (view.space, view.probabilities, view.labelled):
        array.setflags(write=False)
    return view
