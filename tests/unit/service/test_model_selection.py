"""Candidates on small arrays: judged where they differ, by photos that nobody learned from; the rest is asked about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.learning.adaptation import AdaptationOptions
from backend.learning.pool_model import PoolModel
from backend.learning.promotion import MAX_JUDGED, Outcome
from backend.service.training.data import TrainingData
from backend.service.training.learners import HEAD, LEARNERS, TrainingOptions, learners_for
from backend.service.training.model_selection import evaluate_candidate, select
from backend.service.versions.comparisons import Comparison

pytestmark = pytest.mark.unit

LABELS = 3
TRUTH = np.arange(120) % LABELS


def one_hot(labels: np.ndarray) -> np.ndarray:
    return np.eye(LABELS, dtype=np.float32)[labels]


@pytest.fixture
def data() -> TrainingData:
    """120 photos in three clusters: 45 annotated, 15 of the evaluation sample annotated, 60 unlabelled, 6 of these of the sample."""
    rng = np.random.default_rng(0)
    embeddings = (rng.normal(0, 1, (LABELS, 16))[TRUTH] + rng.normal(0, 0.3, (120, 16))).astype(np.float16)
    graph = PoolModel(embeddings, np.full((120, LABELS), 1 / LABELS, dtype=np.float32))
    known, held = np.arange(45), np.arange(45, 60)
    return TrainingData(
        graph=graph,
        task_ids=np.arange(1000, 1120),
        embeddings=embeddings,
        plain=graph.projection,
        known=known,
        targets=one_hot(TRUTH[known]),
        held=held,
        held_targets=one_hot(TRUTH[held]),
        believed=np.arange(120),
        served=one_hot(TRUTH),
        propagated=graph.fork().propagate(known, one_hot(TRUTH[known])),
        temperature=1.0,
        unlabelled=np.arange(120) >= 60,
        sample=(np.arange(120) >= 45) & (np.arange(120) < 66),
        multiple=False,
    )


def wrong_on(rows: range) -> np.ndarray:
    """Predictions that are right but on some rows."""
    said = TRUTH.copy()
    said[list(rows)] = (said[list(rows)] + 1) % LABELS
    return one_hot(said)


def test_a_candidate_is_judged_where_it_differs(data: TrainingData) -> None:
    scores = evaluate_candidate(data, wrong_on(range(50, 90)), "head-1", "propagation")
    found = scores.disagreement
    assert (found.unlabelled, found.differing) == (60, 30)
    assert (found.better, found.worse, found.neither) == (0, 10, 0)
    assert scores.outcome is Outcome.KEEP
    assert scores.figures.sample is not None
    assert scores.figures.sample.accuracy == pytest.approx(5 / 15)


def test_photos_to_ask_about_are_drawn_outside_the_evaluation_sample(data: TrainingData) -> None:
    scores = evaluate_candidate(data, wrong_on(range(60, 110)), "head-1", "propagation")
    assert scores.outcome is Outcome.ASK
    assert len(scores.photos) == MAX_JUDGED
    tasks = [photo.task_id for photo in scores.photos]
    assert set(tasks) <= set(range(1066, 1110))
    assert tasks != sorted(tasks)
    first = scores.photos[0]
    assert first.serving == (TRUTH[first.task_id - 1000],)
    assert first.candidate != first.serving
    # What people then say decides.
    comparison = Comparison.from_json(scores.comparison("sports").to_json())
    assert comparison == scores.comparison("sports")
    right = {photo.task_id: photo.candidate for photo in comparison.photos[:4]}
    assert comparison.judged(right).outcome() is Outcome.PROMOTE
    assert (
        comparison.judged({photo.task_id: photo.serving for photo in comparison.photos[:2]}).outcome() is Outcome.KEEP
    )
    neither = {photo.task_id: (7,) for photo in comparison.photos}
    assert comparison.judged(neither).neither == MAX_JUDGED
    assert comparison.judged(neither).outcome() is Outcome.KEEP


def test_the_best_serves_and_each_gets_a_sentence(data: TrainingData) -> None:
    served = replace(data, served=wrong_on(range(45, 100)))
    good = evaluate_candidate(served, wrong_on(range(45, 50)), "adapted-2", "propagation")
    better = evaluate_candidate(served, wrong_on(range(0)), "head-1", "propagation")
    chosen = select({"adapted-2": good, "head-1": better})
    assert (chosen.promoted, chosen.asked) == ("head-1", None)
    assert "serves from now on" in chosen.notes["head-1"]
    assert chosen.notes["adapted-2"] == "adapted-2 is not promoted: head-1 gains more"
    pinned = select({"head-1": better}, pinned=True)
    assert (pinned.promoted, pinned.asked) == (None, None)
    assert pinned.notes["head-1"] == "head-1 is not promoted: a person chose propagation"


def test_people_are_asked_about_one_candidate_at_a_time(data: TrainingData) -> None:
    few = evaluate_candidate(data, wrong_on(range(70, 75)), "head-1", "propagation")
    many = evaluate_candidate(data, wrong_on(range(70, 95)), "adapted-2", "propagation")
    chosen = select({"head-1": few, "adapted-2": many})
    assert (chosen.promoted, chosen.asked) == (None, "adapted-2")
    assert "nothing tells yet" in chosen.notes["head-1"]


def test_a_head_answers_as_the_graph_that_it_was_distilled_from(data: TrainingData) -> None:
    result = HEAD.fit(data, TrainingOptions(), None, lambda part, said: None)
    assert result.head is not None
    assert (result.predictions.argmax(axis=1) == data.propagated.argmax(axis=1)).mean() >= 0.99
    scores = evaluate_candidate(data, result.predictions, "head-1", "propagation")
    assert scores.figures.accuracy is not None
    assert scores.figures.accuracy.unlabelled == 60


def test_several_labels_a_photo_are_one_answer(data: TrainingData) -> None:
    several = replace(data, multiple=True, served=np.minimum(data.served + one_hot((TRUTH + 1) % LABELS), 1))
    scores = evaluate_candidate(several, one_hot(TRUTH), "head-1", "propagation")
    assert scores.disagreement.differing == 60
    assert scores.disagreement.better == 15
    assert all(len(photo.serving) == 2 for photo in scores.photos)


def test_only_learners_that_fit_are_tried(data: TrainingData) -> None:
    assert [learner.name for learner in learners_for([data], TrainingOptions())] == ["head"]
    adapt = TrainingOptions(AdaptationOptions())
    assert [learner.name for learner in learners_for([data], adapt)] == ["head", "adapted graph"]
    assert [learner.name for learner in learners_for([replace(data, multiple=True)], adapt)] == ["head"]
    assert {learner.name for learner in LEARNERS.values()} == set(LEARNERS)
