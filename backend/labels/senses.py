"""Which WordNet synsets a label stands for."""

from __future__ import annotations

from backend.labels.controls import Label
from backend.labels.wordnet import WordNet


def label_synsets(label: Label, wordnet: WordNet) -> tuple[str, ...]:
    """The noun synsets of a label: those of its `synset` attribute, else those its title names."""
    if label.synsets:
        return tuple(wordnet.resolve(key) for key in label.synsets)
    return wordnet.senses(label.title)[:1]
