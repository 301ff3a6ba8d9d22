"""A snapshot: what the worker last believed, as files that the web process maps into memory and answers from."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.files import atomic_folder

_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class SnapshotControl:
    """What is believed of one control's labels.

    Attributes:
        probabilities: float16 [n, L], rows in the order of the snapshot's task ids.
        extension: arrays from which the probabilities of a photo outside the pool follow.
    """

    probabilities: NDArray[np.float16]
    extension: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Snapshot:
    """The predictions for n tasks at one model version.

    Attributes:
        version: the version published with it.
        labels_key: which labels it speaks of; a project whose labels changed does not use it.
        backbone: id of the backbone whose embeddings it was made from; "" is that of the settings.
        task_ids: int64 [n], ascending.
        priority: float32 [n] in [0, 1], 1 = label this sooner.
        controls: the predictions, one for each control of the label config.
    """

    version: str
    labels_key: str
    backbone: str
    task_ids: NDArray[np.int64]
    priority: NDArray[np.float32]
    controls: Sequence[SnapshotControl]

    def rows_of(self, task_ids: Sequence[int]) -> NDArray[np.intp]:
        """Row of each task; -1 for one that the snapshot does not hold."""
        wanted = np.asarray(task_ids, dtype=np.int64)
        places = np.searchsorted(self.task_ids, wanted)
        inside = places < self.task_ids.size
        rows = np.where(inside, places, 0)
        if not self.task_ids.size:
            return np.full(wanted.size, -1, dtype=np.intp)
        return np.where(inside & (self.task_ids[rows] == wanted), rows, -1).astype(np.intp)


def write_snapshot(folder: Path, snapshot: Snapshot) -> None:
    """Write a snapshot; the folder appears complete or not at all."""
    with atomic_folder(folder) as temporary:
        np.save(temporary / "task_ids.npy", snapshot.task_ids)
        np.save(temporary / "priority.npy", snapshot.priority)
        for number, control in enumerate(snapshot.controls):
            np.save(temporary / f"probabilities-{number}.npy", control.probabilities)
            arrays: Any = dict(control.extension)
            np.savez(temporary / f"extension-{number}.npz", **arrays)
        meta = {
            "version": snapshot.version,
            "labels_key": snapshot.labels_key,
            "backbone": snapshot.backbone,
            "controls": len(snapshot.controls),
            "digests": {path.name: _digest(path) for path in sorted(temporary.iterdir())},
        }
        (temporary / "meta.json").write_text(json.dumps(meta))


def read_snapshot(folder: Path) -> Snapshot:
    """Map a snapshot into memory, after one look at whether it is what was written.

    Raises:
        BackendError: `snapshot_damaged`, a file is missing, cut short or changed.
    """
    try:
        return _read(folder)
    except _DAMAGE as error:
        raise BackendError(
            f"The snapshot {folder.name} is damaged ({error}); the next refresh writes it anew.",
            reason="snapshot_damaged",
        ) from error


def _read(folder: Path) -> Snapshot:
    meta = json.loads((folder / "meta.json").read_text())
    for name, digest in meta.get("digests", {}).items():
        if _digest(folder / name) != digest:
            raise ValueError(f"{name} is not what was written")
    controls = []
    for number in range(meta["controls"]):
        with np.load(folder / f"extension-{number}.npz", allow_pickle=False) as arrays:
            extension = {name: arrays[name] for name in arrays.files}
        probabilities = np.load(folder / f"probabilities-{number}.npy", mmap_mode="r", allow_pickle=False)
        controls.append(SnapshotControl(probabilities, extension))
    return Snapshot(
        version=meta["version"],
        labels_key=meta["labels_key"],
        backbone=meta.get("backbone", ""),
        task_ids=np.load(folder / "task_ids.npy", mmap_mode="r", allow_pickle=False),
        priority=np.load(folder / "priority.npy", mmap_mode="r", allow_pickle=False),
        controls=controls,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def backbone_of_snapshot(folder: Path) -> str | None:
    """Id of the backbone that a snapshot was made through; None where there is none, or it does not say."""
    try:
        found = json.loads((folder / "meta.json").read_text()).get("backbone")
    except (OSError, ValueError, AttributeError):
        return None
    return found or None


def remove_old_snapshots(parent: Path, keep: Sequence[str]) -> None:
    """Delete the snapshot folders below `parent` that are not in `keep`."""
    for folder in parent.iterdir():
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)
