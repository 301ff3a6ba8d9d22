"""The endpoints of the map: its points, and the job that draws it."""

from __future__ import annotations

from flask import Blueprint, jsonify, request
from pydantic import BaseModel

from backend.api.answers import AcceptedAnswer
from backend.api.describe import Answer, described
from backend.dashboard.person import refuse_other_sites
from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.insight.photo_map import map_points
from backend.service.projects.project import find_project


class MapAnswer(BaseModel):
    """Columns of equal length, one entry for each photo; `relevance` may be empty."""

    digest: str
    grid: int
    newer: int
    labels: list[str]
    task: list[int]
    x: list[int]
    y: list[int]
    label: list[int]
    doubt: list[int]
    place: list[int]
    relevance: list[int]
    answered: list[int]


def map_blueprint(runtime: Runtime) -> Blueprint:
    """The endpoints below /projects/<id>/map."""
    blueprint = Blueprint("map", __name__, url_prefix="/projects/<int:project_id>")

    @blueprint.get("/map")
    @described("The photos in the plane.", answers={200: MapAnswer})
    def points(project_id: int) -> Answer:
        return jsonify(map_points(runtime, find_project(runtime, project_id)))

    @blueprint.post("/map/draw")
    @described("Draws the map anew.", answers={202: AcceptedAnswer})
    def draw(project_id: int) -> Answer:
        refuse_other_sites(request)
        find_project(runtime, project_id)
        return jsonify({"status": "accepted", "job": runtime.jobs.enqueue(JobKind.MAP, project_id)}), 202

    return blueprint
