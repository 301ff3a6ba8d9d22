"""The store of embeddings: each image (by the digest of its bytes) is embedded once by a backbone, for good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, select

from backend.storage.schema import Feature
from backend.storage.upsert import insert_into

Embeddings = npt.NDArray[np.float16]

STORED = np.dtype("<f2")  # little-endian float16
LOOKUP_CHUNK = 1000
WRITE_CHUNK = 500


class FeatureStore:
    """Embeddings by (digest, backbone id), in SQLite or PostgreSQL; shared between threads and processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        statement = insert_into(Feature, engine.dialect.name)
        self._upsert = statement.on_conflict_do_update(
            index_elements=[Feature.digest, Feature.backbone], set_={"embedding": statement.excluded.embedding}
        )

    def get(self, digests: Sequence[str], backbone: str) -> dict[str, Embeddings]:
        """The stored embeddings, float16 [d], of those `digests` that have one."""
        return {
            digest: np.frombuffer(data, STORED).astype(np.float16)
            for rows in self._rows(sorted(set(digests)), backbone)
            for digest, data in rows
        }

    def seen(self, digests: Sequence[str], backbone: str) -> set[str]:
        """Those `digests` whose embedding is stored."""
        found: set[str] = set()
        with self._engine.connect() as connection:
            for start in range(0, len(digests), LOOKUP_CHUNK):
                part = digests[start : start + LOOKUP_CHUNK]
                statement = select(Feature.digest).where(Feature.digest.in_(part), Feature.backbone == backbone)
                found.update(connection.scalars(statement))
        return found

    def put(self, backbone: str, items: Sequence[tuple[str, npt.NDArray[np.floating]]]) -> None:
        """Store embeddings; one stored before is replaced, so that storing twice is storing once.

        Raises:
            ValueError: an embedding is no finite vector.
        """
        rows = {digest: _encode(digest, embedding) for digest, embedding in items}
        remaining = iter(sorted(rows.items()))  # one order for all writers, so that none waits for another in a ring
        with self._engine.begin() as connection:
            while chunk := list(islice(remaining, WRITE_CHUNK)):
                connection.execute(
                    self._upsert,
                    [{"digest": digest, "backbone": backbone, "embedding": data} for digest, data in chunk],
                )

    def matrix(self, digests: Sequence[str], backbone: str, dim: int) -> tuple[Embeddings, npt.NDArray[np.bool_]]:
        """Embeddings of `digests` in their order: (float16 [n, dim], found bool [n]); rows not found are zeros.

        Rows are looked up in the order of the table's key, a chunk at a time, straight into the matrix.
        """
        matrix = np.zeros((len(digests), dim), np.float16)
        found = np.zeros(len(digests), bool)
        places: dict[str, list[int]] = {}
        for place, digest in enumerate(digests):
            places.setdefault(digest, []).append(place)
        for rows in self._rows(sorted(places), backbone):
            fitting = [(digest, data) for digest, data in rows if len(data) == dim * STORED.itemsize]
            if not fitting:
                continue
            block = np.frombuffer(b"".join(data for _, data in fitting), STORED).reshape(-1, dim)
            targets = [places[digest] for digest, _ in fitting]
            rows_of_block = np.repeat(np.arange(len(fitting)), [len(target) for target in targets])
            flat = [place for target in targets for place in target]
            matrix[flat] = block[rows_of_block]
            found[flat] = True
        return matrix, found

    def _rows(self, digests: Sequence[str], backbone: str) -> Iterator[list[tuple[str, bytes]]]:
        with self._engine.connect() as connection:
            for start in range(0, len(digests), LOOKUP_CHUNK):
                statement = select(Feature.digest, Feature.embedding).where(
                    Feature.digest.in_(digests[start : start + LOOKUP_CHUNK]), Feature.backbone == backbone
                )
                yield [(digest, data) for digest, data in connection.execute(statement)]


def _encode(digest: str, embedding: npt.NDArray[np.floating]) -> bytes:
    with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused with the rest
        values = np.asarray(embedding).astype(STORED)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"the embedding of {digest} is no vector of finite numbers within float16")
    return values.tobytes()
