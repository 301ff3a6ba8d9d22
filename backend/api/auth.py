"""Who may call: Basic auth where it is set; webhooks, which Label Studio sends without it, carry a secret header."""

from __future__ import annotations

import hashlib
import hmac
import math

from flask import Request, Response
from werkzeug.datastructures import Authorization

from backend.api.errors import error_response
from backend.api.throttle import Throttle
from backend.settings import Settings

OPEN_PATHS = ("/health", "/", "/ready")  # for load balancers; they tell nothing that is secret
WEBHOOK_HEADER = "X-Webhook-Secret"


def webhook_secret(settings: Settings) -> str:
    """The secret that webhooks must carry: the one set, else derived from the Basic credentials; empty without auth."""
    if settings.webhook_secret or not settings.basic_auth_user:
        return settings.webhook_secret
    credentials = f"{settings.basic_auth_user}:{settings.basic_auth_password}"
    return hmac.new(credentials.encode(), b"webhook", hashlib.sha256).hexdigest()


def require_credentials(settings: Settings, throttle: Throttle, request: Request) -> Response | None:
    """None if the request may pass, else the refusal."""
    if request.path in OPEN_PATHS:
        return None
    if not settings.basic_auth_user and not (settings.webhook_secret and request.path == "/webhook"):
        return None
    address = request.remote_addr or ""
    pause = throttle.pause(address)
    if pause > 0:
        refusal = error_response("too_many_attempts", f"Wrong credentials too often: wait {pause:.0f} s.", 429)
        refusal.headers["Retry-After"] = str(math.ceil(pause))
        return refusal
    if _may_pass(settings, request):
        throttle.right(address)
        return None
    if "Authorization" in request.headers or WEBHOOK_HEADER in request.headers:
        throttle.wrong(address)  # who sends none at all guesses nothing
    message = "Basic credentials are missing or wrong: set them in Label Studio's model connection."
    if request.path == "/webhook":
        message = f"The {WEBHOOK_HEADER} header is missing or wrong: run `python -m backend connect` to set it."
    refusal = error_response("unauthorized", message, 401)
    refusal.headers["WWW-Authenticate"] = 'Basic realm="label-order-backend"'
    return refusal


def _may_pass(settings: Settings, request: Request) -> bool:
    given = _authorization(request)
    if settings.basic_auth_user and given is not None and given.type == "basic":
        user = _equal(given.username or "", settings.basic_auth_user)
        password = _equal(given.password or "", settings.basic_auth_password)
        if user and password:
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
