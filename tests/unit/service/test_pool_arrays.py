"""The files of arrays that refreshes keep: whole, and None where they are missing or damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from backend.service.pool.arrays import read_arrays, write_arrays

pytestmark = pytest.mark.unit


def test_what_is_written_is_read_by_name_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "projects" / "1" / "similarity-index.npz"
    assert read_arrays(path, "key") is None
    write_arrays(path, key="a", photos=3, vectors=np.eye(2, dtype=np.float16))
    kept = read_arrays(path, "key", "photos", "vectors")
    assert kept is not None
    assert (str(kept["key"]), int(kept["photos"])) == ("a", 3)
    np.testing.assert_array_equal(kept["vectors"], np.eye(2, dtype=np.float16))
    write_arrays(path, key="b")
    assert read_arrays(path, "key") == {"key": "b"}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kept_bytes", [0, 10, 400])
def test_a_damaged_file_is_logged_and_counts_as_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kept_bytes: int
) -> None:
    path = tmp_path / "similarity-index.npz"
    write_arrays(path, key="a", vectors=np.ones((8, 8)))
    path.write_bytes(path.read_bytes()[:kept_bytes])
    with caplog.at_level(logging.WARNING):
        assert read_arrays(path, "key") is None
    assert f"{path} is damaged" in caplog.text


def test_an_array_that_is_not_in_it_is_damage_too(tmp_path: Path) -> None:
    path = tmp_path / "similarity-index.npz"
    write_arrays(path, key="a")
    assert read_arrays(path, "key", "vectors") is None
