"""EXIF orientation, fits, and scaling while decoding."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from backend.decoding import decode_rgb
from backend.images import find_images

pytestmark = pytest.mark.unit

SHARED_PHOTOS = Path(__file__).resolve().parents[3] / ".." / "shared" / "images"
Pixels = npt.NDArray[np.uint8]

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)
# For each orientation, the colours at the upright picture's corners (top left, top right, bottom left, bottom right)
# where the stored picture has red, green, blue, grey there. From the EXIF 2.3 table of row 0 and column 0.
UPRIGHT_CORNERS = {
    1: (RED, GREEN, BLUE, GREY),
    2: (GREEN, RED, GREY, BLUE),
    3: (GREY, BLUE, GREEN, RED),
    4: (BLUE, GREY, RED, GREEN),
    5: (RED, BLUE, GREEN, GREY),
    6: (BLUE, RED, GREY, GREEN),
    7: (GREY, GREEN, BLUE, RED),
    8: (GREEN, GREY, RED, BLUE),
}


def quarters(width: int, height: int) -> Image.Image:
    """A picture of four colours, one in each quarter."""
    pixels = np.zeros((height, width, 3), np.uint8)
    half_x, half_y = width // 2, height // 2
    pixels[:half_y, :half_x], pixels[:half_y, half_x:] = RED, GREEN
    pixels[half_y:, :half_x], pixels[half_y:, half_x:] = BLUE, GREY
    return Image.fromarray(pixels)


def encode(picture: Image.Image, kind: str, orientation: int | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def away(found: Pixels, expected: Pixels) -> float:
    assert found.shape == expected.shape
    return float(np.abs(found.astype(int) - expected.astype(int)).mean())


@pytest.mark.parametrize("orientation", UPRIGHT_CORNERS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("size", [None, (40, 40), (60, 24)])
@pytest.mark.parametrize("fit", ["squash", "center_crop"])
def test_every_orientation_comes_out_upright(
    orientation: int, kind: str, size: tuple[int, int] | None, fit: Any
) -> None:
    found = decode_rgb(encode(quarters(640, 320), kind, orientation), size, fit=fit)
    turned = orientation >= 5
    assert found.shape == ((640, 320, 3) if turned else (320, 640, 3)) if size is None else (size[1], size[0], 3)
    corners = [found[2, 2], found[2, -3], found[-3, 2], found[-3, -3]]
    assert np.abs(np.array(corners).astype(int) - UPRIGHT_CORNERS[orientation]).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_agrees_with_pillow(orientation: int) -> None:
    rng = np.random.default_rng(orientation)
    picture = Image.fromarray(rng.integers(0, 256, (5, 4, 3), dtype=np.uint8)).resize((400, 250))
    data = encode(picture, "JPEG", orientation, quality=95)
    with Image.open(io.BytesIO(data)) as stored:
        upright = ImageOps.exif_transpose(stored)
    expected = np.asarray(upright.resize((50, 40), Image.Resampling.BILINEAR))
    assert away(decode_rgb(data, (50, 40)), expected) < 1.5


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_is_upright(orientation: int) -> None:
    found = decode_rgb(encode(quarters(64, 32), "JPEG", orientation), None)
    assert found.shape == (32, 64, 3)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_does_not_cost_the_picture() -> None:
    data = encode(quarters(64, 32), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode_rgb(data, (16, 16)).shape == (16, 16, 3)


def test_center_crop_cuts_both_sides_evenly() -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, 100:200] = 255
    data = encode(Image.fromarray(pixels), "PNG")
    assert decode_rgb(data, (50, 50), fit="center_crop")[:, 2:-2].min() == 255
    assert decode_rgb(data, (50, 50), fit="squash")[:, :10].max() == 0
    tall = encode(Image.fromarray(pixels.transpose(1, 0, 2)), "PNG")
    assert decode_rgb(tall, (50, 50), fit="center_crop")[2:-2].min() == 255


def test_crop_keeps_its_share_of_the_centre() -> None:
    pixels = np.zeros((80, 80, 3), np.uint8)
    pixels[20:60, 20:60] = 255
    data = encode(Image.fromarray(pixels), "PNG")
    assert decode_rgb(data, (40, 40), fit="center_crop", crop=0.5)[1:-1, 1:-1].min() == 255
    assert decode_rgb(data, (40, 40), fit="center_crop", crop=1.0)[:9].max() == 0


def test_center_crop_to_a_wide_target() -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[50:150] = 255
    found = decode_rgb(encode(Image.fromarray(pixels), "PNG"), (100, 50), fit="center_crop")
    assert (found.shape, found[1:-1].min()) == ((50, 100, 3), 255)


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (500, 400)])
def test_any_size_is_given_even_above_the_images_own(size: tuple[int, int]) -> None:
    assert decode_rgb(encode(quarters(20, 10), "JPEG"), size).shape == (size[1], size[0], 3)


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1)])
def test_lines_are_images_too(size: tuple[int, int]) -> None:
    for kind in ("JPEG", "PNG"):
        for fit in ("squash", "center_crop"):
            assert decode_rgb(encode(Image.new("RGB", size, RED), kind), (9, 9), fit=fit).shape == (9, 9, 3)


@pytest.mark.parametrize("fit", ["squash", "center_crop"])
@pytest.mark.parametrize("enlarged", [1, 3, 8])
def test_scaling_while_decoding_changes_photos_hardly(enlarged: int, fit: Any) -> None:
    """Against decoding every pixel, on photographs of 400 to 3,200 pixels: below half a grey level on average.

    Scaling in the frequency domain averages what full decoding clips first, so that glaring fine detail (one photograph
    here) differs more; still by less than 1 % of the range.
    """
    if not SHARED_PHOTOS.is_dir():
        pytest.skip("the shared photographs are not here")
    differences = []
    for path in find_images(SHARED_PHOTOS / "imagenet200")[::20]:
        with Image.open(path) as photo:
            width, height = photo.size
            large = photo.convert("RGB").resize((width * enlarged, height * enlarged), Image.Resampling.LANCZOS)
        data = encode(large, "JPEG", quality=90)
        found = decode_rgb(data, (224, 224), fit=fit)
        with Image.open(io.BytesIO(data)) as whole:
            if fit == "center_crop":
                expected = ImageOps.fit(whole, (224, 224), Image.Resampling.BILINEAR)
            else:
                expected = whole.resize((224, 224), Image.Resampling.BILINEAR)
        differences.append(away(found, np.asarray(expected)))
    assert len(differences) == 10
    assert np.mean(differences) < 0.5
    assert max(differences) < 2.55
