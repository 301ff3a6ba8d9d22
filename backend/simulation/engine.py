"""Plays the annotator over arrays, through the same pool model and the same order that the server uses."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.learning.pool_model import PoolModel
from backend.learning.relevance import RelevanceHints
from backend.priority import STRATEGIES, LayoutCache, OrderOptions, PoolView, Strategy, evaluation_mask, order_pool
from backend.simulation.photos import DISTRACTOR, NOT_RELEVANT, Hierarchy, Photos
from backend.simulation.points import CurvePoint, measured, suggestions

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.intp]

RANDOM_HEAD = "random+head"
"""The baseline: random order, logistic regression on the embeddings of the labelled photos alone."""

CHECKPOINTS = (100, 300, 600, 1000)


FIRST_LABELS = (0, 1, 2, 3, 5)
"""Marks before the tens: what the first labels do to the suggestions."""


@dataclass
class Run:
    """One strategy played with one seed.

    Attributes:
        points: the curve, ascending in labels.
        seconds: wall time, measuring included.
        order_seconds: mean wall time of one re-ranking (propagate, score, choose).
        distractors_asked: questions -> distractors among the first so many, where the curve has points.
    """

    strategy: str
    seed: int
    points: list[CurvePoint] = field(default_factory=list)
    seconds: float = 0.0
    order_seconds: float = 0.0
    distractors_asked: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """What is played.

    Attributes:
        pool: photos that may be asked about.
        test: photos that accuracy is measured on; their labels are used for nothing else.
        classes: readable names of the classes.
        hierarchy: above the labels.
        budget: most labels.
        batch: labels between two re-rankings.
        evaluation_share: share of the pool that is labelled for evaluation only, never learned from.
        marks: label counts at which the curve has a point; (): those of `measured_at`.
    """

    pool: Photos
    test: Photos
    classes: tuple[str, ...]
    hierarchy: Hierarchy = field(default_factory=Hierarchy)
    budget: int = 1000
    batch: int = 10
    evaluation_share: float = 0.0
    marks: tuple[int, ...] = ()

    @property
    def n_classes(self) -> int:
        """Classes, without `Not relevant`."""
        return len(self.classes)

    @property
    def n_labels(self) -> int:
        """Labels L: the classes, and `Not relevant` last where the pool holds distractors."""
        return self.n_classes + int(bool((self.pool.labels == DISTRACTOR).any()))

    def measured_at(self) -> tuple[int, ...]:
        """Label counts at which the curve has a point: 0, 1, 2, 3, 5, to 100 by tens, every 50th, checkpoints."""
        budget = min(self.budget, len(self.pool))
        usual = {*FIRST_LABELS, *range(10, 101, 10), *range(50, budget + 1, 50), *CHECKPOINTS}
        marks = {*(self.marks or usual), budget}
        return tuple(sorted(mark for mark in marks if mark <= budget))


def play(
    setting: Setting,
    strategy: str,
    seed: int,
    progress: Callable[[float], None] = lambda share: None,
    *,
    strategies: Mapping[str, Strategy] = STRATEGIES,
    model: PoolModel | None = None,
) -> Run:
    """Label the pool in the order of one strategy, learning as the server does.

    Args:
        strategy: `default`, `random+head` or a name in `strategies`.
        progress: hears the share done.
        strategies: query strategies by name; those of the registry, or your own.
        model: that of `pool_model_of`, where several strategies are played on one pool; it changes.

    Raises:
        SettingsError: the strategy is not known.
    """
    if strategy == RANDOM_HEAD:
        return play_random_head(setting, seed, progress)
    started = time.perf_counter()
    pool, run = setting.pool, Run(strategy, seed)
    answers = answer_vectors(setting)
    test_prior = prior_of(setting.test, setting.n_labels)
    model = model or pool_model_of(setting, seed)
    test_features = model.projection.project(setting.test.embeddings)
    held_out = evaluation_mask(pool.digests, setting.evaluation_share)
    labelled = np.zeros(len(pool), dtype=bool)
    asked: list[int] = []
    marks = setting.measured_at()
    ordering: list[float] = []
    learned: IntArray = np.zeros(0, dtype=np.intp)
    layouts = LayoutCache()
    while True:
        begun = time.perf_counter()
        probabilities = model.propagate(learned, answers[learned])
        spreading = time.perf_counter() - begun
        if len(asked) in marks:
            predicted = model.extend_projected(test_features, test_prior).argmax(axis=1)
            on_pool = suggestions(probabilities, answers.argmax(axis=1), ~labelled, setting.n_classes)
            point = measured(strategy, seed, len(asked), predicted, setting.test.labels, **on_pool)
            run.points.append(point)
        if len(asked) >= marks[-1]:
            break
        begun = time.perf_counter() - spreading
        count = min([setting.batch, *(mark - len(asked) for mark in marks if mark > len(asked))])
        options = OrderOptions(strategy=strategy, window=count, evaluation_share=setting.evaluation_share, seed=seed)
        view = pool_view(setting, model, probabilities, labelled, answers, seed)
        rows = order_pool(view, options, strategies=strategies, layouts=layouts).rows[:count]
        ordering.append(time.perf_counter() - begun)
        asked.extend(int(row) for row in rows)
        labelled[rows] = True
        learned = np.array([row for row in asked if not held_out[row]], dtype=np.intp)
        progress(len(asked) / marks[-1])
    is_distractor = pool.labels[np.array(asked)] == DISTRACTOR
    run.distractors_asked = {mark: int(is_distractor[:mark].sum()) for mark in marks}
    run.order_seconds = float(np.mean(ordering))
    run.seconds = time.perf_counter() - started
    return run


def pool_model_of(setting: Setting, seed: int = 0) -> PoolModel:
    """The pool before any annotation: its space, its graph, its prior."""
    prior = prior_of(setting.pool, setting.n_labels)
    pool, hints = setting.pool, relevance_hints(setting)
    return PoolModel(
        pool.embeddings, prior, seed=seed, hints=hints, crowd_prior=pool.crowd_prior, depicted=pool.depicted
    )


def pool_view(
    setting: Setting,
    model: PoolModel,
    probabilities: FloatArray,
    labelled: NDArray[np.bool_],
    answers: FloatArray,
    seed: int,
) -> PoolView:
    """The pool as the order sees it, after a `propagate` of `model` that gave `probabilities` [n, L]."""
    pool = setting.pool
    return PoolView(
        space=model.space,
        probabilities=probabilities if model.unmixed is None else model.unmixed,
        labelled=labelled,
        digests=pool.digests,
        membership=setting.hierarchy.membership,
        node_names=setting.hierarchy.node_names,
        label_names=(*setting.classes, NOT_RELEVANT)[: setting.n_labels],
        relevance=model.relevance,
        unknown=pool.unknown,
        annotated_probabilities=answers[labelled],
        neighbours=model.neighbours,
        similarities=model.similarities,
        same_photo=model.same_photo,
        shown=probabilities,
        rng_seed=seed,
    )


def play_random_head(setting: Setting, seed: int, progress: Callable[[float], None] = lambda share: None) -> Run:
    """The baseline: a random order; at each mark a logistic head is trained on the labelled photos alone."""
    from sklearn.linear_model import LogisticRegression  # loads for seconds; `run` imports this file too
    from sklearn.preprocessing import normalize

    started = time.perf_counter()
    run = Run(RANDOM_HEAD, seed)
    asked = np.random.default_rng(seed).permutation(len(setting.pool))
    answers = np.where(setting.pool.labels == DISTRACTOR, setting.n_classes, setting.pool.labels)
    features = normalize(setting.pool.embeddings.astype(np.float32))
    test = normalize(setting.test.embeddings.astype(np.float32))
    marks = tuple(mark for mark in setting.measured_at() if mark > 0)  # of no labels it learns nothing
    for mark in marks:
        rows = asked[:mark]
        known = np.unique(answers[rows])
        if known.size == 1:
            predicted = np.full(len(setting.test), known[0])
        else:
            with warnings.catch_warnings():
                # With about as many classes as photos, scikit-learn wonders whether this is a regression.
                warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
                head = LogisticRegression(C=20.0, tol=1e-3, max_iter=200).fit(features[rows], answers[rows])
            predicted = head.predict(test)
        run.points.append(measured(RANDOM_HEAD, seed, mark, predicted, setting.test.labels))
        progress(mark / marks[-1])
    is_distractor = setting.pool.labels[asked] == DISTRACTOR
    run.distractors_asked = {mark: int(is_distractor[:mark].sum()) for mark in marks}
    run.seconds = time.perf_counter() - started
    return run


def answer_vectors(setting: Setting) -> FloatArray:
    """What the annotator would say of each photo of the pool: float32 [n, L], one-hot."""
    labels = np.where(setting.pool.labels == DISTRACTOR, setting.n_classes, setting.pool.labels)
    answers: FloatArray = np.zeros((len(setting.pool), setting.n_labels), dtype=np.float32)
    answers[np.arange(len(setting.pool)), labels] = 1.0
    return answers


def prior_of(photos: Photos, n_labels: int) -> FloatArray:
    """The prior of the photos, uniform where they have none: float32 [n, L]."""
    if photos.prior is not None:
        return photos.prior
    return np.full((len(photos), n_labels), 1.0 / n_labels, dtype=np.float32)


def relevance_hints(setting: Setting) -> RelevanceHints:
    """What is known of the pool's relevance without annotations: by `Not relevant`, by roots, by the backbone."""
    irrelevant = np.arange(setting.n_labels) >= setting.n_classes
    return RelevanceHints(irrelevant, setting.pool.relevance, setting.pool.unknown)
