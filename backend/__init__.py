"""A Label Studio ML backend that orders the labelling queue by what each label would teach.

Without a server: `from backend import rank`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.folders.ranking import rank as rank

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`rank`, loaded when it is first asked for: most commands need none of what it needs."""
    if name != "rank":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from backend.folders.ranking import rank

    return rank
