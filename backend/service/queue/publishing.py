"""One window on its way to Label Studio: the next places at once, the others after it is written down here."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import update

from backend import metrics
from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.queue.pace import PublicationPace
from backend.service.queue.queue_window import current_window
from backend.storage.schema import Project, QueueItem, now
from backend.sync.publish import Publication, WindowItem
from backend.sync.version_names import SupersededName, WindowName

log = logging.getLogger(__name__)

URGENT_SECONDS = 5.0  # a Label Studio that is slower than that for the first places gets a newer order sooner
SETTLE_SECONDS = 10.0  # then other projects have their turn
SWEEP_EVERY = 10  # windows; what left them, or was asked for by Label Studio itself, is out of the queue by then
NEXT_PLACES = 10  # that annotators may reach before the next order; a large window is one of a large team
MOST_RETURNED = (
    200  # answers taken back that an order sees to; where somebody deletes thousands, a poll finds the others
)
NEXT_SHARE = 4  # of the window: its fourth part, a place for each person


def open_window(runtime: Runtime, project_id: int) -> int:
    """The number of a new window. Until it has settled, the next refresh publishes even if nothing else is new."""
    values = {"window_serial": Project.window_serial + 1, "window_settled": False}
    with runtime.database.session() as session:
        session.execute(update(Project).where(Project.id == project_id).values(values))
        return session.get_one(Project, project_id).window_serial


class Publishing:
    """Publishes a window where the backend pushes; elsewhere Label Studio gets it by asking.

    The ledger runs one refresh of a project at a time. Should a worker that was taken for dead still be at it, it stops
    as soon as a newer window is opened.

    Attributes:
        places_right: first places that Label Studio served in this order once it counted as published: fewer where it was
            slow.
    """

    places_right: int = 0

    def __init__(
        self,
        runtime: Runtime,
        project: Project,
        window: WindowName,
        items: Sequence[QueueItem],
        handed_out: Sequence[WindowItem],
        *,
        held: Sequence[int] = (),
        tasks: int,
        returned: Sequence[int] = (),
        whole: bool,
        pace: PublicationPace,
    ) -> None:
        """What is published, and how.

        Args:
            held: tasks that somebody may hold open: they keep their suggestion.
            tasks: how many the project has, roughly.
            returned: tasks that may have a place again since an answer to them was taken back; those beyond `MOST_RETURNED`
                wait until every place is made right.
            whole: make every place right. Else those that annotators may reach before the next order: the others wait for
                every tenth window, or the next poll.
        """
        self._runtime = runtime
        self._project = project
        self._window = window
        self._items = items
        self._handed_out = handed_out
        self._held = held
        self._tasks = tasks
        self._returned = returned
        moves = project.published_version != window.model
        self._whole = whole or moves or window.serial % SWEEP_EVERY == 0
        self._pace = pace
        self._publication: Publication | None = None
        self._sees_all = True  # the publication knows everything that has a place in Label Studio

    def begin(self) -> str:
        """Make the first places right; the items get the scores that Label Studio sorts by. Returns the published version."""
        runtime, project, window = self._runtime, self._project, self._window
        if runtime.label_studio is None:
            # Label Studio asks only for what has no prediction of the current version: each window is a new one.
            return str(window)
        # What an interrupted publication left in the queue waits until every place is made right.
        self._sees_all = self._whole or (project.window_settled and len(self._returned) <= MOST_RETURNED)
        earlier = {item.task_id for item in current_window(runtime, project)}
        self._publication = Publication(
            runtime.label_studio,
            project.id,
            window.model,
            [*(WindowItem(item.task_id, item.result) for item in self._items), *self._handed_out],
            SupersededName(window.model, now()),
            earlier=earlier.union(project.places_left, self._returned[:MOST_RETURNED]),
            held=self._held,
            sweep=self._whole,
            tasks=self._tasks,
            label_config=project.label_config,
            next_places=None if self._whole else max(NEXT_PLACES, len(self._items) // NEXT_SHARE),
        )
        deadline = time.monotonic() + URGENT_SECONDS
        with self._timed(self._publication):
            report = self._publication.begin(lambda: time.monotonic() < deadline)
        for item in self._items:
            item.score = report.scores.get(item.task_id, item.score)
        self.places_right = report.right
        metrics.WINDOW_PUBLISHED.inc()
        log.info("project %s: window %s published: %s", project.id, window, report)
        return window.model

    @property
    def left(self) -> list[int]:
        """Tasks that have a place in Label Studio though the window gives them none; the next publication needs them."""
        behind = {item.task_id for item in self._handed_out}
        return sorted(behind if self._publication is None else behind | self._publication.left)

    def settle(self) -> None:
        """Make the other places right, where all are to be, until a newer order waits; what is left then, the next one does."""
        deadline = time.monotonic() + SETTLE_SECONDS
        publication = self._publication
        complete = True
        if publication is not None:
            with self._timed(publication):
                complete = publication.settle(
                    lambda: self._whole and time.monotonic() < deadline and not self._is_outdated()
                )
        if complete and self._sees_all:
            query = update(Project).where(Project.id == self._project.id, Project.window_serial == self._window.serial)
            with self._runtime.database.session() as session:
                session.execute(query.values(window_settled=True, places_left=self.left))
        elif self._whole and not self._is_outdated():
            self._runtime.jobs.enqueue(JobKind.REFRESH, self._project.id, {"republish": True})

    @contextmanager
    def _timed(self, publication: Publication) -> Iterator[None]:
        """Tell the pace how long a part of the publication took Label Studio, also where it fails."""
        begun, calls = time.monotonic(), publication.calls
        try:
            yield
        finally:
            self._pace.published(self._project.id, time.monotonic() - begun, publication.calls - calls)

    def _is_outdated(self) -> bool:
        if self._runtime.jobs.ledger.waiting(self._project.id, JobKind.REFRESH):
            return True
        with self._runtime.database.session() as session:
            return session.get_one(Project, self._project.id).window_serial != self._window.serial
