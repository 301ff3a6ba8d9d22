"""Disputed photos: how far their label is trusted, whether asking again beats asking about a new photo, and whom to ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.errors import BackendError
from backend.learning.relabel import trust_in_consensus
from backend.service.context.context import Runtime
from backend.service.insight.coverage import answered_tasks
from backend.service.pool.current import current_snapshot
from backend.service.pool.review import Review
from backend.storage.schema import Project

NEW = 1000
"""Most photos without an answer that disputed ones are compared with, drawn at random."""


@dataclass(frozen=True)
class AskAgain:
    """What another answer to a disputed photo is worth.

    Attributes:
        trust: in its likeliest label, [0, 1]; the lowest is asked first.
        sooner_than_new: share of the photos without an answer that are trusted more, [0, 1]: 1 = ask again, 0 = go on.
        person: who agrees with the others most and did not answer it; None: everybody did.
    """

    trust: float
    sooner_than_new: float
    person: int | None


def ask_again(
    runtime: Runtime,
    project: Project,
    disputed: Sequence[int],
    answers: Mapping[int, Sequence[tuple[int, tuple[int, ...]]]],
    agrees: Mapping[int, float],
    review: Review | None,
) -> dict[int, AskAgain]:
    """Each disputed photo's `AskAgain`; empty where nothing is predicted yet.

    Args:
        answers: of each photo that several people answered, annotator and labels.
        agrees: of each annotator the share of answers that others gave too.
        review: what is believed of answered photos without their own answers.
    """
    try:
        snapshot = current_snapshot(runtime, project)
    except BackendError:
        return {}
    labels = snapshot.controls[0].probabilities.shape[1]
    open_rows = np.flatnonzero(~np.isin(snapshot.task_ids, answered_tasks(runtime, project.id)))
    if open_rows.size > NEW:
        open_rows = np.random.default_rng(0).choice(open_rows, NEW, replace=False)
    held_out = {} if review is None else {int(task): row for row, task in enumerate(review.task_ids)}
    beliefs = np.full((len(disputed) + open_rows.size, labels), 1.0 / labels, dtype=np.float32)
    for place, task in enumerate(disputed):
        if review is not None and task in held_out:
            beliefs[place] = review.held_out[held_out[task]]
    beliefs[len(disputed) :] = snapshot.controls[0].probabilities[open_rows]
    given = [{person: said[0] for person, said in answers[task] if len(said) == 1} for task in disputed]
    right = 1.0 / labels
    if review is not None and review.given.size:
        right = float((review.held_out.argmax(axis=1) == review.given).mean())
    trust = trust_in_consensus(beliefs, [*given, *({} for _ in open_rows)], agrees, right)
    new = trust[len(disputed) :]
    best = sorted(agrees.keys() - {0}, key=lambda person: -agrees[person])  # 0: Label Studio did not say who
    return {
        task: AskAgain(
            float(trust[place]),
            float((new > trust[place]).mean()) if new.size else 1.0,
            next((person for person in best if person not in {one for one, _ in answers[task]}), None),
        )
        for place, task in enumerate(disputed)
    }
