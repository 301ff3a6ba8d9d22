"""Signing in at the pages, with Label Studio's session, one of its tokens or the backend's credentials; signing out."""

from __future__ import annotations

import logging
import re

from flask import Blueprint, Response, make_response, render_template, request, url_for

from backend.api.auth import REFUSED, is_basic, too_many_attempts
from backend.api.describe import described
from backend.api.sessions import COOKIE, Sessions
from backend.api.throttle import Throttle
from backend.dashboard.asking import Askings
from backend.dashboard.blueprint import guard_page
from backend.dashboard.person import refuse_other_sites
from backend.dashboard.visitor import Visitor
from backend.errors import BusyError, LabelStudioError, NotFoundError
from backend.settings import Settings
from backend.sync.person import SESSION_COOKIE, PersonCalls

log = logging.getLogger(__name__)

BUSY_SECONDS = 5
STRANGERS = 12
"""At most one of so many threads asks who somebody is: those who are known have places of their own."""

_OURS = re.compile(r"/dashboard/[^\\\x00-\x1f]*")


def sign_in_blueprint(settings: Settings, sessions: Sessions, throttle: Throttle, askings: Askings) -> Blueprint:
    """The endpoints below /sign-in; 404 where nobody signs in."""
    blueprint = Blueprint("sign_in", __name__)
    strangers = Askings(max(1, settings.web_threads // STRANGERS))

    @blueprint.get("/sign-in")
    @described("The page on which people sign in.", answers={200: None})
    def form() -> Response:
        _only_if_on(settings)
        if sessions.of(request) is not None:
            return _go(_wanted(request.args.get("then", "")))
        return _page(settings, request.args.get("then", ""))

    @blueprint.post("/sign-in")
    @described("Signs a person in (a form: `with`, `token`, `user`, `password`).", answers={303: None, 401: None})
    def enter() -> Response:
        _only_if_on(settings)
        refuse_other_sites(request)
        then = request.form.get("then", "")
        address = request.remote_addr or ""
        if (refusal := too_many_attempts(throttle, address)) is not None:
            page = _page(settings, then, "Too many attempts. Wait half a minute, then try again.", 429)
            page.headers["Retry-After"] = refusal.headers["Retry-After"]
            return page
        means = request.form.get("with", "")
        try:
            found = _visitor(settings, askings, strangers, means)
        except BusyError:
            page = _page(settings, then, "Too many people sign in now. Try again in some seconds.", 503)
            page.headers["Retry-After"] = str(BUSY_SECONDS)
            return page
        except LabelStudioError as error:
            if error.reason not in (*REFUSED, "label_studio_forbidden"):
                log.warning("signing in: %s", error)  # addresses inside the network are nothing to strangers
                if sessions.of(request) is None:
                    throttle.wrong(address)  # a thread waited for it
                return _page(settings, then, "Label Studio cannot be asked now. Try again in a while.", 502)
            found = None
        if found is None:
            throttle.wrong(address)
            return _page(settings, then, _refusal(means), 401)
        if means == "password":  # whoever has an account of Label Studio could guess this one for ever otherwise
            throttle.right(address)
        sessions.end(request)
        response = _go(_wanted(then))
        secure = request.is_secure or settings.public_url.startswith("https://")
        sessions.give(response, sessions.start(found), secure=secure)
        return response

    @blueprint.post("/sign-out")
    @described("Ends the session of the browser that asks.", answers={303: None})
    def leave() -> Response:
        _only_if_on(settings)
        refuse_other_sites(request)
        sessions.end(request)
        response = _go(url_for("sign_in.form"))
        response.delete_cookie(COOKIE, httponly=True, samesite="Lax")
        return response

    blueprint.after_request(guard_page)
    return blueprint


def _only_if_on(settings: Settings) -> None:
    if not settings.signs_in:
        raise NotFoundError(
            "Nobody signs in here: that takes SIGN_IN, LABEL_STUDIO_URL, BASIC_AUTH_USER and BASIC_AUTH_PASSWORD."
        )


def _visitor(settings: Settings, askings: Askings, strangers: Askings, means: str) -> Visitor | None:
    """Who signs in; None: nobody that is let in.

    Raises:
        LabelStudioError: Label Studio does not take the credential, or does not answer.
        BusyError: too many ask it.
    """
    if means == "password":
        user = request.form.get("user", "")
        right = is_basic(settings, user, request.form.get("password", ""))
        return Visitor(user, signed_in=True) if right else None
    if means == "session":
        calls = PersonCalls(settings.label_studio_url, cookie=request.cookies.get(SESSION_COOKIE) or " ")
    else:
        calls = PersonCalls(settings.label_studio_url, token=request.form.get("token", ""))
    with strangers.place():
        name = calls.name()
    return Visitor(name, calls, signed_in=True, askings=askings)


def _refusal(means: str) -> str:
    return {
        "session": "Label Studio does not know this browser (any more): sign in there first, or give a token.",
        "password": "The user name or the password is wrong.",
    }.get(means, "Label Studio does not take this token. Copy one from Account & Settings there.")


def _wanted(then: str) -> str:
    """Where to go: a page of ours and no other."""
    return then if _OURS.fullmatch(then) else url_for("dashboard.projects")


def _go(where: str) -> Response:
    response = make_response("", 303)
    response.headers["Location"] = where
    return response


def _page(settings: Settings, then: str, fault: str = "", status: int = 200) -> Response:
    page = render_template(
        "dashboard/sign_in.html",
        then=then if _OURS.fullmatch(then) else "",
        fault=fault,
        failed=request.form.get("with", ""),
        has_session=SESSION_COOKIE in request.cookies,
        address=settings.label_studio_url,
    )
    return make_response(page, status)
