"""What pages read of a snapshot without looking at all labels of all photos, and what they open once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.service.context.opened_files import MOST, OpenedFiles
from backend.service.pool.snapshot import Sample, Snapshot, SnapshotControl, mass_of, read_snapshot, write_snapshot

pytestmark = pytest.mark.unit


def beliefs(n: int = 9000, labels: int = 7) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.full(labels, 0.3), size=n).astype(np.float16)


def test_what_is_written_beside_the_probabilities_is_what_they_come_to(tmp_path: Path) -> None:
    said = beliefs()
    members = np.arange(len(said)) % 10 == 0
    told = Snapshot(
        "head-1.1",
        "key",
        "",
        np.arange(len(said)),
        np.ones(len(said), np.float32),
        [SnapshotControl(said, {})],
        Sample(0.1, members),
    )
    write_snapshot(tmp_path / "w1", told)
    found = read_snapshot(tmp_path / "w1")
    assert found.kept is not None
    np.testing.assert_array_equal(found.believed.label, said.argmax(axis=1))
    np.testing.assert_array_equal(found.believed.confidence, said.max(axis=1))
    assert found.sample is not None
    assert found.sample.share == 0.1
    np.testing.assert_array_equal(found.sample.members, members)
    np.testing.assert_allclose(mass_of(said, [1, 4]), said[:, [1, 4]].astype(np.float32).sum(axis=1), atol=1e-6)


def test_a_snapshot_without_them_is_worked_out() -> None:
    said = beliefs(50)
    older = Snapshot("a.1", "k", "", np.arange(50), np.ones(50, np.float32), [SnapshotControl(said, {})])
    np.testing.assert_array_equal(older.believed.label, said.argmax(axis=1))
    np.testing.assert_array_equal(older.believed.confidence, said.max(axis=1))


def test_a_file_is_read_again_only_when_it_is_another_one(tmp_path: Path) -> None:
    opened, reads = OpenedFiles(), []

    def read() -> int:
        reads.append(1)
        return len(reads)

    path = tmp_path / "a"
    path.write_text("one")
    assert [opened.of(tmp_path, path, read) for _ in range(3)] == [1, 1, 1]
    path.write_text("another")
    assert opened.of(tmp_path, path, read) == 2
    newer = tmp_path / "b"
    newer.write_text("another")
    assert opened.of(tmp_path, newer, read) == 3
    assert opened.of(tmp_path, path, read) == 4  # a place keeps one file
    for number in range(MOST + 1):
        opened.of(tmp_path / str(number), path, read)
    assert len(opened._kept) == MOST
    with pytest.raises(FileNotFoundError):
        opened.of(tmp_path, tmp_path / "gone", read)
