"""What the pages show, on real photos of known class: planted mistakes are found, counts are those of the folders."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sqlalchemy import select

from backend.errors import NotFoundError, SettingsError
from backend.learning.same_photo import same_photo_edges
from backend.service.insight.coverage import coverage_of
from backend.service.insight.mistakes import mistakes_of, photos_of_cell
from backend.service.insight.outlook import outlook_of
from backend.service.insight.search import given_tasks, search_label, search_name, search_photo, search_task
from backend.service.insight.search_results import Filters
from backend.service.pool.near_duplicates import duplicate_groups
from backend.service.projects.options_change import change_options, options_of
from backend.service.projects.queue_overrides import override_queue
from backend.service.queue.queue_window import current_window
from backend.service.sheets.candidates import read_candidates
from backend.service.sheets.kinds import Kind, Proposal, Request, propose
from backend.storage.schema import Annotation, CurvePoint, Task
from tests.unit.service.photo_project import SHARED, PhotoProject

pytestmark = pytest.mark.unit

SPORTS = ("billiards", "sumo_wrestling", "surfing")
EACH = 18
ANSWERED = 12
WRONG = {0: "surfing", 4: "billiards"}  # a billiards photo and a sumo photo, answered wrongly


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> PhotoProject:
    sports = [sport for sport in SPORTS if (SHARED / sport).is_dir()]
    if len(sports) < len(SPORTS):
        pytest.skip("the shared photographs are not here")
    made = PhotoProject(tmp_path_factory.mktemp("insight"), sports, EACH, photos=SHARED, evaluation_share=0.0)
    made.run("embed")
    answered = range(ANSWERED * len(SPORTS))
    made.annotate([task for task in answered if task not in WRONG])
    with made.database.session() as session:
        for task, label in WRONG.items():
            session.merge(
                Annotation(project_id=1, annotation_id=task, task_id=task, result=_result(label), completed_by=1)
            )
        for person, label in ((1, made.truth[2]), (2, SPORTS[0])):  # two people who do not agree on one photo
            session.merge(
                Annotation(
                    project_id=1, annotation_id=1000 + person, task_id=2, result=_result(label), completed_by=person
                )
            )
    made.run("refresh")
    return made


def _result(label: str) -> list[dict[str, object]]:
    return [{"from_name": "c", "to_name": "i", "type": "choices", "value": {"choices": [label]}}]


def test_planted_mistakes_are_suspected(project: PhotoProject) -> None:
    found = mistakes_of(project.runtime, project.row)
    suspects = {item["task"]: item for item in found["suspects"]}
    assert suspects  # with so few answers one of the two may pass; no right answer is accused
    assert set(suspects) <= set(WRONG)
    for task, item in suspects.items():
        assert (item["given_title"], item["believed_title"]) == (WRONG[task], project.truth[task])
    assert found["photos"] >= 20
    assert sum(map(sum, found["matrix"]["cells"])) <= found["photos"]
    cell = next(item for item in found["confused"] if item["given_title"] == "surfing")
    photos = photos_of_cell(project.runtime, project.row, cell["given"], cell["believed"], 10)
    assert 0 in [item["task"] for item in photos]
    assert len(photos) == cell["photos"]


def test_people_who_disagree_are_named(project: PhotoProject) -> None:
    shared = mistakes_of(project.runtime, project.row)["agreement"]
    assert shared["photos"] >= 1
    (disputed,) = shared["disputed"]
    assert disputed["task"] == 2
    assert 0.0 < disputed["trust"] < 0.9
    assert 0.0 <= disputed["sooner_than_new"] <= 1.0
    assert disputed["ask"] is None  # both people answered it


def test_the_tree_counts_each_photo_once(project: PhotoProject) -> None:
    nodes = coverage_of(project.runtime, project.row)
    leaves = {node["title"]: node for node in nodes if node["label"] is not None}
    assert sum(node["photos"] for node in leaves.values()) == EACH * len(SPORTS)
    assert sum(node["answered"] for node in leaves.values()) == ANSWERED * len(SPORTS)
    tops = [node for node in nodes if node["parent"] == -1]
    assert sum(node["photos"] for node in tops) == EACH * len(SPORTS)
    true = Counter(project.truth.values())
    assert all(abs(node["photos"] - true[title]) <= 4 for title, node in leaves.items())


def test_what_looks_alike_is_found(project: PhotoProject) -> None:
    for task in (24, 25, 26):
        found = search_task(project.runtime, project.row, task, 5)
        assert found.photos[0]["task"] == task
        assert found.photos[0]["score"] == pytest.approx(1.0, abs=2e-3)
        assert Counter(project.truth[item["task"]] for item in found.photos).most_common(1)[0][0] == project.truth[task]
        image = sorted((SHARED / project.truth[task]).resolve().glob("*.jpg"))[task // len(SPORTS)]
        same = search_photo(project.runtime, project.row, image.read_bytes(), 5)
        assert same.photos[0]["task"] == task
    with pytest.raises(NotFoundError):
        search_task(project.runtime, project.row, 999, 5)


def test_labels_and_words_lead_to_their_photos(project: PhotoProject) -> None:
    found = search_label(project.runtime, project.row, 2, 8, Filters(answered="no"))
    assert not any(item["answered"] for item in found.photos)
    assert Counter(project.truth[item["task"]] for item in found.photos).most_common(1)[0][0] == SPORTS[2]
    assert search_name(project.runtime, project.row, " Surfing ", 3).label == 2
    everything = search_label(project.runtime, project.row, 2, EACH * len(SPORTS))
    named = [item["label"] == SPORTS[2] for item in everything.photos]
    assert everything.believed == sum(named)
    assert 0 < sum(named) < len(named)
    assert named == sorted(named, reverse=True)  # those of the label first, then what is taken for something else
    first, rest = everything.photos[: sum(named)], everything.photos[sum(named) :]
    for part in (first, rest):
        scores = [item["score"] for item in part]
        assert scores == sorted(scores, reverse=True)
    assert found.photos == [item for item in everything.photos if not item["answered"]][:8]
    assert search_label(project.runtime, project.row, 2, 1).believed == sum(named)  # those that are not shown too
    assert search_task(project.runtime, project.row, 24, 3).believed is None
    alike = search_task(project.runtime, project.row, 24, 100, Filters(label=1))
    assert alike.photos
    assert {item["label"] for item in alike.photos} == {SPORTS[1]}
    assert search_name(project.runtime, project.row, "wrestling", 3).label == 1  # a word of the label's name
    seen = search_name(project.runtime, project.row, "seashore", 6)  # no label: what ImageNet's classes say
    assert "surfing" in {project.truth[item["task"]] for item in seen.photos}
    with pytest.raises(NotFoundError, match="try another word"):
        search_name(project.runtime, project.row, "qwertzuiop", 3)
    assert [item["task"] for item in given_tasks(project.runtime, project.row, [5, 3, 999, 5]).photos] == [5, 3]


def proposal(project: PhotoProject, kind: Kind, **more: object) -> tuple[Proposal, list[int]]:
    candidates = read_candidates(project.runtime, project.row)
    found = propose(Request(project.runtime, project.row, candidates, candidates.free.copy(), 24, **more), kind)
    return found, [int(candidates.task_ids[row]) for row in found.sheet.rows]


def test_a_clean_sheet_shows_a_cohort_of_doubted_answers(project: PhotoProject) -> None:
    found, tasks = proposal(project, "clean")
    assert set(tasks) & set(WRONG)
    assert found.given is not None
    labels = {SPORTS[found.given], SPORTS[found.sheet.label]}
    assert labels == {WRONG[tasks[0]], project.truth[tasks[0]]}


def test_chosen_photos_are_asked_about_unless_answered(project: PhotoProject) -> None:
    found, tasks = proposal(project, "chosen", tasks=[40, 45, 0, 41], label="surfing")
    assert tasks == [40, 45, 41]
    assert found.sheet.label == 2
    with pytest.raises(NotFoundError, match="None of the chosen photos"):
        proposal(project, "chosen", tasks=[0])


def test_wishes_come_first_and_last(project: PhotoProject) -> None:
    last = [item.task_id for item in current_window(project.runtime, project.row)]
    override_queue(project.runtime, 1, [last[10], last[12]], "first")
    override_queue(project.runtime, 1, [last[0]], "last")
    project.run_waiting()
    window = current_window(project.runtime, project.row)
    assert {item.task_id for item in window[:2]} == {last[10], last[12]}
    assert window[0].reason == "somebody asked for it first"
    assert window[-1].task_id == last[0]
    override_queue(project.runtime, 1, last, "none")
    project.run_waiting()
    assert [item.task_id for item in current_window(project.runtime, project.row)] == last
    with pytest.raises(NotFoundError):
        override_queue(project.runtime, 1, [999], "first")


def test_copies_are_grouped() -> None:
    neighbours = np.array([[1, 2], [0, 2], [0, 1], [0, -1], [5, 0], [4, 0]])
    similarities = np.array([[0.99, 0.5], [0.99, 0.4], [0.5, 0.4], [0.3, 1.0], [0.98, 0.1], [0.98, 0.1]])
    groups = duplicate_groups(neighbours, same_photo_edges(neighbours, similarities, None))
    assert groups[0] == groups[1] >= 0
    assert groups[4] == groups[5] >= 0
    assert groups[0] != groups[4]
    assert (groups[[2, 3]] == -1).all()


def test_the_preview_is_the_order_that_results(project: PhotoProject) -> None:
    before = [item.task_id for item in current_window(project.runtime, project.row)]
    changed = {"evaluation_share": 0.0, "strategy": "margin", "window_size": 12}
    seen = project.run("preview", {"extra_params": changed})
    assert [place["task"] for place in seen["now"]] == before[:20]
    assert [item.task_id for item in current_window(project.runtime, project.row)] == before
    change_options(project.runtime, 1, changed)
    project.run_waiting()
    after = [item.task_id for item in current_window(project.runtime, project.row)]
    assert [place["task"] for place in seen["then"]] == after
    assert after != before[:12]
    values = {option["name"]: option for option in options_of(project.runtime, 1)}
    assert (values["strategy"]["value"], values["strategy"]["own"]) == ("margin", True)
    assert not values["retrain_every"]["own"]
    with pytest.raises(SettingsError, match="strategie"):
        change_options(project.runtime, 1, {"strategie": "margin"})


def curve_point(labels: int, accuracy: float) -> CurvePoint:
    low, high = accuracy - 0.05, accuracy + 0.05
    return CurvePoint(project_id=1, annotations=labels, version="propagation", accuracy=accuracy, low=low, high=high)


def test_the_outlook_waits_for_points_and_then_tells_what_labels_bring(project: PhotoProject) -> None:
    assert outlook_of(project.runtime, project.row)["forecast"] == []
    with project.database.session() as session:
        for labels, accuracy in ((3, 0.5), (6, 0.6), (12, 0.7), (24, 0.78)):
            session.merge(curve_point(labels, accuracy))
    found = outlook_of(project.runtime, project.row, rate=60.0)
    assert [point["labels"] for point in found["points"]] == [3, 6, 12, 24]
    assert found["forecast"][-1]["labels"] == EACH * len(SPORTS)
    assert found["left"] == 18  # 36 of the 54 have answers, though the last point knows 24 only
    assert found["advice"].startswith("Go on: the 18 photos that are left bring about")
    assert [target["accuracy"] for target in found["targets"]] == [0.9, 0.95, 0.97, 0.99]


@pytest.mark.parametrize(
    ("left", "words"), [(10, "the 10 photos that are left bring"), (1, "the only photo that is left brings")]
)
def test_the_outlook_speaks_of_no_more_labels_than_photos_are_left(
    project: PhotoProject, left: int, words: str
) -> None:
    """The last point of the curve is some answers old."""
    answered = EACH * len(SPORTS) - left
    query = select(Task.task_id).order_by(Task.task_id).limit(answered)
    with project.database.session() as session:
        tasks = list(session.scalars(query))
        for number, task in enumerate(tasks):
            item = Annotation(project_id=1, annotation_id=10_000 + number, task_id=task, result=[], completed_by=1)
            session.merge(item)
        for labels, accuracy in ((3, 0.5), (12, 0.7), (answered - 3, 0.78)):
            session.merge(curve_point(labels, accuracy))
    found = outlook_of(project.runtime, project.row)
    assert found["left"] == left
    assert words in found["advice"]
    assert found["forecast"][0]["labels"] == answered + 1
    assert found["forecast"][-1]["labels"] == answered + left
    assert all(target["labels"] is None or 0 < target["labels"] <= left for target in found["targets"])
