"""The decoder of a process: small pictures on the caller's thread, big ones in a helper, all within one budget."""

from __future__ import annotations

from typing import Protocol

from backend.decoding.budget import MemoryBudget
from backend.decoding.cost import decode_cost
from backend.decoding.decode import DEFAULT_MAX_PIXELS, Fit, RgbImage, decode_rgb
from backend.decoding.helper import HelperProcess
from backend.errors import ImageError

DEFAULT_MEMORY_MB = 1024
_THREADS_SHARE = 4  # all threads together may take this part of the helper's memory,
_PICTURE_SHARE = 8  # and one picture on a thread this part


class Decode(Protocol):
    """Makes pixels of an encoded image, as `Decoder.decode` does."""

    def __call__(self, data: bytes, size: tuple[int, int] | None, *, fit: Fit, crop: float) -> RgbImage: ...


class Decoder:
    """Decodes images in bounded memory; one for a process, shared by its threads.

    Photos as cameras make them are JPEGs that are scaled while they are decoded: these cost little and are decoded
    side by side. What needs the whole picture in memory goes to the helper, one at a time.

    Args:
        max_pixels: largest image, width x height.
        memory_mb: memory of the helper; the threads together take a quarter of it beside.
    """

    def __init__(self, *, max_pixels: int = DEFAULT_MAX_PIXELS, memory_mb: int = DEFAULT_MEMORY_MB) -> None:
        self.max_pixels = max_pixels
        self._memory = memory_mb << 20
        self._on_thread = self._memory // _PICTURE_SHARE
        self._budget = MemoryBudget(self._memory // _THREADS_SHARE)
        self._helper = HelperProcess(self._memory)

    def decode(self, data: bytes, size: tuple[int, int] | None, *, fit: Fit = "squash", crop: float = 1.0) -> RgbImage:
        """As `decode_rgb`, within the memory of this decoder.

        Raises:
            ImageError: `too_many_pixels`, `too_much_memory`, `reader_died`, or `unreadable`.
        """
        cost = decode_cost(data, size, crop, self.max_pixels)
        if cost > self._memory:
            raise ImageError(
                f"decoding it takes up to {cost >> 20} MB, more than {self._memory >> 20} MB (IMAGE_MEMORY_MB)",
                reason="too_much_memory",
            )
        if cost > self._on_thread:
            return self._helper.decode(data, size, fit, crop, self.max_pixels)
        with self._budget.take(cost):
            return decode_rgb(data, size, fit=fit, crop=crop, max_pixels=self.max_pixels)

    def decode_isolated(
        self, data: bytes, size: tuple[int, int] | None, *, fit: Fit = "squash", crop: float = 1.0
    ) -> RgbImage:
        """As `decode`, whatever the picture, in the helper: for a set in which one has killed its reader before."""
        return self._helper.decode(data, size, fit, crop, self.max_pixels)
