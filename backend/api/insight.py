"""The figures behind the pages: an overview, mistakes, coverage and the photos behind them."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Annotated, Any

from flask import Blueprint, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from backend.api.answers import AcceptedAnswer
from backend.api.auth import refuse_lookers
from backend.api.describe import Answer, described
from backend.dashboard.person import refuse_other_sites
from backend.dashboard.project_data import project_overview
from backend.errors import BackendError
from backend.service.context.context import Runtime
from backend.service.insight.coverage import coverage_of
from backend.service.insight.data_manager import open_tab
from backend.service.insight.disagreements import ask_for_comparison, kept_comparison
from backend.service.insight.mistakes import mistakes_of, photos_of_cell
from backend.service.insight.outlook import outlook_of
from backend.service.insight.search import search_label, search_name, search_node, search_photo, search_task
from backend.service.insight.search_results import Answered, Filters, SearchResult
from backend.service.projects.project import find_project


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class OverviewAnswer(_Answer):
    """Where a project stands: what its first page shows."""

    id: int
    title: str
    labelled: int
    labelled_today: int
    accuracy: dict[str, Any] | None
    jobs: list[dict[str, Any]]
    faults: list[dict[str, Any]]


class RateQuery(BaseModel):
    """What an hour costs."""

    rate: float | None = Field(None, gt=0.0, le=100_000.0, description="Price of an hour, in any currency.")


class OutlookAnswer(_Answer):
    """How the accuracy grew and will grow; `targets` say how many more labels (`labels`, `low`, `high`; null: never).

    `left`: photos without an answer.
    """

    points: list[dict[str, Any]]
    forecast: list[dict[str, Any]]
    targets: list[dict[str, Any]]
    left: int
    seconds_per_label: float | None
    advice: str


class LabelFigures(_Answer):
    """A label: precision, recall and f1 in [0, 1] over answered photos, each believed without its own answer."""

    label: int
    title: str
    photos: int
    precision: float
    recall: float
    f1: float


class SuspectAnswer(_Answer):
    """An answer that looks wrong; `doubt` in (0, 1], 1 = surely."""

    task: int
    given_title: str
    believed_title: str
    doubt: float


class AgreementAnswer(_Answer):
    """Photos that several people answered; `alpha` is Krippendorff's, null where nothing varies."""

    photos: int
    agreed: int
    alpha: float | None
    people: list[dict[str, Any]]
    disputed: list[dict[str, Any]]


class MistakesAnswer(_Answer):
    """What is taken for what, over answered photos that were believed without their own answer."""

    annotations: int
    photos: int
    right: int
    interval: list[float] | None
    labels: list[LabelFigures]
    confused: list[dict[str, Any]]
    matrix: dict[str, Any]
    suspects: list[SuspectAnswer]
    agreement: AgreementAnswer


class CellQuery(BaseModel):
    """A cell of the confusion matrix, by numbers of labels."""

    given: int = Field(ge=0, le=1_000_000)
    believed: int = Field(ge=0, le=1_000_000)
    limit: int = Field(100, ge=1, le=1000)


class AgainstQuery(BaseModel):
    """With which other version."""

    against: str = Field(min_length=1, max_length=100)
    limit: int = Field(24, ge=1, le=1000)


class DisagreementsAnswer(_Answer):
    """Two versions: figures, and photos without an answer that they name differently; `why`: why there are none."""

    version: str
    other: str
    figures: list[dict[str, Any]]
    compared: int
    differing: int
    photos: list[dict[str, Any]]
    why: str


class PhotosAnswer(_Answer):
    """Tasks, each with the confidence in what is believed of it, [0, 1]."""

    photos: list[dict[str, Any]]


class SearchQuery(BaseModel):
    """What to look for: exactly one of task, label, node and name."""

    task: int | None = Field(None, ge=0, lt=10**18, description="Photos that look like this task's.")
    label: int | None = Field(None, ge=0, lt=10**6, description="Number of a label.")
    node: int | None = Field(None, ge=0, lt=10**6, description="Node of the label tree, as /coverage numbers them.")
    name: str | None = Field(None, min_length=1, max_length=200, description="A label's name, or any noun.")
    answered: Answered = "any"
    believed: int | None = Field(None, ge=0, lt=10**6, description="Only photos believed to be of this label.")
    relevant: Answered = "any"
    limit: int = Field(60, ge=1, le=1000)

    @property
    def filters(self) -> Filters:
        """Which photos are searched."""
        return Filters(self.answered, self.believed, self.relevant)

    @model_validator(mode="after")
    def _one(self) -> SearchQuery:
        if sum(item is not None for item in (self.task, self.label, self.node, self.name)) != 1:
            raise ValueError("give one of task, label, node and name")
        return self


class PhotoBody(BaseModel):
    """A photo to look for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    image: str = Field(min_length=1, description="The bytes of its file, base64.")
    limit: int = Field(60, ge=1, le=1000)


class FoundAnswer(_Answer):
    """Photos, the best first; `score` is a cosine for likeness, else a probability.

    `believed`: how many photos the model believes to be of the label or branch; they come first. Null: none was asked for.
    """

    asked: str
    label: int | None
    believed: int | None
    photos: list[dict[str, Any]]


class TabBody(BaseModel):
    """Tasks to open in the Data Manager."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tasks: list[Annotated[int, Field(ge=0, lt=10**18)]] = Field(min_length=1, max_length=1000)
    title: str = Field("Chosen photos", min_length=1, max_length=100)


class TabAnswer(_Answer):
    """A tab of the Data Manager."""

    url: str


class NodeAnswer(_Answer):
    """A node of the label tree; `parent` -1: none above; `label` null: an inner node."""

    node: int
    title: str
    parent: int
    label: int | None
    photos: int
    answered: int


class CoverageAnswer(_Answer):
    """Photos believed below each node of the label tree, and how many are answered."""

    nodes: list[NodeAnswer]


def insight_blueprint(runtime: Runtime) -> Blueprint:
    """The endpoints below /projects/<id> that give what the pages show."""
    blueprint = Blueprint("insight", __name__, url_prefix="/projects/<int:project_id>")

    @blueprint.get("/overview")
    @described("Where a project stands.", answers={200: OverviewAnswer})
    def overview(project_id: int) -> Answer:
        return jsonify(project_overview(runtime, find_project(runtime, project_id)))

    @blueprint.get("/outlook")
    @described("What further labels will bring, and cost.", query=RateQuery, answers={200: OutlookAnswer})
    def outlook(project_id: int, query: RateQuery) -> Answer:
        return jsonify(outlook_of(runtime, find_project(runtime, project_id), query.rate))

    @blueprint.get("/mistakes")
    @described("Confusions, answers that look wrong, agreement of annotators.", answers={200: MistakesAnswer})
    def mistakes(project_id: int) -> Answer:
        return jsonify(mistakes_of(runtime, find_project(runtime, project_id)))

    @blueprint.get("/mistakes/photos")
    @described("The photos behind a cell of the confusion matrix.", query=CellQuery, answers={200: PhotosAnswer})
    def cell(project_id: int, query: CellQuery) -> Answer:
        found = find_project(runtime, project_id)
        return jsonify({"photos": photos_of_cell(runtime, found, query.given, query.believed, query.limit)})

    @blueprint.get("/models/<version>/disagreements")
    @described(
        "Photos that two versions name differently; 202 with the job while they are compared.",
        query=AgainstQuery,
        answers={200: DisagreementsAnswer, 202: AcceptedAnswer},
    )
    def disagreements(project_id: int, version: str, query: AgainstQuery) -> Answer:
        refuse_other_sites(request)  # it costs seconds of a processor
        project = find_project(runtime, project_id)
        found = kept_comparison(runtime, project, version, query.against, query.limit)
        if found is not None:
            return jsonify(found)
        if (refusal := refuse_lookers(project_id, "The two were not compared lately")) is not None:
            return refusal
        job = ask_for_comparison(runtime, project_id, version, query.against)
        return jsonify({"status": "accepted", "job": job}), 202

    @blueprint.get("/coverage")
    @described("Photos and answers below each node of the label tree.", answers={200: CoverageAnswer})
    def coverage(project_id: int) -> Answer:
        return jsonify({"nodes": coverage_of(runtime, find_project(runtime, project_id))})

    @blueprint.get("/search")
    @described("Photos by likeness, label, branch or name.", query=SearchQuery, answers={200: FoundAnswer})
    def search(project_id: int, query: SearchQuery) -> Answer:
        found = find_project(runtime, project_id)
        if query.task is not None:
            return _found(search_task(runtime, found, query.task, query.limit, query.filters))
        if query.label is not None:
            return _found(search_label(runtime, found, query.label, query.limit, query.filters))
        if query.node is not None:
            return _found(search_node(runtime, found, query.node, query.limit, query.filters))
        return _found(search_name(runtime, found, query.name or "", query.limit, query.filters))

    @blueprint.post("/search/photo")
    @described(
        "Photos that look like one that is sent.", body=PhotoBody, answers={200: FoundAnswer}, carries_tasks=True
    )
    def photo(project_id: int, body: PhotoBody) -> Answer:
        refuse_other_sites(request)
        try:
            data = base64.b64decode(body.image, validate=True)
        except ValueError as error:
            raise BackendError(f"`image` is no base64 ({error}).", reason="bad_request") from None
        return _found(search_photo(runtime, find_project(runtime, project_id), data, body.limit))

    @blueprint.post("/tab")
    @described("A tab of the Data Manager with these tasks.", body=TabBody, answers={200: TabAnswer})
    def tab(project_id: int, body: TabBody) -> Answer:
        refuse_other_sites(request)
        return jsonify({"url": open_tab(runtime, find_project(runtime, project_id), body.tasks, body.title)})

    return blueprint


def _found(found: SearchResult) -> Answer:
    return jsonify(asdict(found))
