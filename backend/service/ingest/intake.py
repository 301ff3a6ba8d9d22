"""Takes in many events: annotations in groups, everything else by itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from itertools import groupby

from backend.errors import BackendError
from backend.service.context.context import Runtime
from backend.service.ingest.annotation_events import ANNOTATED, store_annotated
from backend.service.ingest.event_parts import EventOutcome, Payload
from backend.service.ingest.grouped import GroupCommit, store_together
from backend.service.ingest.webhooks import handle_event, log_rejected
from backend.storage.database import OUT_OF_REACH

log = logging.getLogger(__name__)


class EventIntake:
    """The events of a process; one instance, called from all its threads."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._annotated: GroupCommit[Payload, EventOutcome] = GroupCommit(
            partial(store_annotated, runtime),
            alone=partial(store_annotated, runtime, again=True),
            shared=OUT_OF_REACH,
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

    They are stored in their order: annotations that follow each other together, everything else by itself.

    Raises:
        OperationalError: or another one of `OUT_OF_REACH`; some events may be stored.
    """
    store = partial(store_annotated, runtime, again=True)
    outcomes: list[EventOutcome | Exception] = []
    for annotated, run in groupby(events, key=lambda event: event[0] in ANNOTATED):
        if annotated:
            outcomes.extend(store_together(store, [payload for _, payload in run], OUT_OF_REACH))
        else:
            outcomes.extend(_alone(runtime, action, payload) for action, payload in run)
    return outcomes


def _alone(runtime: Runtime, action: str, payload: Payload) -> EventOutcome | Exception:
    try:
        return handle_event(runtime, action, payload)
    except OUT_OF_REACH:
        raise
    except BackendError as error:
        return error
    except Exception as error:  # whatever it is: the events behind this one must not wait for it for ever
        log.exception("a kept event of the action %s cannot be stored", action[:40])
        return error
