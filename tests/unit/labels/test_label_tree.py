from __future__ import annotations

import numpy as np
import pytest

from backend.labels import LabelSpace, WordNet
from backend.labels.tree import build_tree
from tests.unit.labels.configs import choices, taxonomy

pytestmark = pytest.mark.unit


def test_a_taxonomy_keeps_its_own_branches() -> None:
    control = taxonomy(
        '<Choice value="Ball"><Choice value="Court"><Choice value="Tennis"/><Choice value="Squash"/></Choice>'
        '<Choice value="Golf"/></Choice><Choice value="Lonely"><Choice value="Chess"/></Choice>'
    )
    tree = build_tree(control.labels, [()] * 4, None)
    # Lonely holds one label only and tells nothing apart.
    assert tree.nodes == ("Ball", "Court", "Tennis", "Squash", "Golf", "Chess")
    assert tree.depth.tolist() == [0, 1, 2, 2, 1, 0]
    assert tree.membership.toarray().astype(int).tolist() == [
        [1, 1, 1, 0, 0, 0],
        [1, 1, 0, 1, 0, 0],
        [1, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ]
    assert (tree.n_labels, tree.n_inner) == (4, 2)
    mass = tree.roll_up(np.array([[0.1, 0.2, 0.3, 0.4], [1.0, 0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(mass, [[0.6, 0.3, 0.1, 0.2, 0.3, 0.4], [1, 1, 1, 0, 0, 0]], rtol=1e-6)


def test_flat_labels_hang_below_wordnet(wordnet: WordNet) -> None:
    tree = LabelSpace(choices(["tennis", "badminton", "boxing", "gizmotron"]), wordnet).tree
    columns = {
        name: tree.membership[:, [position]].toarray().ravel().tolist() for position, name in enumerate(tree.nodes)
    }
    assert columns["court game"] == [True, True, False, False]
    assert columns["gizmotron"] == [False, False, False, True]
    # Chains that cover the same labels are one node, the most special: sport, not diversion or activity.
    assert columns["sport"] == [True, True, True, False]
    assert tree.n_inner == 2
    assert tree.depth.tolist() == [0, 1, 2, 2, 1, 0]


def test_labels_outside_wordnet_have_a_flat_tree(wordnet: WordNet) -> None:
    tree = LabelSpace(choices(["gizmotron", "frobnix"]), wordnet).tree
    assert tree.nodes == ("gizmotron", "frobnix")
    assert tree.depth.tolist() == [0, 0]
    assert (tree.membership.toarray() == np.eye(2, dtype=bool)).all()


def test_equal_names_are_numbered() -> None:
    control = taxonomy(
        '<Choice value="A"><Choice value="x"/><Choice value="y"/></Choice>'
        '<Choice value="B"><Choice value="x"/><Choice value="z"/></Choice>'
    )
    assert build_tree(control.labels, [()] * 4, None).nodes == ("A", "B", "x", "y", "x (2)", "z")
