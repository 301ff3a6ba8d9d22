"""The hierarchy above a label space: where "racket sport" stands above tennis and badminton."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from backend.labels.controls import Label
from backend.labels.wordnet import WordNet

TOPMOST_DEPTH = 4


@dataclass(frozen=True)
class LabelTree:
    """T nodes: the inner ones from general to specific, then one leaf for each label, in label order.

    A node that covers the same labels as one below it is left out, so every node tells labels apart. In WordNet a
    label can lie in several branches at once.

    Attributes:
        nodes: readable names [T].
        membership: bool CSR [L, T]; label l lies below (or is) node t.
        depth: int32 [T]; 0 = top, a leaf is one deeper than the deepest inner node above it.
    """

    nodes: tuple[str, ...]
    membership: sparse.csr_matrix
    depth: npt.NDArray[np.int32]

    @property
    def n_labels(self) -> int:
        """Number of labels L."""
        return int(self.membership.shape[0])

    @property
    def n_inner(self) -> int:
        """Number of inner nodes, T - L."""
        return len(self.nodes) - self.n_labels

    def roll_up(self, probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Mass of each node: float32 [n, T] from label probabilities [n, L]."""
        return np.asarray(self.membership.T @ np.asarray(probabilities, dtype=np.float32).T, dtype=np.float32).T


def build_tree(labels: Sequence[Label], synsets: Sequence[Sequence[str]], wordnet: WordNet | None) -> LabelTree:
    """The tree of a control: its own branches where it has any, else WordNet's above the labels' synsets.

    Args:
        synsets: for each label the synsets that it stands for; labels without any hang below no inner node.
    """
    if any(label.branch for label in labels):
        return _assemble(labels, _own_branches(labels))
    if wordnet is None:
        return _assemble(labels, [])
    return _assemble(labels, _wordnet_branches(synsets, wordnet))


@dataclass(frozen=True)
class _Branch:
    name: str
    members: frozenset[int]
    depth: int


def _own_branches(labels: Sequence[Label]) -> list[_Branch]:
    members: dict[tuple[str, ...], set[int]] = {}
    for position, label in enumerate(labels):
        for depth in range(1, len(label.branch) + 1):
            members.setdefault(label.branch[:depth], set()).add(position)
    return [_Branch(branch[-1], frozenset(below), len(branch)) for branch, below in members.items()]


def _wordnet_branches(synsets: Sequence[Sequence[str]], wordnet: WordNet) -> list[_Branch]:
    members: dict[str, set[int]] = {}
    for position, ids in enumerate(synsets):
        for synset in ids:
            for ancestor in wordnet.ancestors(synset):
                members.setdefault(ancestor, set()).add(position)
    return [
        _Branch(wordnet.name(ancestor), frozenset(below), wordnet.depth(ancestor))
        for ancestor, below in sorted(members.items())
        if len(below) > 1 and not _says_nothing(ancestor, wordnet)
    ]


def _says_nothing(synset: str, wordnet: WordNet) -> bool:
    """WordNet's topmost nodes, such as entity, abstraction, object and event."""
    return wordnet.lexname(synset) == "noun.Tops" and wordnet.depth(synset) < TOPMOST_DEPTH


def _assemble(labels: Sequence[Label], branches: Sequence[_Branch]) -> LabelTree:
    # Of the nodes that cover the same labels the most specific one stays.
    distinct: dict[frozenset[int], _Branch] = {}
    for branch in branches:
        known = distinct.get(branch.members)
        if known is None or branch.depth > known.depth:
            distinct[branch.members] = branch
    inner = sorted(
        (branch for branch in distinct.values() if len(branch.members) > 1),
        key=lambda branch: (-len(branch.members), min(branch.members), branch.name),
    )
    depths: list[int] = []
    around: list[list[int]] = [[] for _ in labels]  # the inner nodes so far that cover a label
    for position, branch in enumerate(inner):
        fewest = min(branch.members, key=lambda member: len(around[member]))
        above = [depths[other] for other in around[fewest] if branch.members < inner[other].members]
        depths.append(1 + max(above, default=-1))
        for member in branch.members:
            around[member].append(position)
    columns: list[frozenset[int]] = [branch.members for branch in inner]
    depths += [1 + max((depths[node] for node in nodes), default=-1) for nodes in around]
    rows = [row for members in columns for row in sorted(members)] + list(range(len(labels)))
    cols = [col for col, members in enumerate(columns) for _ in members] + [
        len(columns) + position for position in range(len(labels))
    ]
    shape = (len(labels), len(columns) + len(labels))
    membership = sparse.csr_matrix((np.ones(len(rows), dtype=bool), (rows, cols)), shape=shape)
    names = (*(branch.name for branch in inner), *(label.title for label in labels))
    return LabelTree(_distinct(names), membership, np.asarray(depths, dtype=np.int32))


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Number the repeats, so that a name says which node is meant."""
    seen: dict[str, int] = {}
    result: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(result)
