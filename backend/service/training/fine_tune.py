"""The fine_tune job: the end of a project's backbone learns from the annotated photos; the reembed job follows."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from backend.errors import BackendError, ImageError
from backend.features import BackboneSpec
from backend.jobs.kinds import JobKind
from backend.learning.fine_tune import Batch, FineTuneOptions, fine_tune
from backend.learning.head import Head, HeadOptions, train_head
from backend.progress import Progress
from backend.service.context.backbones import backbone_files, keep_tuned, tuned_folder, tuned_metadata
from backend.service.context.context import Runtime
from backend.service.ingest.embedding import note_failure
from backend.service.pool.cache import PoolCache
from backend.service.pool.predictions import read_annotations, several_hold
from backend.service.projects.options import checked_options, project_options
from backend.service.projects.project import find_project
from backend.storage.schema import Project, Task

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

MINIMUM_PHOTOS = 32  # one batch; what is worth its price begins at some hundreds
LOOKUP = 500


@dataclass(frozen=True)
class _TrainingSet:
    """The annotated photos of the first control, none of them of the evaluation sample, and the head to start from."""

    task_ids: Sequence[int]
    targets: Floats
    head: Head


def fine_tune_project(
    runtime: Runtime, pools: PoolCache, project_id: int, job_id: str, wanted: Mapping[str, Any], progress: Progress
) -> dict[str, Any]:
    """Fine-tune the backbone of a project, and ask for the photos to be embedded by the new one.

    Nothing changes for the project before that is done. A job that was cut off after the weights were written does
    not train again.

    Args:
        job_id: kept beside the weights, so that the same job knows its work again.
        wanted: hyper-parameters by name, see `FineTuneOptions`.

    Raises:
        BackendError: reason `too_few_annotations`, or `no_photos` when none could be read.
        SettingsError: a hyper-parameter is unknown or not allowed.
        WeightsError: the weights of the project's backbone are gone.
    """
    options = fine_tune_options(wanted)
    folder = tuned_folder(runtime.settings, project_id)
    for left_behind in folder.glob(".*"):  # by a job that was cut off; no other fine-tuning of the project runs
        shutil.rmtree(left_behind, ignore_errors=True)
    known = tuned_metadata(folder)
    made = next((name for name, metadata in known.items() if metadata.get("job") == job_id), None)
    if made is None:
        made = _fine_tune(runtime, pools, find_project(runtime, project_id), job_id, options, progress)
    reembed = runtime.jobs.enqueue(JobKind.REEMBED, project_id, {"backbone": made})
    message = f"{made} is made; job {reembed} embeds the photos with it"
    log.info("project %s: %s", project_id, message)
    return {"backbone": made, "reembed": reembed, "message": message}


def fine_tune_options(wanted: Mapping[str, Any]) -> FineTuneOptions:
    """Hyper-parameters of a fine-tuning: those given, else the defaults.

    Raises:
        SettingsError: one is unknown or not allowed; the message names it.
    """
    return checked_options("fine-tuning", FineTuneOptions, wanted)


def _fine_tune(
    runtime: Runtime, pools: PoolCache, project: Project, job_id: str, options: FineTuneOptions, progress: Progress
) -> str:
    started = time.monotonic()
    base = backbone_files(runtime.settings, runtime.backbone_of(project.backbone).id)
    training_set = _training_set(runtime, pools, project)
    folder = tuned_folder(runtime.settings, project.id)
    network = base.in_keras()
    tuned = fine_tune(
        network,
        _batches(runtime, project.id, training_set, base.spec, options.batch_size),
        len(training_set.task_ids),
        training_set.head,
        folder,
        options,
        progress=lambda part, message: progress(0.95 * part, message),
    )
    metadata = {
        "job": job_id,
        "base": base.id,
        "options": asdict(options),
        "photos": tuned.photos,
        "losses": tuned.losses,
        "seconds": round(time.monotonic() - started, 3),
    }
    return keep_tuned(folder, base, network, metadata)


def _training_set(runtime: Runtime, pools: PoolCache, project: Project) -> _TrainingSet:
    options = project_options(runtime.settings, project.extra_params)
    with pools.lock(project.id):
        pool = pools.current(project, options.relevance, options.seed)
        targets = read_annotations(runtime, project.id, pool, options.evaluation_share).targets[0]
        multiple = several_hold(pool.controls[0], targets)
        rows, values = targets.train
        if not multiple:
            said = values.max(axis=1, initial=0.0) >= 0.5
            rows, values = rows[said], values[said]
        labels = int((values.max(axis=0, initial=0.0) >= 0.5).sum())
        if len(rows) < MINIMUM_PHOTOS or labels < 2:
            raise BackendError(
                f"Fine-tuning needs {MINIMUM_PHOTOS} annotated photos of two labels or more beside the evaluation "
                f"sample; project {project.id} has {len(rows)} of {labels}. Some hundreds are better.",
                reason="too_few_annotations",
            )
        task_ids = [int(task) for task in pool.task_ids[rows]]
        embeddings = pool.embeddings[rows]
        held, held_values = targets.held_out
        evaluation = (pool.embeddings[held], held_values) if len(held) else None
    return _TrainingSet(
        task_ids, values, train_head(embeddings, values, HeadOptions(multiple=multiple), evaluation=evaluation)
    )


def _batches(
    runtime: Runtime, project_id: int, training_set: _TrainingSet, spec: BackboneSpec, batch_size: int
) -> Iterator[Batch]:
    """The photos that can be read, with their targets; one that cannot costs only itself."""
    images = _image_values(runtime, project_id, training_set.task_ids)
    size = (spec.input_size, spec.input_size)

    def read(task_id: int) -> NDArray[np.uint8] | ImageError:
        try:
            data = runtime.fetcher.fetch(images[task_id], task_id=task_id)
            return runtime.decoder.decode(data, size, fit=spec.fit, crop=spec.crop)
        except ImageError as error:
            return error

    places = [place for place, task_id in enumerate(training_set.task_ids) if task_id in images]
    threads = runtime.settings.decode_threads or 2 * (os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="fine-tune") as pool:
        for start in range(0, len(places), batch_size):
            part = places[start : start + batch_size]
            kept, pixels = [], []
            for place, outcome in zip(
                part, pool.map(read, [training_set.task_ids[place] for place in part]), strict=True
            ):
                if isinstance(outcome, ImageError):
                    note_failure(project_id, training_set.task_ids[place], outcome)
                else:
                    kept.append(place)
                    pixels.append(outcome)
            if kept:
                yield np.stack(pixels), training_set.targets[kept]


def _image_values(runtime: Runtime, project_id: int, task_ids: Sequence[int]) -> dict[int, str]:
    """The image value of each task; one that was deleted meanwhile has none."""
    found: dict[int, str] = {}
    with runtime.database.session() as session:
        for start in range(0, len(task_ids), LOOKUP):
            wanted = task_ids[start : start + LOOKUP]
            query = select(Task.task_id, Task.image).where(Task.project_id == project_id, Task.task_id.in_(wanted))
            found.update((row.task_id, row.image) for row in session.execute(query))
    return found
