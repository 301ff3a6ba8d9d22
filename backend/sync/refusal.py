"""What a refusal of Label Studio's means: an error that names the call, what it said, and the fix."""

from __future__ import annotations

import requests

from backend.errors import LabelStudioError
from backend.sync.tokens import TokenKind

DETAIL_LIMIT = 500

PASSING = (408, 423, 425, 429)
"""Answers to what came too late, too early or too often: not to what it says, so that it is no refusal."""


def refusal(call: str, response: requests.Response, kind: TokenKind) -> LabelStudioError:
    """The error for an answer of 400 and above."""
    status, detail = response.status_code, _detail(response)
    if status == 401:
        return LabelStudioError(f"{call}: 401 {detail}. {_token_fix(detail, kind)}", reason="label_studio_unauthorised")
    fixes = {
        403: ("label_studio_forbidden", "The token's user may not do this: use the token of a user who can edit the project."),
        404: ("label_studio_not_found", "Check the project id, and that LABEL_STUDIO_URL is Label Studio's origin."),
    }  # fmt: skip
    if status in fixes:
        reason, fix = fixes[status]
        return LabelStudioError(f"{call}: {status} {detail}. {fix}", reason=reason)
    if status in PASSING:
        return LabelStudioError(
            f"{call}: {status} {detail}. Label Studio, or a proxy before it, does not take this now: it is tried again later.",
            reason="label_studio_failed",
        )
    if status >= 500:
        return LabelStudioError(
            f"{call}: {status} {detail}. Label Studio failed: its log says why.", reason="label_studio_failed"
        )
    return LabelStudioError(f"{call}: {status} {detail}", reason="label_studio_refused")


def _token_fix(detail: str, kind: TokenKind) -> str:
    if kind is TokenKind.PERSONAL_ACCESS:
        return (
            "The personal access token is expired or revoked: make a new one in Label Studio "
            "(Account & Settings, Personal Access Token) and set LABEL_STUDIO_API_KEY to it."
        )
    if "disabled" in detail:
        return (
            "This organisation has legacy tokens switched off: set LABEL_STUDIO_API_KEY to a personal access token "
            "(Account & Settings, Personal Access Token), or allow legacy tokens (Organization, API Tokens Settings; "
            "for a new installation LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN=true)."
        )
    return "Set LABEL_STUDIO_API_KEY to a token from Label Studio's Account & Settings page."


def _detail(response: requests.Response) -> str:
    """What Label Studio says is wrong, shortened; never the token, which is only in our own headers."""
    try:
        body = response.json()
    except ValueError:
        return response.reason or "no reason given"
    if not isinstance(body, dict):
        return str(body)[:DETAIL_LIMIT]
    parts = [str(body.get("detail") or body.get("message") or response.reason)]
    if body.get("validation_errors"):
        parts.append(str(body["validation_errors"]))
    return ": ".join(parts)[:DETAIL_LIMIT].rstrip(".")
