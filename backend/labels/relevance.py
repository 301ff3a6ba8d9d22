"""How much of a photo's ImageNet mass speaks for what a project calls relevant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from backend.labels import imagenet
from backend.labels.association import Associations
from backend.labels.controls import Label
from backend.labels.senses import ACTIVITIES, label_meanings
from backend.labels.wordnet import WordNet

FloatArray = npt.NDArray[np.float32]

CERTAIN = 1.0  # the class is a kind of the root, or is used in it
LIKELY = 0.8  # its gloss, or that of a class above it, speaks of the root
ANIMAL = 0.4  # an animal that is used in it, and seldom photographed at it
NEARBY = 0.3  # often around it, as around other things
OTHERWISE = 0.05  # ImageNet does not know most things: any class may be its guess at something relevant
STEM = 5  # letters by which two words are taken to be of one family
GLOSS_STEPS = 4  # how far above a class glosses are read


def relevance_mass(
    roots: Sequence[str], imagenet_probabilities: npt.NDArray[np.floating], wordnet: WordNet
) -> FloatArray:
    """P(relevant) before any annotation: the sum over ImageNet classes of P(class | photo) x P(relevant | class).

    Args:
        roots: synsets ("athlete.n.01", "n09820263"), topic domains ("domain:sport.n.01": its equipment, players and
            venues too) or names, such as those of labels ("tennis").
        imagenet_probabilities: [n, 1000], rows sum to 1.

    Returns:
        float32 [n], [0, 1], 1 = relevant; all 1 without roots.

    Raises:
        WordNetError: a root that WordNet does not have.
    """
    probabilities = np.asarray(imagenet_probabilities, dtype=np.float32)
    if not roots:
        return np.ones(len(probabilities), dtype=np.float32)
    return np.clip(probabilities @ class_relevance(roots, wordnet), 0.0, 1.0)


def check_roots(roots: Sequence[str], wordnet: WordNet) -> None:
    """Whether every root is known; quick, nothing is computed.

    Raises:
        WordNetError: WordNet does not have one.
    """
    for root in roots:
        if root.startswith("domain:"):
            wordnet.resolve(root.removeprefix("domain:"))
        else:
            _synsets_of(root, wordnet)


def class_relevance(roots: Sequence[str], wordnet: WordNet) -> FloatArray:
    """P(relevant | ImageNet class): float32 [1000], [0, 1], read-only.

    The arguments and errors are those of `relevance_mass`.
    """
    return _class_relevance(tuple(roots), wordnet)


@lru_cache(32)  # half a second, and asked for each chunk of photos
def _class_relevance(roots: tuple[str, ...], wordnet: WordNet) -> FloatArray:
    associations = Associations(wordnet)
    animal = associations.below(wordnet.resolve("animal.n.01"))
    relevance = np.full(imagenet.N_CLASSES, OTHERWISE, dtype=np.float32)
    for root in roots:
        if root.startswith("domain:"):
            domain = wordnet.resolve(root.removeprefix("domain:"))
            relevance = np.maximum(relevance, CERTAIN * associations.in_domain(domain))
            relevance = np.maximum(relevance, LIKELY * _spoken_of(domain, wordnet))
            synsets: tuple[str, ...] = (domain,)
        else:
            synsets = _synsets_of(root, wordnet)
        for synset in synsets:
            relevance = np.maximum(relevance, CERTAIN * associations.below(synset))
            if wordnet.lexname(synset) in ACTIVITIES:
                used, around = associations.used_and_around(synset)
                used = used * np.where(animal > 0.0, np.float32(ANIMAL), np.float32(CERTAIN))
                relevance = np.maximum(relevance, np.maximum(used, NEARBY * around))
    relevance.flags.writeable = False
    return relevance


def _synsets_of(root: str, wordnet: WordNet) -> tuple[str, ...]:
    """The synset that is named, or those that a plain name stands for."""
    if re.fullmatch(r"n\d{8}|\S+\.n\.\d{1,2}", root):
        return (wordnet.resolve(root),)
    meaning = label_meanings([Label(root, (root,), root)], wordnet)[0]
    return meaning.synsets or (wordnet.resolve(root),)


def _spoken_of(domain: str, wordnet: WordNet) -> FloatArray:
    """float32 [1000], 0 or 1: a gloss at the class or a few steps above it has a word for the domain."""
    words = {word for lemma in wordnet.lemmas(domain) for word in lemma.lower().split()}
    stems = {word[:STEM] for word in words}
    for related in wordnet.derivations(domain):  # "athletic" to athletics, but not "frolic" to sport
        words.update(lemma.lower() for lemma in wordnet.lemmas(related) if lemma.lower()[:STEM] in stems)
    spoken = np.zeros(imagenet.N_CLASSES, dtype=np.float32)
    for index, wnid in enumerate(imagenet.wnids()):
        glosses = (wordnet.gloss(a) for a, steps in wordnet.ancestors(wnid).items() if steps <= GLOSS_STEPS)
        tokens = {wordnet.base_form(word) for gloss in glosses for word in re.findall(r"[a-z]+", gloss.lower())}
        spoken[index] = float(bool(tokens & words))
    return spoken
