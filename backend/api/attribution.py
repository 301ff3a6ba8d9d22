"""The endpoint that tells why a task gets its label: a picture, made by a job."""

from __future__ import annotations

from flask import Blueprint, jsonify, request, send_file

from backend.api.answers import AcceptedAnswer
from backend.api.auth import refuse_lookers
from backend.api.describe import Answer, described
from backend.dashboard.person import refuse_other_sites
from backend.jobs.kinds import JobKind
from backend.service.context.context import Runtime
from backend.service.explanation.attribution import kept_picture

RETRY_SECONDS = 3


def attribution_blueprint(runtime: Runtime) -> Blueprint:
    """The endpoint below /projects/<id>/tasks/<task>."""
    blueprint = Blueprint("attribution", __name__, url_prefix="/projects/<int:project_id>/tasks/<int:task_id>")

    @blueprint.get("/attribution.png")
    @described(
        "Why the serving version gives a task its label (PNG); 202 with the job while it is being made.",
        answers={200: None, 202: AcceptedAnswer},
    )
    def attribution(project_id: int, task_id: int) -> Answer:
        refuse_other_sites(request)  # it costs seconds of a processor
        path = kept_picture(runtime, project_id, task_id)
        if not path.is_file():
            if (refusal := refuse_lookers(project_id, "The picture is not made yet")) is not None:
                return refusal
            job = runtime.jobs.enqueue(JobKind.ATTRIBUTE, project_id, {str(task_id): True})
            answer = jsonify({"status": "accepted", "job": job})
            answer.headers["Retry-After"] = str(RETRY_SECONDS)
            return answer, 202
        response = send_file(path.resolve(), mimetype="image/png", max_age=0, conditional=True, etag=path.stem)
        response.cache_control.private = True
        return response

    return blueprint
