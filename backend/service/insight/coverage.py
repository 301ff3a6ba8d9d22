"""Coverage: how many photos are believed to lie below each node of the label tree, and how many of them are answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from backend.labels.tree import LabelTree
from backend.service.context.context import Runtime
from backend.service.pool.current import current_snapshot
from backend.service.pool.snapshot import Snapshot, named
from backend.service.projects.labels import labels_of
from backend.storage.schema import Annotation, Project

ROOT = -1
"""The node above all others."""


def coverage_of(runtime: Runtime, project: Project) -> list[dict[str, Any]]:
    """The nodes of the label tree, from the top down: node, title, parent (-1: none), label (None: an inner node), photos, answered.

    Each photo counts below its likeliest label, or where several may hold below all that probably do, and once below
    each node above those. A label that lies in several branches of WordNet is shown in the most specific one.

    Raises:
        BackendError: `not_ready`, nothing is predicted yet.
    """
    space = labels_of(runtime, project).spaces[0]
    snapshot = current_snapshot(runtime, project)
    answered = np.isin(snapshot.task_ids, answered_tasks(runtime, project.id))
    parents = tree_parents(space.tree)
    below = _below(space.tree, parents)
    photos, done = _counts(snapshot, answered, below)
    return [
        {
            "node": node,
            "title": name,
            "parent": int(parents[node]),
            "label": node - space.tree.n_inner if node >= space.tree.n_inner else None,
            "photos": int(photos[node]),
            "answered": int(done[node]),
        }
        for node, name in enumerate(space.tree.nodes)
    ]


def _counts(
    snapshot: Snapshot, answered: NDArray[np.bool_], below: Sequence[NDArray[np.intp]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Photos below each of T nodes, int [T], and those of them that are `answered`, bool [n]."""
    probabilities = snapshot.controls[0].probabilities
    labels = probabilities.shape[1]
    photos, done = (np.zeros(len(below), dtype=np.int64) for _ in range(2))
    if not snapshot.controls[0].several:
        likeliest = np.asarray(snapshot.believed.label)
        of_label = np.bincount(likeliest, minlength=labels)
        of_answered = np.bincount(likeliest[answered], minlength=labels)
        for node, held in enumerate(below):
            photos[node], done[node] = of_label[held].sum(), of_answered[held].sum()
        return photos, done
    member = np.zeros((labels, len(below)), dtype=np.float32)
    for node, held in enumerate(below):
        member[held, node] = 1.0
    for place, said in named(probabilities, several=True):
        inside = said.astype(np.float32) @ member > 0.0
        photos += inside.sum(axis=0)
        done += inside[answered[place]].sum(axis=0)
    return photos, done


def labels_below(tree: LabelTree, node: int) -> NDArray[np.intp]:
    """The labels that `coverage_of` counts below a node."""
    return _below(tree, tree_parents(tree))[node]


def answered_tasks(runtime: Runtime, project_id: int) -> NDArray[np.int64]:
    """Tasks that somebody answered or skipped, each once."""
    query = select(Annotation.task_id).where(
        Annotation.project_id == project_id, Annotation.deleted.is_(False), Annotation.task_id.is_not(None)
    )
    with runtime.database.session() as session:
        return np.array(list(session.scalars(query.distinct())), dtype=np.int64)


def tree_parents(tree: LabelTree) -> NDArray[np.intp]:
    """For each node the smallest inner node that holds it, -1 for a top one: int [T]; each node has one place."""
    membership = tree.membership.tocsc()
    members = [frozenset(membership[:, node].indices.tolist()) for node in range(len(tree.nodes))]
    parents = np.full(len(tree.nodes), ROOT, dtype=np.intp)
    for node, own in enumerate(members):
        # Inner nodes come from general to specific: the last one that holds this node is the smallest.
        for above in range(min(node, tree.n_inner) - 1, -1, -1):
            if own < members[above] or (node >= tree.n_inner and own <= members[above]):
                parents[node] = above
                break
    return parents


def _below(tree: LabelTree, parents: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The labels below each node, by its single parents."""
    found: list[list[int]] = [[] for _ in tree.nodes]
    for label in range(tree.n_labels):
        node = tree.n_inner + label
        while node != ROOT:
            found[node].append(label)
            node = int(parents[node])
    return [np.array(labels, dtype=np.intp) for labels in found]
