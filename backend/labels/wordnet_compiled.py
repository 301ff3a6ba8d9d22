"""WordNet 3.0 as arrays in one file, opened in a fraction of a second.

Synset s is row s of everything: rows are ordered by part of speech, then offset. `Table` holds a list for each row.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import WordNetError
from backend.files import atomic_file
from backend.labels.wordnet_corpus import VERSION, copy_corpus, find_corpus
from backend.labels.wordnet_database import (
    POS,
    Key,
    Synset,
    read_index,
    read_irregular_forms,
    read_lexnames,
    read_synsets,
)

FORMAT = 1  # grows when the arrays change
MAX_TREE_DEPTH = 40  # floors below a root; 20 in WordNet 3.0
# The symbols of each relation, and whether it leads from a word (derivations) or from the whole synset.
RELATIONS: Mapping[str, tuple[tuple[str, ...], bool]] = {
    "parents": (("@", "@i"), False),
    "children": (("~", "~i"), False),
    "domains": ((";c",), False),
    "domain_members": (("-c",), False),
    "derivations": (("+",), True),
    "parts_and_wholes": (("%p", "%m", "%s", "#p", "#m", "#s"), False),
}


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
    """Compile WordNet 3.0 into `folder`, some seconds the first time; does nothing where that was done before.

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
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch) / "wordnet"
        copy_corpus(source, corpus)
        with atomic_file(target) as compiled:
            np.savez(compiled, **_arrays(corpus))
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


def _arrays(folder: Path) -> dict[str, Any]:
    synsets = list(read_synsets(folder))
    row_of = {synset.key: row for row, synset in enumerate(synsets)}
    lexnames = read_lexnames(folder)
    names = sorted(set(lexnames))
    texts = [("\n".join(synset.lemmas).encode(), synset.definition.encode()) for synset in synsets]
    lemma_lengths, gloss_lengths = np.array([[len(lemmas), len(gloss)] for lemmas, gloss in texts]).T
    gloss_ends = np.cumsum(lemma_lengths + gloss_lengths)
    index = sorted((f"{pos} {lemma}".encode(), senses) for pos, lemma, senses in read_index(folder))
    irregular = sorted(
        (f"{pos} {form}".encode(), " ".join(bases).encode()) for pos, form, bases in read_irregular_forms(folder)
    )
    related = {name: [_related(synset, name, row_of) for synset in synsets] for name in RELATIONS}
    sizes = [sum(synset.key[0] == pos for synset in synsets) for pos in POS]
    arrays: dict[str, Any] = {
        "offsets": np.array([synset.key[1] for synset in synsets], np.int32),
        "pos_starts": np.cumsum([0, *sizes]).astype(np.int32),
        "lexnames": np.array([names.index(lexnames[synset.lexname]) for synset in synsets], np.uint8),
        "lexname_names": np.array([name.encode() for name in names]),
        "depths": _depths(related["parents"]),
        "texts": np.frombuffer(b"".join(lemmas + gloss for lemmas, gloss in texts), np.uint8),
        "lemma_ends": (gloss_ends - gloss_lengths).astype(np.int32),
        "gloss_ends": gloss_ends.astype(np.int32),
        "lemma_index": np.array([lemma for lemma, _ in index]),
        "exceptions": np.array([form for form, _ in irregular]),
        "bases": np.array([bases for _, bases in irregular]),
    }
    tables = {"senses": Table.of([row_of[sense] for sense in senses] for _, senses in index)}
    tables |= {name: Table.of(rows) for name, rows in related.items()}
    for name, table in tables.items():
        arrays |= {f"{name}.starts": table.starts, f"{name}.values": table.values}
    return arrays


def _related(synset: Synset, relation: str, row_of: Mapping[Key, int]) -> list[int]:
    symbols, of_words = RELATIONS[relation]
    return sorted(
        {
            row_of[target]
            for symbol, target, from_word in synset.pointers
            if symbol in symbols and from_word == of_words and (relation != "domain_members" or target[0] == "n")
        }
    )


def _depths(parents: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    """Steps on the longest way up to a root, uint8 [n]: each round settles one more floor."""
    depths = np.zeros(len(parents), np.uint8)
    above = np.array([row for rows in parents for row in rows], np.int32)
    below = np.repeat(np.arange(len(parents)), [len(rows) for rows in parents])
    for _ in range(MAX_TREE_DEPTH):
        before = depths.copy()
        np.maximum.at(depths, below, depths[above] + 1)
        if (depths == before).all():
            break
    return depths
