"""Many images to embeddings: read and decoded on several threads while inference runs."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

import numpy as np

from backend.decoding import Decode, Decoder
from backend.errors import ImageError
from backend.features.backbone import Backbone
from backend.features.runner import Session
from backend.features.spec import BackboneSpec, Embeddings, Floats, Pixels
from backend.images import sha256_digest

K = TypeVar("K")

_MAX_BYTES = 256 << 20

Known = Callable[[Sequence[str]], Mapping[str, Embeddings]]


@dataclass(frozen=True)
class Embedded(Generic[K]):
    """What became of one image: its embedding float16 [d], or the error that befell it."""

    key: K
    digest: str | None  # hex sha-256 of the image's bytes; None if they could not be read
    embedding: Embeddings | None
    error: ImageError | None = None
    was_known: bool = False  # found by `known`, not computed


@dataclass(frozen=True)
class _Read(Generic[K]):
    """An image whose bytes were read, or could not be."""

    key: K
    data: bytes = b""
    digest: str | None = None
    error: ImageError | None = None


@dataclass(frozen=True)
class _Decoded:
    """The pixels of an image, or why there are none."""

    digest: str
    bytes_read: int
    image: Pixels | None = None
    error: ImageError | None = None


def embed_stream(
    backbone: Backbone,
    items: Iterable[tuple[K, Callable[[], bytes]]],
    *,
    batch_size: int = 32,
    decode_threads: int = 0,
    known: Known | None = None,
    decode: Decode | None = None,
) -> Iterator[Embedded[K]]:
    """Embed images as they come; one result for each item, in any order.

    Images that are equal byte for byte are embedded once while one of them is under way. Memory holds at most
    `batch_size` and twice `decode_threads` images at any time, however many there are; while their files take more
    than 256 MB, no further one is read.

    Args:
        backbone: what embeds them.
        items: (key, function that reads the encoded image and raises ImageError); it is called on a thread.
        batch_size: how many digests `known` is asked for at a time.
        decode_threads: threads that read and decode; 0 = two for each core.
        known: stored embeddings by digest, so that no image is embedded twice.
        decode: makes pixels of the bytes of an image; a `Decoder` with the default limits unless told.
    """
    threads = decode_threads or 2 * (os.cpu_count() or 1)
    lookup_size = batch_size if known else 1
    return _Pipeline[K](backbone, threads, lookup_size, known or _nothing_known, decode or Decoder().decode).run(items)


class _Pipeline(Generic[K]):
    """read (threads) -> known? -> decode (threads) -> inference (the engine's own threads) -> result.

    Threads only ever report what they finished; the one who asks for results does all else, so nothing is locked.
    """

    def __init__(self, backbone: Backbone, threads: int, lookup_size: int, known: Known, decode: Decode) -> None:
        self._backbone = backbone
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._limit = lookup_size + 2 * threads
        self._lookup_size = lookup_size
        self._known = known
        self._decode = decode
        self._done: SimpleQueue[Future[_Read[K]] | Future[_Decoded]] = SimpleQueue()
        self._reading = 0
        self._decoding = 0
        self._held = 0  # bytes of the files that are read and not yet decoded
        self._to_look_up: list[_Read[K]] = []
        self._waiting: dict[str, list[K]] = {}  # the keys of each digest that is under way
        self._results: deque[Embedded[K]] = deque()

    def run(self, items: Iterable[tuple[K, Callable[[], bytes]]]) -> Iterator[Embedded[K]]:
        remaining = iter(items)
        try:
            with self._backbone.session() as session:
                while self._start_reading(remaining) or self._reading or self._decoding:
                    finished = self._done.get().result()
                    if isinstance(finished, _Read):
                        self._take_read(finished)
                    else:
                        self._take_decoded(finished, session)
                    self._take_embedded(session.finished())
                    yield from self._pop_results()
                self._take_embedded(session.drain())
                yield from self._pop_results()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _start_reading(self, remaining: Iterator[tuple[K, Callable[[], bytes]]]) -> bool:
        """Keep the threads busy; False once nothing is left to start."""
        while self._reading + len(self._to_look_up) + self._decoding < self._limit and self._held < _MAX_BYTES:
            item = next(remaining, None)
            if item is None:
                return False
            self._pool.submit(_read, item[0], item[1]).add_done_callback(self._done.put)
            self._reading += 1
        return True

    def _take_read(self, read: _Read[K]) -> None:
        self._reading -= 1
        self._held += len(read.data)
        if read.digest is None:
            self._results.append(Embedded(read.key, None, None, read.error))
        else:
            self._to_look_up.append(read)
        if len(self._to_look_up) >= self._lookup_size or not self._reading:
            self._look_up()

    def _look_up(self) -> None:
        """Settle what is stored already, and start decoding the rest."""
        reads, self._to_look_up = self._to_look_up, []
        known = self._known(list({read.digest for read in reads if read.digest})) if reads else {}
        for read in reads:
            digest = read.digest or ""
            if digest in known or digest in self._waiting:
                self._held -= len(read.data)
            if digest in known:
                self._results.append(Embedded(read.key, digest, known[digest], was_known=True))
            elif digest in self._waiting:
                self._waiting[digest].append(read.key)
            else:
                self._waiting[digest] = [read.key]
                future = self._pool.submit(_decode, digest, read.data, self._backbone.spec, self._decode)
                future.add_done_callback(self._done.put)
                self._decoding += 1

    def _take_decoded(self, decoded: _Decoded, session: Session[str]) -> None:
        self._decoding -= 1
        self._held -= decoded.bytes_read
        if decoded.image is not None:
            session.submit(decoded.digest, decoded.image)
        else:
            for key in self._waiting.pop(decoded.digest):
                self._results.append(Embedded(key, decoded.digest, None, decoded.error))

    def _take_embedded(self, finished: Iterable[tuple[str, Floats]]) -> None:
        for digest, embedding in finished:
            half = embedding.astype(np.float16)
            self._results.extend(Embedded(key, digest, half) for key in self._waiting.pop(digest))

    def _pop_results(self) -> Iterator[Embedded[K]]:
        while self._results:
            yield self._results.popleft()


def _nothing_known(digests: Sequence[str]) -> Mapping[str, Embeddings]:
    return {}


def _read(key: K, read: Callable[[], bytes]) -> _Read[K]:
    try:
        data = read()
    except ImageError as error:
        return _Read(key, error=error)
    return _Read(key, data, sha256_digest(data))


def _decode(digest: str, data: bytes, spec: BackboneSpec, decode: Decode) -> _Decoded:
    size = (spec.input_size, spec.input_size)
    try:
        return _Decoded(digest, len(data), decode(data, size, fit=spec.fit, crop=spec.crop))
    except ImageError as error:
        return _Decoded(digest, len(data), error=error)
