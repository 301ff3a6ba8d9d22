"""Which function runs which kind of job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.ingest.embedding import embed_pending
from backend.service.ingest.polling import sync_project
from backend.service.pool.cache import PoolCache
from backend.service.queue.refresh import refresh_project
from backend.service.training.fine_tune import fine_tune_project
from backend.service.training.reembed import reembed_project
from backend.service.training.train import train_project
from backend.storage.schema import Job

Progress = Callable[[float, str], None]
Handler = Callable[[Job, Progress], Mapping[str, Any] | None]

CAREFUL_AFTER = 2  # workers that died with a job; one may have been stopped by a person


def job_handlers(runtime: Runtime) -> dict[str, Handler]:
    """The handler of each kind of job; they share the pools that this process keeps in memory."""
    pools = PoolCache(runtime)

    def sync(job: Job, progress: Progress) -> Mapping[str, Any]:
        return sync_project(runtime, job.project_id, progress, poll=bool(job.payload.get("poll")))

    def embed(job: Job, progress: Progress) -> Mapping[str, Any]:
        unseen, careful = bool(job.payload.get("unseen")), job.attempts > CAREFUL_AFTER
        return embed_pending(runtime, job.project_id, progress, unseen=unseen, careful=careful)

    def refresh(job: Job, progress: Progress) -> Mapping[str, Any]:
        republish = bool(job.payload.get("republish"))
        return refresh_project(runtime, pools, job.project_id, progress, republish=republish)

    def train(job: Job, progress: Progress) -> Mapping[str, Any]:
        return train_project(runtime, pools, job.project_id, progress, adaptation=job.payload.get("adaptation"))

    def fine_tune(job: Job, progress: Progress) -> Mapping[str, Any]:
        return fine_tune_project(runtime, pools, job.project_id, job.id, job.payload, progress)

    def reembed(job: Job, progress: Progress) -> Mapping[str, Any]:
        return reembed_project(runtime, pools, job.project_id, str(job.payload.get("backbone")), progress)

    return {
        JobKind.SYNC: sync,
        JobKind.EMBED: embed,
        JobKind.REFRESH: refresh,
        JobKind.TRAIN: train,
        JobKind.FINE_TUNE: fine_tune,
        JobKind.REEMBED: reembed,
    }
