"""The predictions for every task after the annotations so far, and how good that is on the evaluation sample."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.learning.calibration import temperature_of, tempered
from backend.learning.cross_validation import held_out_probabilities
from backend.learning.evaluation import decide_labels
from backend.learning.figures import Figures, measure
from backend.learning.head import Head
from backend.learning.label_sets import has_several
from backend.priority.evaluation_sample import sample_position
from backend.service.context.context import Runtime
from backend.service.pool.cache import Calibration, ControlPool, ProjectPool
from backend.service.projects.annotations import agreed_target, live_annotations
from backend.service.projects.evaluation_shares import evaluation_shares, first_answer, lowest_share
from backend.service.projects.queue_overrides import pushed_first
from backend.service.versions.artifacts import fitting_heads, load_heads
from backend.service.versions.registry import PROPAGATION, WORDNET, EmbeddingConfig, matches_backbone

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

UNKNOWN = Calibration(0, 1.0, photos=0)
RECALIBRATE = 1.1  # times as many annotations as the temperature was found with


@dataclass(frozen=True)
class Targets:
    """The annotated rows of one control.

    Attributes:
        rows: int [m], rows of the pool.
        values: float32 [m, L] in [0, 1], what the annotators agree on.
        evaluation: bool [m], True where the row is of the evaluation sample and never trained on.
    """

    rows: NDArray[np.intp]
    values: Floats
    evaluation: NDArray[np.bool_]

    @property
    def train(self) -> tuple[NDArray[np.intp], Floats]:
        """Rows and values to learn from."""
        return self.rows[~self.evaluation], self.values[~self.evaluation]

    @property
    def held_out(self) -> tuple[NDArray[np.intp], Floats]:
        """Rows and values to measure on."""
        return self.rows[self.evaluation], self.values[self.evaluation]


@dataclass(frozen=True)
class Annotated:
    """All that people said of a pool.

    Attributes:
        targets: one for each control.
        answered: bool [n], True where some annotator answered or skipped.
        count: tasks with an answer.
    """

    targets: list[Targets]
    answered: NDArray[np.bool_]
    count: int


@dataclass(frozen=True)
class ControlPrediction:
    """Probabilities of one control's labels for the whole pool, [n, L].

    Attributes:
        served: of the version that serves, calibrated, shown to annotators.
        propagated: of the annotations spread over the graph, as they come.
        temperature: with it `propagated` is calibrated, see `calibration.tempered`.
        head: of the trained head; None where there is none.
        evaluation: `Figures` of each version as JSON, by version.
    """

    served: Floats
    propagated: Floats
    temperature: float
    head: Floats | None
    evaluation: Mapping[str, dict[str, Any]]

    @property
    def calibrated(self) -> Floats:
        """`propagated`, calibrated: right as often as it says."""
        return tempered(self.propagated, self.temperature)


def read_annotations(runtime: Runtime, project_id: int, pool: ProjectPool, evaluation_share: float) -> Annotated:
    """The annotations of a project as arrays over its pool.

    What was answered because somebody pushed it to the top is learned from: it was chosen, not drawn.

    Args:
        evaluation_share: as it is now; what was answered under a smaller one is held out only where that would have.
    """
    with runtime.database.session() as session:
        by_task = live_annotations(session, project_id)
        shares = evaluation_shares(session, project_id)
        pushed = pushed_first(session, project_id)
    limits = np.full(pool.n, evaluation_share)
    answered = np.zeros(pool.n, dtype=bool)
    placed = [(row, annotations) for task, annotations in by_task.items() if (row := pool.row_of.get(task)) is not None]
    for row, given in placed:
        answered[row] = True
        since = pushed.get(int(pool.task_ids[row]))
        if since is not None and since < first_answer(given):
            limits[row] = 0.0
            continue
        if any(share < evaluation_share for _, share in shares):
            limits[row] = lowest_share(shares, first_answer(given), evaluation_share)
    targets = []
    for control in pool.controls:
        found = [(row, agreed_target(annotations, control.space.control)) for row, annotations in placed]
        kept = [(row, value) for row, value in found if value is not None]
        rows = np.array([row for row, _ in kept], dtype=np.intp)
        values = np.stack([value for _, value in kept]) if kept else np.zeros((0, control.space.n_labels), np.float32)
        held_out = sample_position([pool.digests[row] for row in rows]) < limits[rows]
        targets.append(Targets(rows, values.astype(np.float32), held_out))
    return Annotated(targets, answered, len(by_task))


def answers_of(pool: ProjectPool, annotated: Annotated) -> dict[int, tuple[int, ...]]:
    """What people answered to the first control, by task: indices of labels, ascending."""
    targets = annotated.targets[0]
    chosen = decide_labels(targets.values, several_hold(pool.controls[0], targets))
    return {
        int(pool.task_ids[row]): tuple(int(label) for label in np.flatnonzero(labels))
        for row, labels in zip(targets.rows, chosen, strict=True)
    }


def predict_pool(
    runtime: Runtime, project_id: int, config: EmbeddingConfig, pool: ProjectPool, annotated: Annotated
) -> tuple[str, list[ControlPrediction]]:
    """Probabilities for every row of the pool, and the version that serves them."""
    version = config.serving_version(annotated.count)
    try:
        heads = fitting_heads(load_heads(runtime, project_id, version), [item.space for item in pool.controls])
    except BackendError as error:  # the order must not wait for somebody to mend a file
        log.error("project %s: %s", project_id, error)
        heads = None
    propagated = config.projection or PROPAGATION
    if heads is not None and not matches_backbone(runtime, project_id, config, version):
        heads = None
    if version not in (WORDNET, propagated) and heads is None:
        log.warning(
            "version %s of project %s was made for other labels or another backbone: propagation serves",
            version,
            project_id,
        )
        version = propagated
    unlabelled = ~(annotated.answered | pool.gone)
    predictions = [
        _predict_control(version, propagated, control, targets, pool, unlabelled, heads[number] if heads else None)
        for number, (control, targets) in enumerate(zip(pool.controls, annotated.targets, strict=True))
    ]
    headline = Figures.from_json(predictions[0].evaluation.get(version, {})).accuracy
    log.info("project %s: %s, accuracy %s", project_id, version, headline.sentence() if headline else "not known yet")
    return version, predictions


def _predict_control(
    version: str,
    propagated_as: str,
    control: ControlPool,
    targets: Targets,
    pool: ProjectPool,
    unlabelled: NDArray[np.bool_],
    head: Head | None,
) -> ControlPrediction:
    rows, values = targets.train
    prior = control.model.prior
    propagated = control.model.propagate(rows, values)
    several = several_hold(control, targets)
    if several:
        control.calibration = None
    calibration = UNKNOWN if several else _calibration(control, propagated, targets, tuned=bool(pool.backbone))
    by_head = None if head is None else head.predict(pool.embeddings, prior)
    calibrated = tempered(propagated, calibration.temperature)
    # Without annotations the spread prior is what WordNet says, evened out over the pool.
    served = prior if version == WORDNET and len(rows) else calibrated
    if by_head is not None:
        served = by_head
    # Nobody's annotation went into the prior: all of them may calibrate it.
    expected = prior if several else tempered(prior, temperature_of(prior[targets.rows], targets.values))
    measured = {WORDNET: expected, propagated_as: calibrated, **({version: by_head} if by_head is not None else {})}
    # A head learned calibrated beliefs, from all that was annotated.
    calibrators = {name: len(targets.rows) for name in measured} | {propagated_as: calibration.photos}
    evaluation = {
        name: measure(
            probabilities, unlabelled, targets.held_out, calibrators=calibrators[name], multiple=several
        ).to_json()
        for name, probabilities in measured.items()
    }
    return ControlPrediction(served, propagated, calibration.temperature, by_head, evaluation)


def several_hold(control: ControlPool, targets: Targets) -> bool:
    """Whether photos of a control have several labels: where they may, and people gave other than one so far.

    A Taxonomy takes several unless it says otherwise, and most teams give one.
    """
    return control.space.control.multiple and has_several(targets.values)


def _calibration(control: ControlPool, propagated: Floats, targets: Targets, *, tuned: bool) -> Calibration:
    """The temperature of what propagates: from the evaluation sample and from the others, cross-validated.

    Cross-validation costs some propagations; the temperature is kept until a tenth more is annotated. A fine-tuned
    backbone has learned from those others: nothing can be held out from its embeddings. A photo of the sample that
    shows the picture of one that is learned from was told the answer: it says nothing of the temperature.
    """
    rows, values = targets.train
    known = control.calibration
    if known is not None and known.annotations <= len(rows) < RECALIBRATE * known.annotations:
        return known
    held, held_values = targets.held_out
    judged, truth = propagated[held], held_values
    honest = ~np.isin(held, control.model.pairs_of(rows)[1])
    if not tuned:
        out, crossed = held_out_probabilities(control.model, rows, values)
        judged, truth = np.concatenate([judged, crossed[out]]), np.concatenate([truth, values[out]])
        held = np.concatenate([held, rows[out]])
        honest = np.concatenate([honest, np.ones(int(out.sum()), dtype=bool)])
    temperature = temperature_of(judged[honest], truth[honest])
    found = Calibration(len(rows), temperature, int(honest.sum()), held.astype(np.intp), judged)
    control.calibration = found
    return found
