"""WordNet 3.0 as a graph of noun ids: the only place that talks to NLTK's reader."""

from __future__ import annotations

import re
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from backend.errors import WordNetError
from backend.labels.wordnet_corpus import corpus_path, fault_of

_OFFSET_ID = re.compile(r"([nvasr])(\d{8})")
_NAME_ID = re.compile(r".+\.[nvasr]\.\d{1,2}")


class WordNet:
    """Lookups in WordNet 3.0. Synsets are named by ids such as "n04285008", ImageNet's own form.

    Safe to share between threads: NLTK's reader seeks in shared files, so every call to it holds one lock.
    """

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._lock = threading.RLock()
        self._synsets: dict[str, Any] = {}
        self._descendants: dict[str, frozenset[str]] = {}
        self._ancestors: dict[str, dict[str, int]] = {}
        self._depths: dict[str, int] = {}

    @classmethod
    def open(cls, data_dir: Path) -> WordNet:
        """Open the corpus that `ensure_wordnet(data_dir)` placed.

        Raises:
            WordNetError: it is missing, damaged or of another version.
        """
        folder = corpus_path(data_dir)
        fault = fault_of(folder)
        if fault is not None:
            raise WordNetError(f"No sound WordNet 3.0 in {folder}: {fault}. Run the set-up again (`make setup`).")
        import nltk
        from nltk.corpus.reader.wordnet import WordNetCorpusReader

        class Reader(WordNetCorpusReader):  # type: ignore[misc]
            """The reader without its map between WordNet versions, which needs files we do not have."""

            def map_wn(self, version: str = "wordnet") -> None:
                return None

        if str(data_dir) not in nltk.data.path:
            nltk.data.path.append(str(data_dir))  # NLTK reads only below its data path
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "multilingual functions are not available"
            return cls(Reader(nltk.data.FileSystemPathPointer(str(folder)), None))

    def resolve(self, key: str) -> str:
        """The id of a synset given by its id ("n04285008") or its name ("sports_car.n.01").

        Raises:
            WordNetError: WordNet 3.0 has no such synset.
        """
        from nltk.corpus.reader.wordnet import WordNetError as NltkError

        key = key.strip()
        match = _OFFSET_ID.fullmatch(key)
        try:
            with self._lock:
                if match:
                    offset = int(match.group(2))
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # NLTK warns of an offset inside a line, then gives None
                        synset = self._reader.synset_from_pos_and_offset(match.group(1), offset)
                    if synset is not None and synset.offset() == offset:
                        return self._remember(synset)
                elif _NAME_ID.fullmatch(key):
                    return self._remember(self._reader.synset(key.lower().replace(" ", "_")))
        except (NltkError, KeyError, ValueError):
            pass
        raise WordNetError(
            f"WordNet 3.0 has no synset {key!r}: give an id such as n04285008 or a name such as sports_car.n.01.",
            reason="no_synset",
        )

    def senses(self, lemma: str, pos: str = "n") -> tuple[str, ...]:
        """Ids of the synsets of a word or compound, the most frequent sense first; () if there is none.

        Inflected forms are found too (NLTK's morphology: "skis" gives ski).
        """
        with self._lock:
            return tuple(self._remember(synset) for synset in self._reader.synsets(lemma.replace(" ", "_"), pos=pos))

    def base_form(self, word: str, pos: str = "n") -> str:
        """The word as WordNet lists it ("skis" gives "ski"); the word itself where it is not listed."""
        with self._lock:
            return str(self._reader.morphy(word, pos) or word)

    def name(self, synset: str) -> str:
        """The readable name: the first lemma, with blanks ("sports car")."""
        return self.lemmas(synset)[0]

    def lemmas(self, synset: str) -> tuple[str, ...]:
        """The words of a synset, with blanks."""
        with self._lock:
            return tuple(name.replace("_", " ") for name in self._synset(synset).lemma_names())

    def gloss(self, synset: str) -> str:
        """The definition, without examples."""
        with self._lock:
            return str(self._synset(synset).definition())

    def lexname(self, synset: str) -> str:
        """The lexicographer file, such as "noun.act"."""
        with self._lock:
            return str(self._synset(synset).lexname())

    def parents(self, synset: str) -> tuple[str, ...]:
        """Direct hypernyms, of classes and of instances."""
        with self._lock:
            found = self._synset(synset)
            return self._ids(found.hypernyms() + found.instance_hypernyms())

    def children(self, synset: str) -> tuple[str, ...]:
        """Direct hyponyms, classes and instances."""
        with self._lock:
            found = self._synset(synset)
            return self._ids(found.hyponyms() + found.instance_hyponyms())

    def domains(self, synset: str) -> tuple[str, ...]:
        """Topic domains of a synset itself ("golf ball" belongs to golf)."""
        with self._lock:
            return self._ids(self._synset(synset).topic_domains())

    def domain_members(self, synset: str) -> tuple[str, ...]:
        """Nouns whose topic domain is this synset."""
        with self._lock:
            return self._ids(member for member in self._synset(synset).in_topic_domains() if member.pos() == "n")

    def derivations(self, synset: str) -> tuple[str, ...]:
        """Synsets with a word derived from one of this one's ("skiing" from "to ski", "skier")."""
        with self._lock:
            return self._ids(
                related.synset()
                for lemma in self._synset(synset).lemmas()
                for related in lemma.derivationally_related_forms()
            )

    def parts_and_wholes(self, synset: str) -> tuple[str, ...]:
        """Meronyms and holonyms of all kinds."""
        with self._lock:
            found = self._synset(synset)
            return self._ids(
                found.part_meronyms()
                + found.member_meronyms()
                + found.substance_meronyms()
                + found.part_holonyms()
                + found.member_holonyms()
                + found.substance_holonyms()
            )

    def ancestors(self, synset: str) -> dict[str, int]:
        """Every hypernym with its least distance in steps, the synset itself with 0."""
        with self._lock:
            if synset not in self._ancestors:
                self._ancestors[synset] = _distances(synset, self.parents)
            return self._ancestors[synset]

    def descendants(self, synset: str) -> frozenset[str]:
        """Every hyponym, and the synset itself."""
        with self._lock:
            if synset not in self._descendants:
                self._descendants[synset] = frozenset(_distances(synset, self.children))
            return self._descendants[synset]

    def is_specific(self, synset: str, limit: int = 300) -> bool:
        """Whether a synset has fewer than `limit` hyponyms, found without walking all of them."""
        with self._lock:
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
        with self._lock:
            if synset not in self._depths:
                self._depths[synset] = int(self._synset(synset).max_depth())
            return self._depths[synset]

    def _synset(self, synset: str) -> Any:
        if synset not in self._synsets:
            self.resolve(synset)
        return self._synsets[synset]

    def _ids(self, synsets: Iterable[Any]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._remember(synset) for synset in synsets))

    def _remember(self, synset: Any) -> str:
        pos = synset.pos()
        key = f"{'a' if pos == 's' else pos}{synset.offset():08d}"
        self._synsets[key] = synset
        return key


def _distances(start: str, neighbours: Callable[[str], tuple[str, ...]]) -> dict[str, int]:
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
