"""How many places the window has: enough that a team never holds them all.

Label Studio serves a photo to one person at a time, and keeps it for who opened it, for a day if need be. Once others hold
every photo that carries the current version, it tells the next person that there is no task left, however many photos wait
outside the window.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from backend.service.context.context import Runtime
from backend.storage.schema import Annotation, now

PLACES_EACH = 4  # one photo that a person holds, the others for what is labelled until the next order is published
TEAM_DAYS = 7.0  # who annotated within these days is expected to come again
AT_ONCE = 50  # of those who never annotated here, no more are expected to label at the same time


def window_size(runtime: Runtime, project_id: int, wanted: int) -> int:
    """Places of the window: as many as wanted, and more for a team that would hold them all."""
    since = now() - timedelta(days=TEAM_DAYS)
    people = select(func.count(Annotation.completed_by.distinct())).where(
        Annotation.project_id == project_id,
        Annotation.received_at >= since,
        Annotation.updated_at >= since,  # a project that is connected late brings the answers of years at once
    )
    with runtime.database.session() as session:
        annotators = session.scalars(people).one()
    return max(wanted, PLACES_EACH * annotators, places_for_members(runtime.members.active()))


def places_for_members(members: int) -> int:
    """Places for people of whom it is not known how many will label: one that each may hold, and those of `AT_ONCE`."""
    return members + (PLACES_EACH - 1) * min(members, AT_ONCE)
