"""Which function runs which kind of job.

A kind of a package of your own is an entry point of the group `label_order.jobs`: a function of the runtime, the job and
its progress, run in the long lane.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from backend import extensions
from backend.errors import BackendError, LabelStudioError
from backend.jobs.kinds import JobKind
from backend.progress import Progress
from backend.service.context.context import Runtime
from backend.service.explanation.attribution import Attributions
from backend.service.ingest.embedding import embed_pending
from backend.service.ingest.polling import sync_project
from backend.service.ingest.suggestions import look_up_suggestions
from backend.service.insight.disagreements import compare_versions
from backend.service.insight.photo_map import draw_map
from backend.service.pool.cache import PoolCache
from backend.service.queue.pace import PublicationPace
from backend.service.queue.preview import preview_order
from backend.service.queue.refresh import refresh_project
from backend.service.queue.superseded import clean_periodically
from backend.service.training.fine_tune import fine_tune_project
from backend.service.training.reembed import reembed_project
from backend.service.training.train import train_project
from backend.storage.schema import Job

log = logging.getLogger(__name__)

Handler = Callable[[Job, Progress], Mapping[str, Any] | None]
ExtensionJob = Callable[[Runtime, Job, Progress], Mapping[str, Any] | None]

ISOLATED_AFTER = 2  # workers that died with a job; one may have been stopped by a person


def job_handlers(runtime: Runtime) -> dict[str, Handler]:
    """The handler of each kind of job; they share the pools that this process keeps in memory."""
    pools = PoolCache(runtime)
    pace = PublicationPace()
    attributions = Attributions(runtime, pools)

    def sync(job: Job, progress: Progress) -> Mapping[str, Any]:
        outcome = sync_project(runtime, job.project_id, progress, poll=bool(job.payload.get("poll")))
        _tidy_up(clean_periodically, runtime, job.project_id)
        return outcome

    def embed(job: Job, progress: Progress) -> Mapping[str, Any]:
        unseen, isolated = bool(job.payload.get("unseen")), job.attempts > ISOLATED_AFTER
        return embed_pending(runtime, job.project_id, progress, unseen=unseen, isolated=isolated)

    def refresh(job: Job, progress: Progress) -> Mapping[str, Any]:
        republish = bool(job.payload.get("republish"))
        outcome = refresh_project(runtime, pools, job.project_id, progress, republish=republish, pace=pace)
        _tidy_up(look_up_suggestions, runtime, job.project_id)
        return outcome

    def preview(job: Job, progress: Progress) -> Mapping[str, Any]:
        return preview_order(runtime, pools, job.project_id, job.payload.get("extra_params") or {}, progress)

    def train(job: Job, progress: Progress) -> Mapping[str, Any]:
        return train_project(runtime, pools, job.project_id, progress, adaptation=job.payload.get("adaptation"))

    def fine_tune(job: Job, progress: Progress) -> Mapping[str, Any]:
        return fine_tune_project(runtime, pools, job.project_id, job.id, job.payload, progress)

    def reembed(job: Job, progress: Progress) -> Mapping[str, Any]:
        return reembed_project(runtime, pools, job.project_id, str(job.payload.get("backbone")), progress)

    def photo_map(job: Job, progress: Progress) -> Mapping[str, Any]:
        return draw_map(runtime, job.project_id, progress)

    def compare(job: Job, progress: Progress) -> Mapping[str, Any]:
        return compare_versions(runtime, job.project_id, job.payload, progress)

    def attribute(job: Job, progress: Progress) -> Mapping[str, Any]:
        tasks = sorted(int(task) for task in job.payload)
        faults: list[BackendError] = []
        for place, task in enumerate(tasks):
            progress(place / len(tasks), f"task {task}")
            try:
                attributions.keep(job.project_id, task, partial(_share_of, progress, place, len(tasks)))
            except BackendError as error:  # others asked for the other tasks
                faults.append(error)
        if faults:
            raise faults[0]
        return {"message": f"{len(tasks)} pictures", "tasks": tasks}

    built_in: dict[str, Handler] = {
        JobKind.SYNC: sync,
        JobKind.EMBED: embed,
        JobKind.REFRESH: refresh,
        JobKind.PREVIEW: preview,
        JobKind.TRAIN: train,
        JobKind.FINE_TUNE: fine_tune,
        JobKind.REEMBED: reembed,
        JobKind.MAP: photo_map,
        JobKind.COMPARE: compare,
        JobKind.ATTRIBUTE: attribute,
    }
    added = extensions.extensions(extensions.JOBS, built_in.keys())
    return {**built_in, **{kind: _of_extension(runtime, function) for kind, function in added.items()}}


def _of_extension(runtime: Runtime, function: ExtensionJob) -> Handler:
    def run(job: Job, progress: Progress) -> Mapping[str, Any] | None:
        return function(runtime, job, progress)

    return run


def _share_of(progress: Progress, place: int, parts: int, share: float, said: str) -> None:
    """Tell how far all parts are, from how far one of them is."""
    progress((place + share) / parts, said)


def _tidy_up(work: Callable[[Runtime, int], int], runtime: Runtime, project_id: int) -> None:
    """Do what can wait: where Label Studio fails, the job counts as done, and the next one tries this again."""
    try:
        work(runtime, project_id)
    except LabelStudioError as error:
        log.warning("project %s: %s is put off: %s", project_id, work.__name__, error)
