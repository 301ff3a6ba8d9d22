"""The OpenAPI file, made from what the calls say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from backend.api.answers import ErrorAnswer
from backend.api.describe import Description, described, description_of
from backend.service.projects.project import MAX_PROJECT_ID, MAX_TASK_ID

_JSON = "application/json"
_REFERENCES = "#/components/schemas/{model}"


def openapi_blueprint() -> Blueprint:
    """The call that gives the file."""
    blueprint = Blueprint("openapi", __name__)

    @blueprint.get("/openapi.json")
    @described("This description of the API.", answers={200: None})
    def openapi() -> Response:
        return jsonify(openapi_document(current_app))

    return blueprint


def openapi_document(app: Flask) -> dict[str, Any]:
    """All calls of an application, OpenAPI 3.1."""
    calls = list(_calls(app))
    models: dict[type[BaseModel], None] = {ErrorAnswer: None}
    for _, _, description in calls:
        models |= {model: None for model in (description.body, *description.answers.values()) if model}
    names, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCES)
    references = {model: reference for (model, _), reference in names.items()}
    paths: dict[str, dict[str, Any]] = {}
    for rule, method, description in calls:
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        paths.setdefault(path, {})[method.lower()] = _operation(rule, method, description, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Label order backend", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
        "security": [{"basic": []}, {}],
    }


def _calls(app: Flask) -> Iterator[tuple[Rule, str, Description]]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        description = description_of(app.view_functions[rule.endpoint])
        if description is not None:
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method, description


def _operation(rule: Rule, method: str, description: Description, references: dict[Any, Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, model in description.answers.items():
        content: dict[str, Any] = {_JSON: {"schema": references[model]}} if model else {}
        answers[str(status)] = {"description": (model.__doc__ or "") if model else description.summary}
        if content:
            answers[str(status)]["content"] = content
    answers["default"] = {"description": "An error.", "content": {_JSON: {"schema": references[ErrorAnswer]}}}
    operation: dict[str, Any] = {
        "summary": description.summary,
        "operationId": f"{method.lower()}_{rule.endpoint.replace('.', '_')}_{len(rule.rule)}",
        "parameters": [*_path_parameters(rule), *_query_parameters(description)],
        "responses": answers,
    }
    if description.body is not None and method != "GET":
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": references[description.body]}}}
    return operation


def _path_parameters(rule: Rule) -> Iterator[dict[str, Any]]:
    for kind, name in re.findall(r"<(?:(\w+):)?(\w+)>", rule.rule):
        most = MAX_TASK_ID if name == "task_id" else MAX_PROJECT_ID
        schema = {"type": "integer", "minimum": 0, "maximum": most} if kind == "int" else {"type": "string"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(description: Description) -> Iterator[dict[str, Any]]:
    if description.query is None:
        return
    for name, schema in description.query.model_json_schema()["properties"].items():
        yield {"name": name, "in": "query", "required": False, "schema": schema}
