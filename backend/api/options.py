"""The options of a project: read, tried out, set."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from backend.api.answers import AcceptedAnswer
from backend.api.describe import Answer, described
from backend.dashboard.person import refuse_other_sites
from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.projects.options import project_options
from backend.service.projects.options_change import change_options, options_of
from backend.service.projects.project import find_project


class OptionsBody(BaseModel):
    """All extra params of a project; those that are left out fall back to the settings."""

    model_config = ConfigDict(extra="forbid", strict=True)

    extra_params: dict[str, Any] = Field(description="Options by name, as in Label Studio's model connection.")


class OptionAnswer(BaseModel):
    """An option: its value in force, and whether the project sets it itself."""

    name: str
    description: str
    value: Any
    own: bool


class OptionsAnswer(BaseModel):
    """The options of a project."""

    options: list[OptionAnswer]


def options_blueprint(runtime: Runtime) -> Blueprint:
    """The endpoints below /projects/<id>/options."""
    blueprint = Blueprint("options", __name__, url_prefix="/projects/<int:project_id>/options")

    @blueprint.get("")
    @described("The options of a project.", answers={200: OptionsAnswer})
    def read(project_id: int) -> Answer:
        return jsonify({"options": options_of(runtime, project_id)})

    @blueprint.post("/apply")
    @described("Sets the options, in Label Studio too.", body=OptionsBody, answers={200: OptionsAnswer})
    def change(project_id: int, body: OptionsBody) -> Answer:
        refuse_other_sites(request)
        change_options(runtime, project_id, body.extra_params)
        return jsonify({"options": options_of(runtime, project_id)})

    @blueprint.post("/preview")
    @described("How the queue would start with other options.", body=OptionsBody, answers={202: AcceptedAnswer})
    def preview(project_id: int, body: OptionsBody) -> Answer:
        refuse_other_sites(request)
        find_project(runtime, project_id)
        project_options(runtime.settings, body.extra_params)
        job = runtime.jobs.enqueue(JobKind.PREVIEW, project_id, {"extra_params": body.extra_params})
        return jsonify({"status": "accepted", "job": job}), 202

    return blueprint
