"""Takes in many events: annotations in groups, everything else by itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from backend.errors import BackendError
from backend.service.context.context import Runtime
from backend.service.ingest.annotation_events import ANNOTATED, store_annotated
from backend.service.ingest.event_parts import EventOutcome, Payload
from backend.service.ingest.grouped import GroupCommit, store_together
from backend.service.ingest.webhooks import handle_event, log_rejected

OUT_OF_REACH = (OperationalError, InterfaceError, TimeoutError)
"""What the database raises whatever it is asked for."""


class EventIntake:
    """The events of a process; one instance, called from all its threads."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._annotated: GroupCommit[Payload, EventOutcome] = GroupCommit(
            partial(store_annotated, runtime), shared=OUT_OF_REACH
        )

    def take(self, action: str, payload: Payload) -> EventOutcome:
        """Store what an event says, as `handle_event`; it is committed once this returns."""
        if action not in ANNOTATED:
            return handle_event(self._runtime, action, payload)
        outcome = self._annotated.put(payload)
        log_rejected(action, outcome)
        return outcome


def take_all(runtime: Runtime, events: Sequence[tuple[str, Payload]]) -> list[EventOutcome | Exception]:
    """Store events that the database did not take before; what came of each, an error for one that cannot be used.

    Raises:
        OperationalError: or another one of `OUT_OF_REACH`; some events may be stored.
    """
    places = [place for place, (action, _) in enumerate(events) if action in ANNOTATED]
    found: dict[int, EventOutcome | Exception] = {}
    if places:
        store = partial(store_annotated, runtime, again=True)
        outcomes = store_together(store, [events[place][1] for place in places], OUT_OF_REACH)
        found.update(zip(places, outcomes, strict=True))
    for place, (action, payload) in enumerate(events):
        if place not in found:
            found[place] = _alone(runtime, action, payload)
    return [found[place] for place in range(len(events))]


def _alone(runtime: Runtime, action: str, payload: Payload) -> EventOutcome | Exception:
    try:
        return handle_event(runtime, action, payload)
    except (BackendError, ValueError, KeyError, TypeError) as error:
        return error
