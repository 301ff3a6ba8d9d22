"""Small pools for the tests of the order."""

from __future__ import annotations

from typing import Any

import numpy as np

from backend.priority import PoolView


def unit(rows: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1.0), dtype=np.float32)


def random_view(n: int, labels: int = 4, seed: int = 0, **changes: Any) -> PoolView:
    """n photos around `labels` centres, each belief leaning to its centre, every fifth photo annotated."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(labels, 8))
    own = rng.integers(labels, size=n)
    space = unit(centres[own] + 0.4 * rng.normal(size=(n, 8)))
    beliefs = rng.dirichlet(np.ones(labels), size=n) + 0.5 * np.eye(labels)[own]
    fields: dict[str, Any] = {
        "space": space,
        "probabilities": (beliefs / beliefs.sum(axis=1, keepdims=True)).astype(np.float32),
        "labelled": np.arange(n) % 5 == 4,
        "digests": [f"{value:016x}" for value in rng.permutation(n) * 7919 + 11],
        "label_names": tuple(f"name {label}" for label in range(labels)),
    }
    return PoolView(**{**fields, **changes})
