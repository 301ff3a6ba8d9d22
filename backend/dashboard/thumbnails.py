"""Small pictures of tasks: made once, kept by the digest of the photo, read behind the same guards as every image."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from sqlalchemy import select

from backend.errors import NotFoundError
from backend.files import write_atomically
from backend.images import decode_rgb, sha256_digest
from backend.service.context.context import Runtime
from backend.storage.schema import Task

SIDE = 256
"""Pixels of a thumbnail's sides: sharp on a sheet at twice the pixel density of older screens."""


def thumbnail(runtime: Runtime, project_id: int, task_id: int) -> tuple[bytes, str]:
    """A JPEG of the task's photo, square, its middle; and the digest that names it.

    Raises:
        NotFoundError: the project has no such task.
        ImageError: the photo cannot be read.
    """
    with runtime.database.session() as session:
        task = session.scalar(select(Task).where(Task.project_id == project_id, Task.task_id == task_id))
    if task is None:
        raise NotFoundError(f"Project {project_id} has no task {task_id}.")
    if task.digest and (kept := _place(runtime.settings.state_dir, task.digest)).is_file():
        return kept.read_bytes(), task.digest
    data = runtime.fetcher.fetch(task.image, task_id=task_id)
    digest = sha256_digest(data)
    pixels = decode_rgb(data, (SIDE, SIDE), fit="center_crop", max_pixels=runtime.settings.max_image_pixels)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, format="JPEG", quality=82)
    write_atomically(_place(runtime.settings.state_dir, digest), encoded.getvalue())
    return encoded.getvalue(), digest


def _place(state_dir: Path, digest: str) -> Path:
    return state_dir / "thumbnails" / digest[:2] / f"{digest}.jpg"
