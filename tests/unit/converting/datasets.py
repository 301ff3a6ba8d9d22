"""Sets of labelled photos as hypothesis draws them, and when two of them are the same."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import strategies as st

from backend.converting import Dataset, Observation, Photo

# What separates things in one format or another must be harmless inside a name.
_LETTERS = st.characters(
    codec="utf-8", categories=("L", "N"), include_characters=" .,;:'\"#%&+=?()[]{}-_~$|", exclude_characters="\x00"
)


def _is_plain(text: str) -> bool:
    return text == text.strip() != "" and "|" not in text and not text.startswith("{")


labels = st.sampled_from(["fox", "hare", "empty", "Human", "blank", "red fox, old"]) | st.text(
    _LETTERS, min_size=1, max_size=12
).filter(_is_plain)
_parts = st.text(_LETTERS, min_size=1, max_size=8).filter(
    lambda text: text == text.strip() and text not in (".", "..") and "\\" not in text and ":" not in text
)
_files = st.lists(_parts, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".jpg")
paths = _files | _files.map(lambda path: f"https://photos.example.org/{path}")
shares = st.floats(0, 1, allow_subnormal=False).map(lambda value: round(value, 6))
observations = st.one_of(
    st.builds(Observation, labels, st.none(), st.none() | shares),
    st.builds(Observation, labels | st.just(""), st.tuples(shares, shares, shares, shares), st.none() | shares),
)
times = st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.strftime("%Y-%m-%d %H:%M:%S"))
photos = st.builds(
    Photo,
    paths,
    st.lists(observations, max_size=4, unique_by=lambda item: (item.label, item.box)).map(tuple),
    st.just("") | times,
    st.none() | st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
    st.booleans(),
    st.sampled_from(["", "Dark", "Corrupted"]),
)


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    drawn = draw(st.lists(photos, max_size=5, unique_by=lambda photo: photo.path))
    made = Dataset(tuple(drawn))
    unused = draw(st.lists(labels, max_size=2))
    return Dataset(tuple(drawn), tuple(sorted({*made.used_classes, *unused})))


def assert_same(found: Dataset, expected: Dataset) -> None:
    """The same photos in the same order, what was seen in them in any; boxes to a millionth."""
    assert found.classes == expected.classes
    assert [photo.path for photo in found.photos] == [photo.path for photo in expected.photos]
    for one, other in zip(found.photos, expected.photos, strict=True):
        assert (one.taken, one.size, one.left_out, one.quality) == (
            other.taken,
            other.size,
            other.left_out,
            other.quality,
        )
        ones, others = sorted(one.observations, key=_place), sorted(other.observations, key=_place)
        assert [(item.label, item.score) for item in ones] == [(item.label, item.score) for item in others]
        for item, twin in zip(ones, others, strict=True):
            assert (item.box or ()) == pytest.approx(twin.box or (), abs=1e-6)


def _place(item: Observation) -> tuple[object, ...]:
    return item.label, item.box is not None, [round(side, 6) for side in item.box or ()]
