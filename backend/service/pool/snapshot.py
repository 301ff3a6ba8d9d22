"""A snapshot: what the worker last believed, as files that the web process maps into memory and answers from."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.files import atomic_folder
from backend.learning.evaluation import decide_labels

CHUNK = 4096  # rows whose probabilities are looked at together
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

    @property
    def several(self) -> bool:
        """Whether photos have several labels: people gave other than one, and what is carried speaks of sets."""
        return "members" in self.extension


@dataclass(frozen=True)
class Believed:
    """The likeliest label of each task for one control, and its probability, so that pages need not look at all labels.

    Attributes:
        label: int32 [n].
        confidence: float16 [n] in [0, 1].
    """

    label: NDArray[np.int32]
    confidence: NDArray[np.float16]

    @classmethod
    def of(cls, probabilities: NDArray[np.float16]) -> Believed:
        """What probabilities [n, L] come to; in chunks, since all of them need not be in memory."""
        n = probabilities.shape[0]
        found = cls(np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.float16))
        for start in range(0, n, CHUNK):
            part = np.asarray(
                probabilities[start : start + CHUNK], dtype=np.float32
            )  # several times faster than float16
            here = slice(start, start + len(part))
            found.label[here], found.confidence[here] = part.argmax(axis=1), part.max(axis=1)
        return found


def mass_of(probabilities: NDArray[np.float16], labels: NDArray[np.intp] | Sequence[int]) -> NDArray[np.float32]:
    """What some labels have together, of each row of probabilities [n, L]: float32 [n] in [0, 1]. Read in chunks."""
    found = np.zeros(probabilities.shape[0], dtype=np.float32)
    for start in range(0, found.size, CHUNK):
        part = np.asarray(probabilities[start : start + CHUNK])[:, labels]
        found[start : start + len(part)] = part.astype(np.float32).sum(axis=1)
    return found


def named(probabilities: NDArray[np.float16], *, several: bool) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Which labels each row of probabilities [n, L] names, bool [m, L], chunk by chunk with its place: the likeliest, and
    where several may hold all that probably do.
    """
    for start in range(0, probabilities.shape[0], CHUNK):
        part = np.asarray(probabilities[start : start + CHUNK], dtype=np.float32)
        said = decide_labels(part, False)
        if several:
            said |= decide_labels(part, True)
        yield slice(start, start + len(part)), said


@dataclass(frozen=True)
class Sample:
    """Which tasks are kept for the evaluation sample.

    Attributes:
        share: as the options said when the snapshot was made, [0, 1].
        members: bool [n].
    """

    share: float
    members: NDArray[np.bool_]


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
        sample: the evaluation sample; None: made before it was written down.
        kept: what is believed with the first control, as it was written down; None: it is worked out.
    """

    version: str
    labels_key: str
    backbone: str
    task_ids: NDArray[np.int64]
    priority: NDArray[np.float32]
    controls: Sequence[SnapshotControl]
    sample: Sample | None = None
    kept: Believed | None = None

    @property
    def believed(self) -> Believed:
        """The likeliest labels of the first control."""
        return self.kept or Believed.of(self.controls[0].probabilities)

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
        believed = snapshot.believed
        np.save(temporary / "believed.npy", believed.label)
        np.save(temporary / "confidence.npy", believed.confidence)
        if snapshot.sample is not None:
            np.save(temporary / "sample.npy", snapshot.sample.members)
        meta = {
            "sample": None if snapshot.sample is None else snapshot.sample.share,
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
        probabilities = _mapped(folder, f"probabilities-{number}")
        controls.append(SnapshotControl(probabilities, extension))
    share = meta.get("sample")
    return Snapshot(
        version=meta["version"],
        labels_key=meta["labels_key"],
        backbone=meta.get("backbone", ""),
        task_ids=_mapped(folder, "task_ids"),
        priority=_mapped(folder, "priority"),
        controls=controls,
        sample=None if share is None else Sample(float(share), _mapped(folder, "sample")),
        kept=Believed(_mapped(folder, "believed"), _mapped(folder, "confidence"))
        if (folder / "believed.npy").exists()
        else None,
    )


def _mapped(folder: Path, name: str) -> NDArray[Any]:
    found: NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return found


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
