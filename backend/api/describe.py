"""What a call takes and answers: said once, checked when it is called, and published as OpenAPI."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Response, current_app, request
from pydantic import BaseModel, ValidationError

from backend.api.body import SMALL_BODY_BYTES, BodyBudget, clean, json_body, limit_body
from backend.errors import BackendError, NotFoundError
from backend.service.projects.payloads import first_fault
from backend.service.projects.project import MAX_PROJECT_ID, MAX_TASK_ID

BODY_LIMIT = "MAX_REQUEST_BYTES"
BODY_BUDGET = "BODY_BUDGET"

Answer = Response | tuple[Response, int]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Description:
    """One call.

    Attributes:
        summary: a sentence.
        body: what the body holds; None where there is none.
        query: the parameters in the address.
        answers: what is answered, by status; None where it is no JSON.
        carries_tasks: the body may be as large as MAX_REQUEST_BYTES.
    """

    summary: str
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answers: Mapping[int, type[BaseModel] | None]
    carries_tasks: bool


def described(
    summary: str,
    *,
    answers: Mapping[int, type[BaseModel] | None],
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    carries_tasks: bool = False,
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """A view that is given `body` and `query` as models that hold; the arguments are those of `Description`."""

    def wrap(view: Callable[..., Answer]) -> Callable[..., Answer]:
        @functools.wraps(view)
        def call(**path: Any) -> Answer:
            arguments = _of_path(path)
            if query is not None:
                arguments["query"] = _valid(query, {name: clean(value) for name, value in request.args.items()})
            most = int(current_app.config[BODY_LIMIT]) if carries_tasks else SMALL_BODY_BYTES
            limit_body(request, most)
            stated = request.content_length
            unstated = most if "Transfer-Encoding" in request.headers else 0
            budget: BodyBudget = current_app.config[BODY_BUDGET]
            with budget.hold(unstated if stated is None else stated):
                if body is not None:
                    arguments["body"] = _valid(body, json_body(request))
                return view(**arguments)

        call.description = Description(summary, body, query, answers, carries_tasks)  # type: ignore[attr-defined]
        return call

    return wrap


def description_of(view: Callable[..., Any]) -> Description | None:
    """What a view says of itself."""
    found = getattr(view, "description", None)
    return found if isinstance(found, Description) else None


def _of_path(path: Mapping[str, Any]) -> dict[str, Any]:
    if path.get("project_id", 0) > MAX_PROJECT_ID:
        raise NotFoundError(f"There is no project {path['project_id']}: ids end at {MAX_PROJECT_ID}.")
    if path.get("task_id", 0) > MAX_TASK_ID:
        raise NotFoundError(f"There is no task {path['task_id']}: ids end at {MAX_TASK_ID}.")
    return {name: clean(value) for name, value in path.items()}


def _valid(model: type[M], found: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(found)
    except ValidationError as error:
        hint = getattr(model, "hint", "")
        raise BackendError(
            f"The request cannot be used: {first_fault(error)}. {hint}".strip(), reason="bad_request"
        ) from None
