"""WordNet 3.0 as arrays in one file: read once by NLTK, then opened in a fraction of a second without it.

Synset s is row s of everything: rows are ordered by part of speech, then offset. `Table` holds a list for each row.
"""

from __future__ import annotations

import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import WordNetError
from backend.labels.wordnet_corpus import PARTS, VERSION, copy_corpus, find_corpus

FORMAT = 1  # grows when the arrays change
POS = "nvar"  # nouns, verbs, adjectives (satellites among them), adverbs
RELATIONS: Mapping[str, Callable[[Any], Iterable[Any]]] = {
    "parents": lambda s: [*s.hypernyms(), *s.instance_hypernyms()],
    "children": lambda s: [*s.hyponyms(), *s.instance_hyponyms()],
    "domains": lambda s: s.topic_domains(),
    "domain_members": lambda s: [member for member in s.in_topic_domains() if member.pos() == "n"],
    "derivations": lambda s: [
        other.synset() for lemma in s.lemmas() for other in lemma.derivationally_related_forms()
    ],
    "parts_and_wholes": lambda s: [
        *s.part_meronyms(),
        *s.member_meronyms(),
        *s.substance_meronyms(),
        *s.part_holonyms(),
        *s.member_holonyms(),
        *s.substance_holonyms(),
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A list of numbers for each row: those of row r are `values[starts[r]:starts[r + 1]]`."""

    starts: NDArray[np.int32]
    values: NDArray[np.int32]

    @classmethod
    def of(cls, lists: Iterable[Sequence[int]]) -> Table:
        """The table of these lists."""
        kept = [list(item) for item in lists]
        starts = np.concatenate([[0], np.cumsum([len(item) for item in kept])]).astype(np.int32)
        return cls(starts, np.array([value for item in kept for value in item], dtype=np.int32))

    def __getitem__(self, row: int) -> list[int]:
        found: list[int] = self.values[self.starts[row] : self.starts[row + 1]].tolist()
        return found


@dataclass(frozen=True)
class CompiledWordNet:
    """What is known of n synsets.

    Attributes:
        offsets: int32 [n], the number in the id.
        pos_starts: int32 [5], where each part of speech of `POS` begins among the rows, and where the last one ends.
        lexnames: uint8 [n], the lexicographer file, by its place in `lexname_names`.
        depths: uint8 [n], steps on the longest way up to a root.
        texts: uint8, all lemmas and glosses as UTF-8; `lemma_ends` and `gloss_ends`, int32 [n], say where those of a
            row end: its lemmas, a line each, then its gloss.
        lemma_index: bytes [m], every lemma with its part of speech ("n sports_car"), sorted.
        senses: the rows of each lemma of `lemma_index`, the most frequent sense first.
        exceptions: bytes [k], irregular forms with their part of speech ("n geese"), sorted.
        bases: bytes [k], their base forms, with blanks between them.
        relations: for each name of `RELATIONS` the related rows, ascending.
    """

    offsets: NDArray[np.int32]
    pos_starts: NDArray[np.int32]
    lexnames: NDArray[np.uint8]
    lexname_names: NDArray[np.bytes_]
    depths: NDArray[np.uint8]
    texts: NDArray[np.uint8]
    lemma_ends: NDArray[np.int32]
    gloss_ends: NDArray[np.int32]
    lemma_index: NDArray[np.bytes_]
    senses: Table
    exceptions: NDArray[np.bytes_]
    bases: NDArray[np.bytes_]
    relations: Mapping[str, Table]


def compiled_path(folder: Path) -> Path:
    """Where the compiled file is in a folder."""
    return folder / f"wordnet-{VERSION}-{FORMAT}.npz"


def ensure_wordnet(folder: Path, progress: Callable[[str], None] | None = None) -> Path:
    """Compile WordNet 3.0 into `folder`, half a minute the first time; does nothing where that was done before.

    Args:
        folder: for the compiled file; one's own dict files may be in it, see `find_corpus`.
        progress: told in a sentence what is being done.

    Returns: the compiled file. It appears whole or not at all.

    Raises:
        WordNetError: there are no files of WordNet 3.0, or they are not sound.
    """
    target = compiled_path(folder)
    if target.is_file():
        return target
    source = find_corpus(folder)
    if progress is not None:
        progress(f"WordNet {VERSION}: compiling {source}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".wordnet-", dir=folder) as scratch:
        copy_corpus(source, Path(scratch) / "corpora" / "wordnet")
        written = Path(scratch) / "compiled.npz"
        with _reader(Path(scratch)) as reader:
            np.savez(written, **_arrays(reader, Path(scratch)))
        written.replace(target)
    return target


def load_compiled(path: Path) -> CompiledWordNet:
    """Read what `ensure_wordnet` wrote.

    Raises:
        WordNetError: it is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {name: stored[name] for name in stored.files}
        tables = {
            name: Table(found.pop(f"{name}.starts"), found.pop(f"{name}.values")) for name in ("senses", *RELATIONS)
        }
        return CompiledWordNet(senses=tables.pop("senses"), relations=tables, **found)
    except FileNotFoundError:
        raise WordNetError(f"{path} is missing: run the set-up (`make setup`).") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise WordNetError(f"{path} is damaged ({error}): delete it and run the set-up again (`make setup`).") from None


def _arrays(reader: Any, folder: Path) -> dict[str, Any]:
    synsets = [list(reader.all_synsets(pos)) for pos in POS]
    everything = [synset for part in synsets for synset in sorted(part, key=lambda one: one.offset())]
    row_of = {_key(synset): row for row, synset in enumerate(everything)}
    names = sorted({synset.lexname() for synset in everything})
    texts = [("\n".join(synset.lemma_names()).encode(), synset.definition().encode()) for synset in everything]
    lemma_lengths, gloss_lengths = np.array([[len(lemmas), len(gloss)] for lemmas, gloss in texts]).T
    gloss_ends = np.cumsum(lemma_lengths + gloss_lengths)
    index = sorted(_lemma_lines(folder))
    irregular = sorted(_irregular_forms(folder))
    arrays: dict[str, Any] = {
        "offsets": np.array([synset.offset() for synset in everything], np.int32),
        "pos_starts": np.cumsum([0, *(len(part) for part in synsets)]).astype(np.int32),
        "lexnames": np.array([names.index(synset.lexname()) for synset in everything], np.uint8),
        "lexname_names": np.array([name.encode() for name in names]),
        "depths": np.array([synset.max_depth() for synset in everything], np.uint8),
        "texts": np.frombuffer(b"".join(lemmas + gloss for lemmas, gloss in texts), np.uint8),
        "lemma_ends": (gloss_ends - gloss_lengths).astype(np.int32),
        "gloss_ends": gloss_ends.astype(np.int32),
        "lemma_index": np.array([lemma for lemma, _ in index]),
        "exceptions": np.array([form for form, _ in irregular]),
        "bases": np.array([bases for _, bases in irregular]),
    }
    tables = {"senses": Table.of([row_of[sense] for sense in senses] for _, senses in index)}
    for name, related in RELATIONS.items():
        tables[name] = Table.of(
            sorted({row_of[_key(other)] for other in related(synset)})  # NLTK's order is that of a set: any
            for synset in everything
        )
    for name, table in tables.items():
        arrays |= {f"{name}.starts": table.starts, f"{name}.values": table.values}
    return arrays


def _key(synset: Any) -> tuple[str, int]:
    return ("a" if synset.pos() == "s" else synset.pos(), synset.offset())


def _lemma_lines(folder: Path) -> Iterator[tuple[bytes, list[tuple[str, int]]]]:
    """Each lemma with its senses, the most frequent first: index.pos of wndb(5WN), which NLTK does not give as it is."""
    for pos, part in zip(POS, PARTS, strict=True):
        for line in (folder / "corpora" / "wordnet" / f"index.{part}").read_text("ascii").splitlines():
            if not line.startswith(" "):  # else it is of the licence
                lemma, _, count, *more = line.split()
                yield f"{pos} {lemma}".encode(), [(pos, int(offset)) for offset in more[-int(count) :]]


def _irregular_forms(folder: Path) -> Iterator[tuple[bytes, bytes]]:
    for pos, part in zip(POS, PARTS, strict=True):
        for line in (folder / "corpora" / "wordnet" / f"{part}.exc").read_text("ascii").splitlines():
            form, *bases = line.split()
            yield f"{pos} {form}".encode(), " ".join(bases).encode()


@contextmanager
def _reader(folder: Path) -> Iterator[Any]:
    """NLTK's reader of the corpus in a folder of NLTK data."""
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):  # type: ignore[misc]
        """The reader without its map between WordNet versions, which needs files we do not have."""

        def map_wn(self, version: str = "wordnet") -> None:
            return None

    nltk.data.path.append(str(folder))  # NLTK reads only below its data path
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "multilingual functions are not available"
            yield Reader(nltk.data.FileSystemPathPointer(str(folder / "corpora" / "wordnet")), None)
    finally:
        nltk.data.path.remove(str(folder))
