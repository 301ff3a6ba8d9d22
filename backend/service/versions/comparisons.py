"""Two versions that answer differently: people are asked about some of those photos first, and their answers decide.

What the two said is kept when the photos are drawn, so that all versions may learn from the answers at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import select

from backend.jobs.kinds import JobKind
from backend.learning.promotion import Disagreement, Outcome
from backend.service.context.context import Runtime
from backend.service.projects.labels import labels_of
from backend.service.versions.registry import EmbeddingConfig, serve_unless_chosen, update_version
from backend.storage.schema import ModelVersion, Project

log = logging.getLogger(__name__)

Labels = tuple[int, ...]


@dataclass(frozen=True)
class Photo:
    """A photo that people are asked about: what the two versions said of it, as indices of labels, ascending."""

    task_id: int
    serving: Labels
    candidate: Labels


@dataclass(frozen=True)
class Comparison:
    """A comparison under way.

    Attributes:
        start: what was known when it began, from the evaluation sample.
        photos: drawn at random among the unlabelled photos on which the two differ, in the order of asking.
        renewed: as in `Disagreement.outcome`.
        labels_key: of the labels that the photos' indices mean; empty: not known, as of earlier releases.
    """

    start: Disagreement
    photos: Sequence[Photo]
    renewed: bool = False
    labels_key: str = ""

    def judged(self, answers: Mapping[int, Labels]) -> Disagreement:
        """What is known by now. `answers`: the labels that people gave, by task."""
        better = worse = neither = 0
        for photo in self.photos:
            answer = answers.get(photo.task_id)
            if answer is None:
                continue
            if answer == photo.candidate:
                better += 1
            elif answer == photo.serving:
                worse += 1
            else:
                neither += 1
        start = self.start
        return replace(start, better=start.better + better, worse=start.worse + worse, neither=start.neither + neither)

    def to_json(self) -> dict[str, Any]:
        """As it is kept with the candidate."""
        photos = [[photo.task_id, list(photo.serving), list(photo.candidate)] for photo in self.photos]
        kept = {"start": asdict(self.start), "photos": photos, "renewed": self.renewed}
        return kept | {"labels_key": self.labels_key}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Comparison:
        """The inverse of `to_json`. Raises KeyError or TypeError when `stored` is something else."""
        photos = [Photo(int(task), tuple(serving), tuple(candidate)) for task, serving, candidate in stored["photos"]]
        start, renewed = Disagreement(**stored["start"]), bool(stored["renewed"])
        return cls(start, photos, renewed, str(stored.get("labels_key", "")))


def open_comparison(runtime: Runtime, project_id: int) -> tuple[str, Comparison] | None:
    """The candidate that people are asked about, and how far that is; None where there is none."""
    query = select(ModelVersion.version, ModelVersion.comparison).where(
        ModelVersion.project_id == project_id, ModelVersion.comparison.is_not(None)
    )
    with runtime.database.session() as session:
        found = [(version, stored) for version, stored in session.execute(query) if stored]
    return (found[-1][0], Comparison.from_json(found[-1][1])) if found else None


def settle_comparison(
    runtime: Runtime,
    project: Project,
    serving: str,
    answers: Mapping[int, Labels],
    can_be_asked: Callable[[int], bool],
) -> list[int]:
    """Let the candidate serve, or turn it away, once the answers decide; the tasks that are to be asked first meanwhile.

    Args:
        serving: the version that serves now.
        answers: the labels that people gave, by task.
        can_be_asked: whether a task is there and waits for an answer; it may have been skipped or deleted.
    """
    found = open_comparison(runtime, project.id)
    if found is None:
        return []
    candidate, comparison = found
    if serving != comparison.start.serving or project.pinned:
        why = f"a person chose {serving}" if project.pinned else f"{serving} serves by now"
        _close(runtime, project.id, candidate, f"{candidate} is not compared any further: {why}")
        return []
    if comparison.labels_key not in ("", labels_of(runtime, project).key):
        _close(runtime, project.id, candidate, f"{candidate} is not compared any further: the labels changed")
        return []
    known = comparison.judged(answers)
    outcome = known.outcome(renewed=comparison.renewed)
    if outcome is Outcome.ASK:
        waiting = [photo.task_id for photo in comparison.photos if can_be_asked(photo.task_id)]
        if waiting:
            update_version(runtime, project.id, candidate, note=known.sentence(outcome))
            return waiting
        outcome = Outcome.KEEP  # none is left to ask about, and nothing is clear
    _close(runtime, project.id, candidate, known.sentence(outcome))
    if outcome is Outcome.PROMOTE and serve_unless_chosen(runtime, project.id, candidate, EmbeddingConfig.of(project)):
        runtime.jobs.enqueue(JobKind.REFRESH, project.id, {"republish": True})
    return []


def _close(runtime: Runtime, project_id: int, candidate: str, note: str) -> None:
    update_version(runtime, project_id, candidate, comparison=None, note=note)
    log.info("project %s: %s", project_id, note)
