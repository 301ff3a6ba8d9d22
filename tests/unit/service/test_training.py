"""Training on real photos: what is promoted, what is kept and marked, what a person's choice means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.errors import BackendError
from backend.jobs.queue import JobQueue
from backend.learning.promotion import Disagreement
from backend.priority import evaluation_mask
from backend.service.context.context import Runtime
from backend.service.pool.cache import PoolCache, ProjectPool
from backend.service.pool.predictions import ControlPrediction, predict_pool, read_annotations
from backend.service.projects.project import find_project, set_up_project
from backend.service.queue.predict import Predictor
from backend.service.queue.queue_window import current_window
from backend.service.training.portable import portable_version
from backend.service.versions.artifacts import load_heads, load_projection
from backend.service.versions.comparisons import Comparison, Photo
from backend.service.versions.registry import (
    EmbeddingConfig,
    describe_version,
    find_version,
    list_versions,
    promote,
    rollback,
    unpin,
    update_version,
)
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.schema import Annotation, ModelVersion, Task
from backend.worker.handlers import job_handlers
from backend.worker.runner import Runner
from tests.application import MODELS, WORDNET

pytestmark = pytest.mark.unit

LABELS = ("red", "green", "blue")
CHOICES = "".join(f'<Choice value="{label}"/>' for label in LABELS)
CONFIG = f'<View><Image name="i" value="$i"/><Choices name="c" toName="i">{CHOICES}</Choices></View>'
PER_LABEL = 40


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A project with 120 coloured photos, three quarters of them annotated; everything ran once."""
    folder = tmp_path_factory.mktemp("training")
    rng = np.random.default_rng(0)
    settings = Settings(
        _env_file=None,
        state_dir=folder / "state",
        weights_dir=MODELS,
        wordnet_dir=WORDNET,
        backbone="efficientnet_lite2",
        local_roots=(str(folder),),
        evaluation_share=0.3,
        retrain_every=1000,
    )
    database = Database(settings.resolved_database_url)
    database.migrate()
    jobs = JobQueue(settings, database)
    runtime = Runtime(settings, database, jobs)
    set_up_project(runtime, 1, label_config=CONFIG, title="Colours")
    with database.session() as session:
        for number in range(3 * PER_LABEL):
            pixels = rng.integers(0, 90, (64, 64, 3), dtype=np.uint8)
            pixels[..., number % 3] += 150
            path = folder / f"{number}.png"
            Image.fromarray(pixels).save(path)
            session.add(Task(project_id=1, task_id=number, data={"i": str(path)}, image=str(path)))
    made = Trained(runtime, jobs)
    made.run("embed")
    made.annotate(range(90), wrong=False)
    made.run("train", {"adaptation": {"loss": "triplet"}})
    return made


class Trained:
    """A project and the means to run its jobs here and now."""

    def __init__(self, runtime: Runtime, jobs: JobQueue) -> None:
        self.runtime = runtime
        self.jobs = jobs
        self._runner = Runner(jobs.ledger, job_handlers(runtime), wake=lambda: None)

    def pool(self) -> ProjectPool:
        """The project's pool, made anew."""
        return PoolCache(self.runtime).current(find_project(self.runtime, 1), (), 0)

    @property
    def folder(self) -> Path:
        """Where the photos are."""
        return Path(self.runtime.settings.local_roots[0])

    def predict(self) -> tuple[str, list[ControlPrediction]]:
        """What serves, and its predictions."""
        project, pool = find_project(self.runtime, 1), self.pool()
        return predict_pool(
            self.runtime, 1, EmbeddingConfig.of(project), pool, read_annotations(self.runtime, 1, pool, 0.3)
        )

    def window(self) -> list[int]:
        """The tasks of the published window, in order."""
        return [item.task_id for item in current_window(self.runtime, find_project(self.runtime, 1))]

    def run(self, kind: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run a job and those it asks for; the result of the first."""
        job = self.runtime.jobs.enqueue(kind, 1, payload)
        while waiting := self.jobs.ledger.waiting(1):
            for job_id in waiting:
                self._runner.run(job_id)
        done = self.jobs.ledger.get(job)
        assert done.status == "done", done.message
        return dict(done.result or {})

    def annotate(self, tasks: range, *, wrong: bool) -> None:
        """Annotate tasks rightly; or, wrongly, all that is not of the evaluation sample."""
        with self.runtime.database.session() as session:
            for number in tasks:
                digest = session.get_one(Task, (1, number)).digest or ""
                spoilt = wrong and not evaluation_mask([digest], 0.3)[0]
                choice = {"choices": [LABELS[(number + spoilt) % 3]]}
                result = [{"from_name": "c", "to_name": "i", "type": "choices", "value": choice}]
                session.merge(Annotation(project_id=1, annotation_id=number, task_id=number, result=result))


def sample_accuracy(version: ModelVersion) -> float:
    """Share of the evaluation photos that a version named rightly."""
    return float(version.evaluation["evaluation_sample"]["accuracy"])


def test_every_candidate_is_kept_with_its_figures_and_a_sentence(trained: Trained) -> None:
    versions = {item.version: item for item in list_versions(trained.runtime, 1)}
    assert {"wordnet", "propagation", "head-1", "adapted-2"} <= set(versions)
    for name in ("head-1", "adapted-2"):
        version = versions[name]
        assert version.annotations == 90
        assert version.weights_digest
        assert version.seconds > 0
        assert name in version.note
        described = describe_version(version)
        assert described["evaluation"]["evaluation_sample"]["photos"] >= 20
        headline = described["accuracy"]
        assert headline["unlabelled"] == 30
        assert 0.0 <= headline["low"] <= headline["value"] <= headline["high"] <= 1.0


def test_the_headline_of_what_serves_is_true(trained: Trained) -> None:
    headline = describe_version(find_version(trained.runtime, 1, "propagation"))["accuracy"]
    _, predictions = trained.predict()
    right = predictions[0].served[90:].argmax(axis=1) == trained.pool().task_ids[90:] % 3
    assert headline["low"] <= right.mean() <= headline["high"]


def test_the_head_answers_as_the_graph_does(trained: Trained) -> None:
    heads = load_heads(trained.runtime, 1, "head-1")
    assert heads is not None
    pool = trained.pool()
    _, predictions = trained.predict()
    said = heads[0].predict(pool.embeddings, pool.controls[0].model.prior).argmax(axis=1)
    assert (said == predictions[0].propagated.argmax(axis=1)).mean() >= 0.99


def test_what_serves_without_a_training_can_be_exported_too(trained: Trained) -> None:
    found = portable_version(trained.runtime, 1, "propagation", lambda part, said: None)
    assert found.distilled
    assert found.version.version == "propagation"
    tasks = [{"id": number, "data": {"i": str(trained.folder / f"{number}.png")}} for number in range(3 * PER_LABEL)]
    answers = Predictor(trained.runtime).predict(1, tasks, 60)
    served = [answer["result"][0]["value"]["choices"][0] for answer in answers]  # type: ignore[call-overload]
    order = np.argsort(trained.pool().task_ids)
    said = found.heads[0].predict(trained.pool().embeddings[order]).argmax(axis=1)
    assert np.mean([LABELS[label] == answer for label, answer in zip(said, served, strict=True)]) >= 0.99
    wordnet = portable_version(trained.runtime, 1, "wordnet", lambda part, said: None)
    assert wordnet.heads[0].n_labels == 3
    with pytest.raises(BackendError, match="let it serve"):
        portable_version(trained.runtime, 1, "adapted-2", lambda part, said: None)


def test_with_nothing_new_to_learn_from_a_training_says_so_and_makes_no_version(trained: Trained) -> None:
    before = {item.version for item in list_versions(trained.runtime, 1)}
    result = trained.run("train", {"adaptation": {"loss": "triplet"}})
    assert result["versions"] == []
    assert result["message"].startswith(
        "nothing new to learn from since adapted-2: the same 90 annotated of 120 photos"
    )
    assert {item.version for item in list_versions(trained.runtime, 1)} == before


def test_a_person_s_choice_serves_and_training_does_not_move_it(trained: Trained) -> None:
    promote(trained.runtime, 1, "head-1")
    trained.run("refresh")
    project = find_project(trained.runtime, 1)
    assert (project.serving_version, project.pinned) == ("head-1", True)
    assert project.published_version.startswith("head-1")
    trained.annotate(range(91), wrong=False)
    result = trained.run("train")
    assert [find_version(trained.runtime, 1, name).kind for name in result["versions"]] == ["head"]
    assert result["notes"] == [f"{result['versions'][0]} is not promoted: a person chose head-1"]
    assert find_project(trained.runtime, 1).serving_version == "head-1"
    parent, _ = rollback(trained.runtime, 1)
    trained.run("refresh")
    assert find_project(trained.runtime, 1).published_version.startswith(parent)
    unpin(trained.runtime, 1)
    assert not find_project(trained.runtime, 1).pinned


def test_people_decide_between_two_versions_where_these_differ(trained: Trained) -> None:
    promote(trained.runtime, 1, "head-1")
    unpin(trained.runtime, 1)
    asked = [100, 103, 106, 109]
    photos = [Photo(task, serving=((task + 1) % 3,), candidate=(task % 3,)) for task in asked]
    comparison = Comparison(Disagreement("propagation", "head-1", unlabelled=29, differing=20), photos)
    update_version(trained.runtime, 1, "propagation", comparison=comparison.to_json())
    trained.run("refresh")
    window = trained.window()
    assert window[0:8:2] == asked
    assert find_project(trained.runtime, 1).serving_version == "head-1"
    for task in asked:
        trained.annotate(range(task, task + 1), wrong=False)
    trained.run("refresh")
    assert find_project(trained.runtime, 1).serving_version == "propagation"
    decided = find_version(trained.runtime, 1, "propagation")
    assert decided.comparison is None
    assert "propagation alone was right on 4, head-1 alone on 0" in decided.note
    assert not set(asked) & set(trained.window())


def test_the_graph_moves_into_a_projection_that_serves_and_back(trained: Trained) -> None:
    plain = trained.pool().controls[0].model
    promote(trained.runtime, 1, "adapted-2")
    trained.run("refresh")
    project = find_project(trained.runtime, 1)
    assert (project.projection, project.serving_version) == ("adapted-2", "adapted-2")
    assert project.published_version.startswith("adapted-2.")
    learnt = load_projection(trained.runtime, 1, "adapted-2", 0)
    adapted = trained.pool().controls[0].model
    assert learnt is not None
    np.testing.assert_array_equal(adapted.projection.matrix, learnt.as_projection().matrix)
    assert not np.array_equal(adapted.space, plain.space)
    measured = find_version(trained.runtime, 1, "adapted-2")
    assert (measured.kind, measured.learner, measured.projection) == ("adapted", "adapted graph", "adapted-2")
    rollback(trained.runtime, 1)
    trained.run("refresh")
    assert find_project(trained.runtime, 1).projection == ""
    np.testing.assert_array_equal(trained.pool().controls[0].model.space, plain.space)
    unpin(trained.runtime, 1)


def test_a_hyper_parameter_that_makes_no_sense_fails_the_job_and_says_so(trained: Trained) -> None:
    with pytest.raises(AssertionError, match="margin must be more than 0"):
        trained.run("train", {"adaptation": {"margin": -1}})


def test_a_head_trained_on_poisoned_labels_is_not_promoted(trained: Trained) -> None:
    good = sample_accuracy(find_version(trained.runtime, 1, "head-1"))
    promote(trained.runtime, 1, "head-1")
    unpin(trained.runtime, 1)
    trained.run("refresh")
    trained.annotate(range(90), wrong=True)
    result = trained.run("train")
    assert result["promoted"] is None
    assert find_project(trained.runtime, 1).serving_version == "head-1"
    for name in result["versions"]:
        poisoned = find_version(trained.runtime, 1, name)
        assert sample_accuracy(poisoned) < good
        assert f"{name} is not promoted" in poisoned.note
    trained.annotate(range(90), wrong=False)


def test_a_version_without_a_parent_cannot_be_rolled_back(trained: Trained) -> None:
    promote(trained.runtime, 1, "wordnet")
    with pytest.raises(BackendError, match="no parent"):
        rollback(trained.runtime, 1)
