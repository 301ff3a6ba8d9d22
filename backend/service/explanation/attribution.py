"""Why the serving version gives a task its label, as one picture; kept by the digest of the photo and the version."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import select

from backend.attribution import Explained, Explanation, HeadsOnBackbone, explain
from backend.attribution.explained import Baseline
from backend.attribution.gradients import STEPS
from backend.attribution.picture import Neighbour, picture_png
from backend.decoding import RgbImage
from backend.errors import BackendError, ImageError, NotFoundError
from backend.learning.projection import unit_rows
from backend.progress import Progress, silent
from backend.service.context.backbones import backbone_files
from backend.service.context.context import Runtime
from backend.service.pool.cache import PoolCache, ProjectPool
from backend.service.pool.predictions import answers_of, read_annotations
from backend.service.projects.options import project_options
from backend.service.projects.project import find_project
from backend.service.training.portable import PortableVersion, portable_version
from backend.service.versions.artifacts import head_folder, project_folder
from backend.storage.schema import Project, Task

NEIGHBOURS = 5
KEPT = 500
"""Pictures that are kept for a project; the oldest make room."""

RECENT = 60.0
"""Seconds that a picture of what the graph says holds though a newer window is there: while people answer, windows pass
faster than a picture is made, and who waits for it would never see one."""


@dataclass(frozen=True)
class Attribution:
    """The explanation of a task's label.

    Attributes:
        label: as people see it.
        version: of the model.
        agreement: share of photos that the head answers as the version does, where it had to be distilled; else None.
        neighbours: the annotated photos that are most like it, nearest first.
    """

    label: str
    version: str
    agreement: float | None
    explanation: Explanation
    neighbours: tuple[Neighbour, ...]
    photo: RgbImage

    def png(self) -> bytes:
        """All of it in one picture."""
        return picture_png(self.photo, self.label, self.explanation, self.neighbours, self.version)


def kept_picture(runtime: Runtime, project_id: int, task_id: int) -> Path:
    """Where the picture of a task is once it is made: a name of the photo's digest and of what serves now.

    What the graph says changes with each annotation, so its pictures hold for one window, or `RECENT` seconds.

    Raises:
        NotFoundError: there is no such project or task.
        ImageError: the photo could not be read, or was not read yet.
    """
    project, task = _read(runtime, project_id, task_id)
    version = project.serving_version
    folder = project_folder(runtime, project_id) / "attributions"
    name = f"{task.digest}-{_short(f'{version} {project.label_config}')}"
    if version and head_folder(runtime, project_id, version).is_dir():
        return folder / f"{name}.png"
    path = folder / f"{name}-{_short(project.snapshot)}.png"
    if path.is_file():
        return path
    others = {other: abs(time.time() - made) for other, made in _made(folder, f"{name}-*.png")}
    newest = min(others, key=others.__getitem__, default=path)
    return newest if others.get(newest, RECENT) < RECENT else path


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _made(folder: Path, pattern: str) -> Iterator[tuple[Path, float]]:
    """The files of a folder and when each was written, in seconds; others may remove some meanwhile."""
    for path in folder.glob(pattern):
        with contextlib.suppress(FileNotFoundError):
            yield path, path.stat().st_mtime


class Attributions:
    """Explains tasks; keeps the last project's model and the network below it, since people look at several photos."""

    def __init__(self, runtime: Runtime, pools: PoolCache) -> None:
        self._runtime = runtime
        self._pools = pools
        self._last: tuple[tuple[int, str, str, str], PortableVersion, Explained] | None = None
        self._backbone: HeadsOnBackbone | None = None
        self._one_at_a_time = (
            threading.Lock()
        )  # another project's head takes the place of this one's in the same network

    def keep(self, project_id: int, task_id: int, progress: Progress = silent) -> Path:
        """Make the picture of a task, unless it is there; the raised errors are those of `of_task`."""
        path = kept_picture(self._runtime, project_id, task_id)
        if not path.is_file():
            data = self.of_task(project_id, task_id, progress=progress).png()
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(path)
            for old, _ in sorted(_made(path.parent, "*.png"), key=lambda item: item[1])[:-KEPT]:
                old.unlink(missing_ok=True)
        return path

    def of_task(
        self,
        project_id: int,
        task_id: int,
        label: str | None = None,
        *,
        steps: int = STEPS,
        baseline: Baseline = "black",
        progress: Progress = silent,
    ) -> Attribution:
        """Explain a label of a task, the likeliest by default.

        Raises:
            NotFoundError: there is no such project, task or label.
            ImageError: the photo cannot be read.
            BackendError: the serving version cannot be taken apart.
        """
        project, task = _read(self._runtime, project_id, task_id)
        with self._one_at_a_time:
            portable, explained = self._model(project, progress)
            progress(0.7, "integrated gradients")
            chosen = None if label is None else _number(explained, label)
            photo = self._photo(task, explained)
            explanation = explain(explained, photo, chosen, steps=steps, baseline=baseline)
        progress(0.9, "annotated photos that are alike")
        return Attribution(
            explained.labels[explanation.label],
            portable.version.version,
            float(portable.heads[0].report["agreement"]) if portable.distilled else None,
            explanation,
            tuple(self._neighbours(project, task)),
            photo,
        )

    def _model(self, project: Project, progress: Progress) -> tuple[PortableVersion, Explained]:
        key = (project.id, project.serving_version, project.snapshot, project.label_config)
        if self._last is None or self._last[0] != key:
            # TensorFlow and the network take as long to load as the head to learn: both at once. What fails here fails
            # again below, and is said there.
            with ThreadPoolExecutor(1, "network") as beside:
                beside.submit(lambda: self._on(project.backbone or self._runtime.backbone.id))
                with self._pools.lock(project.id):
                    portable = portable_version(
                        self._runtime, project.id, None, lambda share, said: progress(0.6 * share, said), self._pools
                    )
                    control = self._pool(project).controls[0].space.control
                progress(0.6, "the network")
            explained = self._on(portable.version.backbone).explained(
                portable.heads[0], portable.version.version, [item.value for item in control.labels]
            )
            self._last = key, portable, explained
        return self._last[1], self._last[2]

    def _on(self, backbone: str) -> HeadsOnBackbone:
        """What puts heads on the network of this id; the last one is kept."""
        if self._backbone is None or self._backbone.network.id != backbone:
            files = backbone_files(self._runtime.settings, backbone)
            self._backbone = HeadsOnBackbone(files.in_keras(), fit=files.spec.fit, crop=files.spec.crop)
        return self._backbone

    def _pool(self, project: Project) -> ProjectPool:
        options = project_options(self._runtime.settings, project.extra_params)
        return self._pools.current(project, options.relevance, options.seed)

    def _photo(self, task: Task, explained: Explained) -> RgbImage:
        data = self._runtime.fetcher.fetch(task.image, task_id=task.task_id)
        side = (explained.size, explained.size)
        return self._runtime.decoder.decode(data, side, fit=explained.fit, crop=explained.crop)

    def _neighbours(self, project: Project, task: Task) -> list[Neighbour]:
        """The annotated photos whose embeddings are nearest, by cosine; those that cannot be read are passed over."""
        with self._pools.lock(project.id):
            pool = self._pool(project)
            options = project_options(self._runtime.settings, project.extra_params)
            answers = answers_of(pool, read_annotations(self._runtime, project.id, pool, options.evaluation_share))
            row = pool.row_of.get(task.task_id)
            others = [other for other in answers if other != task.task_id and other in pool.row_of]
            if row is None or not others:
                return []
            rows = [pool.row_of[other] for other in others]
            known = unit_rows(pool.embeddings[rows].astype(np.float32))
            cosines = known @ unit_rows(pool.embeddings[[row]].astype(np.float32))[0]
            titles = [label.title for label in pool.controls[0].space.control.labels]
        found: list[Neighbour] = []
        for place in np.argsort(-cosines, kind="stable"):
            if len(found) == NEIGHBOURS:
                break
            other = others[place]
            try:
                _, like = _read(self._runtime, project.id, other)
                data = self._runtime.fetcher.fetch(like.image, task_id=other)
                shown = self._runtime.decoder.decode(data, (224, 224), fit="center_crop", crop=1.0)
            except (ImageError, NotFoundError):
                continue
            label = ", ".join(titles[index] for index in answers[other]) or "none"
            found.append(Neighbour(f"task {other}", label, float(cosines[place]), shown))
        return found


def _read(runtime: Runtime, project_id: int, task_id: int) -> tuple[Project, Task]:
    project = find_project(runtime, project_id)
    with runtime.database.session() as session:
        task = session.scalar(select(Task).where(Task.project_id == project_id, Task.task_id == task_id))
    if task is None:
        raise NotFoundError(f"Project {project_id} has no task {task_id}.")
    if task.failure:
        raise ImageError(task.failure_detail or f"The photo of task {task_id} cannot be read.", reason=task.failure)
    if not task.digest:
        raise BackendError(f"The photo of task {task_id} was not read yet: ask again in a while.", reason="not_ready")
    return project, task


def _number(explained: Explained, label: str) -> int:
    folded = [name.casefold() for name in explained.labels]
    if label.casefold() not in folded:
        known = ", ".join(explained.labels[:20])
        raise NotFoundError(f"Label {label}: the project has {known}.")
    return folded.index(label.casefold())
