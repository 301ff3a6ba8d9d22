"""What load balancers and monitoring ask: /ready, and /metrics with the counts of all processes added up."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST

from backend import metrics
from backend.api.answers import ReadyAnswer
from backend.api.describe import Answer, described
from backend.api.readiness import readiness
from backend.jobs.queue import JobQueue
from backend.reports import merged_metrics, read_reports
from backend.service.context.context import Runtime
from backend.service.ingest.spool import EventSpool
from backend.service.projects.suggestions import total_suggestions


def monitoring_blueprint(runtime: Runtime, jobs: JobQueue, spool: EventSpool) -> Blueprint:
    """The endpoints of operations."""
    blueprint = Blueprint("monitoring", __name__)

    @blueprint.get("/ready")
    @described(
        "Whether the backend can do all of its work, and if not, why.", answers={200: ReadyAnswer, 503: ReadyAnswer}
    )
    def ready() -> Answer:
        found = readiness(runtime, jobs, spool)
        ready = all(item.ok for item in found.values())
        body = {"ready": ready, "checks": {name: asdict(item) for name, item in found.items()}}
        return jsonify(body), 200 if ready else 503

    @blueprint.get("/metrics")
    @described("Counts and times for Prometheus, as text.", answers={200: None})
    def prometheus() -> Answer:
        metrics.QUEUE_DEPTH.set(len(jobs.ledger.waiting()))
        with runtime.database.session() as session:
            for project, version, outcome, number in total_suggestions(session):
                metrics.SUGGESTIONS.labels(str(project), version, outcome).set(number)
        return Response(merged_metrics(read_reports(runtime.reports_folder)), content_type=CONTENT_TYPE_LATEST)

    return blueprint
