"""Coverage: breadth over the label hierarchy, as a concave sum over its nodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backend.priority.pool_view import FloatArray, PoolView

_CHUNK = 1024  # rows whose mass is in memory together


class SubtreeCoverage:
    """Mass of annotated and queued images below each node of the label hierarchy, and what one more would add.

    The objective is f(Q) = sum over nodes t of w_t sqrt(m_t), where m_t is the probability mass below t of everything
    annotated or queued. It is monotone and submodular: a wholly untouched branch is worth more than one more leaf in a
    crowded one. w_t = 1 / sqrt(labels below t), so that large branches don't drown small ones.

    Attributes:
        mass: float64 [T], m_t.
        membership: float32 [L, T], 1 where a label lies below a node; None: each label is its own node.
        labels_below: float64 [T].
    """

    def __init__(self, membership: object, n_labels: int) -> None:
        self.membership: FloatArray | None = None
        below: NDArray[np.float64] = np.ones(n_labels)
        if membership is not None:
            table = sparse.csr_matrix(membership).toarray()
            self.membership = np.asarray(table, dtype=np.float32)
            below = self.membership.sum(axis=0, dtype=np.float64)
        self.labels_below = below
        self._node_weight = np.divide(1.0, np.sqrt(below), out=np.zeros_like(below), where=below > 0)
        self.mass: NDArray[np.float64] = np.zeros(below.size)

    def node_mass(self, probabilities: FloatArray) -> FloatArray:
        """Mass float32 [n, T] that label probabilities [n, L] put below each node."""
        return probabilities if self.membership is None else probabilities @ self.membership

    def add(self, probabilities: FloatArray) -> None:
        """Count images with label probabilities [m, L] as covered."""
        if probabilities.shape[0]:
            total = probabilities.sum(axis=0, dtype=np.float64)
            self.mass += total if self.membership is None else total @ self.membership

    def fresh(self, probabilities: FloatArray) -> NDArray[np.float64]:
        """f(row) of each row [n, L] on an empty hierarchy: float64 [n], more than 0 where the row has any mass."""
        out = np.empty(probabilities.shape[0])
        for start in range(0, out.size, _CHUNK):
            mass = self.node_mass(probabilities[start : start + _CHUNK]).astype(np.float64)
            out[start : start + _CHUNK] = np.sqrt(mass) @ self._node_weight
        return out

    def gains(self, probabilities: FloatArray, fresh: NDArray[np.float64] | None = None) -> FloatArray:
        """f(Q + row) - f(Q) of each row [n, L]: float32 [n], divided by its value on an empty hierarchy.

        [0, 1], 1 = everything that the image could be is untouched. It never grows as more is covered.

        Args:
            fresh: float64 [n], those values, where they are known already.
        """
        out = np.empty(probabilities.shape[0], dtype=np.float32)
        fresh = self.fresh(probabilities) if fresh is None else fresh
        current = np.sqrt(self.mass)
        for start in range(0, out.size, _CHUNK):
            here = slice(start, start + _CHUNK)
            mass = self.node_mass(probabilities[here]).astype(np.float64)
            gain = (np.sqrt(self.mass + mass) - current) @ self._node_weight
            out[here] = np.divide(gain, fresh[here], out=np.zeros_like(gain), where=fresh[here] > 0)
        return out


class UntouchedBranches:
    """Says of which branch, or of which label, nothing was annotated yet, where an image probably belongs to it.

    Args:
        shown: float32 [n, L], the probabilities that suggestions come from.
    """

    def __init__(self, view: PoolView, shown: FloatArray, *, probably: float = 0.5, little: float = 0.5) -> None:
        self._shown = shown
        self._probably = probably
        covered = SubtreeCoverage(view.membership, view.probabilities.shape[1])
        known = view.annotated_probabilities
        covered.add(view.probabilities[view.labelled] if known is None else known)
        self._coverage = covered
        self._size = covered.labels_below
        self._names = view.node_names if view.membership is not None else view.label_names
        named = np.array([bool(name) for name in self._names], dtype=bool)
        self._untouched = (covered.mass < little) & (named if named.size else False)

    def phrase(self, row: int) -> str | None:
        """Of the largest such branch, e.g. "nothing labelled under water sports yet"; None where there is none."""
        mass = self._coverage.node_mass(self._shown[row : row + 1])[0]
        found = np.flatnonzero(self._untouched & (mass >= self._probably))
        if found.size == 0:
            return None
        largest = int(found[np.argmax(self._size[found])])
        name = self._names[largest]
        return f"no {name} labelled yet" if self._size[largest] == 1 else f"nothing labelled under {name} yet"
