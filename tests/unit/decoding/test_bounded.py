"""Decoding within a budget: hostile pictures cost only themselves, and no more memory than is set."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from backend.decoding import Decoder
from backend.decoding.budget import MemoryBudget
from backend.decoding.cost import decode_cost
from backend.decoding.helper import HelperProcess
from backend.errors import ImageError
from tests.unit.decoding import hostile
from tests.unit.decoding.test_decode import encode, smooth

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).resolve().parents[3]
SIZE = (260, 260)
GIANTS = {
    "webp": hostile.lossless_webp(16000, 12000),
    "tiff of floats": hostile.tiff(14000, 14000, "F"),
    "tiff of integers": hostile.tiff(14000, 14000, "I"),
    "png": hostile.png(12000, 11000, channels=1),
}
# Just within the default of 50 megapixels.
BIG = {
    "webp": hostile.lossless_webp(7071, 7071),
    "tiff of floats": hostile.tiff(7071, 7071, "F"),
    "tiff of integers": hostile.tiff(7071, 7071, "I"),
    "png": hostile.png(7071, 7071, channels=4),
}


@pytest.fixture
def decoder() -> Decoder:
    return Decoder(memory_mb=256)


@pytest.mark.parametrize("kind", GIANTS)
def test_a_giant_is_refused_by_its_header(kind: str, decoder: Decoder) -> None:
    assert len(GIANTS[kind]) < 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match="MAX_IMAGE_PIXELS") as caught:
        decoder.decode(GIANTS[kind], SIZE)
    assert caught.value.reason == "too_many_pixels"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


@pytest.mark.parametrize("kind", BIG)
def test_what_fits_the_pixels_but_not_the_memory_is_named(kind: str, decoder: Decoder) -> None:
    with pytest.raises(ImageError, match="IMAGE_MEMORY_MB") as caught:
        decoder.decode(BIG[kind], SIZE)
    assert caught.value.reason == "too_much_memory"
    with pytest.raises(ImageError) as limited:  # and had the header lied, the helper's own limit would hold
        decoder.decode_isolated(BIG[kind], SIZE)
    assert limited.value.reason in ("too_much_memory", "reader_died", "unreadable")
    assert decoder.decode(encode(smooth()), (32, 24)).shape == (24, 32, 3)  # the next one is read


def test_a_big_picture_is_read_in_the_helper_within_the_default_memory() -> None:
    decoder = Decoder()
    pixels = decoder.decode(BIG["png"], SIZE)
    assert pixels.shape == (260, 260, 3)
    assert (pixels == 255).all()  # transparent black, over white
    pixels = decoder.decode(BIG["webp"], SIZE)
    assert np.allclose(pixels[0, 0], [80 * 128 / 255 + 127, 120 * 128 / 255 + 127, 40 * 128 / 255 + 127], atol=2)


def test_helper_and_thread_give_the_same_pixels(decoder: Decoder) -> None:
    data = encode(smooth(640, 400), "JPEG", quality=90)
    for arguments in ({"fit": "squash"}, {"fit": "center_crop", "crop": 0.875}):
        here = decoder.decode(data, (64, 64), **arguments)  # type: ignore[arg-type]
        there = decoder.decode_isolated(data, (64, 64), **arguments)  # type: ignore[arg-type]
        assert np.array_equal(here, there)
        assert there.flags.writeable
    assert np.array_equal(decoder.decode(data, None), decoder.decode_isolated(data, None))


def test_errors_of_the_helper_are_those_of_the_thread(decoder: Decoder) -> None:
    for data in (b"", b"<svg/>", encode(smooth(), "JPEG")[:300]):
        with pytest.raises(ImageError) as here:
            decoder.decode(data, (8, 8))
        with pytest.raises(ImageError) as there:
            decoder.decode_isolated(data, (8, 8))
        assert (str(here.value), here.value.reason) == (str(there.value), there.value.reason)


def test_a_killed_helper_costs_its_picture_and_no_other() -> None:
    helper = HelperProcess(1 << 30)
    small = encode(smooth())
    helper.decode(small, (8, 8), "squash", 1.0, 1000_000)
    first = helper.pid
    assert first is not None
    killer = threading.Thread(target=lambda: (time.sleep(0.05), os.kill(first, signal.SIGKILL)))
    killer.start()
    with pytest.raises(ImageError) as caught:
        helper.decode(BIG["webp"], SIZE, "squash", 1.0, 50_000_000)
    killer.join()
    assert caught.value.reason == "reader_died"
    assert "IMAGE_MEMORY_MB" in str(caught.value)
    assert helper.decode(small, (8, 8), "squash", 1.0, 1000_000).shape == (8, 8, 3)
    assert helper.pid != first


def test_a_helper_that_takes_too_long_is_ended() -> None:
    helper = HelperProcess(1 << 30, seconds=5.0)  # so that it can start on a machine with much to do
    started = time.monotonic()
    helper.decode(encode(smooth()), (8, 8), "squash", 1.0, 1000_000)
    os.kill(helper.pid or 0, signal.SIGSTOP)
    with pytest.raises(ImageError, match="more than 5 s"):
        helper.decode(encode(smooth()), (8, 8), "squash", 1.0, 1000_000)
    assert time.monotonic() - started < 30


def test_the_helper_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a secret")
    helper = HelperProcess(1 << 30)
    helper.decode(encode(smooth()), (8, 8), "squash", 1.0, 1000_000)
    environment = Path(f"/proc/{helper.pid}/environ")
    if not environment.exists():
        pytest.skip("no /proc here")
    assert b"secret" not in environment.read_bytes()


def test_the_helper_ends_with_its_owner() -> None:
    helper = HelperProcess(1 << 30)
    helper.decode(encode(smooth()), (8, 8), "squash", 1.0, 1000_000)
    pid = helper.pid
    del helper
    with pytest.raises(ProcessLookupError):
        os.kill(pid or 0, 0)


def test_hostile_pictures_on_many_threads_stay_within_the_memory_of_the_process() -> None:
    """In a process whose address space is limited: what is refused there would have killed it."""
    script = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from backend.decoding import Decoder
from backend.errors import ImageError
from tests.unit.decoding.test_bounded import BIG, GIANTS
decoder = Decoder(memory_mb=512)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def read(data):
    try:
        return decoder.decode(data, (260, 260)).shape
    except ImageError as error:
        return error.reason
with ThreadPoolExecutor(8) as pool:
    print(sorted(map(str, pool.map(read, [*BIG.values(), *GIANTS.values()]))), file=sys.stderr)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
del decoder, read
import gc; gc.collect()
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    grown, helper = (int(line) / 1024 for line in run.stdout.split())
    assert grown < 512 / 4 + 40, run.stderr  # MB
    assert helper < 512 + 120, run.stderr


def test_many_small_pictures_side_by_side(decoder: Decoder) -> None:
    data = encode(smooth(2000, 1500), "PNG")
    with ThreadPoolExecutor(8) as pool:
        shapes = {found.shape for found in pool.map(lambda _: decoder.decode(data, (64, 64)), range(32))}
    assert shapes == {(64, 64, 3)}


def test_cost_follows_the_scale_of_a_jpeg() -> None:
    plain = encode(smooth(4000, 3000), "JPEG")
    progressive = encode(smooth(4000, 3000), "JPEG", progressive=True)
    assert decode_cost(plain, SIZE, 1.0, 10**9) < 10 << 20
    assert decode_cost(progressive, SIZE, 1.0, 10**9) > 60 << 20
    assert decode_cost(plain, None, 1.0, 10**9) > 100 << 20


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}, {"alpha": True}])
def test_webp_is_measured_without_opening_it(options: dict[str, bool]) -> None:
    picture = smooth(301, 203)
    alpha = options.pop("alpha", False)
    shown = np.dstack([picture, picture[..., :1]]) if alpha else picture
    data = encode(shown, "WEBP", **options)
    assert decode_cost(data, SIZE, 1.0, 10**9) == 301 * 203 * 20
    with pytest.raises(ImageError, match="301 x 203"):
        decode_cost(data, SIZE, 1.0, 10_000)


def test_a_budget_lets_in_what_fits_and_the_big_ones_in_turn() -> None:
    budget = MemoryBudget(100)
    inside: list[int] = []
    most: list[int] = []
    guard = threading.Lock()

    def work(amount: int) -> None:
        with budget.take(amount):
            with guard:
                inside.append(min(amount, 100))
                most.append(sum(inside))
            time.sleep(0.002)
            with guard:
                inside.remove(min(amount, 100))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, [30, 70, 10, 250, 50] * 20))
    assert len(most) == 100
    assert max(most) <= 100
