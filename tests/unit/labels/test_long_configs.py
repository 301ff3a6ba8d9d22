"""Label configs of thousands of labels: the short cuts give what going through every pair gives."""

from __future__ import annotations

import numpy as np
import pytest

from backend.labels import LabelSpace, WordNet, imagenet
from backend.labels.association import Associations
from backend.labels.senses import MAX_DEPTH, RARE_SENSE_COST, _Context, label_meanings
from tests.unit.labels.configs import choices

pytestmark = pytest.mark.unit

TITLES = [
    "cricket",
    "crane",
    "bat",
    "bass",
    "tennis",
    "dog",
    "animal",
    "beagle",
    "heron",
    "gizmotron",
    "polo",
    "vehicle",
]


def test_the_best_sense_is_that_of_every_pair_looked_at(wordnet: WordNet) -> None:
    contexts = [wordnet.senses(title)[:8] for title in TITLES]
    context = _Context(contexts, wordnet)
    above = [frozenset(a for sense in senses for a in wordnet.ancestors(sense)) for senses in contexts]
    for position, candidates in enumerate(contexts):
        if not candidates:
            continue
        others = [shared for other, shared in enumerate(above) if other != position and shared]
        fits = []
        for rank, candidate in enumerate(candidates):
            own = wordnet.ancestors(candidate).keys()
            shared = [max((wordnet.depth(synset) for synset in own & other), default=0) for other in others]
            fits.append(sum(shared) / (MAX_DEPTH * len(shared)) - RARE_SENSE_COST * rank)
        assert context.best_sense(candidates, position) == candidates[int(np.argmax(fits))]


def test_a_class_speaks_for_the_more_special_label_as_by_every_pair(wordnet: WordNet) -> None:
    meanings = label_meanings(choices(TITLES).labels, wordnet)
    associations = Associations(wordnet)
    found = associations.evidence(meanings).claim
    plain = associations.evidence(meanings, exclusive=False).claim
    for row, general in enumerate(meanings):
        expected = plain[row].copy()
        own = np.max([associations.below(synset) for synset in general.synsets], axis=0, initial=0)
        for other in meanings:
            for synset in other.synsets:
                if synset not in general.synsets and set(general.synsets) & wordnet.ancestors(synset).keys():
                    expected *= 1 - own * associations.below(synset)
        np.testing.assert_array_equal(found[row], expected)


def test_all_imagenet_classes_and_a_thousand_names_that_nobody_knows(wordnet: WordNet) -> None:
    titles = list(dict.fromkeys(imagenet.name_of(wnid) for wnid in imagenet.wnids()))
    titles += [f"gizmo{number}x part{number}y" for number in range(1000)]
    space = LabelSpace(choices(titles), wordnet)
    space.prepare()
    known = len(titles) - 1000
    assert space.supported[:known].mean() > 0.95
    assert not space.supported[known:].any()
    tree = space.tree
    inner = tree.membership[:, : tree.n_inner].toarray()
    for node in range(0, tree.n_inner, 97):
        members = set(np.flatnonzero(inner[:, node]))
        above = [other for other in range(tree.n_inner) if members < set(np.flatnonzero(inner[:, other]))]
        assert tree.depth[node] == 1 + max((tree.depth[other] for other in above), default=-1)
