"""Photos that somebody may hold open: orders pass, and whoever reloads the page is to find the suggestion again.

Label Studio keeps a photo for whoever opened it and does not tell which those are. They had one of the first places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from backend.service.pool.cache import ProjectPool
from backend.service.pool.predictions import ControlPrediction
from backend.service.queue.suggestion import pre_annotation
from backend.storage.schema import QueueItem
from backend.sync.publish import WindowItem

HANDED_OUT = 10  # annotators who ask for their next photo in the same second
MOST_HELD = (
    50  # photos that are kept in mind: behind the window they cost nobody a place, but each publication reads them
)


def held_open(known: Sequence[int], window: Iterable[int], waits: Callable[[int], bool]) -> list[int]:
    """Tasks that somebody may hold open by now, those opened last first.

    Args:
        known: what this gave the last time.
        window: the tasks of the window that people are served from, first served first.
        waits: whether a task is still there and unanswered.
    """
    first = islice(filter(waits, window), HANDED_OUT)
    return list(islice(filter(waits, dict.fromkeys([*first, *known])), MOST_HELD))


def handed_out_items(
    before: Sequence[int],
    held: Sequence[int],
    items: Sequence[QueueItem],
    pool: ProjectPool,
    predictions: Sequence[ControlPrediction],
) -> list[WindowItem]:
    """Suggestions for what people may have before them while another model takes over, and the new window leaves out.

    Args:
        before: the unanswered tasks of the window before, first served first.
        held: as `held_open` gives it.
        items: the new window.
    """
    stay = {item.task_id for item in items}
    controls = [control.space.control for control in pool.controls]
    left = [task for task in before if task not in stay][:HANDED_OUT]
    opened = dict.fromkeys([*left, *(task for task in held if task not in stay)])
    return [
        WindowItem(task, pre_annotation(controls, [prediction.served[pool.row_of[task]] for prediction in predictions]))
        for task in opened
    ]
