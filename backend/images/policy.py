"""What may be fetched, from where, and how much of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ImagePolicy:
    """The limits that every image value is held to.

    Attributes:
        local_roots: folders below which local files may be read, symbolic links resolved.
        allowed_hosts: host names, addresses or networks (`10.0.0.0/8`) that may be fetched from though
            they are private.
        cloud_schemes: of `s3`, `gs`, `azure-blob`, those read with the machine's own credentials; the
            others are resolved by Label Studio.
        max_bytes: largest encoded image, in bytes.
        timeout_seconds: longest time from the call to the last byte, redirects included.
        label_studio_url: address of Label Studio, may have a path; empty where there is none.
        authorization: gives the `Authorization` header for Label Studio's origin, and is asked anew for
            each request, since access tokens expire.
    """

    local_roots: tuple[Path, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    cloud_schemes: tuple[str, ...] = ()
    max_bytes: int = 50_000_000
    timeout_seconds: float = 20.0
    label_studio_url: str = ""
    authorization: Callable[[], str] | None = None
