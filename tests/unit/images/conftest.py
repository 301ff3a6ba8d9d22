"""What the tests of the images package share."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from .servers import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on 127.0.0.1."""
    with serving() as running:
        yield running


@pytest.fixture
def other_server() -> Iterator[Server]:
    """A second server on 127.0.0.1, of another port and so another origin."""
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def png() -> bytes:
    """A small real PNG."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
