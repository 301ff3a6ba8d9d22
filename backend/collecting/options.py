"""What can be chosen about a fetching, and what it ends with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class FetchOptions:
    """The options of `fetch`, as its `--help` tells them.

    Attributes:
        directory: where the class folders are made.
        size: longest side in pixels; larger photos are scaled down. None: photos stay byte for byte.
        per_class: most photos of a class; None: all.
        thumbnails: whether small copies are written too.
        concurrent: photos fetched at a time.
        per_host: of these from one host.
        pause_seconds: between two requests to a host.
        backoff_seconds: the pause after a host says that it is asked too much; doubled each time it says so again.
    """

    directory: Path
    size: int | None = None
    per_class: int | None = None
    thumbnails: bool = False
    concurrent: int = 8
    per_host: int = 2
    pause_seconds: float = 0.2
    backoff_seconds: float = 2.0


@dataclass
class Fetched:
    """What a run ended with.

    Attributes:
        kept: photos of this list that are in the folder, whenever they were fetched.
        fetched: of these, fetched by this run.
        duplicates: addresses whose photo is there under another address.
        not_needed: addresses that were not asked, since their class had enough.
        faults: address to (reason, message) of those left out.
    """

    kept: int = 0
    fetched: int = 0
    duplicates: int = 0
    not_needed: int = 0
    faults: dict[str, tuple[str, str]] = field(default_factory=dict)
