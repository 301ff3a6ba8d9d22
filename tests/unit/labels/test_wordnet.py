from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.errors import WordNetError
from backend.labels import WordNet, ensure_wordnet, imagenet
from backend.labels.wordnet_corpus import corpus_path, fault_of
from tests.unit.labels.conftest import REPOSITORY

pytestmark = pytest.mark.unit


def test_every_imagenet_class_is_a_wordnet_synset_of_that_name(wordnet: WordNet) -> None:
    wnids = imagenet.wnids()
    assert len(wnids) == 1000
    assert list(wnids) == sorted(set(wnids))
    for index, wnid in enumerate(wnids):
        assert wordnet.resolve(wnid) == wnid
        assert imagenet.name_of(wnid) == wordnet.name(wnid)
        assert imagenet.index_of(imagenet.wnid_of(index)) == index
    # Known pairs of the standard order, with the two cranes and the two maillots.
    assert [imagenet.wnid_of(i) for i in (0, 134, 281, 517, 817, 999)] == [
        "n01440764", "n02012849", "n02123045", "n03126707", "n04285008", "n15075141",
    ]  # fmt: skip
    with pytest.raises(IndexError):
        imagenet.wnid_of(1000)
    with pytest.raises(KeyError):
        imagenet.index_of("n00000000")


def test_photos_are_named_after_real_classes() -> None:
    photos = REPOSITORY / ".." / "shared" / "images" / "imagenet200"
    if not photos.is_dir():
        pytest.skip("the test photographs are not beside the repository")
    for photo in photos.glob("*.jpg"):
        wnid, _, name = photo.stem.partition("_")
        assert imagenet.name_of(wnid).replace(" ", "_") == name


def test_lookups(wordnet: WordNet) -> None:
    sports_car = wordnet.resolve("sports_car.n.01")
    assert sports_car == "n04285008"
    assert wordnet.resolve(" n04285008 ") == sports_car
    assert wordnet.lemmas(sports_car) == ("sports car", "sport car")
    assert "n02958343" in wordnet.ancestors(sports_car)  # car
    assert wordnet.ancestors(sports_car)[sports_car] == 0
    assert sports_car in wordnet.descendants("n02958343")
    assert wordnet.senses("skis") == wordnet.senses("ski")[:1]
    assert wordnet.senses("no such thing") == ()
    golf = wordnet.resolve("golf.n.01")
    equipment = wordnet.resolve("golf_equipment.n.01")
    assert equipment in wordnet.domain_members(golf)
    assert golf in wordnet.domains(equipment)
    assert not wordnet.is_specific(wordnet.resolve("entity.n.01"))
    assert wordnet.is_specific(golf)


@pytest.mark.parametrize("key", ["n00000001", "n04285009", "dog.n.99", "dog", "xyzzy.n.01", ""])
def test_unknown_synsets_are_named(wordnet: WordNet, key: str) -> None:
    with pytest.raises(WordNetError, match=f"'{key}'"):
        wordnet.resolve(key)


def test_threads_see_the_same_wordnet(wordnet: WordNet) -> None:
    fresh = WordNet.open(REPOSITORY / ".state" / "wordnet")
    wnids = imagenet.wnids()[::20]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(fresh.ancestors, wnids))
    assert found == [wordnet.ancestors(wnid) for wnid in wnids]


def test_ensure_is_idempotent_and_mends_a_damaged_copy(
    wordnet: WordNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nltk

    source = corpus_path(REPOSITORY / ".state" / "wordnet")
    monkeypatch.setattr(nltk.data, "path", [str(source.parents[1])])
    target = corpus_path(tmp_path)
    shutil.copytree(source, target)
    (target / "index.noun").unlink()
    assert fault_of(target) == "index.noun is missing"
    with pytest.raises(WordNetError, match=r"index\.noun"):
        WordNet.open(tmp_path)
    told: list[str] = []
    assert ensure_wordnet(tmp_path, told.append) == target
    assert fault_of(target) is None
    assert told
    told.clear()
    ensure_wordnet(tmp_path, told.append)
    assert told == []
    assert [entry.name for entry in target.parent.iterdir()] == ["wordnet"]


def test_another_version_is_refused(tmp_path: Path, wordnet: WordNet) -> None:
    source = corpus_path(REPOSITORY / ".state" / "wordnet")
    shutil.copytree(source, tmp_path / "wn")
    nouns = tmp_path / "wn" / "data.noun"
    nouns.write_bytes(nouns.read_bytes().replace(b"WordNet 3.0 Copyright", b"WordNet 3.1 Copyright"))
    assert fault_of(tmp_path / "wn") == "it is version 3.1, not 3.0"
    nouns.write_bytes(
        nouns.read_bytes().replace(b"WordNet 3.1 Copyright", b"WordNet 3.0 Copyright").replace(b"\n", b"\r\n")
    )
    assert fault_of(tmp_path / "wn") == "its offsets are not those of WordNet 3.0"
