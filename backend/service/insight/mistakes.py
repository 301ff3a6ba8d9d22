"""Mistakes: which labels are taken for which, annotations that look wrong, and whether annotators agree."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from backend.learning.agreement import agreement
from backend.learning.evaluation import evaluate, wilson_interval
from backend.service.context.context import Runtime
from backend.service.insight.relabel import ask_again
from backend.service.insight.suspects import current_review, suspects_of
from backend.service.pool.review import Review
from backend.service.projects.labels import labels_of
from backend.storage.schema import Annotation, Project

MATRIX_LABELS = 20
"""Labels of the confusion matrix: those that are confused most; a larger one cannot be read."""

SHARED_PHOTOS = 5000
"""Most photos with several answers that agreement is counted over, the newest."""


def mistakes_of(runtime: Runtime, project: Project) -> dict[str, Any]:
    """The figures of the page, as the API gives them."""
    control = labels_of(runtime, project).spaces[0].control
    titles = [label.title for label in control.labels]
    review = current_review(runtime, project)
    shared = _agreement(runtime, project, titles, review)
    if review is None or not review.task_ids.size:
        return {
            "annotations": 0,
            "photos": 0,
            "right": 0,
            "interval": None,
            "labels": [],
            "confused": [],
            "matrix": {"labels": [], "cells": []},
            "suspects": [],
            "agreement": shared,
            "why": _why_none(control.multiple),
        }
    believed = review.held_out.argmax(axis=1)
    right = int((believed == review.given).sum())
    low, high = wilson_interval(right, review.given.size)
    return {
        "annotations": review.annotations,
        "photos": int(review.given.size),
        "right": right,
        "interval": [round(low, 4), round(high, 4)],
        "labels": _by_label(review, titles),
        "confused": _confused(review.given, believed, titles),
        "matrix": _matrix(review.given, believed, titles),
        "suspects": [
            {
                "task": item.task,
                "given": item.given,
                "given_title": titles[item.given],
                "believed": item.believed,
                "believed_title": titles[item.believed],
                "doubt": item.doubt,
            }
            for item in suspects_of(runtime, project, review)
        ],
        "agreement": shared,
        "why": "",
    }


def photos_of_cell(runtime: Runtime, project: Project, given: int, believed: int, limit: int) -> list[dict[str, Any]]:
    """The annotated photos of one cell of the confusion matrix, the surest first: task and confidence in [0, 1]."""
    review = current_review(runtime, project)
    if review is None:
        return []
    rows = np.flatnonzero((review.given == given) & (review.held_out.argmax(axis=1) == believed))
    sure = review.held_out[rows].max(axis=1).astype(np.float32)
    order = np.argsort(-sure, kind="stable")[:limit]
    return [{"task": int(review.task_ids[rows[at]]), "confidence": round(float(sure[at]), 4)} for at in order]


def _why_none(multiple: bool) -> str:
    soon = "Once some labels have two photos each, every answer is compared with what the others say of its photo."
    if multiple:
        return (
            f"With several labels for a photo nobody can say which one was taken for which. With one for each: {soon}"
        )
    return soon


def _by_label(review: Review, titles: list[str]) -> list[dict[str, Any]]:
    one_hot = np.zeros(review.held_out.shape, dtype=np.float32)
    one_hot[np.arange(review.given.size), review.given] = 1.0
    found = evaluate(review.held_out.astype(np.float32), one_hot)
    return [
        {
            "label": score.label,
            "title": titles[score.label],
            "photos": score.support,
            "precision": round(score.precision, 4),
            "recall": round(score.recall, 4),
            "f1": round(score.f1, 4),
        }
        for score in sorted(found.labels, key=lambda score: (score.f1, -score.support, score.label))
    ]


def _confused(given: NDArray[np.int64], believed: NDArray[np.intp], titles: list[str]) -> list[dict[str, Any]]:
    wrong = given != believed
    cells, counts = np.unique(np.stack([given[wrong], believed[wrong]]), axis=1, return_counts=True)
    rows = [
        {
            "given": int(one),
            "given_title": titles[one],
            "believed": int(other),
            "believed_title": titles[other],
            "photos": int(count),
        }
        for one, other, count in zip(*cells, counts, strict=True)
    ]
    return sorted(rows, key=lambda row: (-row["photos"], row["given"], row["believed"]))


def _matrix(given: NDArray[np.int64], believed: NDArray[np.intp], titles: list[str]) -> dict[str, Any]:
    """The rows and columns of the labels that are confused most: photos by annotated (row) and believed label (column)."""
    wrong = given != believed
    confused = np.bincount(given[wrong], minlength=len(titles)) + np.bincount(believed[wrong], minlength=len(titles))
    used = np.flatnonzero(confused)
    if used.size > MATRIX_LABELS:
        used = np.sort(used[np.argsort(-confused[used], kind="stable")[:MATRIX_LABELS]])
    place = np.full(len(titles), -1)
    place[used] = np.arange(used.size)
    shown = (place[given] >= 0) & (place[believed] >= 0)
    cells = np.zeros((used.size, used.size), dtype=np.int64)
    np.add.at(cells, (place[given[shown]], place[believed[shown]]), 1)
    return {
        "labels": [{"label": int(label), "title": titles[label]} for label in used],
        "cells": cells.tolist(),
    }


def _agreement(runtime: Runtime, project: Project, titles: list[str], review: Review | None) -> dict[str, Any]:
    """Photos that several people answered, and how often they agree; the disputed ones, those to be asked again first."""
    control = labels_of(runtime, project).spaces[0].control
    live = (
        Annotation.project_id == project.id,
        Annotation.deleted.is_(False),
        Annotation.was_cancelled.is_(False),
        Annotation.task_id.is_not(None),
    )
    several = (
        select(Annotation.task_id)
        .where(*live)
        .group_by(Annotation.task_id)
        .having(func.count() > 1)
        .order_by(func.max(Annotation.updated_at).desc())
        .limit(SHARED_PHOTOS)
    )
    newest: dict[int, dict[int, tuple[int, ...]]] = defaultdict(dict)  # a person who answered twice counts once
    with runtime.database.session() as session:
        tasks = list(session.scalars(several))
        for start in range(0, len(tasks), 500):
            query = select(Annotation).where(*live, Annotation.task_id.in_(tasks[start : start + 500]))
            for item in session.scalars(query.order_by(Annotation.annotation_id)):
                said = control.read(item.result)
                if said is not None and item.task_id is not None:
                    newest[item.task_id][item.completed_by or 0] = said
    answers = {task: list(newest[task].items()) for task in tasks if task is not None}
    found = agreement(answers)
    disputed = [task for task, given in answers.items() if len({said for _, said in given}) > 1]
    shares = {item.person: item.same / item.pairs for item in found.people}
    again = {} if control.multiple else ask_again(runtime, project, disputed, answers, shares, review)
    disputed.sort(key=lambda task: again[task].trust if task in again else 1.0)
    return {
        "photos": found.photos,
        "agreed": found.agreed,
        "alpha": None if found.alpha is None else round(found.alpha, 4),
        "people": [
            {"person": item.person, "pairs": item.pairs, "same": item.same, "share": round(item.same / item.pairs, 4)}
            for item in found.people
        ],
        "disputed": [
            {
                "task": task,
                "answers": [
                    {"person": person, "label": ", ".join(titles[index] for index in said)}
                    for person, said in answers[task]
                ],
                "trust": round(again[task].trust, 4) if task in again else None,
                "sooner_than_new": round(again[task].sooner_than_new, 4) if task in again else None,
                "ask": again[task].person if task in again else None,
            }
            for task in disputed[:100]
        ],
    }
