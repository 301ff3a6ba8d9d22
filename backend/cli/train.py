"""`python -m backend train`: a training now, with its progress; and what is done on request only, fine-tuning."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from backend.cli.console import messages, output
from backend.cli.state import settings_for_project
from backend.errors import BackendError
from backend.jobs.kinds import JobStatus
from backend.storage.opening import open_database

if TYPE_CHECKING:
    from backend.jobs.ledger import JobLedger
    from backend.storage.schema import Job

POLL_SECONDS = 0.5
UNCLAIMED_SECONDS = 15.0  # a queued job that nobody took for so long waits for a worker that is not there


def train(
    project: Annotated[int, typer.Option(help="Number of the project in Label Studio.")],
    adapt: Annotated[
        str | None,
        typer.Option(
            help="Loss of the projection that is tried for the graph: triplet (photos of one label closer together than "
            "those of others), softmax (each label a direction of its own), off.",
            show_default="ADAPTATION",
        ),
    ] = None,
    dimensions: Annotated[
        int | None,
        typer.Option(
            show_default="256",
            help="Length of the adapted embedding, at most 256: more keeps detail, fewer generalises sooner.",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(show_default="300", help="Gradient steps of the projection; each sees one batch.")
    ] = None,
    labels_per_batch: Annotated[
        int | None, typer.Option(show_default="16", help="Labels in a batch, 2 or more.")
    ] = None,
    photos_per_label: Annotated[
        int | None,
        typer.Option(show_default="4", help="Photos of each label in a batch, 2 or more; drawn with replacement."),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            show_default="0.3", help="triplet: how much farther another label's photo must be, distances lie in [0, 2]."
        ),
    ] = None,
    triplets: Annotated[
        Literal["hard", "semi-hard", "all"] | None,
        typer.Option(show_default="hard", help="triplet: which triplets of a batch count."),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(show_default="16.0", help="softmax: logit of a cosine of 1; larger pulls harder on hard photos."),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(show_default="0.001", help="Of the projection's Adam.")] = None,
    anchoring: Annotated[
        float | None,
        typer.Option(
            show_default="0.01",
            help="Penalty on leaving the map the projection starts from: larger changes less. 0 = none.",
        ),
    ] = None,
    fine_tune: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Instead of a training: fine-tune the end of the backbone for so many epochs, then embed every photo anew. "
            "Hours for a big pool; what serves now serves on, and stays if it is better.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end; Ctrl-C leaves it running.")] = True,
) -> None:
    """Ask the server's worker for a training of a project now, as Start Training does, and follow it."""
    from backend.jobs.queue import JobQueue
    from backend.service.context.context import Runtime
    from backend.service.training.request import request_training

    given = {
        "loss": adapt,
        "dimensions": dimensions,
        "steps": steps,
        "labels_per_batch": labels_per_batch,
        "photos_per_label": photos_per_label,
        "margin": margin,
        "triplets": triplets,
        "scale": scale,
        "learning_rate": learning_rate,
        "anchoring": anchoring,
    }
    adaptation = {name: value for name, value in given.items() if value is not None}
    settings = settings_for_project(project)
    with open_database(settings) as database:
        queue = JobQueue(settings, database)
        runtime = Runtime(settings, database, queue)
        job = request_training(runtime, project, adaptation, None if fine_tune is None else {"epochs": fine_tune})
        if not wait:
            output().print(f"Job {job} is queued; GET /projects/{project}/jobs shows how far it is.", markup=False)
            return
        result = _follow(queue.ledger, job)
        if "reembed" in result:
            result = _follow(queue.ledger, str(result["reembed"]))
    for note in result.get("notes") or [result.get("message", "done")]:
        output().print(str(note), markup=False)


def _follow(ledger: JobLedger, job_id: str) -> dict[str, Any]:
    """Show a job's progress until it ends; its result.

    Raises:
        BackendError: it failed, was cancelled, or nobody runs it.
    """
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=messages()
    )
    queued_at = time.monotonic()
    with bar:
        step = bar.add_task(f"job {job_id}", total=1.0)
        while True:
            job = ledger.get(job_id)
            if job.status == JobStatus.QUEUED and time.monotonic() - queued_at > UNCLAIMED_SECONDS:
                _complain_if_nobody_works(ledger, job)
                queued_at = time.monotonic()
            bar.update(step, completed=job.progress, description=f"{job.kind}: {job.message or job.status}")
            if job.status == JobStatus.FAILED:
                raise BackendError(f"Job {job_id} failed: {job.message}")
            if job.status == JobStatus.CANCELLED:
                raise BackendError(f"Job {job_id} was cancelled.")
            if job.status == JobStatus.DONE:
                return dict(job.result or {})
            time.sleep(POLL_SECONDS)


def _complain_if_nobody_works(ledger: JobLedger, job: Job) -> None:
    """A job waits its turn behind others; where none of its project runs, there is no worker.

    Raises:
        BackendError: nothing of the project is running.
    """
    if not any(other.status == JobStatus.RUNNING for other in ledger.of_project(job.project_id)):
        raise BackendError(
            f"Job {job.id} waits, and no worker takes it: start the server (`python -m backend serve`) with the same "
            "STATE_DIR. The job is kept, it runs then."
        )
