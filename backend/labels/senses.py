"""Which WordNet synsets a label stands for: the words of its title, and their senses among the other labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backend.labels.controls import Label
from backend.labels.wordnet import WordNet

MAX_DEPTH = 19
MAX_SENSES = 8
MAX_PHRASE_WORDS = 9  # words; WordNet's longest noun has nine
RARE_SENSE_COST = 0.02  # for each place further down WordNet's list, which begins with the most frequent sense
ACTIVITIES = frozenset({"noun.act", "noun.event"})
VISIBLE = frozenset(
    {"noun.act", "noun.event", "noun.artifact", "noun.animal", "noun.plant", "noun.food", "noun.object", "noun.person"}
)


@dataclass(frozen=True)
class Meaning:
    """What a label stands for.

    Attributes:
        synsets: the label itself: of its `synset` attribute, or the sense of its head phrase.
        exact: the synsets are given by the attribute, or name the whole title and not just its head.
        modifiers: visible things that the rest of the title names ("sailboat" in "sailboat racing").
        phrases: the parts of the title that WordNet knows, the head first.
    """

    synsets: tuple[str, ...] = ()
    exact: bool = False
    modifiers: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Reading:
    """A title split into known phrases, each with its candidate senses."""

    phrases: tuple[str, ...]
    candidates: dict[str, tuple[str, ...]]
    head: str | None
    whole: bool


def label_meanings(labels: Sequence[Label], wordnet: WordNet) -> tuple[Meaning, ...]:
    """The meaning of every label.

    Without a `synset` attribute the title is split into the longest phrases that WordNet knows. The head is the
    last phrase that can be an activity, else the last one. Of its senses that one counts which shares the
    deepest hypernyms with the other labels: cricket is a game among sports and an insect among animals.
    """
    readings = [None if label.synsets else _read_title(_normalise(label.title), wordnet) for label in labels]
    contexts: list[tuple[str, ...]] = []
    for label, reading in zip(labels, readings, strict=True):
        if label.synsets:
            contexts.append(tuple(wordnet.resolve(key) for key in label.synsets))
        else:
            contexts.append(reading.candidates[reading.head] if reading and reading.head else ())
    context = _Context(contexts, wordnet)
    # A sense whose own name is another label's whole title belongs to that one: next to "field hockey", "hockey"
    # is ice hockey.
    titles = {_normalise(label.title): position for position, label in enumerate(labels)}
    meanings: list[Meaning] = []
    for position, (label, reading) in enumerate(zip(labels, readings, strict=True)):
        if reading is None:
            phrases = _read_title(_normalise(label.title), wordnet).phrases
            meanings.append(Meaning(contexts[position], exact=True, phrases=phrases))
            continue
        if reading.head is None or not label.relevant:
            meanings.append(Meaning())
            continue
        free = tuple(
            sense
            for sense in contexts[position]
            if all(titles.get(_normalise(lemma), position) == position for lemma in wordnet.lemmas(sense))
        )
        synset = context.best_sense(free or contexts[position], position)
        modifiers = tuple(
            sense
            for phrase in reading.phrases
            if phrase != reading.head
            for sense in [s for s in reading.candidates[phrase][:5] if wordnet.lexname(s) in VISIBLE][:2]
        )
        ordered = (reading.head, *(phrase for phrase in reading.phrases if phrase != reading.head))
        meanings.append(Meaning((synset,), exact=reading.whole, modifiers=modifiers, phrases=ordered))
    return tuple(meanings)


def _normalise(title: str) -> str:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title)
    return re.sub(r"[\s_/-]+", " ", spaced).strip().lower()


def _read_title(title: str, wordnet: WordNet) -> _Reading:
    words = title.split()
    longest = min(len(words), MAX_PHRASE_WORDS)
    phrases: list[str] = []
    candidates: dict[str, tuple[str, ...]] = {}
    end = len(words)
    while end > 0:
        for start in range(max(0, end - longest), end):
            phrase = " ".join(words[start:end])
            senses = () if phrase.isdigit() else _senses_of(phrase, wordnet)
            if senses:
                phrases.append(phrase)
                candidates[phrase] = senses[:MAX_SENSES]
                end = start
                break
        else:
            end -= 1
    active = (p for p in phrases if any(wordnet.lexname(s) in ACTIVITIES for s in candidates[p][:4]))
    head = next(active, phrases[0] if phrases else None)
    return _Reading(tuple(phrases), candidates, head, whole=len(phrases) == 1 and phrases[0] == title)


def _senses_of(phrase: str, wordnet: WordNet) -> tuple[str, ...]:
    """Noun senses, also of the phrase written as one word, with hyphens, in the plural or as a verb's noun."""
    for form in dict.fromkeys((phrase, phrase.replace(" ", ""), phrase.replace(" ", "-"), f"{phrase}s")):
        senses = wordnet.senses(form)
        if senses:
            return senses
    derived = [
        noun
        for form in dict.fromkeys((phrase, phrase.replace(" ", "")))
        for verb in wordnet.senses(form, "v")[:3]
        for noun in wordnet.derivations(verb)
        if noun.startswith("n")
    ]
    return tuple(dict.fromkeys(derived))


class _Context:
    """The hypernyms of all labels, as a set of labels for each hypernym: bit l of an integer stands for label l."""

    def __init__(self, contexts: Sequence[Sequence[str]], wordnet: WordNet) -> None:
        self._wordnet = wordnet
        self._below: dict[str, int] = {}
        self._known = 0
        for position, senses in enumerate(contexts):
            bit = 1 << position
            for synset in {above for sense in senses for above in wordnet.ancestors(sense)}:
                self._below[synset] = self._below.get(synset, 0) | bit
            if senses:
                self._known |= bit

    def best_sense(self, candidates: Sequence[str], position: int) -> str:
        """The candidate that shares the deepest hypernyms with the other labels.

        Fit = mean over the other labels of depth(deepest shared hypernym) / 19 (the depth of WordNet), the measure of
        Wu and Palmer without its division by the depths of the two. Deepest first, each hypernym takes its labels:
        near linear in the number of labels.
        """
        others = self._known & ~(1 << position)
        count = others.bit_count()

        def fit(rank: int) -> float:
            depth = self._wordnet.depth
            left, total = others, 0
            for synset in sorted(self._wordnet.ancestors(candidates[rank]), key=depth, reverse=True):
                sharing = self._below.get(synset, 0) & left
                if sharing:
                    total += depth(synset) * sharing.bit_count()
                    left &= ~sharing
                if not left:
                    break
            return (total / (MAX_DEPTH * count) if count else 0.0) - RARE_SENSE_COST * rank

        return candidates[max(range(len(candidates)), key=fit)]
