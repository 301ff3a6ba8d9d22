"""The contest on small arrays: nobody is judged on what it learned from, and the graph moves only for more than chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.learning.figures import Figures
from backend.learning.pool_model import PoolModel
from backend.service.training.data import TrainingData
from backend.service.training.learners import PRIOR, PROPAGATED, RECIPES, Learned, Progress, Recipe, Wanted, recipes_for
from backend.service.training.model_selection import SERVED, Contest, Measured, cross_validated, hold
from backend.service.training.train import graph_of_choice
from backend.storage.schema import Project

pytestmark = pytest.mark.unit

LABELS = 3
WANTED = Wanted(adaptation=None)


def one_hot(labels: np.ndarray) -> np.ndarray:
    return np.eye(LABELS, dtype=np.float32)[labels]


@pytest.fixture
def data() -> TrainingData:
    """90 photos in three clusters: 45 annotated, 15 of the evaluation sample, 30 unlabelled."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % LABELS
    embeddings = (rng.normal(0, 1, (LABELS, 16))[labels] + rng.normal(0, 0.3, (90, 16))).astype(np.float16)
    graph = PoolModel(embeddings, np.full((90, LABELS), 1 / LABELS, dtype=np.float32))
    known, held = np.arange(45), np.arange(45, 60)
    return TrainingData(
        graph=graph,
        embeddings=embeddings,
        plain=graph.projection,
        known=known,
        targets=one_hot(labels[known]),
        held=held,
        held_targets=one_hot(labels[held]),
        held_served=one_hot(np.zeros(15, dtype=int)),
        free=np.arange(60, 90),
        propagated=graph.fork().propagate(known, one_hot(labels[known])),
        multiple=False,
    )


def _by_heart(data: TrainingData, wanted: Wanted, start: object, epochs: int | None, progress: Progress) -> Learned:
    """Knows what it was told, photo by photo, and nothing else."""
    told = {int(row): target for row, target in zip(data.known, data.targets, strict=True)}
    blank = np.zeros(LABELS, dtype=np.float32)
    return Learned(np.stack([told.get(int(row), blank - np.arange(LABELS)) for row in data.held]))


BY_HEART = Recipe("by heart", "head", lambda data, wanted: True, _by_heart)


def silent(fraction: float, message: str) -> None:
    return None


def test_what_is_learned_by_heart_earns_nothing(data: TrainingData) -> None:
    data = replace(
        data, targets=np.roll(data.targets, 1, axis=1)
    )  # so that its answer for unknown photos is often wrong
    learned = {BY_HEART.name: [_by_heart(data, WANTED, None, None, silent)]}
    measured = cross_validated([data], [BY_HEART], learned, WANTED, 0, silent)
    truth = measured[BY_HEART.name].targets[0]
    assert len(truth) == 45
    # It says label 0 of every photo that it does not know: right for a third of them.
    assert measured[BY_HEART.name].scores().mean() == pytest.approx((truth.argmax(axis=1) == 0).mean())
    assert measured[PROPAGATED].scores().mean() > 0.9


def test_folds_hold_out_every_photo_once_and_the_graph_forgets_it(data: TrainingData) -> None:
    fold = np.arange(45) < 9
    rest = data.without(fold)
    assert set(rest.known) | set(rest.held) == set(data.known)
    assert not set(rest.known) & set(rest.held)
    alone = data.graph.fork().propagate(rest.known, rest.targets)
    np.testing.assert_array_equal(rest.propagated, alone)
    assert not np.array_equal(rest.propagated, data.propagated)


def test_the_serving_version_is_measured_by_what_it_said(data: TrainingData) -> None:
    contest = hold([data], [], {}, WANTED, 0, silent)
    assert contest.sample[SERVED].scores().mean() == pytest.approx(1 / 3)
    assert contest.sample[PROPAGATED].scores().mean() == 1.0
    assert contest.sample[PRIOR].scores().mean() == pytest.approx(1 / 3)
    assert contest.crossed is not None
    figures = Figures.from_json(contest.figures(PROPAGATED))
    assert figures.sample is not None
    assert figures.sample.photos == 15
    assert hold([data], [], {}, WANTED, 0, silent, cross=False).crossed is None


def test_a_sample_without_photos_leaves_the_figures_to_cross_validation(data: TrainingData) -> None:
    bare = replace(data, held=data.held[:0], held_targets=data.held_targets[:0], held_served=data.held_served[:0])
    figures = Figures.from_json(hold([bare], [], {}, WANTED, 0, silent).figures(PROPAGATED))
    assert figures.accuracy is None
    assert figures.sample is None
    assert figures.crossed is not None
    assert figures.crossed.photos == 45


def contest_of(right: dict[str, int], photos: int = 300) -> Contest:
    targets = one_hot(np.zeros(photos, dtype=int))
    said = {name: one_hot((np.arange(photos) >= count).astype(int)) for name, count in right.items()}
    return Contest({name: Measured([value], [targets], [False]) for name, value in said.items()}, None)


@pytest.mark.parametrize(
    ("adapted", "in_use", "expected"),
    [
        (201, "", "adapted-7"),
        (200, "", ""),
        (199, "", ""),
        (201, "adapted-3", "adapted-7"),
        (200, "adapted-3", "adapted-3"),
    ],
)
def test_the_graph_moves_into_a_projection_only_where_that_is_better(adapted: int, in_use: str, expected: str) -> None:
    contest = contest_of({PROPAGATED: 200, "adapted graph": adapted})
    project = Project(id=1, projection=in_use)
    assert graph_of_choice(project, contest, {"linear": "head-6", "adapted graph": "adapted-7"}) == expected
    assert graph_of_choice(project, contest, {"linear": "head-6"}) == in_use


def test_only_recipes_that_fit_are_tried(data: TrainingData) -> None:
    several = replace(data, multiple=True)
    assert [recipe.name for recipe in recipes_for([several], WANTED)] == ["linear"]
    assert [recipe.name for recipe in recipes_for([data], WANTED)] == ["linear", "cosine with pseudo-labels"]
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)
