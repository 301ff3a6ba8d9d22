"""Looks up the suggestions that annotations started from, where the annotations did not bring them along."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import select, update

from backend.errors import LabelStudioError
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project
from backend.service.projects.suggestions import SuggestionOutcome, compare_with_suggestion
from backend.storage.schema import Annotation
from backend.sync.client import LabelStudioClient
from backend.sync.version_names import model_of

log = logging.getLogger(__name__)

AT_ONCE = 200  # predictions asked for in one pass; the next pass goes on


def look_up_suggestions(runtime: Runtime, project_id: int) -> int:
    """Compare new and changed annotations with the suggestion that they started from; how many were compared.

    Raises:
        LabelStudioError: a call failed; the next pass goes on.
    """
    client = runtime.label_studio
    if client is None or find_project(runtime, project_id).missing_since is not None:
        return 0
    query = select(Annotation).where(
        Annotation.project_id == project_id,
        Annotation.deleted.is_(False),
        Annotation.was_cancelled.is_(False),
        Annotation.parent_prediction.is_not(None),
        Annotation.suggestion.is_(None),
    )
    with runtime.database.session() as session:
        found = list(session.scalars(query.order_by(Annotation.annotation_id).limit(AT_ONCE)))
    for annotation in found:
        values = _compare(client, annotation)
        # Not what was changed meanwhile: its new state is compared next time.
        same_state = update(Annotation).where(
            Annotation.project_id == project_id,
            Annotation.annotation_id == annotation.annotation_id,
            Annotation.updated_at == annotation.updated_at,
        )
        with runtime.database.session() as session:
            session.execute(same_state.values(values))
    return len(found)


def _compare(client: LabelStudioClient, annotation: Annotation) -> dict[str, Any]:
    try:
        prediction = client.prediction(annotation.parent_prediction or 0)
    except LabelStudioError as error:
        if error.reason != "label_studio_not_found":
            raise
        return {"suggestion": str(SuggestionOutcome.UNKNOWN)}
    outcome = compare_with_suggestion(prediction["result"], annotation.result)
    return {"suggestion": str(outcome), "suggested_by": model_of(prediction["model_version"] or "")[:100]}
