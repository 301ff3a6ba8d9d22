"""Requests generated from the OpenAPI file, allowed and not: no call ever answers 500, or what the file does not say.

FUZZ_CASES says how many for each call and way (`make fuzz` asks for more); 12 are some 500 in all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from backend.storage.schema import Annotation, QueueItem, Task
from tests.unit.api.conftest import App
from tests.unit.service.samples import CONFIG, annotated, annotation

pytestmark = [pytest.mark.unit, pytest.mark.long]

CASES = int(os.environ.get("FUZZ_CASES", "12"))
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture(scope="module")
def app_under_fire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An application with a project of one task, one annotation and a window."""
    from backend.settings import Settings

    folder: Path = tmp_path_factory.mktemp("fuzzed")
    app = App(Settings(_env_file=None, state_dir=folder, predict_budget_seconds=0.001))
    app.client.post("/setup", json={"project": "7.1", "schema": CONFIG})
    app.client.post("/webhook", json=annotated("ANNOTATION_CREATED", annotation(1)))
    with app.database.session() as session:
        session.merge(Task(project_id=7, task_id=2, data={}, image="", failure="no_image", failure_detail="none"))
        session.merge(Annotation(project_id=7, annotation_id=3, task_id=2, result=["x"]))
        session.add(
            QueueItem(
                project_id=7,
                version="wordnet.1",
                position=1,
                task_id=1,
                score=0.1,
                priority=0.9,
                components={"a": 0.5},
                reason="new",
                result=[],
            )
        )
    yield app
    app.database.close()


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_breaks_a_call(app_under_fire: App, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app_under_fire.client.application)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:
        _fire(operation, mode)


def _fire(operation: Any, mode: GenerationMode) -> None:
    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        derandomize=CASES < 100,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def fire(case: schemathesis.Case) -> None:
        checks = [check for check in CHECKS if operation.path != "/ready" or check is not not_a_server_error]
        case.call_and_validate(checks=checks)  # /ready says 503 where something is missing: that is its answer

    try:
        fire()
    except Unsatisfiable:  # a call without parameters cannot be called wrongly
        assert mode is GenerationMode.NEGATIVE
