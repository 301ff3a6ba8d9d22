"""Which WordNet synsets a label stands for: the words of its title, and their senses among the other labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backend.labels.controls import Label
from backend.labels.wordnet import WordNet

MAX_DEPTH = 19
MAX_SENSES = 8
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
    above = [frozenset(a for sense in context for a in wordnet.ancestors(sense)) for context in contexts]
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
        others = [shared for other, shared in enumerate(above) if other != position and shared]
        synset = _best_sense(free or contexts[position], others, wordnet)
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
    phrases: list[str] = []
    candidates: dict[str, tuple[str, ...]] = {}
    end = len(words)
    while end > 0:
        for start in range(end):
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


def _best_sense(candidates: Sequence[str], others: Sequence[frozenset[str]], wordnet: WordNet) -> str:
    """The candidate that shares the deepest hypernyms with the other labels, given by all their hypernyms.

    Fit = mean over the other labels of depth(deepest shared hypernym) / 19 (the depth of WordNet), the measure of
    Wu and Palmer without its division by the depths of the two.
    """

    def fit(rank: int) -> float:
        own = wordnet.ancestors(candidates[rank]).keys()
        shared = [max((wordnet.depth(synset) for synset in own & other), default=0) for other in others]
        mean = sum(shared) / (MAX_DEPTH * len(shared)) if shared else 0.0
        return mean - RARE_SENSE_COST * rank

    return candidates[max(range(len(candidates)), key=fit)]
