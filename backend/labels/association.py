"""How strongly each ImageNet class speaks for each label, from WordNet and the table of activity links."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from backend.labels import imagenet
from backend.labels.senses import Meaning
from backend.labels.wordnet import WordNet

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Strengths:
    """How far each kind of evidence says that a label is true when a photo shows the ImageNet class.

    All in [0, 1]. They rank the kinds by how direct they are and were not fitted to any label set.
    """

    hyponym: float = 0.95
    lemma: float = 0.6
    linked: float = 0.6
    around: float = 0.2
    domain: float = 0.5
    derived: float = 0.3
    part: float = 0.2
    modifier: float = 0.7  # times the evidence of a modifier
    head: float = 0.8  # times, where the synset names only the head of the title ("wheelchair basketball")
    inherited: float = 0.4  # times, for each step up to the activity that has the links
    specialised: float = 0.7  # times, for links of a more special activity
    spread: float = 0.7  # the share of one of k classes is its claim divided by k ** spread


@dataclass(frozen=True)
class Evidence:
    """What ImageNet classes say of labels.

    Attributes:
        claim: float32 [L, 1000], [0, 1]; how far class c says that label l is true, 1 = it is a kind of l.
        share: float32 [L, 1000], [0, 1]; the claim weighed by how much of all that speaks for l class c is: it
            decides between labels that claim the same class.
    """

    claim: FloatArray
    share: FloatArray


class Associations:
    """Evidence that leads from synsets to ImageNet classes; one instance serves all label spaces."""

    def __init__(self, wordnet: WordNet, strengths: Strengths | None = None) -> None:
        self.wordnet = wordnet
        self.strengths = strengths or Strengths()

    def evidence(self, meanings: Sequence[Meaning], *, exclusive: bool = True) -> Evidence:
        """The evidence for each label.

        exclusive: one label holds for each photo, so a class that is a kind of two labels speaks for the more
        special one only: beside "dog", a label "animal" means the other animals.
        """
        rows = np.zeros((len(meanings), 2, imagenet.N_CLASSES), np.float32)
        for row, meaning in enumerate(meanings):
            if meaning.synsets or meaning.phrases:
                rows[row] = self._row(meaning)
        if exclusive:
            for row, special in self._special_below(meanings).items():
                shadowed = [index for synset in meanings[row].synsets for index in self._classes_below.get(synset, ())]
                taken = {index for synset in special for index in self._classes_below.get(synset, ())}
                rows[row][:, sorted(taken.intersection(shadowed))] = 0.0
        return Evidence(claim=rows[:, 0], share=rows[:, 1])

    def _special_below(self, meanings: Sequence[Meaning]) -> dict[int, set[str]]:
        """{label: synsets of other labels that are kinds of one of its own}."""
        owners: dict[str, list[int]] = {}
        for row, meaning in enumerate(meanings):
            for synset in meaning.synsets:
                owners.setdefault(synset, []).append(row)
        found: dict[int, set[str]] = {}
        for synset in owners:
            for general in self.wordnet.ancestors(synset).keys() & owners.keys():
                for row in owners[general]:
                    if synset not in meanings[row].synsets:
                        found.setdefault(row, set()).add(synset)
        return found

    def below(self, synset: str) -> FloatArray:
        """float32 [1000]: 1 for the classes that are the synset or a kind of it."""
        classes = _nothing()
        classes[self._classes_below.get(synset, [])] = 1.0
        return classes

    def used_and_around(self, activity: str) -> tuple[FloatArray, FloatArray]:
        """Two times float32 [1000], 0 or 1: the classes that the links of an activity and its kinds lead to."""
        rows = [row for synset, row in self._links.items() if activity in self.wordnet.ancestors(synset)]
        used = _maximum(*(self.below(synset) for row in rows for synset in row[0]))
        around = _maximum(*(self.below(synset) for row in rows for synset in row[1]))
        return used, around

    def in_domain(self, domain: str) -> FloatArray:
        """float32 [1000], 0 or 1: the classes at or below a synset with this topic domain or a kind of it."""
        domains = self.wordnet.descendants(domain)
        tagged = {
            synset: any(found in domains for found in self.wordnet.domains(synset)) for synset in self._classes_below
        }
        return _maximum(*(self.below(synset) for synset, member in tagged.items() if member))

    def _row(self, meaning: Meaning) -> FloatArray:
        """Claim and share, float32 [2, 1000]."""
        strengths = self.strengths
        found = [_nothing(2)]
        whole = 1.0 if meaning.exact else strengths.head
        for synset in meaning.synsets:
            found.append(whole * self._shown_in(synset))
            found.append(whole * self._related(synset))
        for position, phrase in enumerate(meaning.phrases):
            factor = whole if position == 0 else strengths.modifier
            found.append(factor * self._weigh(strengths.lemma, self._named_after(phrase)))
        for synset in meaning.modifiers:
            found.append(strengths.modifier * self._shown_in(synset))
        return _maximum(*found)

    def _shown_in(self, synset: str) -> FloatArray:
        """What a photo of this synset shows: the thing itself, or what an activity uses."""
        strengths = self.strengths
        return _maximum(
            self._weigh(strengths.hyponym, self.below(synset)),
            self._linked(synset),
            self._weigh(strengths.domain, _maximum(*map(self.below, self._domain_members(synset)))),
        )

    def _weigh(self, strength: float, classes: FloatArray) -> FloatArray:
        """Claim and share, float32 [2, 1000], of evidence of one kind on a set of classes."""
        claim = classes * np.float32(strength)
        count = max(float(np.count_nonzero(classes)), 1.0)
        return np.stack([claim, claim / np.float32(count**self.strengths.spread)])

    def _linked(self, synset: str) -> FloatArray:
        """The links of the synset, weaker ones of the activities above it, and those of its kinds."""
        strengths, links = self.strengths, self._links
        found = [_nothing(2)]
        for ancestor, steps in self.wordnet.ancestors(synset).items():
            if ancestor in links:
                found.append(strengths.inherited**steps * self._link_vector([ancestor]))
        kinds = self._linked_kinds.get(synset, ())
        if kinds:
            found.append(strengths.specialised * self._link_vector(kinds))
        return _maximum(*found)

    def _link_vector(self, activities: Sequence[str]) -> FloatArray:
        strengths = self.strengths
        linked = _maximum(*(self.below(s) for activity in activities for s in self._links[activity][0]))
        around = _maximum(*(self.below(s) for activity in activities for s in self._links[activity][1]))
        return _maximum(self._weigh(strengths.linked, linked), self._weigh(strengths.around, around))

    def _related(self, synset: str) -> FloatArray:
        """Through words derived from one another ("to ski": skier, ski) and through parts and wholes."""
        strengths, wordnet = self.strengths, self.wordnet
        near = wordnet.derivations(synset)
        nouns = {n for d in near for n in ((d,) if d[0] == "n" else wordnet.derivations(d)) if n[0] == "n"} - {synset}
        derived = _maximum(*(self.below(noun) for noun in nouns if self._is_specific(noun)))
        linked = _maximum(_nothing(2), *(self._linked(noun) for noun in nouns if self._is_specific(noun)))
        parts = _maximum(*(self.below(part) for part in wordnet.parts_and_wholes(synset) if self._is_specific(part)))
        return _maximum(
            self._weigh(strengths.derived, derived), strengths.derived * linked, self._weigh(strengths.part, parts)
        )

    def _is_specific(self, synset: str) -> bool:
        return self.wordnet.is_specific(synset)

    def _domain_members(self, synset: str) -> tuple[str, ...]:
        if not self._is_specific(synset):
            return ()
        return tuple(
            member for kind in sorted(self.wordnet.descendants(synset)) for member in self.wordnet.domain_members(kind)
        )

    def _named_after(self, phrase: str) -> FloatArray:
        """float32 [1000]: 1 for classes with a lemma that holds all words of the phrase ("tennis ball" for tennis)."""
        wanted = {self.wordnet.base_form(word) for word in phrase.split()}
        hits = _nothing()
        if wanted:
            for index in set.intersection(*(self._classes_named.get(word, set()) for word in wanted)):
                hits[index] = float(any(wanted <= lemma for lemma in self._class_lemmas[index]))
        return hits

    @cached_property
    def _classes_named(self) -> dict[str, set[int]]:
        """{word: indices of the ImageNet classes with a lemma that holds it}."""
        named: dict[str, set[int]] = {}
        for index, lemmas in enumerate(self._class_lemmas):
            for word in frozenset().union(*lemmas):
                named.setdefault(word, set()).add(index)
        return named

    @cached_property
    def _links(self) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        resolve = self.wordnet.resolve
        return {
            resolve(activity): (tuple(map(resolve, linked)), tuple(map(resolve, around)))
            for activity, linked, around in activity_links()
        }

    @cached_property
    def _linked_kinds(self) -> dict[str, list[str]]:
        """{synset: kinds of it that have links, itself left out}."""
        kinds: dict[str, list[str]] = {}
        for kind in self._links:
            for general in self.wordnet.ancestors(kind):
                if general != kind:
                    kinds.setdefault(general, []).append(kind)
        return kinds

    @cached_property
    def _classes_below(self) -> dict[str, list[int]]:
        """{synset: indices of the ImageNet classes that are it or a kind of it}."""
        below: dict[str, list[int]] = {}
        for index, wnid in enumerate(imagenet.wnids()):
            for ancestor in self.wordnet.ancestors(wnid):
                below.setdefault(ancestor, []).append(index)
        return below

    @cached_property
    def _class_lemmas(self) -> tuple[tuple[frozenset[str], ...], ...]:
        return tuple(
            tuple(
                frozenset(self.wordnet.base_form(word) for word in re.split(r"[ -]", lemma.lower()))
                for lemma in self.wordnet.lemmas(wnid)
            )
            for wnid in imagenet.wnids()
        )


@cache
def activity_links() -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
    """The table of activity links: (activity, used or worn in it, often around it), as synset names."""
    text = files("backend.labels").joinpath("data", "activity_links.tsv").read_text(encoding="utf-8")
    rows: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            activity, linked, around = [*line.split("\t"), "", ""][:3]
            rows.append((activity, tuple(linked.split()), tuple(around.split())))
    return tuple(rows)


def _nothing(rows: int | None = None) -> FloatArray:
    return np.zeros((rows, imagenet.N_CLASSES) if rows else imagenet.N_CLASSES, dtype=np.float32)


def _maximum(*vectors: FloatArray) -> FloatArray:
    return np.asarray(np.max(np.stack(vectors), axis=0), dtype=np.float32) if vectors else _nothing()
