"""What goes wrong in practice between Label Studio and the backend, checked one by one for `doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from backend.errors import LabelConfigError, LabelStudioError
from backend.labels.correction import correction_obstacles
from backend.sync.calls import JsonDict
from backend.sync.client import LabelStudioClient
from backend.sync.connect import SAMPLING, explain_backend_refusal, webhook_url
from backend.sync.tokens import TokenKind

KNOWN_VERSION = "1.23"


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, and how to mend it (empty when nothing is wrong)."""

    name: str
    verdict: Verdict
    what: str
    fix: str = ""


@dataclass(frozen=True)
class Reading:
    """How far the backend is with a project's photos: how many it read, could not read, and knows."""

    read: int
    unreadable: int
    total: int

    @property
    def unfinished(self) -> bool:
        """Whether photos wait to be read."""
        return self.read + self.unreadable < self.total

    def __str__(self) -> str:
        failed = f" ({self.unreadable} cannot be read)" if self.unreadable else ""
        return f"{self.read} of {self.total} photos{failed}"


def check_server(client: LabelStudioClient) -> list[Check]:
    """Label Studio itself: reachable, which version, which kind of token and whether it is valid."""
    try:
        version = client.version()
    except LabelStudioError as error:
        return [Check("Label Studio reachable", Verdict.FAIL, str(error), "Start it, or correct LABEL_STUDIO_URL.")]
    checks = [Check("Label Studio reachable", Verdict.OK, client.url), _check_version(version)]
    kind = client.transport.token.kind
    try:
        user = client.whoami()
    except LabelStudioError as error:
        checks.append(Check("Token", Verdict.FAIL, f"{kind}: {error}", "Set LABEL_STUDIO_API_KEY to a valid token."))
        return checks
    advice = (
        ""
        if kind is TokenKind.PERSONAL_ACCESS
        else "Legacy tokens never expire and a new organisation has them off: prefer a personal access token."
    )
    checks.append(Check("Token", Verdict.OK, f"{kind} of {user.get('email', 'an unknown user')}", advice))
    return checks


def check_project(
    client: LabelStudioClient,
    project_id: int,
    backend_url: str,
    *,
    published_version: str | None = None,
    reading: Reading | None = None,
    webhook_headers: dict[str, str] | None = None,
) -> list[Check]:
    """One project: backend attached and reachable from Label Studio, webhook, sampling, version.

    Args:
        backend_url: our address as Label Studio reaches it.
        published_version: the version of the window that we published last; None when it is not known.
        reading: how far the backend is with the photos; None when it is not known.
        webhook_headers: headers that the webhook must carry.
    """
    try:
        project = client.project(project_id)
        url = backend_url.rstrip("/")
        return [
            Check("Project", Verdict.OK, f"{project_id}: {project['title']}, {project.get('task_number') or 0} tasks"),
            *_check_backend(client, project_id, url),
            _check_webhook(client, project_id, url, webhook_headers or {}),
            _check_sampling(project),
            *_check_correction(project),
            *_check_queue(client, project, published_version, reading),
        ]
    except LabelStudioError as error:
        return [
            Check("Project", Verdict.FAIL, str(error), "Check the project id and that the token's user may edit it.")
        ]


def _check_version(version: str) -> Check:
    if version.startswith(KNOWN_VERSION):
        return Check("Label Studio version", Verdict.OK, version)
    return Check(
        "Label Studio version",
        Verdict.WARN,
        version or "unknown",
        f"This backend is tested with {KNOWN_VERSION}; if the queue is not in order, try that version.",
    )


def _check_backend(client: LabelStudioClient, project_id: int, url: str) -> Iterator[Check]:
    # Listing makes Label Studio call /health and /setup of each backend, so the state is of this moment.
    entries = client.ml_backends(project_id)
    ours = [entry for entry in entries if entry["url"].rstrip("/") == url]
    if not ours:
        others = ", ".join(entry["url"] for entry in entries)
        yield Check(
            "ML backend attached",
            Verdict.FAIL,
            f"{url} is not among the project's backends" + (f" ({others})" if others else " (it has none)"),
            f"Run: python -m backend connect --project {project_id}",
        )
        return
    entry = ours[0]
    yield Check("ML backend attached", Verdict.OK, f"{url} as {entry['title']!r}")
    if entry["state"] in {"CO", "TR", "PR"}:
        yield Check("Label Studio reaches the backend", Verdict.OK, entry["readable_state"])
        return
    what = f"{entry['readable_state']}: {entry.get('error_message') or 'its /health did not answer'}"
    yield Check("Label Studio reaches the backend", Verdict.FAIL, what, _reach_fix(client, entry, url))


def _reach_fix(client: LabelStudioClient, entry: JsonDict, url: str) -> str:
    """Saving the entry unchanged makes Label Studio say what the state alone hides: SSRF, health or setup."""
    try:
        client.save_ml_backend({"project": entry["project"], "url": entry["url"]}, entry["id"])
    except LabelStudioError as error:
        return str(explain_backend_refusal(error, url))
    return (
        "It answers now; if this comes and goes, the backend is too slow for Label Studio's limit of 1 s for /health."
    )


def _check_webhook(client: LabelStudioClient, project_id: int, url: str, headers: dict[str, str]) -> Check:
    name, wanted = "Webhook", webhook_url(url)
    fix = f"Run: python -m backend connect --project {project_id}"
    ours = [hook for hook in client.webhooks(project_id) if hook["url"].rstrip("/") == wanted]
    if not ours:
        return Check(name, Verdict.FAIL, f"no webhook to {wanted}: annotations arrive by polling only", fix)
    if not any(hook["is_active"] for hook in ours):
        return Check(name, Verdict.FAIL, f"the webhook to {wanted} is switched off", fix)
    hook = next(hook for hook in ours if hook["is_active"])
    if not hook["send_payload"] or not hook["send_for_all_actions"]:
        return Check(name, Verdict.FAIL, "the webhook does not send all events with their payload", fix)
    if hook["headers"] != headers:
        return Check(name, Verdict.FAIL, "the webhook does not carry the secret that the backend expects", fix)
    if len(ours) > 1:
        return Check(name, Verdict.WARN, f"{len(ours)} webhooks to {wanted}: each event arrives more than once", fix)
    return Check(name, Verdict.OK, wanted)


def _check_sampling(project: JsonDict) -> Check:
    if project["sampling"] == SAMPLING:
        return Check("Sampling", Verdict.OK, SAMPLING)
    return Check(
        "Sampling",
        Verdict.FAIL,
        f"{project['sampling']}: Label Studio ignores the scores",
        f"Run: python -m backend connect --project {project['id']} (or set it in the project's Annotation settings).",
    )


def _check_correction(project: JsonDict) -> list[Check]:
    """Whether one click or key replaces a wrong suggestion."""
    name = "Label config"
    try:
        obstacles = correction_obstacles(project["label_config"])
    except LabelConfigError as error:
        return [Check(name, Verdict.FAIL, str(error), "Correct it in the project's Labeling Interface settings.")]
    if not obstacles:
        return [Check(name, Verdict.OK, "one click or key replaces a wrong suggestion")]
    return [Check(name, Verdict.WARN, f"{found.control}: {found.what}", found.fix) for found in obstacles]


def _check_queue(
    client: LabelStudioClient, project: JsonDict, published: str | None, reading: Reading | None
) -> Iterator[Check]:
    """The first queue needs the photos to be read: until then nothing is wrong."""
    if published is None and reading is not None:
        wait = "Wait: the queue is made as soon as photos are read, and made anew as more are."
        if not reading.total:
            yield Check(
                "Queue", Verdict.WARN, "the backend knows no photos of it yet", "Import photos, or wait a moment."
            )
            return
        if reading.unfinished or reading.read:
            yield Check("Queue", Verdict.WARN, f"still reading, {reading}", wait)
        else:
            fix = f"GET /projects/{project['id']}/failures says why of each."
            yield Check("Queue", Verdict.FAIL, f"not one photo can be read: {reading}", fix)
        return
    yield from _check_model_version(client, project, published)


def _check_model_version(client: LabelStudioClient, project: JsonDict, published: str | None) -> Iterator[Check]:
    name, current = "Model version", project["model_version"] or ""
    stored = client.model_versions(project["id"]).get(current, 0) if current else 0
    refill = "The next refill of the window mends it; if not, look at the backend's log for the refresh job."
    if not current:
        yield Check(name, Verdict.FAIL, "the project carries none, so its queue is random", refill)
    elif published is not None and current != published:
        what = f"the project carries {current!r}, the backend published {published!r}: the queue is not ours"
        yield Check(name, Verdict.FAIL, what, refill)
    elif not stored:
        yield Check(name, Verdict.FAIL, f"no prediction of {current!r} is stored, so the queue is random", refill)
    else:
        yield Check(name, Verdict.OK, f"{current}, carried by {stored} tasks")
