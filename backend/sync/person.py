"""What one person may see and change in Label Studio, asked with their own token or session, not the backend's."""

from __future__ import annotations

import itertools
import re
from enum import IntEnum

import requests
from requests.auth import AuthBase

from backend.errors import LabelStudioError
from backend.sync.calls import as_object
from backend.sync.transport import Transport

SESSION_COOKIE = "sessionid"
"""The name of Label Studio's session cookie: that of Django, which it does not change."""

MAX_CREDENTIAL = 4096
PAGE = 1000
PATIENCE_SECONDS = 4.0
"""A person and a thread of the web server wait meanwhile, so nothing is sent twice either."""

_TOKEN = re.compile(r"[\x21-\x7e]+")
_COOKIE_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")  # RFC 6265, section 4.1.1


class Role(IntEnum):
    """What a person may do with a project."""

    NONE = 0
    READ = 1
    WRITE = 2


class _SessionCookie(AuthBase):
    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Cookie"] = f"{SESSION_COOKIE}={self._value}"
        return request


class _SessionTransport(Transport):
    """Sends the session cookie of a person's browser instead of a token."""

    def __init__(self, url: str, cookie: str, timeout: float, *, retries: int, keeps: bool) -> None:
        super().__init__(url, cookie, timeout, retries=retries, keeps=keeps)
        self._cookie = cookie

    def _credentials(self) -> AuthBase:
        return _SessionCookie(self._cookie)


class PersonCalls:
    """Label Studio as one person sees it. Redirects are refused: a token or cookie goes to its origin alone.

    Args:
        url: origin of Label Studio.
        token: legacy or personal access token of the person.
        cookie: or the value of the session cookie that their browser has for it.

    Raises:
        LabelStudioError: `label_studio_token`, what was given cannot be a token or the value of a cookie.
    """

    def __init__(self, url: str, *, token: str = "", cookie: str = "") -> None:
        given, shape = (cookie, _COOKIE_VALUE) if cookie else (token.strip(), _TOKEN)
        if len(given) > MAX_CREDENTIAL or not shape.fullmatch(given):
            raise LabelStudioError("This is no token of Label Studio.", reason="label_studio_token")
        make = _SessionTransport if cookie else Transport
        # There are many people and threads: what each pair of them left open would be too many files.
        self._transport = make(url, given, PATIENCE_SECONDS, retries=0, keeps=False)

    def name(self) -> str:
        """Whose credential this is: their e-mail address, or the user name where there is none.

        Raises:
            LabelStudioError: Label Studio does not take it, or does not answer.
        """
        found = as_object(self._transport.call("GET", "/api/current-user/whoami"))
        return str(found.get("email") or found.get("username") or found["id"])

    def role(self, project_id: int) -> Role:
        """What they may do with a project.

        OPTIONS names what a view takes from this user, after the same checks as a change, and changes nothing.

        Raises:
            LabelStudioError: Label Studio does not take the credential any more, or does not answer.
        """
        path = f"/api/projects/{project_id}/"
        try:
            self._transport.call("GET", path, params={"include": "id"})
        except LabelStudioError as error:
            if error.reason in ("label_studio_not_found", "label_studio_forbidden"):
                return Role.NONE
            raise
        try:
            actions = as_object(self._transport.call("OPTIONS", path)).get("actions")
        except LabelStudioError as error:
            if error.reason in ("label_studio_forbidden", "label_studio_refused"):
                return Role.READ
            raise
        return Role.WRITE if isinstance(actions, dict) and "PUT" in actions else Role.READ

    def projects(self) -> frozenset[int]:
        """The projects that they see: none where they may not list them.

        Raises:
            LabelStudioError: as for `role`.
        """
        found: set[int] = set()
        for page in itertools.count(1):
            params = {"page": page, "page_size": PAGE, "include": "id"}
            try:
                answer = as_object(self._transport.call("GET", "/api/projects/", params=params))
            except LabelStudioError as error:
                if error.reason == "label_studio_forbidden":
                    break
                raise
            listed = _numbers(answer["results"])
            if listed <= found or not answer.get("next"):  # a next page may be named for ever
                return frozenset(found | listed)
            found |= listed
        return frozenset(found)


def _numbers(projects: object) -> set[int]:
    """The numbers of listed projects.

    Raises:
        LabelStudioError: `label_studio_answer`, this is no list of projects.
    """
    rows = projects if isinstance(projects, list) else [None]
    numbers = {row.get("id") if isinstance(row, dict) else None for row in rows}
    if not all(isinstance(number, int) for number in numbers):
        raise LabelStudioError(
            "GET /api/projects/: the answer is no list of projects: is LABEL_STUDIO_URL its origin?",
            reason="label_studio_answer",
        )
    return {int(number) for number in numbers if number is not None}
