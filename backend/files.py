"""Files and folders that appear whole or not at all: written beside their place, and renamed once they are complete."""

from __future__ import annotations

import glob
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_ASIDE = re.compile(r"\.(.+)-old-[a-z0-9_]{8}")  # what `replace_path` calls its folder
_UNFINISHED = re.compile(r"\.(.+)-[0-9a-f]{8}")  # what `atomic_folder` does
_ASIDE_SECONDS = 10.0  # what is newer may belong to a process that lives
_UNFINISHED_SECONDS = 3600.0  # a network is converted, or exported, in less


@contextmanager
def atomic_file(target: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """A stream whose content becomes `target` when the block ends well; whoever reads meanwhile sees what was there.

    Args:
        target: its folder is made where it is missing. Several threads or processes may write it at once: one wins.
        durable: once the block has ended, the content survives a loss of power.

    Raises:
        OSError: the place does not take it. Nothing is left behind then, nor when the block fails.
    """
    _make_folder(target.parent)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")  # no reader's pattern ends in .part
    try:
        with partial.open("wb") as stream:
            yield stream
            if durable:
                _flush(stream)
        partial.replace(target)
        if durable:
            _flush_folder(target.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_atomically(target: Path, content: bytes | str, *, durable: bool = False) -> None:
    """Write a file whole or not at all; text as UTF-8. Arguments and errors are those of `atomic_file`."""
    with atomic_file(target, durable=durable) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomic_folder(target: Path, *, durable: bool = False) -> Iterator[Path]:
    """An empty folder beside `target` that takes its place when the block ends well; what was there is removed.

    What an earlier process left that was killed within such a block for the same target is put back or removed first.

    Args:
        durable: flush the folder's files to the disk before it gets its name.

    Raises:
        OSError: the place does not take it. Nothing is left behind then, nor when the block fails.
    """
    _make_folder(target.parent)
    _end_earlier(target)
    temporary = target.with_name(f".{target.name}-{uuid.uuid4().hex[:8]}")
    temporary.mkdir()
    try:
        yield temporary
        if durable:
            for path in temporary.rglob("*"):
                if path.is_file():
                    with path.open("rb") as stream:
                        os.fsync(stream.fileno())
        replace_path(temporary, target)
        if durable:
            _flush_folder(target.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def replace_path(temporary: Path, target: Path) -> None:
    """Rename a finished file or folder on the same disk to its final name, and remove what was there.

    Raises:
        OSError: the place does not take it. What was there is there again.
    """
    if target.is_dir() and not target.is_symlink():
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
        earlier = aside / target.name
        try:
            target.rename(earlier)
            temporary.rename(target)
        except BaseException:
            if not target.exists() and earlier.exists():
                earlier.rename(target)
            with suppress(OSError):  # not empty: what could not be put back stays there
                aside.rmdir()
            raise
        shutil.rmtree(aside, ignore_errors=True)
    else:
        temporary.replace(target)


def end_replacements(root: Path, *, older_than: float = _ASIDE_SECONDS) -> list[Path]:
    """Put back, or remove, what processes that were killed within `replace_path` left anywhere below `root`.

    Args:
        older_than: seconds; what is newer may belong to a process that lives.

    Returns: the folders that were put back, since nothing had taken their place yet.

    Raises:
        OSError: the place does not take it.
    """
    asides = [path for path in sorted(root.rglob(".*-old-*")) if _ASIDE.fullmatch(path.name)]
    return [target for aside in asides if (target := _end_replacement(aside, older_than)) is not None]


def _end_replacement(aside: Path, older_than: float) -> Path | None:
    """End one replacement that was cut off; its target where it was put back."""
    named = _ASIDE.fullmatch(aside.name)
    if named is None or not aside.is_dir() or _age(aside) < older_than:
        return None
    target = aside.with_name(named[1])
    earlier = aside / target.name
    missing = earlier.exists() and not target.exists()
    if missing:
        earlier.rename(target)
    shutil.rmtree(aside)
    return target if missing else None


def _end_earlier(target: Path) -> None:
    """Put back, or remove, what killed processes left beside `target` that were writing it."""
    for path in target.parent.glob(f".{glob.escape(target.name)}-*"):
        named = _ASIDE.fullmatch(path.name) or _UNFINISHED.fullmatch(path.name)
        if named is None or named[1] != target.name:
            continue
        with suppress(OSError):  # another process does the same in this moment; what cannot go is only litter
            if named.re is _ASIDE:
                _end_replacement(path, _ASIDE_SECONDS)
            elif _age(path) >= _UNFINISHED_SECONDS:
                shutil.rmtree(path)


def _age(path: Path) -> float:
    """Seconds since a folder was changed."""
    return time.time() - path.stat().st_mtime


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)


def _flush(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
