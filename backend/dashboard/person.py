"""Who is before a page: a name for what they hold and answer, and the check that a write came from our own page."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from flask import Request, Response

from backend.dashboard.visitor import visitor
from backend.errors import BackendError

COOKIE = "label_order_person"


def person(request: Request) -> str:
    """A name that tells two people apart: who they are with the browser's own mark, at most 64 characters."""
    mark = request.cookies.get(COOKIE, "")
    return f"{(visitor().name or 'somebody')[:30]}-{mark[:32] if mark.isalnum() else 'api'}"


def mark_browser(request: Request, response: Response) -> Response:
    """Give a browser its mark at its first visit."""
    if COOKIE not in request.cookies:
        response.set_cookie(COOKIE, secrets.token_hex(16), httponly=True, samesite="Strict", max_age=365 * 86400)
    return response


def refuse_other_sites(request: Request) -> None:
    """Refuse a write that a page of another origin sent with this browser's credentials (CSRF).

    Raises:
        BackendError: the Origin header names another host, or the browser says that the call crosses sites.
    """
    origin = request.headers.get("Origin")
    crosses = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
    if crosses or (origin and urlsplit(origin).netloc != request.host):
        raise BackendError("This call came from a page of another site.", reason="other_site")
