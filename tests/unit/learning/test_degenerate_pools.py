"""Whatever a pool, its prior and its answers are: beliefs are probabilities, and do not depend on the order of the photos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.learning.pool_model import PoolModel
from backend.learning.relevance import RelevanceHints

pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings("error")]


@dataclass
class Case:
    """A pool of n photos with L labels and what people said of it."""

    embeddings: np.ndarray
    prior: np.ndarray
    hints: RelevanceHints | None
    rows: np.ndarray
    targets: np.ndarray


@st.composite
def cases(draw: st.DrawFn, *, broken: bool = True) -> Case:
    n, labels = draw(st.sampled_from([1, 2, 3, 20, 60])), draw(st.sampled_from([1, 2, 3, 12]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    embeddings = rng.normal(size=(n, 16)).astype(np.float16)
    kinds = ["as they are", "one of nothing", "all alike"] + ["all of nothing", "a NaN", "infinite", "huge"] * broken
    match draw(st.sampled_from(kinds)):
        case "one of nothing":
            embeddings[0] = 0.0
        case "all alike":
            embeddings[:] = embeddings[0]
        case "all of nothing":
            embeddings[:] = 0.0
        case "a NaN":
            embeddings[0, 0] = np.nan
        case "infinite":
            embeddings[0] = np.inf
        case "huge":
            embeddings[:] = np.clip(embeddings.astype(np.float32) * 2e4, -6e4, 6e4)
    match draw(st.sampled_from(["vague", "certain", "one label", "nothing", "equal"])):
        case "vague":
            prior = rng.dirichlet(np.full(labels, 0.3), n).astype(np.float32)
        case "certain":
            prior = np.eye(labels, dtype=np.float32)[rng.integers(labels, size=n)]
        case "one label":
            prior = np.repeat(np.eye(labels, dtype=np.float32)[:1], n, axis=0)
        case "nothing":
            prior = np.zeros((n, labels), dtype=np.float32)
        case _:
            prior = np.full((n, labels), 1 / labels, dtype=np.float32)
    strange = draw(st.sampled_from([None, "the last label", "all labels"]))
    irrelevant = (np.arange(labels) == labels - 1) | (strange == "all labels")
    hints = None if strange is None else RelevanceHints(irrelevant, None, rng.random(n).astype(np.float32))
    rows = rng.permutation(n)[: draw(st.integers(0, n))]
    said = {"each label": np.arange(rows.size) % labels, "the first": np.zeros(rows.size, dtype=int)}
    answers = draw(st.sampled_from([*said, "the last", "skips"]))
    targets = np.eye(labels, dtype=np.float32)[said.get(answers, np.full(rows.size, labels - 1))]
    return Case(embeddings, prior, hints, rows, targets * (answers != "skips"))


@settings(max_examples=80, deadline=None)
@given(cases())
def test_beliefs_are_probabilities(case: Case) -> None:
    model = PoolModel(case.embeddings, case.prior, hints=case.hints)
    told = model.propagate(case.rows, case.targets)
    outside = model.extend(case.embeddings[:3], case.prior[:3])
    assert model.unmixed is not None
    for beliefs in (told, model.unmixed, outside):
        assert beliefs.shape[1] == case.prior.shape[1]
        assert np.isfinite(beliefs).all()
        assert (beliefs >= 0).all()
        assert np.abs(beliefs.sum(axis=1) - 1).max() < 1e-3
    assert told[case.rows] == pytest.approx(
        np.where(case.targets.any(axis=1, keepdims=True), case.targets, told[case.rows])
    )


@settings(max_examples=40, deadline=None)
@given(case=cases(broken=False), seed=st.integers(0, 99))
def test_the_order_of_the_photos_changes_no_belief(case: Case, seed: int) -> None:
    n = case.prior.shape[0]
    moved = np.random.default_rng(seed).permutation(n)
    place = np.argsort(moved)
    hints = None if case.hints is None else case.hints.take(moved)
    there = PoolModel(case.embeddings, case.prior, hints=case.hints).propagate(case.rows, case.targets)
    here = PoolModel(case.embeddings[moved], case.prior[moved], hints=hints).propagate(place[case.rows], case.targets)
    assert here == pytest.approx(there[moved], abs=0.03)
