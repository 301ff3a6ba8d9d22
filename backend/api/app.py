"""The web application: Label Studio's contract, the product's own endpoints, one shape for every error."""

from __future__ import annotations

import logging
import re
import time
import uuid
from contextlib import ExitStack

from flask import Flask, Response, g, request
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from backend import metrics
from backend.api.attribution import attribution_blueprint
from backend.api.auth import require_credentials
from backend.api.body import BodyBudget, BodyError
from backend.api.contract import contract_blueprint
from backend.api.describe import BODY_BUDGET, BODY_LIMIT
from backend.api.errors import error_response, status_line, without_paths
from backend.api.events import events_blueprint
from backend.api.insight import insight_blueprint
from backend.api.map import map_blueprint
from backend.api.monitoring import monitoring_blueprint
from backend.api.openapi import openapi_blueprint
from backend.api.options import options_blueprint
from backend.api.projects import projects_blueprint
from backend.api.sessions import Sessions
from backend.api.sheets import sheets_blueprint
from backend.api.sign_in import sign_in_blueprint
from backend.api.throttle import Throttle
from backend.dashboard import dashboard_blueprint
from backend.dashboard.asking import Askings
from backend.dashboard.visitor import visitor
from backend.errors import (
    AnotherProjectError,
    BackendError,
    BusyError,
    LabelConfigError,
    LabelStudioError,
    NotFoundError,
    SettingsError,
    WeightsError,
    WordNetError,
)
from backend.jobs.queue import JobQueue
from backend.logs import logged_as
from backend.service.context.context import Runtime
from backend.service.ingest.spool import SPOOL, EventSpool
from backend.storage.schema import Project

log = logging.getLogger(__name__)

STATUS: tuple[tuple[type[BackendError], int], ...] = (
    (NotFoundError, 404),
    (AnotherProjectError, 409),
    (LabelConfigError, 400),
    (SettingsError, 400),
    (BodyError, 400),
    # Not the caller's fault: something that this backend needs is missing, or Label Studio does not do its part.
    (LabelStudioError, 502),
    (WeightsError, 503),
    (WordNetError, 503),
    (BusyError, 503),
)
CALLERS_FAULT = 422
RETRY_SECONDS = 5
SHARE_OF_THREADS = 4
"""At most one of so many threads waits for Label Studio because of people: machines need the others."""

REQUEST_ID = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def create_app(runtime: Runtime, jobs: JobQueue) -> Flask:
    """The application over a runtime and its job queue; it opens nothing by itself."""
    app = Flask("label-order-backend", static_folder=None)
    most = runtime.settings.max_request_bytes
    app.config.update({BODY_LIMIT: most, BODY_BUDGET: BodyBudget(2 * most)})
    app.json.sort_keys = False  # type: ignore[attr-defined]
    spool = EventSpool(runtime.settings.state_dir / SPOOL)
    throttle = Throttle()
    sessions = Sessions(3600 * runtime.settings.sign_in_hours)
    askings = Askings(max(2, runtime.settings.web_threads // SHARE_OF_THREADS))
    for blueprint in (
        contract_blueprint(runtime, jobs, spool),
        projects_blueprint(runtime, jobs),
        monitoring_blueprint(runtime, jobs, spool),
        openapi_blueprint(),
        sheets_blueprint(runtime),
        insight_blueprint(runtime),
        map_blueprint(runtime),
        events_blueprint(runtime),
        options_blueprint(runtime),
        attribution_blueprint(runtime),
        dashboard_blueprint(runtime),
        sign_in_blueprint(runtime.settings, sessions, throttle, askings),
    ):
        app.register_blueprint(blueprint)

    @app.before_request
    def start_clock() -> AnyResponse | None:
        g.started = time.monotonic()
        given = request.headers.get(REQUEST_ID, "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex[:16]
        g.log_names = ExitStack()
        g.log_names.enter_context(logged_as(request=g.request_id))
        refusal = require_credentials(runtime.settings, throttle, sessions)
        if refusal is None:
            _hide_another(runtime)
        return refusal

    @app.after_request
    def count(response: Response) -> Response:
        endpoint = request.url_rule.rule if request.url_rule else "unknown"
        metrics.REQUESTS.labels(endpoint, str(response.status_code)).inc()
        metrics.REQUEST_SECONDS.labels(endpoint).observe(time.monotonic() - g.started)
        response.headers[REQUEST_ID] = g.request_id
        return response

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        if "log_names" in g:
            g.log_names.close()

    _answer_errors(app, runtime)
    return app


def _hide_another(runtime: Runtime) -> None:
    """Label Studio tells what a person may see of the project that it has, which need not be the one known here."""
    project_id = (request.view_args or {}).get("project_id")
    if project_id is None or visitor().may_do_everything:
        return
    with runtime.database.session() as session:
        project = session.get(Project, project_id)
    if project is not None and project.another_made_at is not None:
        raise NotFoundError(f"Project {project_id} of this Label Studio is not known here.")


def _answer_errors(app: Flask, runtime: Runtime) -> None:
    @app.errorhandler(BackendError)
    def refuse(error: BackendError) -> Response:
        status = next((code for kind, code in STATUS if isinstance(error, kind)), CALLERS_FAULT)
        log.warning("%s %s: %s", request.method, request.path, error)
        message = without_paths(runtime.settings, str(error))
        response = _retry_later(error_response(error.reason, message, status))
        if request.path == "/setup":
            response.status = status_line(status, message)
        return response

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(error: RequestEntityTooLarge) -> Response:
        most = (request.max_content_length or 1) - 1
        message = f"The request is larger than {most} bytes: send fewer tasks at once, or set MAX_REQUEST_BYTES."
        return error_response("request_too_large", message, 413)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        code = (error.name or "error").lower().replace(" ", "_")
        response = error_response(code, error.description or "", error.code or 500)
        response.headers.extend(
            [(name, value) for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")]
        )
        return response

    @app.errorhandler(OperationalError)
    @app.errorhandler(InterfaceError)
    @app.errorhandler(TimeoutError)
    def storage_fails(error: OperationalError | InterfaceError | TimeoutError) -> Response:
        log.error("%s %s: the database failed: %s", request.method, request.path, str(error).splitlines()[0])
        message = "The database does not take this now (locked, full or out of reach): /ready says what is wrong."
        return _retry_later(error_response("storage_unavailable", message, 503))

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.exception("%s %s failed", request.method, request.path)
        return error_response("internal_error", "The backend failed to answer; its log says why.", 500)


def _retry_later(response: Response) -> Response:
    if response.status_code == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
