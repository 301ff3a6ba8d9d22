"""Disagreement between the spread labels and the trained head."""

from __future__ import annotations

import numpy as np

from backend.priority.pool_view import FloatArray


def disagreement(first: FloatArray, second: FloatArray) -> FloatArray:
    """Jensen-Shannon divergence of two models, in bits.

    Formula: H((p + q) / 2) - (H(p) + H(q)) / 2, logarithms to base 2.
    Range: [0, 1], 1 = the two share no label, 0 = they agree.
    Shape: [n, L] twice, rows sum to 1 -> float32 [n].
    Cost: O(n L).
    """
    out = np.empty(first.shape[0], dtype=np.float32)
    for start in range(0, out.size, 65_536):
        left = first[start : start + 65_536]
        right = second[start : start + 65_536]
        middle = np.log2(np.maximum((left + right) / 2, 1e-12))
        total = np.zeros(left.shape[0], dtype=np.float64)
        for part in (left, right):
            total += 0.5 * (part * (np.log2(np.maximum(part, 1e-12)) - middle)).sum(axis=1)
        out[start : start + 65_536] = np.clip(total, 0.0, 1.0)
    return out
