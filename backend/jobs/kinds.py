"""The words of the ledger: kinds of jobs, their states, and the two lanes that they run in."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """What became of a job."""

    QUEUED = "queued"
    """It waits for a worker, or for another job of its kind and project to end."""
    RUNNING = "running"
    """A worker has claimed it and sends heartbeats."""
    DONE = "done"
    """It ended with a result."""
    FAILED = "failed"
    """It ended with an error, which its message tells."""
    CANCELLED = "cancelled"
    """A person stopped it; what it had done by then is kept."""


class Lane(StrEnum):
    """Who runs a job: each lane has workers of its own, so that a long job never keeps a queue from moving."""

    QUICK = "quick"
    """Jobs of seconds, on which an annotator waits."""
    LONG = "long"
    """Jobs of minutes or hours, in a process of their own and with lower priority."""


class JobKind(StrEnum):
    """The kinds of jobs of the product; extensions add theirs, see `backend.worker.handlers`."""

    SYNC = "sync"
    """Takes in what changed in Label Studio; asks for `embed` and `refresh` where something did."""
    EMBED = "embed"
    """Reads the photos that have no embedding yet; asks for `refresh`."""
    REFRESH = "refresh"
    """Predicts and orders the pool anew and publishes the queue window; asks for `train` when one is due."""
    PREVIEW = "preview"
    """Orders the pool with other options, for a look; changes nothing."""
    TRAIN = "train"
    """Trains candidate models and promotes the best; asks for `refresh`."""
    FINE_TUNE = "fine_tune"
    """Fine-tunes the end of the backbone; asks for `reembed`."""
    REEMBED = "reembed"
    """Embeds all photos with a fine-tuned backbone and moves the project to it if it predicts better."""
    MAP = "map"
    """Lays the photos out in the plane for the page *Map*."""
    COMPARE = "compare"
    """Asks two versions about the same photos; its payload has the pairs as keys, two names with a blank between."""
    ATTRIBUTE = "attribute"
    """Makes the pictures that tell why photos get their labels; its payload has the numbers of the tasks as keys."""


QUICK_KINDS = frozenset({JobKind.SYNC, JobKind.REFRESH, JobKind.PREVIEW})


def lane_of(kind: str) -> Lane:
    """The lane of a kind of job; a kind that is not the product's own runs in the long one."""
    return Lane.QUICK if kind in QUICK_KINDS else Lane.LONG
