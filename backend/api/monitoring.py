"""/metrics for Prometheus: the counts of the web process and the worker added up."""

from __future__ import annotations

import os

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from backend import metrics
from backend.api.describe import Answer, described
from backend.jobs.queue import JobQueue
from backend.service.context.context import Runtime


def monitoring_blueprint(runtime: Runtime, jobs: JobQueue) -> Blueprint:
    """The endpoint that Prometheus scrapes."""
    blueprint = Blueprint("monitoring", __name__)

    @blueprint.get("/metrics")
    @described("Counts and times for Prometheus, as text.", answers={200: None})
    def prometheus() -> Answer:
        metrics.QUEUE_DEPTH.set(len(jobs.ledger.waiting()))
        registry = REGISTRY
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return blueprint
