"""Feature transform: what an embedding goes through before a head or a graph sees it.

Centre, multiply by one matrix (whitening or a learnt projection), scale each row to length 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.learning.projection import Projection, fit_projection, unit_rows

Floats = NDArray[np.float32]

_BLOCK_ROWS = 8192


@dataclass(frozen=True)
class FeatureTransform:
    """`unit((embedding - mean) @ matrix)`; a matrix of None is the identity.

    `mean` is float32 [d], `matrix` float32 [d, k] or None; with `unit` every row of the result has length 1
    (a row of zeros stays zero).
    """

    mean: Floats
    matrix: Floats | None = None
    unit: bool = True

    @property
    def input_dim(self) -> int:
        """Embedding length d."""
        return int(self.mean.shape[0])

    @property
    def output_dim(self) -> int:
        """Feature length k."""
        return self.input_dim if self.matrix is None else int(self.matrix.shape[1])

    def apply(self, embeddings: NDArray[np.floating]) -> Floats:
        """Transform embeddings [n, d] of any float type into float32 features [n, k].

        Raises:
            ValueError: the embeddings have another length than the transform was made for.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.input_dim:
            raise ValueError(f"embeddings have shape {embeddings.shape}, the transform takes [n, {self.input_dim}]")
        features = np.empty((len(embeddings), self.output_dim), dtype=np.float32)
        for start in range(0, len(embeddings), _BLOCK_ROWS):
            block = embeddings[start : start + _BLOCK_ROWS].astype(np.float32) - self.mean
            if self.matrix is not None:
                block = block @ self.matrix
            features[start : start + len(block)] = unit_rows(block) if self.unit else block
        return features

    def then(self, matrix: Floats) -> FeatureTransform:
        """This centring and matrix, then a further linear map [k, j]; rows are scaled to length 1 once, at the end."""
        combined = matrix if self.matrix is None else self.matrix @ matrix
        return FeatureTransform(self.mean, np.ascontiguousarray(combined, dtype=np.float32), unit=True)

    def as_projection(self) -> Projection:
        """The same map as the projection of a pool's graph.

        Raises:
            ValueError: there is no matrix.
        """
        if self.matrix is None:
            raise ValueError("the projection of a graph needs a matrix")
        return Projection(self.mean, self.matrix)

    def same_as(self, other: FeatureTransform) -> bool:
        """Whether both give the same features."""
        if self.unit != other.unit or (self.matrix is None) != (other.matrix is None):
            return False
        equal_matrix = self.matrix is None or other.matrix is None or np.array_equal(self.matrix, other.matrix)
        return equal_matrix and np.array_equal(self.mean, other.mean)

    def arrays(self, prefix: str = "transform_") -> dict[str, Floats]:
        """The arrays that define it, to be stored in an npz file."""
        found = {f"{prefix}mean": self.mean, f"{prefix}unit": np.float32(self.unit).reshape(1)}
        if self.matrix is not None:
            found[f"{prefix}matrix"] = self.matrix
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats], prefix: str = "transform_") -> FeatureTransform:
        """The inverse of `arrays`. Raises KeyError when one is missing."""
        return cls(
            mean=np.asarray(arrays[f"{prefix}mean"], dtype=np.float32),
            matrix=np.asarray(arrays[f"{prefix}matrix"], np.float32) if f"{prefix}matrix" in arrays else None,
            unit=bool(arrays[f"{prefix}unit"][0]),
        )


def fit_centring(embeddings: NDArray[np.floating]) -> FeatureTransform:
    """Subtract the mean of embeddings [n, d], then unit length: costs next to nothing and keeps every dimension.

    Source: Wang et al., "SimpleShot: Revisiting nearest-neighbor classification for few-shot learning" (2019).
    """
    return FeatureTransform(embeddings.mean(axis=0, dtype=np.float32))


def fit_whitening(
    embeddings: NDArray[np.floating], *, components: int = 256, whitening: float = 0.5, seed: int = 0
) -> FeatureTransform:
    """The pool's projection (softly whitened principal components, see `fit_projection`) as a feature transform."""
    projection = fit_projection(embeddings, dimension=components, whitening=whitening, seed=seed)
    return FeatureTransform(projection.mean, projection.matrix)
