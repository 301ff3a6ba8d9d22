"""The web application: Label Studio's contract, the product's own endpoints, one shape for every error."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from backend import metrics
from backend.api.auth import require_credentials
from backend.api.contract import contract_blueprint
from backend.api.errors import error_response
from backend.api.monitoring import monitoring_blueprint
from backend.api.projects import projects_blueprint
from backend.api.throttle import Throttle
from backend.errors import (
    BackendError,
    LabelConfigError,
    LabelStudioError,
    NotFoundError,
    SettingsError,
    WeightsError,
    WordNetError,
)
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime

log = logging.getLogger(__name__)

STATUS: tuple[tuple[type[BackendError], int], ...] = (
    (NotFoundError, 404),
    (LabelConfigError, 400),
    (SettingsError, 400),
    # Not the caller's fault: something that this backend needs is missing, or Label Studio does not do its part.
    (LabelStudioError, 502),
    (WeightsError, 503),
    (WordNetError, 503),
)
MAX_BODY_BYTES = 512 * 1024 * 1024  # "Retrieve predictions" sends all selected tasks in one call


def create_app(runtime: Runtime, jobs: JobQueue) -> Flask:
    """The application over a runtime and its job queue; it opens nothing by itself."""
    app = Flask("label-order-backend")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    throttle = Throttle()
    app.register_blueprint(contract_blueprint(runtime, jobs))
    app.register_blueprint(projects_blueprint(runtime, jobs))
    app.register_blueprint(monitoring_blueprint(runtime, jobs))

    @app.before_request
    def start_clock() -> Response | None:
        g.started = time.monotonic()
        return require_credentials(runtime.settings, throttle, request)

    @app.after_request
    def count(response: Response) -> Response:
        endpoint = request.url_rule.rule if request.url_rule else "unknown"
        metrics.REQUESTS.labels(endpoint, str(response.status_code)).inc()
        metrics.REQUEST_SECONDS.labels(endpoint).observe(time.monotonic() - g.started)
        return response

    @app.errorhandler(BackendError)
    def refuse(error: BackendError) -> Response:
        status = next((code for kind, code in STATUS if isinstance(error, kind)), 422)
        log.warning("%s %s: %s", request.method, request.path, error)
        return error_response(error.reason, str(error), status)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        return error_response(
            (error.name or "error").lower().replace(" ", "_"), error.description or "", error.code or 500
        )

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.exception("%s %s failed", request.method, request.path)
        return error_response("internal_error", "The backend failed to answer; its log says why.", 500)

    return app
