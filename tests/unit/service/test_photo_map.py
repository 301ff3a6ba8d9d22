"""The map of a project: drawn on request, whole or not at all, and again when the pool has changed much."""

from __future__ import annotations

import numpy as np
import pytest

from backend.api.app import create_app
from backend.errors import BackendError
from backend.jobs.cancellation import cancel
from backend.learning.projection import Projection, unit_rows
from backend.service.insight.photo_map import ask_for_new_map, draw_map, map_points, read_map
from backend.service.pool.similarity_index import SimilarityIndex, write_similarity_index
from backend.service.pool.snapshot import Snapshot, SnapshotControl, write_snapshot
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project, set_up_project
from backend.service.versions.artifacts import project_folder, snapshots_folder
from backend.storage.schema import Annotation, Project
from tests.application import Application

pytestmark = pytest.mark.unit

HOSTILE = "</script><b onmouseover=alert(1)>kind"
CONFIG = """<View><Image name="i" value="$i"/><Choices name="c" toName="i"><Choice value="one"/>
<Choice value="&lt;/script&gt;&lt;b onmouseover=alert(1)&gt;kind"/><Choice value="Not relevant"/></Choices></View>"""


def fill(application: Application, photos: int, backbone: str = "") -> None:
    rng = np.random.default_rng(0)
    vectors = unit_rows(rng.normal(size=(photos, 16)).astype(np.float32)).astype(np.float16)
    space = Projection(np.zeros(16, np.float32), np.eye(16, dtype=np.float32))
    write_similarity_index(
        application.runtime, 1, SimilarityIndex(f"{photos}", backbone, np.arange(photos), vectors, space)
    )


@pytest.fixture
def project(application: Application) -> Application:
    runtime = application.runtime
    set_up_project(runtime, 1, label_config=CONFIG, title="Made up")
    fill(application, 30)
    beliefs = np.tile(np.array([[0.7, 0.2, 0.1]], np.float16), (32, 1))
    beliefs[5] = [0.1, 0.6, 0.3]
    priority = np.linspace(1.0, 0.0, 32, dtype=np.float32)
    key = labels_of(runtime, find_project(runtime, 1)).key
    told = Snapshot("propagation.1", key, "", np.arange(32), priority, [SnapshotControl(beliefs, {})])
    write_snapshot(snapshots_folder(runtime, 1) / "w1", told)
    with application.database.session() as session:
        session.get_one(Project, 1).snapshot = "w1"
        session.add(Annotation(project_id=1, annotation_id=1, task_id=0, result=[]))
    return application


def row(application: Application) -> Project:
    return find_project(application.runtime, 1)


def test_a_map_is_drawn_on_request_and_says_what_each_point_means(project: Application) -> None:
    client = create_app(project.runtime, project.jobs).test_client()
    assert client.get("/projects/1/map").json["error"]["code"] == "no_map"
    assert "Draw the map" in client.get("/dashboard/1/map").text
    hostile = client.post("/projects/1/map/draw", headers={"Origin": "http://evil.example"})
    assert hostile.json["error"]["code"] == "other_site"
    job = client.post("/projects/1/map/draw").json["job"]
    project.runner.run(job)
    assert project.ended(job).message == "a map of 30 photos"
    points = client.get("/projects/1/map").json
    assert points["task"] == list(range(30))
    assert points["newer"] == 2
    assert (points["label"][4], points["label"][5]) == (0, 1)
    assert (points["doubt"][4], points["relevance"][5]) == (30, 70)
    assert points["place"][:4] == [0, 1, 2, 3]  # the first is answered
    assert points["labels"][1] == HOSTILE
    assert HOSTILE not in client.get("/dashboard/1/map").text


def test_it_is_drawn_anew_once_a_tenth_is_new_or_the_backbone_changed(project: Application) -> None:
    ask_for_new_map(project.runtime, 1)
    assert project.jobs.ledger.waiting(1, "map") == []  # nobody asked for one yet
    draw_map(project.runtime, 1, lambda share, said: None)
    for photos, backbone, expected in ((32, "", 0), (34, "", 1), (34, "tuned", 1)):
        fill(project, photos, backbone)
        ask_for_new_map(project.runtime, 1)
        assert len(project.jobs.ledger.waiting(1, "map")) == expected, (photos, backbone)
    (job,) = project.jobs.ledger.waiting(1, "map")
    cancel(project.jobs.ledger, 1, job)
    ask_for_new_map(project.runtime, 1)
    assert project.jobs.ledger.waiting(1, "map") == []  # a person cancelled it


def test_a_map_that_cannot_be_drawn_is_not_asked_for_at_each_refresh(project: Application) -> None:
    draw_map(project.runtime, 1, lambda share, said: None)
    fill(project, 34)
    ask_for_new_map(project.runtime, 1)
    ledger = project.jobs.ledger
    (job,) = ledger.waiting(1, "map")
    ledger.claim(job, project.runner.name)
    ask_for_new_map(project.runtime, 1)
    assert ledger.waiting(1, "map") == []  # one is being drawn
    ledger.finish(job, project.runner.name, result=None, error="too little memory")
    ask_for_new_map(project.runtime, 1)
    assert ledger.waiting(1, "map") == []


def test_a_damaged_map_counts_as_none(project: Application) -> None:
    draw_map(project.runtime, 1, lambda share, said: None)
    path = project_folder(project.runtime, 1) / "map.npz"
    kept = dict(np.load(path))
    kept["places"] = kept["places"] + 0.5
    np.savez(path, **kept)
    assert read_map(project.runtime, 1) is None
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BackendError, match="no map yet"):
        map_points(project.runtime, row(project))
