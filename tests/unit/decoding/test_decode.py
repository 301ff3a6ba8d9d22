"""Decoding: formats, colour modes, depth, transparency, and images that are none."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from backend.decoding import decode_rgb
from backend.errors import ImageError

pytestmark = pytest.mark.unit

Pixels = npt.NDArray[np.uint8]
FORMATS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
    "GIF": {},
    "BMP": {},
    "TIFF": {},
}


def encode(image: Image.Image | npt.NDArray[Any], kind: str = "PNG", **options: Any) -> bytes:
    """`image` as a file of format `kind`."""
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def smooth(width: int = 64, height: int = 40) -> Pixels:
    """A picture of gradients, which every format keeps well."""
    x = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    y = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    return np.stack([x, y, 255 - x], axis=2).astype(np.uint8)


def away(found: Pixels, expected: Pixels) -> float:
    """Mean absolute difference, in grey levels."""
    assert found.shape == expected.shape
    return float(np.abs(found.astype(int) - expected.astype(int)).mean())


@pytest.mark.parametrize(("kind", "options"), FORMATS.items())
def test_every_format_gives_its_pixels(kind: str, options: dict[str, Any]) -> None:
    found = decode_rgb(encode(smooth(), kind, **options), None)
    assert (found.dtype, found.flags.writeable, found.flags.c_contiguous) == (np.uint8, True, True)
    assert away(found, smooth()) < {"JPEG": 1.5, "GIF": 12.0}.get(kind, 0.001)


@pytest.mark.parametrize(("kind", "options"), FORMATS.items())
def test_every_format_is_resized_as_from_full_size(kind: str, options: dict[str, Any]) -> None:
    data = encode(smooth(640, 400), kind, **options)
    whole = Image.fromarray(decode_rgb(data, None)).resize((32, 24), Image.Resampling.BILINEAR)
    assert away(decode_rgb(data, (32, 24)), np.asarray(whole)) < 1.0


# The modes that each format stores.
STORED_MODES = {
    "JPEG": ("L", "RGB", "CMYK", "YCbCr", "1"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "WEBP": ("L", "RGB", "RGBA"),
    "GIF": ("1", "L", "P", "RGB"),
    "BMP": ("1", "L", "P", "RGB"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB"),
}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in STORED_MODES.items() for mode in modes])
def test_every_mode_that_a_format_can_hold(kind: str, mode: str) -> None:
    """One plain colour; the modes without colour hold its grey, the one without grey holds black or white."""
    colour = (255, 255, 255) if mode == "1" else (200, 40, 90)
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(Image.new("RGB", (16, 12), colour), srgb, lab, outputMode="LAB")
        assert picture is not None
    else:
        picture = Image.new("RGB", (16, 12), colour).convert("L" if mode == "LA" else "RGB").convert(mode)
    found = decode_rgb(encode(picture, kind, **({"lossless": True} if kind == "WEBP" else {})), (8, 6))
    grey = round(0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2])
    expected = (grey, grey, grey) if mode in ("1", "L", "LA") else colour
    tolerance = 30 if mode == "P" else 5
    assert np.abs(found.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize(
    ("cmyk", "rgb"), [((0, 0, 0, 0), (255, 255, 255)), ((255, 0, 0, 0), (0, 255, 255)), ((0, 255, 255, 0), (255, 0, 0)),
                      ((0, 0, 0, 255), (0, 0, 0))],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_not_inverted(cmyk: tuple[int, ...], rgb: tuple[int, ...], kind: str) -> None:
    data = encode(Image.new("CMYK", (16, 16), cmyk), kind)
    assert np.abs(decode_rgb(data, (4, 4)).astype(int) - rgb).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_shows_white(kind: str) -> None:
    pixels = np.zeros((3, 1, 4), np.uint8)
    pixels[:, 0] = [(255, 0, 0, 0), (255, 0, 0, 128), (255, 0, 0, 255)]
    data = encode(pixels, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    assert decode_rgb(data, None)[:, 0].tolist() == [[255, 255, 255], [255, 127, 127], [255, 0, 0]]


def test_what_lies_below_transparency_does_not_bleed() -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, 32:] = (0, 0, 255, 255)  # left half: black, but wholly transparent
    found = decode_rgb(encode(pixels), (8, 8))
    assert found[:, :3].min() == 255
    assert found[:, :, 2].min() == 255


def test_grey_with_alpha() -> None:
    pixels = Image.merge("LA", [Image.new("L", (2, 2), 100), Image.new("L", (2, 2), 0)])
    assert decode_rgb(encode(pixels), None).min() == 255


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_a_transparent_index(kind: str) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    found = decode_rgb(encode(picture, kind, transparency=0), None)
    assert found[0].tolist() == [[255, 255, 255], [200, 100, 50]]


def test_palette_with_an_alpha_for_each_index() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([0, 0, 0, 0, 0, 0])
    picture.putpixel((1, 0), 1)
    assert decode_rgb(encode(picture, transparency=bytes([255, 51])), None)[0].tolist() == [[0, 0, 0], [204, 204, 204]]


@pytest.mark.parametrize(("mode", "key", "below"), [("L", 7, 7), ("RGB", (7, 8, 9), (7, 8, 9))])
def test_a_transparent_colour_key(mode: str, key: Any, below: Any) -> None:
    picture = Image.new(mode, (2, 1), key)
    picture.putpixel((1, 0), 100 if mode == "L" else (100, 100, 100))
    found = decode_rgb(encode(picture, transparency=key), None)
    assert found[0].tolist() == [[255] * 3, [100] * 3]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_16_bit_grey_is_scaled_from_its_full_range(kind: str, order: str) -> None:
    values = np.array([[0, 128, 257, 32768, 65535]], dtype=np.uint16).astype(order)
    picture = Image.frombytes("I;16" if order == "<u2" else "I;16B", (5, 1), values.tobytes())
    assert decode_rgb(encode(picture, kind), None)[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_16_bit_colour() -> None:
    """A hand-made PNG with 16 bits for each of red, green and blue."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"\0" + struct.pack(">6H", 0, 32768, 65535, 65535, 257, 0)
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )  # fmt: skip
    assert decode_rgb(data, None)[0].tolist() == [[0, 128, 255], [255, 1, 0]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 100, 255]], np.int32), [0, 100, 255]),
        (np.array([[0, 257, 65535]], np.int32), [0, 1, 255]),
        (np.array([[-100, 0, 100]], np.int32), [0, 128, 255]),
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 7, 255]], np.float32), [0, 7, 255]),
        (np.array([[np.nan, np.inf, 1]], np.float32), [0, 0, 255]),
        (np.array([[-2, 0, 2]], np.float32), [0, 128, 255]),
        (np.array([[-5, -5]], np.float32), [0, 0]),
    ],
)
def test_grey_without_a_declared_range(values: npt.NDArray[Any], expected: list[int]) -> None:
    assert decode_rgb(encode(values, "TIFF"), None)[0, :, 1].tolist() == expected


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_several(kind: str) -> None:
    frames = [Image.new("RGB", (9, 7), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert decode_rgb(data, None)[3, 3].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", FORMATS)
def test_too_many_pixels_are_refused_before_decoding(kind: str) -> None:
    data = encode(smooth(50, 20), kind)
    assert decode_rgb(data, (4, 4), max_pixels=1000).shape == (4, 4, 3)
    with pytest.raises(ImageError, match="50 x 20 pixels") as caught:
        decode_rgb(data, (4, 4), max_pixels=999)
    assert caught.value.reason == "too_many_pixels"


def test_a_bomb_is_refused_by_its_header() -> None:
    """30,000 x 30,000 pixels in a few kilobytes."""
    bomb = bytearray(encode(Image.new("1", (8, 8))))
    bomb[16:24] = struct.pack(">II", 30_000, 30_000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bytes(bomb[12:29])))
    with pytest.raises(ImageError) as caught:
        decode_rgb(bytes(bomb), (4, 4))
    assert caught.value.reason == "too_many_pixels"


def test_the_callers_limit_on_pixels_is_the_only_one() -> None:
    """Pillow by itself refuses from 179 million pixels on."""
    data = encode(Image.new("1", (15_000, 12_500), 1), "TIFF", compression="packbits")
    assert decode_rgb(data, (100, 100), max_pixels=200_000_000).min() == 255


@pytest.mark.parametrize(("kind", "options"), FORMATS.items())
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_errors(kind: str, options: dict[str, Any], share: float) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    data = encode(pixels, kind, **options)
    with pytest.raises(ImageError) as caught:
        decode_rgb(data[: int(len(data) * share)], (8, 8))
    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "empty"), (b"hello", "JPEG, PNG"), (b"\n<!DOCTYPE html><p>", "web page"), (b"<svg xmlns=''/>", "SVG"),
     (b"<?xml version='1.0'?><svg/>", "SVG"), (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"), (b"%PDF-1.7", "PDF"),
     (b"%!PS-Adobe-3.0 EPSF-3.0\n", "JPEG, PNG"), (bytes(1000), "JPEG, PNG")],
)  # fmt: skip
def test_what_is_no_image_is_said(data: bytes, says: str) -> None:
    with pytest.raises(ImageError, match=says) as caught:
        decode_rgb(data, (8, 8))
    assert caught.value.reason == "unreadable"


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from([encode(smooth(), kind, **options) for kind, options in FORMATS.items()]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12),
)
def test_damage_gives_pixels_or_an_image_error(data: bytes, changes: list[tuple[float, int]]) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[int(place * len(damaged))] = value
    try:
        shape = decode_rgb(bytes(damaged), (8, 6), max_pixels=1_000_000).shape
    except ImageError as error:
        shape = (6, 8, 3) if error.reason in ("unreadable", "too_many_pixels") else ()
    assert shape == (6, 8, 3)


@pytest.mark.parametrize(
    "arguments", [{"size": (0, 5)}, {"size": (5, -1)}, {"fit": "stretch"}, {"crop": 0.0}, {"crop": 1.5}]
)
def test_arguments_are_checked(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        decode_rgb(encode(smooth()), **({"size": (4, 4)} | arguments))


def test_threads_decode_side_by_side() -> None:
    data = [encode(smooth(100 + number, 80), "JPEG") for number in range(16)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda encoded: decode_rgb(encoded, (20, 10)), data))
    assert all(np.array_equal(one, decode_rgb(encoded, (20, 10))) for one, encoded in zip(found, data, strict=True))
