"""The routes of the pages: server-rendered, without any file from elsewhere, so that they work offline and under a strict policy."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from backend.dashboard.page import ProjectPage
from backend.dashboard.person import mark_browser
from backend.dashboard.registry import PAGES
from backend.dashboard.views.projects import projects_overview
from backend.dashboard.visitor import visitor
from backend.service.context.context import Runtime
from backend.service.projects.project import find_project, list_projects
from backend.storage.schema import Project

POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def dashboard_blueprint(runtime: Runtime) -> Blueprint:
    """The pages below /dashboard."""
    blueprint = Blueprint(
        "dashboard", __name__, url_prefix="/dashboard", template_folder="templates", static_folder="static"
    )

    @blueprint.get("/")
    def projects() -> AnyResponse:
        found = list_projects(runtime)
        everything = visitor().may_do_everything
        shown = visitor().sees([project.id for project in found if everything or project.another_made_at is None])
        found = [project for project in found if project.id in shown]
        if len(found) == 1 and "all" not in request.args:
            return redirect(url_for("dashboard.project", project_id=found[0].id))
        rows = projects_overview(runtime, found)
        writes = visitor().known_to_write(row["id"] for row in rows if row["jobs"])
        return _page("projects.html", projects=rows, writes=writes)

    for page in PAGES:
        path = f"/<int:project_id>/{page.name}" if page.name else "/<int:project_id>"
        blueprint.add_url_rule(path, endpoint=page.name or "project", view_func=_view(runtime, page))

    blueprint.after_request(guard_page)
    return blueprint


def guard_page(response: Response) -> Response:
    """What a page may load and tell, said to the browser; the page of a person who signed in stays in no cache."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    if visitor().signed_in and response.mimetype == "text/html":
        response.headers["Cache-Control"] = "no-store"
    return response


def _view(runtime: Runtime, page: ProjectPage) -> Callable[[int], AnyResponse]:
    def view(project_id: int) -> AnyResponse:
        found = find_project(runtime, project_id)
        arguments = {name: value.replace("\0", "") for name, value in request.args.items()}  # no database takes it
        values = page.values(runtime, found, arguments)
        writes = visitor().may_write(project_id)
        return _page(page.template, page=page, pages=PAGES, heading=_heading(runtime, found), writes=writes, **values)

    return view


def _heading(runtime: Runtime, project: Project) -> dict[str, object]:
    """What every page of a project says above: cheap, whatever the size of the pool."""
    url = runtime.settings.label_studio_url
    return {
        "id": project.id,
        "title": project.title or f"Project {project.id}",
        "label_studio": f"{url}/projects/{project.id}/data" if url else None,
    }


def _page(template: str, **values: object) -> Response:
    page = render_template(f"dashboard/{template}", visitor=visitor(), **values)
    return mark_browser(request, make_response(page))
