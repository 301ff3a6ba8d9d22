"""The ImageNet classifier of a backbone, in the shape of a classifier from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from backend.classifiers.opening import OpenedClassifier
from backend.features import Backbone
from backend.labels import WordNet, ensure_wordnet, imagenet
from backend.settings import Settings


def imagenet_classifier(backbone: Backbone, settings: Settings) -> OpenedClassifier:
    """What the backbone's own ImageNet layer says; labels are the names of the synsets, e.g. `candle, taper, wax light`."""
    folder = settings.resolved_wordnet_dir
    ensure_wordnet(folder)
    wordnet = WordNet.open(folder)
    labels = tuple(synset_words(wordnet, wnid) for wnid in imagenet.wnids())

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = softmax(backbone.imagenet_logits(backbone.embed(images)), axis=1)
        return probabilities

    spec = backbone.spec
    card = {"backbone": backbone.id, "wnids": list(imagenet.wnids())}
    return OpenedClassifier(Path(backbone.id), labels, spec.input_size, spec.input_size, spec.fit, spec.crop, run, card)


def synset_words(wordnet: WordNet, wnid: str) -> str:
    """All words of a synset, as ImageNet's label file has them."""
    return ", ".join(word.replace("_", " ") for word in wordnet.lemmas(wordnet.resolve(wnid)))
