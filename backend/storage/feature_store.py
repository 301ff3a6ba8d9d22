"""The store of embeddings: each image (by the digest of its bytes) is embedded once by a backbone, for good."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import SQLAlchemyError

from backend.storage.schema import Feature
from backend.storage.upsert import insert_into

Embeddings = npt.NDArray[np.float16]

log = logging.getLogger(__name__)

STORED = np.dtype("<f2")  # little-endian float16
LOOKUP_CHUNK = 1000
WRITE_CHUNK = 500


class FeatureStore:
    """Embeddings by (digest, backbone id), in SQLite or PostgreSQL; shared between threads and processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        statement = insert_into(Feature, engine.dialect.name)
        self._upsert = statement.on_conflict_do_update(
            index_elements=[Feature.digest, Feature.backbone],
            set_={"embedding": statement.excluded.embedding, "checksum": statement.excluded.checksum},
        )

    def get(self, digests: Sequence[str], backbone: str, dim: int | None = None) -> dict[str, Embeddings]:
        """The stored embeddings, float16 [d], of those `digests` that have one.

        A damaged one (cut short, changed, not finite, or not of length `dim` where it is given) is removed, so that
        its image is embedded anew.
        """
        found: dict[str, Embeddings] = {}
        for rows in self._rows(sorted(set(digests)), backbone, dim):
            found |= {digest: np.frombuffer(data, STORED).astype(np.float16) for digest, data in rows}
        self._remove([digest for digest, vector in found.items() if not np.isfinite(vector).all()], backbone, found)
        return found

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
                    [
                        {"digest": digest, "backbone": backbone, "embedding": data, "checksum": zlib.crc32(data)}
                        for digest, data in chunk
                    ],
                )

    def matrix(self, digests: Sequence[str], backbone: str, dim: int) -> tuple[Embeddings, npt.NDArray[np.bool_]]:
        """Embeddings of `digests` in their order: (float16 [n, dim], found bool [n]); rows not found are zeros.

        Rows are looked up in the order of the table's key, a chunk at a time, straight into the matrix. Damaged ones
        are removed, as in `get`, and count as not found.
        """
        matrix = np.zeros((len(digests), dim), np.float16)
        found = np.zeros(len(digests), bool)
        places: dict[str, list[int]] = {}
        for place, digest in enumerate(digests):
            places.setdefault(digest, []).append(place)
        for rows in self._rows(sorted(places), backbone, dim):
            if not rows:
                continue
            block = np.frombuffer(b"".join(data for _, data in rows), STORED).reshape(-1, dim)
            sound = np.asarray(np.isfinite(block).all(axis=1))
            self._remove([digest for (digest, _), whole in zip(rows, sound, strict=True) if not whole], backbone)
            targets = [places[digest] for digest, _ in rows]
            rows_of_block = np.repeat(np.arange(len(rows)), [len(target) for target in targets])
            flat = np.array([place for target in targets for place in target])
            kept = sound[rows_of_block]
            matrix[flat[kept]] = block[rows_of_block[kept]]
            found[flat[kept]] = True
        return matrix, found

    def _rows(self, digests: Sequence[str], backbone: str, dim: int | None) -> Iterator[list[tuple[str, bytes]]]:
        """Digest and bytes of the rows that are whole; others are removed."""
        for start in range(0, len(digests), LOOKUP_CHUNK):
            statement = select(Feature.digest, Feature.embedding, Feature.checksum).where(
                Feature.digest.in_(digests[start : start + LOOKUP_CHUNK]), Feature.backbone == backbone
            )
            with self._engine.connect() as connection:
                rows = connection.execute(statement).all()
            sound = [(digest, data) for digest, data, checksum in rows if _is_whole(data, checksum, dim)]
            if len(sound) < len(rows):
                whole = {digest for digest, _ in sound}
                self._remove([row.digest for row in rows if row.digest not in whole], backbone)
            yield sound

    def _remove(self, digests: Sequence[str], backbone: str, found: dict[str, Embeddings] | None = None) -> None:
        """Remove damaged rows; where the database takes no change now, they are found damaged again next time."""
        if not digests:
            return
        log.error("%d stored embeddings are damaged and made anew, the first that of %s", len(digests), digests[0])
        for digest in digests:
            (found or {}).pop(digest, None)
        try:
            with self._engine.begin() as connection:
                connection.execute(delete(Feature).where(Feature.digest.in_(digests), Feature.backbone == backbone))
        except SQLAlchemyError as error:
            log.warning("damaged embeddings stay for now: %s", str(error).splitlines()[0])


def _is_whole(data: bytes, checksum: int | None, dim: int | None) -> bool:
    if len(data) % STORED.itemsize or (dim is not None and len(data) != dim * STORED.itemsize):
        return False
    return checksum is None or zlib.crc32(data) == checksum


def _encode(digest: str, embedding: npt.NDArray[np.floating]) -> bytes:
    with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused with the rest
        values = np.asarray(embedding).astype(STORED)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"the embedding of {digest} is no vector of finite numbers within float16")
    return values.tobytes()
