from __future__ import annotations

import numpy as np
import pytest

from backend.errors import WordNetError
from backend.labels import WordNet, imagenet, relevance_mass
from backend.labels.relevance import OTHERWISE, class_relevance

pytestmark = pytest.mark.unit


def relevance_of(wordnet: WordNet, roots: list[str], *wnids: str) -> list[float]:
    relevance = class_relevance(roots, wordnet)
    return [float(relevance[imagenet.index_of(wnid)]) for wnid in wnids]


def test_a_synset_means_all_below_it(wordnet: WordNet) -> None:
    beagle, tabby, puck = "n02088364", "n02123045", "n04019541"
    assert relevance_of(wordnet, ["dog.n.01"], beagle, tabby) == pytest.approx([1.0, OTHERWISE])
    assert relevance_of(wordnet, ["n02084071", "cat"], beagle, tabby, puck) == pytest.approx([1.0, 1.0, OTHERWISE])


def test_a_topic_domain_brings_equipment_players_and_places(wordnet: WordNet) -> None:
    ballplayer, golf_ball, ski, cliff, teapot = "n09835506", "n03445777", "n04228054", "n09246464", "n04398044"
    found = relevance_of(wordnet, ["domain:sport.n.01"], ballplayer, golf_ball, ski, cliff, teapot)
    assert min(found[:4]) > 0.7
    assert found[4] == pytest.approx(OTHERWISE)


def test_mass_is_a_probability(wordnet: WordNet) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(imagenet.N_CLASSES), 4)
    assert relevance_mass([], probabilities, wordnet).tolist() == [1.0] * 4
    mass = relevance_mass(["domain:sport.n.01", "person.n.01"], probabilities, wordnet)
    assert mass.dtype == np.float32
    assert ((mass >= 0) & (mass <= 1)).all()
    more = relevance_mass(["domain:sport.n.01", "person.n.01", "dog"], probabilities, wordnet)
    assert (more >= mass).all()


def test_an_unknown_root_is_named(wordnet: WordNet) -> None:
    with pytest.raises(WordNetError, match="gizmotron"):
        relevance_mass(["gizmotron"], np.full((1, 1000), 1e-3), wordnet)
