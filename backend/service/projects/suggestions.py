"""What became of the suggestions: accepted as they were, or corrected; by day and by the version that suggested."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.service.projects.payloads import AnnotationState
from backend.storage.schema import Annotation
from backend.sync.version_names import model_of


class SuggestionOutcome(StrEnum):
    """What an annotator made of a suggestion."""

    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    UNKNOWN = "unknown"
    """Somebody deleted the suggestion before it was looked at here."""


COUNTED = (SuggestionOutcome.ACCEPTED, SuggestionOutcome.CORRECTED)


@dataclass(frozen=True)
class SuggestionCount:
    """Suggestions of one version that annotators answered on one day (UTC)."""

    day: date | None
    version: str
    accepted: int
    corrected: int

    @property
    def share(self) -> float:
        """Accepted as they were, [0, 1]."""
        return self.accepted / (self.accepted + self.corrected)


def compare_with_suggestion(
    suggested: Sequence[Mapping[str, Any]], answered: Sequence[Mapping[str, Any]]
) -> SuggestionOutcome:
    """Whether an answer chose the same labels as the suggestion, for each control that the suggestion speaks of.

    Args:
        suggested: result of the prediction.
        answered: result of the annotation; what it says of other controls does not matter.
    """
    before, after = _labels(suggested), _labels(answered)
    same = all(after.get(control, frozenset()) == labels for control, labels in before.items())
    return SuggestionOutcome.ACCEPTED if same else SuggestionOutcome.CORRECTED


def _labels(result: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """The labels chosen with each control, whatever their order."""
    chosen: defaultdict[str, set[str]] = defaultdict(set)
    for item in result:
        value = item.get("value")
        for labels in value.values() if isinstance(value, Mapping) else ():
            found = labels if isinstance(labels, list) else [labels]
            chosen[str(item.get("from_name"))].update(json.dumps(label) for label in found)
    return {control: frozenset(labels) for control, labels in chosen.items()}


def suggestion_columns(state: AnnotationState) -> dict[str, Any]:
    """What an annotation's own record of its suggestion says, as columns of its row; nothing where it has none.

    Label Studio's webhooks bring the current prediction of the task along. Where that is the one that the annotation
    started from, it need not be asked for: our predictions never change their labels.
    """
    known = state.prediction
    shown = known.get("result")
    if state.was_cancelled or not isinstance(shown, list) or known.get("id") != state.parent_prediction:
        return {"suggestion": None, "suggested_by": ""}
    answered = [item.model_dump() for item in state.result]
    outcome = compare_with_suggestion([item for item in shown if isinstance(item, dict)], answered)
    return {"suggestion": str(outcome), "suggested_by": model_of(str(known.get("model_version") or ""))[:100]}


def count_suggestions(session: Session, project_id: int, since: datetime | None = None) -> list[SuggestionCount]:
    """Answered suggestions of a project by day and version, the newest day first.

    Args:
        since: only annotations first submitted since then; None: all.
    """
    created: Any = Annotation.created_at
    if session.get_bind().dialect.name == "postgresql":  # SQLite stores UTC; PostgreSQL answers in the session's zone
        created = func.timezone("UTC", created)
    day = func.date(created)
    query = (
        select(day, Annotation.suggested_by, Annotation.suggestion, func.count())
        .where(
            Annotation.project_id == project_id,
            Annotation.deleted.is_(False),
            Annotation.suggestion.in_(COUNTED),
        )
        .group_by(day, Annotation.suggested_by, Annotation.suggestion)
    )
    if since is not None:
        query = query.where(Annotation.created_at >= since)
    counts: defaultdict[tuple[date | None, str], dict[str, int]] = defaultdict(dict)
    for found, version, outcome, number in session.execute(query):
        counts[_date(found), version][outcome] = number
    rows = [
        SuggestionCount(when, version, by.get(SuggestionOutcome.ACCEPTED, 0), by.get(SuggestionOutcome.CORRECTED, 0))
        for (when, version), by in counts.items()
    ]
    return sorted(rows, key=lambda row: (row.day or date.min, row.version), reverse=True)


def total_suggestions(session: Session) -> list[tuple[int, str, str, int]]:
    """Answered suggestions of all projects: project, version, outcome, how many."""
    query = (
        select(Annotation.project_id, Annotation.suggested_by, Annotation.suggestion, func.count())
        .where(Annotation.deleted.is_(False), Annotation.suggestion.in_(COUNTED))
        .group_by(Annotation.project_id, Annotation.suggested_by, Annotation.suggestion)
    )
    return [(project, version, str(outcome), number) for project, version, outcome, number in session.execute(query)]


def _date(value: object) -> date | None:
    """SQLite gives a date as text, PostgreSQL as a date."""
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) or value is None else date.fromisoformat(str(value))
