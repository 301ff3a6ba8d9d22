"""Names that others choose (labels, files, titles, versions, messages) stay text on every page."""

from __future__ import annotations

from html import escape

import numpy as np
import pytest

from backend.dashboard.registry import PAGES
from backend.learning.projection import Projection, unit_rows
from backend.service.insight.photo_map import draw_map
from backend.service.pool.similarity_index import SimilarityIndex, write_similarity_index
from backend.service.pool.snapshot import Snapshot, SnapshotControl, write_snapshot
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project, set_up_project
from backend.service.versions.artifacts import snapshots_folder
from backend.storage.schema import Job, ModelVersion, Project, QueueItem, Task, now
from tests.application import AppFactory, Application

pytestmark = pytest.mark.unit

HOSTILE = "\"'></title></script><script>alert(1)</script><b onmouseover=alert(1)>"
ARGUMENTS = (
    "",
    f"?name={HOSTILE}&compare={HOSTILE}&kind=chosen&tasks=1,2&label={HOSTILE}&rate={HOSTILE}&node={HOSTILE}",
)


@pytest.fixture
def application(app_factory: AppFactory) -> Application:
    made = app_factory()
    labels = [HOSTILE, f"{HOSTILE} other", "plain"]
    choices = "".join(f'<Choice value="{escape(label)}"/>' for label in labels)
    config = f'<View><Image name="i" value="$i"/><Choices name="c" toName="i">{choices}</Choices></View>'
    set_up_project(made.runtime, 1, label_config=config, title=HOSTILE)
    rng = np.random.default_rng(0)
    beliefs = rng.dirichlet(np.ones(3), 20).astype(np.float16)
    key = labels_of(made.runtime, find_project(made.runtime, 1)).key
    told = Snapshot("wordnet.1", key, "", np.arange(20), np.ones(20, np.float32), [SnapshotControl(beliefs, {})])
    write_snapshot(snapshots_folder(made.runtime, 1) / "w1", told)
    vectors = unit_rows(rng.normal(size=(20, 8)).astype(np.float32)).astype(np.float16)
    space = Projection(np.zeros(8, np.float32), np.eye(8, dtype=np.float32))
    write_similarity_index(made.runtime, 1, SimilarityIndex("k", "", np.arange(20), vectors, space))
    draw_map(made.runtime, 1, lambda share, said: None)
    result = [{"from_name": "c", "to_name": "i", "type": "choices", "score": 0.5, "value": {"choices": [HOSTILE]}}]
    with made.database.session() as session:
        project = session.get_one(Project, 1)
        project.snapshot = "w1"
        for number in range(20):
            image = f"/{HOSTILE}.jpg"
            session.add(Task(project_id=1, task_id=number, data={"i": image}, image=image, digest=f"{number}"))
        session.add(
            Task(project_id=1, task_id=99, data={}, image=HOSTILE, failure="http_status", failure_detail=HOSTILE)
        )
        session.add(
            QueueItem(
                project_id=1, version="w1", position=0, task_id=1, score=0.1, priority=0.5, reason=HOSTILE,
                components={HOSTILE: 0.5}, suggestion=f"{HOSTILE}, else {HOSTILE}", result=result,
            )
        )  # fmt: skip
        session.add(
            ModelVersion(
                project_id=1, version=HOSTILE, parent=HOSTILE, kind="head", status="serving", backbone="", note=HOSTILE
            )
        )
        for status in ("failed", "cancelled", "running"):
            ended = {"finished_at": None if status == "running" else now()}
            session.add(Job(id=status, project_id=1, kind=HOSTILE[:32], status=status, message=HOSTILE, **ended))
    return made


def test_hostile_names_stay_text_on_every_page(application: Application) -> None:
    for page in PAGES:
        for arguments in ARGUMENTS:
            answer = application.client.get(f"/dashboard/1/{page.name}{arguments}".replace("/1/?", "/1?").rstrip("/"))
            assert answer.status_code == 200, (page.title, answer.text[:300])
            assert escape(HOSTILE[2:12]) in answer.text, page.title  # the names are there at all
            for raw in ("<script>alert", "<b onmouseover", "\"'>"):
                assert raw not in answer.text, (page.title, arguments)
    answer = application.client.get("/dashboard/?all=1")
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text
