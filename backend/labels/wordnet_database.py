"""Reads WordNet's own files as they are: data.noun, index.noun, noun.exc, lexnames and their like.

Their format is described in wndb(5WN) and wninput(5WN), https://wordnet.princeton.edu/documentation/wndb5wn. All of
it is read in a few seconds; NLTK's reader, which makes an object of each of 117,659 synsets, takes half a minute and is
what the tests compare with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Key = tuple[str, int]  # part of speech and offset

POS = "nvar"  # nouns, verbs, adjectives (satellites among them), adverbs
PARTS: Mapping[str, str] = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}  # endings of the files
SATELLITE = "s"  # an adjective beside a head; it is in the same file

_MARKER = re.compile(r"\([a-z]+\)$")  # where an adjective may stand: "galore(ip)"
_EXAMPLE = re.compile(r'"[^"]*"')


@dataclass(frozen=True, slots=True)
class Synset:
    """A line of a data file.

    Attributes:
        lexname: number of its lexicographer file.
        lemmas: its words, blanks as `_`.
        pointers: symbol, what it leads to, and whether it leads from a word rather than from the whole synset.
        definition: the gloss without its examples.
    """

    key: Key
    lexname: int
    lemmas: tuple[str, ...]
    pointers: tuple[tuple[str, Key, bool], ...]
    definition: str


def read_synsets(folder: Path) -> Iterator[Synset]:
    """All synsets, by part of speech in the order of `POS`, then by offset."""
    for pos in POS:
        for line in _lines(folder / f"data.{PARTS[pos]}"):
            yield _synset(pos, line)


def _synset(pos: str, line: str) -> Synset:
    fields, _, gloss = line.partition("|")
    offset, lexname, _, word_count, *rest = fields.split()
    after_words = 2 * int(word_count, 16)
    words = rest[:after_words:2]
    count = int(rest[after_words])
    found = rest[after_words + 1 : after_words + 1 + 4 * count]
    pointers = tuple(
        (symbol, ("a" if part == SATELLITE else part, int(target)), ends != "0000")
        for symbol, target, part, ends in zip(found[::4], found[1::4], found[2::4], found[3::4], strict=True)
    )
    return Synset(
        (pos, int(offset)),
        int(lexname),
        tuple(_MARKER.sub("", word) for word in words) if pos == "a" else tuple(words),
        pointers,
        _EXAMPLE.sub("", gloss).strip().strip("; "),
    )


def read_index(folder: Path) -> Iterator[tuple[str, str, list[Key]]]:
    """Each part of speech and lemma with its senses, the most frequent first."""
    for pos, part in PARTS.items():
        for line in _lines(folder / f"index.{part}"):
            lemma, _, count, *more = line.split()
            yield pos, lemma, [(pos, int(offset)) for offset in more[-int(count) :]]


def read_irregular_forms(folder: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Each part of speech and irregular form ("geese") with its base forms."""
    for pos, part in PARTS.items():
        for line in _lines(folder / f"{part}.exc"):
            form, *bases = line.split()
            yield pos, form, bases


def read_lexnames(folder: Path) -> list[str]:
    """Names of the lexicographer files, by their number."""
    return [line.split()[1] for line in _lines(folder / "lexnames")]


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file without those of its licence, which begin with a blank."""
    for line in path.read_text("ascii").splitlines():
        if line and not line.startswith(" "):
            yield line
