"""The evaluation shares that a project had: who was asked about because it was uncertain is no random sample later on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.storage.schema import Annotation, Project


def note_share(session: Session, project_id: int, share: float, since: datetime) -> None:
    """Note the share that is in force since then, if it is another one than before."""
    known = evaluation_shares(session, project_id)
    if not known or known[-1][1] != share:
        noted = [*([when.isoformat(), value] for when, value in known), [since.isoformat(), share]]
        session.execute(update(Project).where(Project.id == project_id).values(evaluation_shares=noted))


def evaluation_shares(session: Session, project_id: int) -> list[tuple[datetime, float]]:
    """The shares of a project, each with the time since when; the first is that of all times before, too."""
    stored: list[list[Any]] = session.scalar(select(Project.evaluation_shares).where(Project.id == project_id)) or []
    return [(datetime.fromisoformat(when), float(share)) for when, share in stored]


def lowest_share(shares: Sequence[tuple[datetime, float]], since: datetime, now: float) -> float:
    """The smallest share in force from `since` on, with the one in force now; [0, 1].

    A photo beyond it was learned from when it was answered, or could have been: the sample of a larger share holds it as
    little as photos that were chosen because they are hard.
    """
    found = now
    for place, (_, share) in enumerate(shares):
        ends = shares[place + 1][0] if place + 1 < len(shares) else None
        if ends is None or ends > since:
            found = min(found, share)
    return found


def first_answer(annotations: Iterable[Annotation]) -> datetime:
    """When the first of some annotations was given."""
    return min(annotation.created_at or annotation.received_at for annotation in annotations)
