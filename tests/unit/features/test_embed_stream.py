"""The stream from encoded images to embeddings, with the real backbone."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from PIL import Image

from backend.decoding import Decoder
from backend.errors import ImageError
from backend.features import Backbone, Embedded, embed_stream
from backend.images import decode_rgb

pytestmark = pytest.mark.unit


def picture(seed: int, size: tuple[int, int] = (320, 240)) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def reader(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def refuse() -> bytes:
    raise ImageError("nowhere: no such file; correct the path", reason="not_found")


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    return [picture(seed) for seed in range(25)]


def embed_directly(backbone: Backbone, data: bytes) -> np.ndarray:
    size = backbone.spec.input_size
    image = decode_rgb(data, (size, size), fit=backbone.spec.fit, crop=backbone.spec.crop)
    return backbone.embed(image[np.newaxis])[0]


@pytest.mark.parametrize(("batch_size", "decode_threads"), [(1, 1), (7, 2), (32, 0), (1000, 8)])
def test_every_image_is_embedded_as_it_would_be_alone(
    lite2: Backbone, pictures: list[bytes], batch_size: int, decode_threads: int
) -> None:
    items = [(number, reader(data)) for number, data in enumerate(pictures)]
    found = {e.key: e for e in embed_stream(lite2, items, batch_size=batch_size, decode_threads=decode_threads)}
    assert sorted(found) == list(range(25))
    for number, data in enumerate(pictures):
        one = found[number]
        assert one.error is None
        assert one.digest == hashlib.sha256(data).hexdigest()
        assert one.embedding is not None
        assert one.embedding.dtype == np.float16
        np.testing.assert_array_equal(one.embedding, embed_directly(lite2, data))


def test_a_bad_image_costs_only_itself(lite2: Backbone, pictures: list[bytes]) -> None:
    items: list[tuple[str, Callable[[], bytes]]] = [
        ("good", reader(pictures[0])),
        ("text", reader(b"this is no image")),
        ("missing", refuse),
        ("cut", reader(pictures[1][:200])),
        ("huge", reader(picture(3, (900, 900)))),
        ("also good", reader(pictures[2])),
    ]
    found: dict[str, Embedded[str]] = {
        e.key: e for e in embed_stream(lite2, items, decode=Decoder(max_pixels=500_000).decode)
    }
    assert {key for key, e in found.items() if e.embedding is not None} == {"good", "also good"}
    reasons = {key: e.error.reason for key, e in found.items() if e.error is not None}
    assert reasons == {
        "text": "unreadable",
        "missing": "not_found",
        "cut": "unreadable",
        "huge": "too_many_pixels",
    }
    assert found["missing"].digest is None
    assert found["text"].digest == hashlib.sha256(b"this is no image").hexdigest()


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_known_images_are_not_embedded_again(lite2: Backbone, pictures: list[bytes], batch_size: int) -> None:
    stored = {hashlib.sha256(data).hexdigest(): np.full(1280, 7, np.float16) for data in pictures[::2]}
    asked: list[str] = []

    def known(digests: Sequence[str]) -> Mapping[str, np.ndarray]:
        assert 0 < len(digests) <= batch_size
        asked.extend(digests)
        return {digest: stored[digest] for digest in digests if digest in stored}

    items = [(number, reader(data)) for number, data in enumerate(pictures)]
    found = {e.key: e for e in embed_stream(lite2, items, batch_size=batch_size, known=known)}
    assert sorted(asked) == sorted(hashlib.sha256(data).hexdigest() for data in pictures)
    for number in range(25):
        embedding = found[number].embedding
        assert embedding is not None
        assert found[number].was_known == (number % 2 == 0)
        assert bool((embedding == 7).all()) == (number % 2 == 0)


def test_equal_images_under_way_share_one_embedding(lite2: Backbone, pictures: list[bytes]) -> None:
    same, bad = pictures[0], b"no image"
    items = [(number, reader(same if number % 2 else bad)) for number in range(12)]
    results = list(embed_stream(lite2, items, decode_threads=2))
    assert sorted(e.key for e in results) == list(range(12))
    expected = embed_directly(lite2, same)
    for e in results:
        if e.key % 2:
            np.testing.assert_array_equal(e.embedding, expected)
        else:
            assert e.error is not None


def test_no_more_images_are_taken_than_are_needed_soon(lite2: Backbone, pictures: list[bytes]) -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield taken, reader(pictures[taken % 25])

    stream = embed_stream(lite2, endless(), batch_size=8, decode_threads=2, known=lambda digests: {})  # type: ignore[arg-type]
    for _ in range(20):
        next(stream)
    # In flight: one look-up's worth, twice the threads, and what the engine holds.
    assert taken <= 20 + 8 + 2 * 2 + 8
    stream.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_a_fault_that_is_no_image_error_is_not_hidden(lite2: Backbone, pictures: list[bytes]) -> None:
    def broken() -> bytes:
        raise ZeroDivisionError("a bug in the reader")

    with pytest.raises(ZeroDivisionError):
        list(embed_stream(lite2, [(1, reader(pictures[0])), (2, broken)]))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_no_images(lite2: Backbone) -> None:
    assert list(embed_stream(lite2, [])) == []
