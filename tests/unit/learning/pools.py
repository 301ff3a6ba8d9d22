"""A pool of photos around known centres."""

from __future__ import annotations

import numpy as np


def clusters(
    n: int = 300, labels: int = 5, width: int = 24, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings float16 [n, width], their labels [n], a uniform prior [n, labels]."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(labels, width)) * 1.6
    truth = rng.integers(labels, size=n)
    embeddings = (centres[truth] + rng.normal(size=(n, width))).astype(np.float16)
    return embeddings, truth, np.full((n, labels), 1 / labels, dtype=np.float32)
