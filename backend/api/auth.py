"""Who may call: machines by Basic credentials, webhooks by a secret header, people by their session as well."""

from __future__ import annotations

import hashlib
import hmac
import math

from flask import Request, Response, g, redirect, request, url_for
from werkzeug.datastructures import Authorization
from werkzeug.wrappers import Response as AnyResponse

from backend.api.errors import error_response
from backend.api.sessions import Sessions
from backend.api.throttle import Throttle
from backend.dashboard.person import refuse_other_sites
from backend.dashboard.visitor import Visitor, visitor
from backend.errors import LabelStudioError, NotFoundError
from backend.settings import Settings
from backend.sync.person import Role

OPEN_PATHS = ("/health", "/", "/ready")  # for load balancers; they tell nothing that is secret
OPEN_ENDPOINTS = frozenset({"dashboard.static", "sign_in.form", "sign_in.enter", "sign_in.leave"})
WEBHOOK_HEADER = "X-Webhook-Secret"

# What a person who signed in may call beside the routes of a project, and beside its GETs where they only read.
WITHOUT_PROJECT = frozenset({"dashboard.projects", "projects.projects", "contract.job_status", "openapi.openapi"})
ONLY_READS = frozenset({"insight.photo"})
REFUSED = ("label_studio_unauthorised", "label_studio_token")
"""Answers that end a session. A 403 does not: they are known, and may not do this one thing."""


def webhook_secret(settings: Settings) -> str:
    """The secret that webhooks must carry: the one set, else derived from the Basic credentials; empty without auth."""
    if settings.webhook_secret or not settings.basic_auth_user:
        return settings.webhook_secret
    credentials = f"{settings.basic_auth_user}:{settings.basic_auth_password}"
    return hmac.new(credentials.encode(), b"webhook", hashlib.sha256).hexdigest()


def require_credentials(settings: Settings, throttle: Throttle, sessions: Sessions) -> AnyResponse | None:
    """None if the request may pass, else the refusal; `visitor()` is who sent it from then on.

    Raises:
        NotFoundError: the person who signed in does not see this project.
        LabelStudioError: Label Studio cannot be asked what they may do.
        BusyError: too many threads ask it.
    """
    if request.path in OPEN_PATHS or request.endpoint in OPEN_ENDPOINTS:
        return None
    if not settings.basic_auth_user and not (settings.webhook_secret and request.path == "/webhook"):
        return None
    if settings.signs_in and "Authorization" not in request.headers and (found := sessions.of(request)) is not None:
        return _signed_in(settings, sessions, found)
    address = request.remote_addr or ""
    if (refusal := too_many_attempts(throttle, address)) is not None:
        return refusal
    if _may_pass(settings, request):
        throttle.right(address)
        given = _authorization(request)
        g.visitor = Visitor(given.username or "" if given else "")
        return None
    if "Authorization" in request.headers or WEBHOOK_HEADER in request.headers:
        throttle.wrong(address)  # who sends none at all guesses nothing
    return _who_are_you(settings)


def too_many_attempts(throttle: Throttle, address: str) -> Response | None:
    """The refusal of an address that guessed too often; None: it need not wait."""
    pause = throttle.pause(address)
    if pause <= 0:
        return None
    refusal = error_response("too_many_attempts", f"Wrong credentials too often: wait {pause:.0f} s.", 429)
    refusal.headers["Retry-After"] = str(math.ceil(pause))
    return refusal


def is_basic(settings: Settings, user: str, password: str) -> bool:
    """Whether these are the Basic credentials that are set."""
    right_user = _equal(user, settings.basic_auth_user)
    right_password = _equal(password, settings.basic_auth_password)
    return bool(settings.basic_auth_user) and right_user and right_password


def refuse_lookers(project_id: int, said: str) -> Response | None:
    """The refusal of what costs a job, for who may only look at the project; None: they may ask for it.

    Raises:
        LabelStudioError: Label Studio cannot be asked what they may do.
        BusyError: too many threads ask it.
    """
    if visitor().may_write(project_id):
        return None
    message = f"{said}: somebody who may edit the project in Label Studio has to ask for it."
    return error_response("forbidden", message, 403)


def _signed_in(settings: Settings, sessions: Sessions, found: Visitor) -> AnyResponse | None:
    """What a person may call, as Label Studio answers them."""
    g.visitor = found
    changes = request.method not in ("GET", "HEAD", "OPTIONS")
    if changes:
        refuse_other_sites(request)
    if found.may_do_everything or request.endpoint is None:  # an address that there is not
        return None
    project_id = (request.view_args or {}).get("project_id")
    if project_id is None and request.endpoint not in WITHOUT_PROJECT:
        return error_response("forbidden", "This is for machines, with Basic credentials: no person needs it.", 403)
    role = Role.WRITE
    try:
        if project_id is None:
            found.sees([])  # asks Label Studio, so that what follows need not
        else:
            role = found.role(project_id)
    except LabelStudioError as error:
        if error.reason not in REFUSED:
            raise
        sessions.end(request)
        return _who_are_you(settings)
    if role is Role.NONE:
        raise NotFoundError(f"Project {project_id} is not there, or Label Studio does not show it to you.")
    if role is Role.READ and changes and request.endpoint not in ONLY_READS:
        return error_response("forbidden", "Label Studio lets you look at this project, but not change it.", 403)
    return None


def _who_are_you(settings: Settings) -> AnyResponse:
    browses = settings.signs_in and (request.blueprint == "dashboard" or "Sec-Fetch-Mode" in request.headers)
    if browses and request.method == "GET" and request.blueprint == "dashboard":
        return redirect(url_for("sign_in.form", then=request.full_path.rstrip("?")))
    message = "Basic credentials are missing or wrong: set them in Label Studio's model connection."
    if request.path == "/webhook":
        message = f"The {WEBHOOK_HEADER} header is missing or wrong: run `python -m backend connect` to set it."
    elif browses:
        message = "You are not signed in any more: load the page anew."
    refusal = error_response("unauthorized", message, 401)
    if not browses:  # a browser would ask for a password in a window of its own
        refusal.headers["WWW-Authenticate"] = 'Basic realm="label-order-backend"'
    return refusal


def _may_pass(settings: Settings, request: Request) -> bool:
    given = _authorization(request)
    if given is not None and given.type == "basic" and is_basic(settings, given.username or "", given.password or ""):
        return True
    secret = webhook_secret(settings)
    return request.path == "/webhook" and bool(secret) and _equal(request.headers.get(WEBHOOK_HEADER, ""), secret)


def _authorization(request: Request) -> Authorization | None:
    try:
        return request.authorization
    except ValueError:  # what stands there is not even ASCII
        return None


def _equal(sent: str, expected: str) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(sent.encode(errors="replace"), expected.encode(errors="replace"))
