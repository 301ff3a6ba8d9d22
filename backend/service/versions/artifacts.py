"""The files of a project's versions: trained heads, learnt projections. Nothing half-written ever has its final name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import BackendError
from backend.files import atomic_file
from backend.labels import LabelSpace
from backend.learning.head import Head
from backend.learning.transform import FeatureTransform
from backend.service.context.context import Runtime


def project_folder(runtime: Runtime, project_id: int) -> Path:
    """Where the files of a project are."""
    return runtime.settings.state_dir / "projects" / str(project_id)


def snapshots_folder(runtime: Runtime, project_id: int) -> Path:
    """Where what /predict answers from is: a folder for each window."""
    return project_folder(runtime, project_id) / "snapshots"


def head_folder(runtime: Runtime, project_id: int, version: str) -> Path:
    """Where a trained version is; one head, or projection, in it for each control."""
    return project_folder(runtime, project_id) / "models" / version


def save_heads(folder: Path, heads: Sequence[Head], spaces: Sequence[LabelSpace] = ()) -> str:
    """Write the heads of a version, one for each control; returns the digest of the first one's weights.

    Args:
        spaces: the labels that they were made for; none: they keep those that they know of.
    """
    heads = (
        [replace(head, labels=_values(space)) for head, space in zip(heads, spaces, strict=True)] if spaces else heads
    )
    digests = [head.save(folder / f"control-{number}") for number, head in enumerate(heads)]
    return digests[0]


def load_heads(runtime: Runtime, project_id: int, version: str) -> list[Head] | None:
    """The heads of a trained version, one for each control; None where the version has none."""
    found = head_folder(runtime, project_id, version).glob("control-*")
    parts = sorted(found, key=lambda part: int(part.name.removeprefix("control-")))
    return [Head.load(part) for part in parts] or None


def fitting_heads(heads: Sequence[Head] | None, spaces: Sequence[LabelSpace]) -> list[Head] | None:
    """Heads for these labels, one for each control; None where there are none, or they were made for others."""
    if heads is None or len(heads) != len(spaces):
        return None
    fitting = [head.for_labels(_values(space)) for head, space in zip(heads, spaces, strict=True)]
    found = [head for head in fitting if head is not None]
    return found if len(found) == len(fitting) else None


def made_for_other_labels(version: str) -> BackendError:
    """The error for a version whose heads do not fit the labels of its project."""
    return BackendError(
        f"Version {version} was made for other labels than the project has now: train again.", reason="other_labels"
    )


def _values(space: LabelSpace) -> tuple[str, ...]:
    return tuple(label.value for label in space.control.labels)


def save_projections(folder: Path, projections: Sequence[FeatureTransform | None]) -> str:
    """Write the projections of a version, one for each control that has one; returns the digest of their values."""
    folder.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()
    for number, projection in enumerate(projections):
        if projection is None:
            continue
        arrays: dict[str, Any] = projection.arrays()
        for name in sorted(arrays):
            found.update(np.ascontiguousarray(arrays[name]).tobytes())
        with atomic_file(folder / f"projection-{number}.npz") as stream:
            np.savez(stream, **arrays)
    return found.hexdigest()


def load_projection(runtime: Runtime, project_id: int, version: str, control: int) -> FeatureTransform | None:
    """The projection that a version learnt for a control; None where it learnt none."""
    path = head_folder(runtime, project_id, version) / f"projection-{control}.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return FeatureTransform.from_arrays(dict(arrays))
    except FileNotFoundError:
        return None
