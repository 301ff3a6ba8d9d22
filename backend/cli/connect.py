"""`python -m backend connect`: attach the running backend to an existing project."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backend.cli.console import output, table
from backend.errors import SettingsError
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
) -> None:
    """Attach the running backend to a project: ML backend, webhook, sampling, a "Next to label" tab. Safe to repeat."""
    from backend.sync.client import LabelStudioClient

    overrides = {"label_studio_url": url, "label_studio_api_key": api_key, "public_url": backend_url}
    given = load_settings(**{name: value for name, value in overrides.items() if value})
    if not given.label_studio_url:
        raise SettingsError("Where is Label Studio? Give --url or set LABEL_STUDIO_URL.")
    if not given.label_studio_api_key:
        raise SettingsError("A token is needed: set LABEL_STUDIO_API_KEY, or give --api-key.")
    client = LabelStudioClient(given.label_studio_url, given.label_studio_api_key)
    report = attach(client, project, given, extra_params=_parsed(extra_params))
    rows = table("step", "outcome", "detail")
    for step in report.steps:
        rows.add_row(step.name, str(step.outcome), step.detail)
    output().print(rows, markup=False)
    output().print(
        f"Project {project} is connected. Its queue is in order as soon as the backend has read the photos: "
        f"{given.label_studio_url}/projects/{project}/data",
        markup=False,
    )


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
