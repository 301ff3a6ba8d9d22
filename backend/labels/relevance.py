"""How much of a photo's ImageNet mass lies below the roots of what is relevant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.labels import imagenet
from backend.labels.wordnet import WordNet


def relevance_mass(roots: Sequence[str], imagenet_probabilities: np.ndarray, wordnet: WordNet) -> np.ndarray:
    """P(relevant) before any annotation.

    Args:
        roots: synsets ("athlete.n.01", "n09820263"), topic domains ("domain:sport.n.01") or names ("tennis").
        imagenet_probabilities: [n, 1000], rows sum to 1.

    Returns:
        float32 [n], [0, 1], 1 = relevant; all 1 without roots.

    Raises:
        WordNetError: a root that is neither a synset nor a known name.
    """
    probabilities = np.asarray(imagenet_probabilities, dtype=np.float32)
    if not roots:
        return np.ones(len(probabilities), dtype=np.float32)
    relevant = np.zeros(imagenet.N_CLASSES, dtype=np.float32)
    for root in roots:
        synset = wordnet.resolve(root.removeprefix("domain:"))
        below = wordnet.descendants(synset)
        relevant[[index for index, wnid in enumerate(imagenet.wnids()) if wnid in below]] = 1.0
    return np.clip(probabilities @ relevant, 0.0, 1.0)
