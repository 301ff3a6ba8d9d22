"""`python -m backend connect`: attach the running backend to an existing project."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from backend.cli.console import messages, output, table, waiting
from backend.errors import BackendError, SettingsError
from backend.settings import Settings, load_settings

if TYPE_CHECKING:
    from backend.sync.client import LabelStudioClient
    from backend.sync.connect import ConnectReport


def connect(
    project: Annotated[int, typer.Option(help="Number of the project in Label Studio (it is in the page's address).")],
    url: Annotated[str | None, typer.Option(help="Origin of Label Studio. Default: LABEL_STUDIO_URL.")] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            help="Token of a user who can edit the project. Default: LABEL_STUDIO_API_KEY, which no other user of the machine sees."
        ),
    ] = None,
    backend_url: Annotated[
        str | None, typer.Option(help="Address under which Label Studio reaches this backend. Default: PUBLIC_URL.")
    ] = None,
    extra_params: Annotated[
        str | None,
        typer.Option(help='Options of this project as JSON, e.g. \'{"window_size": 100, "strategy": "margin"}\'.'),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Show progress until the queue is in order for the first time.")] = True,
) -> None:
    """Attach the running backend to a project: ML backend, webhook, sampling, a "Next to label" tab. Safe to repeat."""
    from backend.service.projects.options import project_options
    from backend.sync.client import LabelStudioClient

    overrides = {"label_studio_url": url, "label_studio_api_key": api_key, "public_url": backend_url}
    given = load_settings(**{name: value for name, value in overrides.items() if value})
    if not given.label_studio_url:
        raise SettingsError("Where is Label Studio? Give --url or set LABEL_STUDIO_URL.")
    if not given.label_studio_api_key:
        raise SettingsError("A token is needed: set LABEL_STUDIO_API_KEY, or give --api-key.")
    params = _parsed(extra_params)
    if params is not None:
        project_options(given, params)  # a wrong one is named here, not in Label Studio's answer
    client = LabelStudioClient(given.label_studio_url, given.label_studio_api_key)
    report = attach(client, project, given, extra_params=params)
    rows = table("step", "outcome", "detail")
    for step in report.steps:
        rows.add_row(step.name, str(step.outcome), step.detail)
    output().print(rows, markup=False)
    for line in report.usage:
        output().print(line, markup=False)
    for advice in report.advice:
        messages().print(f"[yellow]Please look:[/yellow] {escape(advice)}")
    page = f"{given.label_studio_url}/projects/{project}/data"
    output().print(f"Project {project} is connected: {page}", markup=False)
    if wait:
        _wait(project, given)


def _wait(project: int, given: Settings) -> None:
    """Show how far the first window is; the backend makes it whether somebody waits or not."""
    from backend.cli.first_window import wait_for_window

    try:
        with waiting("waiting for the queue") as status:
            queue = wait_for_window(_asker(given), project, status)
    except KeyboardInterrupt:
        output().print("The backend goes on by itself; `python -m backend doctor` says how far it is.")
        return
    if queue:
        output().print("Its queue is in order: open the tab Next to label, or press Label All Tasks.")
    else:
        output().print("It has no tasks yet: import photos, and the queue is made as they come.")


def _asker(given: Settings) -> Callable[[str], dict[str, Any]]:
    """Asks the backend at its public address, which is where Label Studio has just called it."""
    import requests

    auth = (given.basic_auth_user, given.basic_auth_password) if given.basic_auth_user else None

    def ask(path: str) -> dict[str, Any]:
        try:
            answer = requests.get(given.resolved_public_url + path, auth=auth, timeout=30)
        except requests.RequestException:
            raise BackendError(
                f"The project is connected, but {given.resolved_public_url} cannot be asked from this machine how far its "
                "queue is: look at the backend's log, or give --no-wait.",
                reason="backend_silent",
            ) from None
        if not answer.ok:
            raise BackendError(f"The backend answers {answer.status_code} to {path}: {answer.text[:300]}")
        return dict(answer.json())

    return ask


def attach(
    client: LabelStudioClient, project: int, given: Settings, *, extra_params: dict[str, Any] | None = None
) -> ConnectReport:
    """Connect a project with the secrets that the settings hold.

    Raises:
        LabelStudioError: a step failed; the message names it and the fix.
    """
    from backend.sync.connect import BasicAuth, connect_project

    secured = bool(given.basic_auth_user)
    return connect_project(
        client,
        project,
        given.resolved_public_url,
        webhook_headers=webhook_headers(given),
        extra_params=extra_params,
        basic_auth=BasicAuth(given.basic_auth_user, given.basic_auth_password) if secured else None,
    )


def webhook_headers(given: Settings) -> dict[str, str]:
    """Headers that Label Studio has to send with each webhook."""
    from backend.api.auth import WEBHOOK_HEADER, webhook_secret

    secret = webhook_secret(given)
    return {WEBHOOK_HEADER: secret} if secret else {}


def _parsed(extra_params: str | None) -> dict[str, Any] | None:
    if extra_params is None:
        return None
    try:
        value = json.loads(extra_params)
    except json.JSONDecodeError as error:
        raise SettingsError(f"--extra-params: not valid JSON ({error.msg} at character {error.pos})") from None
    if not isinstance(value, dict):
        raise SettingsError('--extra-params: must be a JSON object, e.g. {"window_size": 100}')
    return value
