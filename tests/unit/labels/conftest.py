"""WordNet as the set-up places it, opened once for all tests of this package."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.labels import WordNet, ensure_wordnet
from backend.labels.association import Associations

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def wordnet() -> WordNet:
    folder = REPOSITORY / ".state" / "wordnet"
    ensure_wordnet(folder)
    return WordNet.open(folder)


@pytest.fixture(scope="session")
def associations(wordnet: WordNet) -> Associations:
    return Associations(wordnet)
