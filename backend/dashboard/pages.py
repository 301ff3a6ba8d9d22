"""The pages: server-rendered, without any file from elsewhere, so that they work offline and under a strict policy."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from backend.dashboard.chart import Point, gridlines, marks
from backend.dashboard.person import mark_browser
from backend.dashboard.project_data import project_overview, queue_rows, shown_labels
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project, list_projects

POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def dashboard_blueprint(runtime: Runtime) -> Blueprint:
    """The pages below /dashboard."""
    blueprint = Blueprint(
        "dashboard", __name__, url_prefix="/dashboard", template_folder="templates", static_folder="static"
    )

    @blueprint.get("/")
    def projects() -> AnyResponse:
        found = [project_overview(runtime, project) for project in list_projects(runtime)]
        if len(found) == 1 and "all" not in request.args:
            return redirect(url_for("dashboard.project", project_id=found[0]["id"]))
        return _page("projects.html", projects=found)

    @blueprint.get("/<int:project_id>")
    def project(project_id: int) -> AnyResponse:
        overview = project_overview(runtime, find_project(runtime, project_id))
        points = [
            Point(item["version"], item["annotations"], *(item["accuracy"][key] for key in ("value", "low", "high")))
            for item in overview["versions"]
            if item["accuracy"]
        ]
        return _page("project.html", project=overview, marks=marks(points), gridlines=gridlines())

    @blueprint.get("/<int:project_id>/queue")
    def queue(project_id: int) -> AnyResponse:
        found = find_project(runtime, project_id)
        rows = queue_rows(runtime, found)
        return _page("queue.html", project=project_overview(runtime, found), rows=rows)

    @blueprint.get("/<int:project_id>/sheets")
    def sheets(project_id: int) -> AnyResponse:
        found = find_project(runtime, project_id)
        return _page("sheets.html", project=project_overview(runtime, found), labels=shown_labels(runtime, found))

    @blueprint.after_request
    def guard(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    return blueprint


def _page(template: str, **values: object) -> Response:
    return mark_browser(request, make_response(render_template(f"dashboard/{template}", **values)))
