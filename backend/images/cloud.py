"""Images in object stores, read through fsspec with the machine's own credentials."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import fsspec
from fsspec.asyn import AsyncFileSystem, sync
from fsspec.exceptions import FSTimeoutError

from backend.errors import ImageError, SettingsError
from backend.images.deadline import Deadline
from backend.images.size_cap import too_large

# No '@' or ':': a bucket must not choose another account or host.
_BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class CloudStore:
    """How one kind of address is read.

    Attributes:
        protocol: fsspec's name for the store.
        package: the fsspec implementation that must be installed.
        extra: the optional dependency of this product that installs it.
        faults: classes of the errors that its client library raises, as `module:class`.
    """

    protocol: str
    package: str
    extra: str
    faults: tuple[str, ...]


CLOUD_STORES = {
    "s3": CloudStore("s3", "s3fs", "s3", ("botocore.exceptions:BotoCoreError", "botocore.exceptions:ClientError")),
    "gs": CloudStore(
        "gs", "gcsfs", "gcs", ("gcsfs.retry:HttpError", "google.auth.exceptions:GoogleAuthError", "aiohttp:ClientError")
    ),
    "azure-blob": CloudStore("abfs", "adlfs", "azure", ("azure.core.exceptions:AzureError",)),
}


class CloudReader:
    """Reads objects of the configured cloud schemes.

    Raises:
        SettingsError: a scheme is not known.
    """

    def __init__(self, schemes: Sequence[str]) -> None:
        for scheme in schemes:
            if scheme not in CLOUD_STORES:
                raise SettingsError(f"CLOUD_SCHEMES: {scheme!r} is not known; allowed: {', '.join(CLOUD_STORES)}")
        self.schemes = frozenset(schemes)

    def read(self, value: str, *, max_bytes: int, deadline: Deadline) -> bytes:
        """The object at `value`, e.g. `s3://bucket/key`, whose scheme is one of `schemes`.

        Raises:
            ImageError: `missing_extra`, `bad_address`, `not_found`, `too_large`, `timeout`, `unreadable`.
        """
        scheme, _, path = value.partition("://")
        store = CLOUD_STORES[scheme.lower()]
        bucket, _, key = path.partition("/")
        if not _BUCKET.fullmatch(bucket) or not key:
            raise ImageError(f"write it as {scheme}://bucket/key", reason="bad_address")
        try:
            filesystem = fsspec.get_filesystem_class(store.protocol)
        except ImportError as error:
            raise ImageError(
                f"reading {scheme}:// needs {store.package}; install the extra '{store.extra}' "
                f"(uv sync --extra {store.extra}, or pip install {store.package}), "
                "or leave the scheme out of CLOUD_SCHEMES so that Label Studio resolves it",
                reason="missing_extra",
            ) from error
        faults = tuple(_class_named(name) for name in store.faults)
        try:
            return read_object(filesystem(), f"{bucket}/{key}", max_bytes=max_bytes, deadline=deadline)
        except faults as error:
            raise ImageError(f"{store.package} could not read it ({error})", reason="unreadable") from error


def read_object(filesystem: fsspec.AbstractFileSystem, path: str, *, max_bytes: int, deadline: Deadline) -> bytes:
    """The bytes at `path` of an fsspec file system; one ranged request that asks for no more than the cap.

    Raises:
        ImageError: `not_found`, `too_large`, `timeout`, `unreadable`.
    """
    try:
        if isinstance(filesystem, AsyncFileSystem):
            cat_file = filesystem._cat_file  # the coroutine itself: only it can be cancelled at the deadline
            data = sync(filesystem.loop, cat_file, path, start=0, end=max_bytes + 1, timeout=deadline.remaining())
        else:
            data = filesystem.cat_file(path, start=0, end=max_bytes + 1)
            deadline.remaining()
    except FileNotFoundError as error:
        raise ImageError("no such object", reason="not_found") from error
    except (FSTimeoutError, TimeoutError) as error:
        raise deadline.exceeded() from error
    except (OSError, ValueError) as error:
        raise ImageError(f"the store could not read it ({error})", reason="unreadable") from error
    if len(data) > max_bytes:
        raise too_large(max_bytes)
    return bytes(data)


def _class_named(name: str) -> type[Exception]:
    module, _, attribute = name.partition(":")
    found: type[Exception] = getattr(importlib.import_module(module), attribute)
    return found
