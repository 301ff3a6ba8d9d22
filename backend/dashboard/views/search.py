"""Search: photos by likeness, by label, by a word; the result opens as a sheet or in the Data Manager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.dashboard.page import Arguments, ProjectPage
from backend.dashboard.project_data import shown_labels
from backend.errors import BackendError
from backend.service.context.context import Runtime
from backend.service.insight.search import given_tasks, search_label, search_name, search_node, search_task
from backend.service.insight.search_results import Answered, Filters, SearchResult
from backend.service.projects.labels import labels_of
from backend.storage.schema import Project

SHOWN = 60
SHEET = 24
FILTERS: dict[Answered, str] = {"any": "all photos", "no": "without an answer", "yes": "answered"}
RELEVANCE: dict[Answered, str] = {"any": "whether it belongs or not", "yes": "that belong", "no": "that are strangers"}


def _values(runtime: Runtime, project: Project, arguments: Arguments) -> dict[str, Any]:
    filters = Filters(
        _choice(FILTERS, arguments.get("answered")),
        _number(arguments.get("believed", "")),
        _choice(RELEVANCE, arguments.get("relevant")),
    )
    found, fault = None, ""
    try:
        found = _find(runtime, project, arguments, filters)
    except BackendError as error:
        fault = str(error)
    first, rest = _parts(found) if found else ([], [])
    chosen = first or rest
    return {
        "found": found,
        "first": first,
        "rest": rest,
        "chosen": [item["task"] for item in chosen],
        "fault": fault,
        "titles": shown_labels(runtime, project),
        "filters": FILTERS,
        "among": filters,
        "relevance": RELEVANCE if labels_of(runtime, project).spaces[0].irrelevant.any() else {},
        "word": arguments.get("name", ""),
        "asked": {key: arguments[key] for key in ("task", "label", "node", "tasks") if key in arguments},
        "open_tasks": [item["task"] for item in chosen if not item["answered"]][:SHEET],
    }


def _parts(found: SearchResult) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The photos that are believed to be of what was asked, and the others that come nearest."""
    place = len(found.photos) if found.believed is None else found.believed
    return found.photos[:place], found.photos[place:]


def _find(runtime: Runtime, project: Project, arguments: Arguments, filters: Filters) -> SearchResult | None:
    if arguments.get("name", "").strip():
        return search_name(runtime, project, arguments["name"][:200], SHOWN, filters)
    if "tasks" in arguments:
        tasks = [number for part in arguments["tasks"].split(",") if (number := _number(part)) is not None]
        return given_tasks(runtime, project, tasks[:SHOWN])
    for key, search in (("task", search_task), ("label", search_label), ("node", search_node)):
        number = _number(arguments.get(key, ""))
        if number is not None:
            return search(runtime, project, number, SHOWN, filters)
    return None


def _choice(names: Mapping[Answered, str], given: str | None) -> Answered:
    return next((name for name in names if name == given), "any")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


PAGE = ProjectPage("search", "Search", "search.html", _values)
