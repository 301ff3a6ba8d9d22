"""WordNet 3.0 as a graph of synsets, looked up in the arrays that the set-up compiled."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.errors import WordNetError
from backend.labels.wordnet_compiled import CompiledWordNet, compiled_path, load_compiled
from backend.labels.wordnet_database import POS

_OFFSET_ID = re.compile(r"([nvasr])(\d{8})")
_NAME_ID = re.compile(r".+\.[nvasr]\.\d{1,2}")

# How inflected forms lead back to base forms: morphy(7WN).
_ENDINGS = {
    "n": (
        *(("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh")),
        *(("men", "man"), ("ies", "y")),
    ),
    "v": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}


class WordNet:
    """Lookups in WordNet 3.0. Synsets are named by ids such as "n04285008", ImageNet's own form.

    Nothing changes after opening, so threads share it freely.
    """

    def __init__(self, compiled: CompiledWordNet) -> None:
        self._compiled = compiled
        self._related = lru_cache(None)(self._find_related)
        self._depth = lru_cache(None)(lambda synset: int(compiled.depths[self._row(synset)]))
        self._specific = lru_cache(None)(self._find_specific)
        self._ancestors = lru_cache(None)(lambda synset: _distances(synset, self.parents))
        self._descendants = lru_cache(None)(lambda synset: frozenset(_distances(synset, self.children)))

    @classmethod
    def open(cls, folder: Path) -> WordNet:
        """Open what `ensure_wordnet(folder)` compiled.

        Raises:
            WordNetError: it is missing or damaged.
        """
        return cls(load_compiled(compiled_path(folder)))

    def resolve(self, key: str) -> str:
        """The id of a synset given by its id ("n04285008") or its name ("sports_car.n.01").

        Raises:
            WordNetError: WordNet 3.0 has no such synset.
        """
        key = key.strip()
        match = _OFFSET_ID.fullmatch(key)
        if match:
            row = self._find_row(match.group(1), int(match.group(2)))
            if row is not None:
                return self._id(row)
        elif _NAME_ID.fullmatch(key):
            lemma, pos, number = key.lower().replace(" ", "_").rsplit(".", 2)
            rows = self._senses(lemma, _part(pos))
            if 0 < int(number) <= len(rows):
                return self._id(rows[int(number) - 1])
        raise WordNetError(
            f"WordNet 3.0 has no synset {key!r}: give an id such as n04285008 or a name such as sports_car.n.01.",
            reason="no_synset",
        )

    def senses(self, lemma: str, pos: str = "n") -> tuple[str, ...]:
        """Ids of the synsets of a word or compound, the most frequent sense first; () if there is none.

        Inflected forms are found too ("skis" gives ski).
        """
        forms = self._base_forms(lemma.lower().replace(" ", "_"), _part(pos))
        return tuple(self._id(row) for form in forms for row in self._senses(form, _part(pos)))

    def base_form(self, word: str, pos: str = "n") -> str:
        """The word as WordNet lists it ("skis" gives "ski"); the word itself where it is not listed."""
        return next(iter(self._base_forms(word, _part(pos))), word)

    def name(self, synset: str) -> str:
        """The readable name: the first lemma, with blanks ("sports car")."""
        return self.lemmas(synset)[0]

    def lemmas(self, synset: str) -> tuple[str, ...]:
        """The words of a synset, with blanks."""
        row = self._row(synset)
        start = int(self._compiled.gloss_ends[row - 1]) if row else 0
        return tuple(self._text(start, self._compiled.lemma_ends[row]).replace("_", " ").split("\n"))

    def gloss(self, synset: str) -> str:
        """The definition, without examples."""
        row = self._row(synset)
        return self._text(self._compiled.lemma_ends[row], self._compiled.gloss_ends[row])

    def lexname(self, synset: str) -> str:
        """The lexicographer file, such as "noun.act"."""
        found: bytes = self._compiled.lexname_names[self._compiled.lexnames[self._row(synset)]]
        return found.decode()

    def parents(self, synset: str) -> tuple[str, ...]:
        """Direct hypernyms, of classes and of instances."""
        return self._related("parents", synset)

    def children(self, synset: str) -> tuple[str, ...]:
        """Direct hyponyms, classes and instances."""
        return self._related("children", synset)

    def domains(self, synset: str) -> tuple[str, ...]:
        """Topic domains of a synset itself ("golf ball" belongs to golf)."""
        return self._related("domains", synset)

    def domain_members(self, synset: str) -> tuple[str, ...]:
        """Nouns whose topic domain is this synset."""
        return self._related("domain_members", synset)

    def derivations(self, synset: str) -> tuple[str, ...]:
        """Synsets with a word derived from one of this one's ("skiing" from "to ski", "skier")."""
        return self._related("derivations", synset)

    def parts_and_wholes(self, synset: str) -> tuple[str, ...]:
        """Meronyms and holonyms of all kinds."""
        return self._related("parts_and_wholes", synset)

    def ancestors(self, synset: str) -> dict[str, int]:
        """Every hypernym with its least distance in steps, the synset itself with 0."""
        return self._ancestors(synset)

    def descendants(self, synset: str) -> frozenset[str]:
        """Every hyponym, and the synset itself."""
        return self._descendants(synset)

    def is_specific(self, synset: str, limit: int = 300) -> bool:
        """Whether a synset has fewer than `limit` hyponyms, found without walking all of them."""
        return self._specific(synset, limit)

    def _find_specific(self, synset: str, limit: int) -> bool:
        seen = {synset}
        queue = deque([synset])
        while queue and len(seen) < limit:
            for child in self.children(queue.popleft()):
                if child not in seen:
                    seen.add(child)
                    queue.append(child)
        return len(seen) < limit

    def depth(self, synset: str) -> int:
        """Steps on the longest way up to the root."""
        return self._depth(synset)

    def _find_related(self, relation: str, synset: str) -> tuple[str, ...]:
        return tuple(self._id(row) for row in self._compiled.relations[relation][self._row(synset)])

    def _base_forms(self, form: str, pos: str) -> tuple[str, ...]:
        """The form itself and those that it may be inflected from, as far as WordNet lists them."""
        place = _place(self._compiled.exceptions, f"{pos} {form}")
        if place is not None:
            bases = self._compiled.bases[place].decode().split()
        else:
            bases = [form[: -len(old)] + new for old, new in _ENDINGS[pos] if form.endswith(old)]
        return tuple(dict.fromkeys(one for one in (form, *bases) if self._senses(one, pos)))

    def _senses(self, lemma: str, pos: str) -> list[int]:
        place = _place(self._compiled.lemma_index, f"{pos} {lemma}")
        return [] if place is None else self._compiled.senses[place]

    def _find_row(self, pos: str, offset: int) -> int | None:
        part = POS.index(_part(pos))
        first, end = (int(row) for row in self._compiled.pos_starts[part : part + 2])
        row = first + int(np.searchsorted(self._compiled.offsets[first:end], offset))
        return row if row < end and self._compiled.offsets[row] == offset else None

    def _row(self, synset: str) -> int:
        row = self._find_row(synset[0], int(synset[1:]))
        if row is None:
            raise KeyError(synset)
        return row

    def _id(self, row: int) -> str:
        pos = POS[int(np.searchsorted(self._compiled.pos_starts, row, side="right")) - 1]
        return f"{pos}{self._compiled.offsets[row]:08d}"

    def _text(self, start: int | np.integer, end: int | np.integer) -> str:
        return self._compiled.texts[start:end].tobytes().decode()


def _part(pos: str) -> str:
    """Satellite adjectives are adjectives."""
    return "a" if pos == "s" else pos


def _place(words: NDArray[np.bytes_], word: str) -> int | None:
    wanted = word.encode()
    place = int(np.searchsorted(words, wanted))
    return place if place < words.size and words[place] == wanted else None


def _distances(start: str, neighbours: Callable[[str], Iterable[str]]) -> dict[str, int]:
    """Breadth-first distances from `start`."""
    distances = {start: 0}
    queue = deque([start])
    while queue:
        current = queue.popleft()
        for neighbour in neighbours(current):
            if neighbour not in distances:
                distances[neighbour] = distances[current] + 1
                queue.append(neighbour)
    return distances
