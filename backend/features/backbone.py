"""A backbone ready to embed images."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.errors import WeightsError
from backend.features.compiled import CompiledFiles
from backend.features.normalise import normalise_parts
from backend.features.runner import Runner, Session
from backend.features.spec import BackboneSpec, Embeddings, Floats, Pixels


class Backbone:
    """What turns images into embeddings, one network or several side by side; its ImageNet layer turns those into logits.

    Attributes:
        id: name and weights digest, e.g. "efficientnet_lite2-1a2b3c4d" (see `backbone_id`): equal ids give equal
            embeddings.
        spec: its registry entry.
        reason: why this backbone was chosen, for people.
    """

    def __init__(
        self, spec: BackboneSpec, files: CompiledFiles, runner: Runner, classifier: tuple[Floats, Floats], reason: str
    ) -> None:
        self.spec = spec
        self.id = files.id
        self.digest = files.digest
        self.reason = reason
        self._runner = runner
        self._kernel, self._bias = classifier
        self._class_norms: Floats = np.maximum(np.linalg.norm(self._kernel, axis=0), np.float32(1e-12))

    @property
    def engine(self) -> str:
        """The engine that runs it, for people."""
        return self._runner.engine

    def session(self) -> AbstractContextManager[Session[Any]]:
        """Asynchronous inference, image by image."""
        return self._runner.session()

    def embed(self, images: Pixels) -> Embeddings:
        """Embeddings float16 [n, d] as they are stored, the global average pool of each network, of uint8 RGB images [n, size, size, 3].

        Raises:
            ValueError: `images` has another shape or type.
        """
        return next(self.stream([images]))

    def stream(self, batches: Iterable[Pixels]) -> Iterator[Embeddings]:
        """As `embed`, batch by batch in order; the next batches run while one is looked at."""
        pending: deque[tuple[Embeddings, set[int]]] = deque()  # (embeddings, rows still missing)
        with self._runner.session() as session:
            for images in batches:
                self._check(images)
                embeddings: Embeddings = np.empty((len(images), self.spec.embedding_dim), np.float16)
                missing = set(range(len(images)))
                pending.append((embeddings, missing))
                for row, image in enumerate(images):
                    session.submit((embeddings, missing, row), image)
                _fill(session.finished())
                while pending and not pending[0][1]:
                    yield pending.popleft()[0]
            _fill(session.drain())
            for embeddings, _ in pending:
                yield embeddings

    def features(self, embeddings: Embeddings) -> Embeddings:
        """What learns sees instead of the stored embeddings [n, d]: float16 of the same shape.

        One network's are left as they are; those of several networks are normalised part by part (`normalise_parts`).
        """
        return normalise_parts(embeddings, self.spec.widths) if self.spec.several else embeddings

    @property
    def has_imagenet_layer(self) -> bool:
        """Whether it can say anything of photos before there are annotations."""
        return self._kernel.shape[1] > 0

    def imagenet_logits(self, embeddings: npt.NDArray[np.floating]) -> Floats:
        """Logits float32 [n, 1000] of the ImageNet classes from embeddings [n, d].

        Raises:
            WeightsError: the backbone has no ImageNet layer.
        """
        if not self.has_imagenet_layer:
            raise WeightsError(f"{self.id} has no ImageNet layer: name another BACKBONE, or put its layer beside it.")
        logits: Floats = embeddings.astype(np.float32) @ self._kernel + self._bias
        return logits

    def nearest_imagenet_class(self, embeddings: npt.NDArray[np.floating], logits: Floats) -> Floats:
        """Cosine of each embedding [n, d] with the nearest class of the ImageNet layer: float32 [n] in [-1, 1].

        The column of a class in that layer points at the mean of its photos in a trained network (neural collapse).
        `logits` are those of `imagenet_logits`, so that nothing is multiplied twice. 0 for an embedding of zeros.
        """
        lengths = np.linalg.norm(embeddings.astype(np.float32), axis=1)
        products: Floats = ((logits - self._bias) / self._class_norms).max(axis=1)
        cosines: Floats = np.divide(products, lengths, out=np.zeros_like(products), where=lengths != 0)
        return cosines

    def _check(self, images: Pixels) -> None:
        size = self.spec.input_size
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (size, size, 3):
            raise ValueError(
                f"{self.spec.name} takes uint8 images [n, {size}, {size}, 3], not {images.dtype} {list(images.shape)}"
            )


def _fill(results: Iterable[tuple[tuple[Embeddings, set[int], int], Floats]]) -> None:
    for (embeddings, missing, row), embedding in results:
        embeddings[row] = embedding
        missing.discard(row)
