"""Who may call: Basic auth where it is set; webhooks, which Label Studio sends without it, carry a secret header."""

from __future__ import annotations

import hashlib
import hmac

from flask import Response, jsonify, request

from backend.settings import Settings

OPEN_PATHS = ("/health", "/")  # a load balancer's check; they tell nothing that is secret
WEBHOOK_HEADER = "X-Webhook-Secret"


def webhook_secret(settings: Settings) -> str:
    """The secret that webhooks must carry: the one set, else derived from the Basic credentials; empty without auth."""
    if settings.webhook_secret or not settings.basic_auth_user:
        return settings.webhook_secret
    credentials = f"{settings.basic_auth_user}:{settings.basic_auth_password}"
    return hmac.new(credentials.encode(), b"webhook", hashlib.sha256).hexdigest()


def require_credentials(settings: Settings) -> Response | None:
    """None if the request may pass, else the refusal."""
    if not settings.basic_auth_user or request.path in OPEN_PATHS:
        return None
    given = request.authorization
    if given is not None and given.type == "basic":
        user = hmac.compare_digest((given.username or "").encode(), settings.basic_auth_user.encode())
        password = hmac.compare_digest((given.password or "").encode(), settings.basic_auth_password.encode())
        if user and password:
            return None
    if request.path == "/webhook":
        sent = request.headers.get(WEBHOOK_HEADER, "")
        if hmac.compare_digest(sent.encode(), webhook_secret(settings).encode()):
            return None
    message = "Basic credentials are missing or wrong: set them in Label Studio's model connection."
    if request.path == "/webhook":
        message = f"The {WEBHOOK_HEADER} header is missing or wrong: run `python -m backend connect` to set it."
    response = jsonify({"error": {"code": "unauthorized", "message": message}, "detail": message})
    response.status_code = 401
    response.headers["WWW-Authenticate"] = 'Basic realm="label-order-backend"'
    return response
