"""Agreement of annotators, against the worked example of Krippendorff's book and by its limits."""

from __future__ import annotations

import pytest

from backend.learning.agreement import agreement

pytestmark = pytest.mark.unit

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section C: nominal data, any number of observers.
OBSERVERS = {
    1: "123321412...",
    2: "1233224125.3",
    3: ".3332342251.",
    4: "12332441251.",
}


def test_alpha_is_that_of_the_book() -> None:
    answers = {
        photo: [(person, said[photo]) for person, said in OBSERVERS.items() if said[photo] != "."]
        for photo in range(12)
    }
    assert agreement(answers).alpha == pytest.approx(0.743, abs=0.001)


def test_people_who_agree() -> None:
    found = agreement({1: [(7, "a"), (8, "a")], 2: [(7, "b"), (8, "b")], 3: [(7, "a")]})
    assert (found.photos, found.agreed, found.alpha) == (2, 2, pytest.approx(1.0))
    assert [(item.person, item.same, item.pairs) for item in found.people] == [(7, 2, 2), (8, 2, 2)]


def test_who_disagrees_comes_first() -> None:
    found = agreement({n: [(1, "a"), (2, "a"), (3, "b" if n else "a")] for n in range(3)})
    assert found.people[0].person == 3
    assert (found.people[0].same, found.people[0].pairs) == (2, 6)


def test_nothing_shared_tells_nothing() -> None:
    found = agreement({1: [(7, "a")]})
    assert (found.photos, found.alpha, found.people) == (0, None, ())
