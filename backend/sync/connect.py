"""Everything a Label Studio project needs to work with this backend, done once however often it is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from backend.errors import LabelConfigError, LabelStudioError
from backend.labels import parse_label_config
from backend.labels.correction import correction_obstacles
from backend.labels.usage import describe_usage
from backend.sync.calls import JsonDict
from backend.sync.client import LabelStudioClient
from backend.sync.task_calls import TaskFilter
from backend.sync.task_fields import SUGGESTED_LABEL, WHY_NOW, shown_by

BACKEND_TITLE = "Label order"
SAMPLING = "Uncertainty sampling"
ML_TIMEOUT_SECONDS = 100.0
# Columns of the tab that say nothing about the order; every tab has a column menu to bring them back.
HIDDEN_COLUMNS = (
    "tasks:inner_id",
    "tasks:completed_at",
    "tasks:annotators",
    "tasks:annotations_results",
    "tasks:annotations_ids",
    "tasks:predictions_score",
    "tasks:predictions_model_versions",
    "tasks:file_upload",
    "tasks:storage_filename",
    "tasks:created_at",
    "tasks:updated_at",
    "tasks:updated_by",
    "tasks:avg_lead_time",
    "tasks:draft_exists",
    "tasks:comment_count",
    "tasks:unresolved_comment_count",
    "tasks:comment_authors",
    "tasks:last_comment_updated_at",
)
TEXT_WIDTHS = {SUGGESTED_LABEL: 300, WHY_NOW: 420}


class Outcome(StrEnum):
    """What a step of connecting did."""

    ADDED = "added"
    UPDATED = "updated"
    ALREADY_THERE = "already there"


@dataclass(frozen=True)
class ConnectStep:
    """One step: what it is about, what was done, and a word of detail."""

    name: str
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True)
class ConnectReport:
    """All steps of one connection, in order, and the ids that were made or found.

    Attributes:
        usage: what the backend makes of the label config, a sentence each.
        advice: what stands in the annotators' way, a sentence each.
    """

    project_id: int
    steps: tuple[ConnectStep, ...] = ()
    ml_backend_id: int = 0
    webhook_id: int = 0
    view_id: int = 0
    usage: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything had to be done."""
        return any(step.outcome is not Outcome.ALREADY_THERE for step in self.steps)


@dataclass(frozen=True)
class BasicAuth:
    """User name and password that Label Studio sends to the backend."""

    user: str
    password: str = field(repr=False)


def connect_project(
    client: LabelStudioClient,
    project_id: int,
    backend_url: str,
    *,
    webhook_headers: Mapping[str, str] | None = None,
    tab_title: str = "Next to label",
    extra_params: Mapping[str, Any] | None = None,
    basic_auth: BasicAuth | tuple[str, str] | None = None,
) -> ConnectReport:
    """Attach the backend at `backend_url` (as Label Studio reaches it) to a project; safe to repeat.

    Makes or corrects: the webhook with all events and `webhook_headers` (before the ML backend, because Label Studio
    adds a bare one of its own where none is there), the ML backend, the sampling, predictions shown to annotators,
    and a Data Manager tab ordered by score. `project.model_version` is left to `publish_window`. A project that the
    backend refuses keeps no webhook of this call.

    Raises:
        LabelConfigError: the project has no label config that this backend can use; nothing was changed.
        LabelStudioError: a step failed; those before it are done. Reasons beside the client's own:
            backend_refused_address (Label Studio's SSRF settings), backend_unreachable, backend_unauthorised,
            backend_invalid (its /setup failed).
    """
    url = backend_url.rstrip("/")
    auth = BasicAuth(*basic_auth) if isinstance(basic_auth, tuple) else basic_auth
    project = client.project(project_id)
    label_config = project["label_config"]
    try:
        usage = tuple(describe_usage(parse_label_config(label_config)))
        advice = tuple(map(str, correction_obstacles(label_config)))
    except LabelConfigError as error:
        raise LabelConfigError(f"Project {project_id}: {error}", reason=error.reason) from None
    known_hooks = {hook["id"] for hook in client.webhooks(project_id)}
    try:
        webhook_id, webhook_steps = _webhook(client, project_id, url, dict(webhook_headers or {}))
        backend_id, backend_step = _ml_backend(client, project_id, url, extra_params, auth)
    except LabelStudioError as error:
        _remove_webhooks(client, project_id, webhook_url(url), known_hooks)
        raise explain_backend_refusal(error, url) from None
    settings_step = _settings(client, project)
    view_id, view_step = _view(client, project_id, tab_data(tab_title, texts=shown_by(label_config)))
    steps = (*webhook_steps, backend_step, settings_step, view_step)
    return ConnectReport(project_id, steps, backend_id, webhook_id, view_id, usage, advice)


def webhook_url(backend_url: str) -> str:
    """Where Label Studio sends events of a backend; the same address that it makes up by itself."""
    return backend_url.rstrip("/") + "/webhook"


def tab_data(title: str, *, texts: bool = False) -> JsonDict:
    """The Data Manager tab: unfinished tasks, the one to label next first, with the suggestion in sight.

    The score orders the tab unseen: it is a place in the queue, and Label Studio would show it as a confidence.

    Args:
        texts: the tasks' data hold suggestion and reason in words, which are shown instead of the stored result.
    """
    unfinished = TaskFilter("completed_at", "empty", "Datetime", True)
    hidden = [*HIDDEN_COLUMNS, *(["tasks:predictions_results"] if texts else [])]
    return {
        "title": title,
        "type": "list",
        "target": "tasks",
        "gridWidth": 4,
        "columnsWidth": {f"tasks:data.{name}": width for name, width in TEXT_WIDTHS.items()} if texts else {},
        "columnsDisplayType": {},
        "hiddenColumns": {"explore": hidden, "labeling": hidden},
        "ordering": ["tasks:predictions_score"],
        "filters": {"conjunction": "and", "items": [unfinished.as_item()]},
    }


def _webhook(
    client: LabelStudioClient, project_id: int, backend_url: str, headers: dict[str, str]
) -> tuple[int, tuple[ConnectStep, ...]]:
    url = webhook_url(backend_url)
    wanted = {
        "url": url,
        "send_payload": True,
        "send_for_all_actions": True,
        "is_active": True,
        "headers": headers,
    }
    ours = [hook for hook in client.webhooks(project_id) if hook["url"].rstrip("/") == url]
    if not ours:
        hook = client.save_webhook({"project": project_id, **wanted})
        return hook["id"], (ConnectStep("webhook", Outcome.ADDED, url),)
    keep, *doubles = sorted(ours, key=lambda hook: int(hook["id"]))
    for double in doubles:
        client.delete_webhook(double["id"])
    removed = (ConnectStep("duplicate webhooks", Outcome.UPDATED, f"{len(doubles)} removed"),) if doubles else ()
    outcome = _correct(keep, wanted, lambda fields: client.save_webhook(fields, keep["id"]))
    return keep["id"], (ConnectStep("webhook", outcome, url), *removed)


def _remove_webhooks(client: LabelStudioClient, project_id: int, url: str, known: Set[int]) -> None:
    """Remove the webhooks to `url` that are not among the `known` ones: this call made them, for nothing."""
    for hook in client.webhooks(project_id):
        if hook["id"] not in known and hook["url"].rstrip("/") == url:
            client.delete_webhook(hook["id"])


def _ml_backend(
    client: LabelStudioClient, project_id: int, url: str, extra_params: Mapping[str, Any] | None, auth: BasicAuth | None
) -> tuple[int, ConnectStep]:
    wanted: JsonDict = {
        "url": url,
        "title": BACKEND_TITLE,
        "auth_method": "BASIC_AUTH" if auth else "NONE",
        "basic_auth_user": auth.user if auth else "",
        "is_interactive": False,
        "timeout": ML_TIMEOUT_SECONDS,
    }
    if extra_params is not None:  # else those that are set in Label Studio stay
        wanted["extra_params"] = dict(extra_params)
    secret = {"basic_auth_pass": auth.password} if auth else {}
    found = [entry for entry in client.ml_backends(project_id) if entry["url"].rstrip("/") == url]
    if not found:
        entry = client.save_ml_backend({"project": project_id, **wanted, **secret})
        return entry["id"], ConnectStep("ML backend", Outcome.ADDED, url)
    entry = found[0]
    # Label Studio never shows the password: with Basic auth the entry is always written, so that a changed one arrives.
    complete = {"project": project_id, **wanted, **secret}
    outcome = _correct(entry, wanted, lambda _: client.save_ml_backend(complete, entry["id"]), always=bool(auth))
    return entry["id"], ConnectStep("ML backend", outcome, url)


def explain_backend_refusal(error: LabelStudioError, url: str) -> LabelStudioError:
    """Tell why Label Studio will not attach the backend at `url`, and what to change; other errors pass unchanged."""
    text = str(error)
    if "health check failed" in text or "Can't connect to ML backend" in text:
        return LabelStudioError(
            f"Label Studio cannot reach the backend at {url}. Is it running, and is this its address as seen from Label "
            "Studio's machine or container? Set PUBLIC_URL to that address. Behind a private address Label Studio needs "
            "ML_BLOCK_LOCAL_IP=false.",
            reason="backend_unreachable",
        )
    if "authentication parameters" in text:
        return LabelStudioError(
            f"The backend at {url} wants Basic auth and Label Studio sent none or a wrong one: connect again with "
            "BASIC_AUTH_USER and BASIC_AUTH_PASSWORD set to the backend's values.",
            reason="backend_unauthorised",
        )
    if "valid ML backend" in text:
        return LabelStudioError(
            f"The backend at {url} refused this project: {_setup_reason(text)}", reason="backend_invalid"
        )
    if "reserved network address" in text or "URL was not allowed" in text:
        return LabelStudioError(
            f"Label Studio refuses the address {url}, which is local or private: start Label Studio with "
            "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false, or give the backend a public address (PUBLIC_URL).",
            reason="backend_refused_address",
        )
    return error


def _setup_reason(text: str) -> str:
    """The backend's own words, which it puts into the status line of /setup: all that Label Studio passes on."""
    found = re.search(r"Reason: \d+ (?:Client|Server) Error: (.+?) for url: ", text, re.DOTALL)
    return found.group(1) if found else text


def _settings(client: LabelStudioClient, project: JsonDict) -> ConnectStep:
    wanted = {
        "sampling": SAMPLING,
        "show_collab_predictions": True,
        # Else opening the Data Manager would wait for a prediction of every task on the page.
        "evaluate_predictions_automatically": False,
    }
    outcome = _correct(project, wanted, lambda fields: client.update_project(project["id"], **fields))
    return ConnectStep("project settings", outcome, f"sampling: {SAMPLING}, predictions shown")


def _view(client: LabelStudioClient, project_id: int, wanted: JsonDict) -> tuple[int, ConnectStep]:
    title = wanted["title"]
    for view in client.views(project_id):
        if view["data"].get("title") == title:
            ordered = view["data"].get("ordering") == wanted["ordering"]
            if ordered:
                return view["id"], ConnectStep("Data Manager tab", Outcome.ALREADY_THERE, title)
            client.save_view(project_id, {**view["data"], "ordering": wanted["ordering"]}, view["id"])
            return view["id"], ConnectStep("Data Manager tab", Outcome.UPDATED, title)
    view = client.save_view(project_id, wanted)
    return view["id"], ConnectStep("Data Manager tab", Outcome.ADDED, title)


def _correct(
    present: JsonDict, wanted: JsonDict, save: Callable[[JsonDict], object], *, always: bool = False
) -> Outcome:
    """Save the fields of `wanted` that differ from `present`, if any (or `always`)."""
    different = {name: value for name, value in wanted.items() if present.get(name) != value}
    if different or always:
        save(different)
    return Outcome.UPDATED if different else Outcome.ALREADY_THERE
