"""Arrays that a refresh derives from a pool and keeps in a file of the project, for the web process to read."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.files import atomic_file

log = logging.getLogger(__name__)


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write arrays and single values by name, whole or not at all; the folder is made where it is missing."""
    with atomic_file(path) as stream:
        np.savez(stream, **arrays)


def read_arrays(path: Path, *names: str) -> dict[str, NDArray[Any]] | None:
    """These arrays of a file; None where it is missing, or damaged, which is logged: the next refresh writes it anew."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("%s is damaged, and made anew by the next refresh: %s", path, error)
        return None
