"""The one database schema: what is known of projects, tasks, features, annotations, versions and jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    false,
    text,
    true,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def now() -> datetime:
    """The present, with its zone."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time; SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value


def _only_where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class Base(DeclarativeBase):
    """Base of all tables."""


class Project(Base):
    """A Label Studio project that was set up with this backend."""

    __tablename__ = "project"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(String(255), default="")
    label_config: Mapped[str] = mapped_column(Text, default="")
    extra_params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    published_version: Mapped[str] = mapped_column(String(100), default="")  # what the queue's predictions carry now
    window_serial: Mapped[int] = mapped_column(Integer, default=0)  # grows with each published window
    window_settled: Mapped[bool] = mapped_column(
        Boolean, default=True, server_default=true()
    )  # Label Studio holds every place of the window as it is here
    places_left: Mapped[list[int]] = mapped_column(
        JSON, default=list, server_default="[]"
    )  # tasks that earlier windows may have left a place in Label Studio, and the current one gives none
    held_open: Mapped[list[int]] = mapped_column(
        JSON, default=list, server_default="[]"
    )  # tasks that somebody may hold open, those opened last first; see backend.service.queue.held
    texts_left: Mapped[list[int]] = mapped_column(
        JSON, default=list, server_default="[]"
    )  # tasks that may still show why they were due, though they left the first places
    superseded_checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when old suggestions were looked for
    snapshot: Mapped[str] = mapped_column(
        String(255), default=""
    )  # name of the current window; also the folder with what /predict answers from
    serving_version: Mapped[str] = mapped_column(String(100), default="")  # the ModelVersion that predicts
    pinned: Mapped[bool] = mapped_column(
        Boolean, default=False
    )  # a person chose the serving version: training never moves it
    backbone: Mapped[str] = mapped_column(
        String(100), default="", server_default=""
    )  # the fine-tuned backbone of the project; empty: BACKBONE's
    projection: Mapped[str] = mapped_column(
        String(100), default="", server_default=""
    )  # the version whose projection its graph lives in; empty: none
    trained_annotations: Mapped[int] = mapped_column(
        Integer, default=0
    )  # annotated tasks at the last training, less where some were deleted since: what is beyond them is new
    learned_from: Mapped[str] = mapped_column(
        String(64), default="", server_default=""
    )  # digest of all that the last training learned from
    dynamic_options: Mapped[dict[str, list[Any]]] = mapped_column(
        JSON, default=dict, server_default="{}"
    )  # what tasks brought for labels of `value="$key"`, by key
    evaluation_shares: Mapped[list[Any]] = mapped_column(
        JSON, default=list, server_default="[]"
    )  # the shares that it had, each as [since, share]
    missing_since: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # Label Studio no longer has the project, or not under the address that is set
    ordered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when the last order read the annotations
    ordered_tasks: Mapped[int] = mapped_column(Integer, default=0)  # embedded tasks that the last order knew
    synced_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # the latest change that was read, by Label Studio's clock
    synced_news_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # when it was read, by ours, while changes of its time may still be committed; empty: none can be
    synced_from: Mapped[str] = mapped_column(Text, default="", server_default="")  # the address it was last read from
    counts_apart: Mapped[dict[str, Any]] = mapped_column(
        JSON, default=dict, server_default="{}"
    )  # how far Label Studio's counts are from what is known here; see backend.service.ingest.recount
    described_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # Label Studio's stamp of the newest label config and title that an event brought
    made_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # when Label Studio made it, to the second: numbers begin at 1 in each Label Studio, this tells projects apart
    another_made_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # Label Studio has another project under this number, made then: nothing is read from it or written to it
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Task(Base):
    """A task of a project: its image value, and whether it could be embedded."""

    __tablename__ = "task"
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    image: Mapped[str] = mapped_column(Text, default="")  # the image value, as Label Studio gives it
    digest: Mapped[str | None] = mapped_column(String(64), index=True)  # sha-256 of the image bytes, once read
    failure: Mapped[str | None] = mapped_column(String(64))  # reason slug, when the image could not be read
    failure_detail: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)  # with this image
    __table_args__ = (Index("ix_task_pending", "project_id", "digest", "failure"),)


class Feature(Base):
    """The embedding of one image (by digest) by one backbone: little-endian float16 bytes."""

    __tablename__ = "feature"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    backbone: Mapped[str] = mapped_column(String(100), primary_key=True)
    embedding: Mapped[bytes] = mapped_column(LargeBinary)
    checksum: Mapped[int | None] = mapped_column(BigInteger)  # CRC-32 of the bytes; None: stored before there was one


class Annotation(Base):
    """One annotation as last known. Rows are never erased by events that arrive late: `deleted` is a tombstone."""

    __tablename__ = "annotation"
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    annotation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    task_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    result: Mapped[list[Any]] = mapped_column(JSON, default=list)
    was_cancelled: Mapped[bool] = mapped_column(Boolean, default=False)
    ground_truth: Mapped[bool] = mapped_column(Boolean, default=False)
    completed_by: Mapped[int | None] = mapped_column(Integer)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)  # Label Studio's own stamp: the newest wins
    deleted: Mapped[bool] = mapped_column(Boolean, default=False)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    created_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when it was first submitted
    parent_prediction: Mapped[int | None] = mapped_column(BigInteger)  # the suggestion that it started from
    suggested_by: Mapped[str] = mapped_column(String(100), default="", server_default="")  # the version behind that
    suggestion: Mapped[str | None] = mapped_column(
        String(16)
    )  # accepted | corrected | unknown; None: not looked at yet
    __table_args__ = (Index("ix_annotation_received", "project_id", "received_at"),)


class QueueItem(Base):
    """One place of the published queue window, with its reasons."""

    __tablename__ = "queue_item"
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[str] = mapped_column(String(100), primary_key=True)  # name of its window
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    task_id: Mapped[int] = mapped_column(BigInteger)
    score: Mapped[float] = mapped_column(
        Float
    )  # (0, 1), strictly increasing with position: Label Studio serves the lowest first
    priority: Mapped[float] = mapped_column(Float)  # [0, 1], 1 = label sooner
    components: Mapped[dict[str, float]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)
    suggestion: Mapped[str] = mapped_column(Text, default="", server_default="")  # in words, with the next candidates
    evaluation: Mapped[bool] = mapped_column(Boolean, default=False)
    result: Mapped[list[Any]] = mapped_column(JSON)  # the pre-annotation, as Label Studio wants it


class SupersededVersion(Base):
    """A version whose suggestions left the queue in Label Studio, and since when: an annotator may still hold one open."""

    __tablename__ = "superseded_version"
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[str] = mapped_column(String(100), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    cleaned: Mapped[bool] = mapped_column(Boolean, default=False)  # only those of annotated tasks are left


class SheetPhoto(Base):
    """A photo that is on somebody's sheet, or was answered on one."""

    __tablename__ = "sheet_photo"
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sheet: Mapped[str] = mapped_column(String(32), index=True)
    kind: Mapped[str] = mapped_column(String(16))  # see backend.priority.sheets
    holder: Mapped[str] = mapped_column(String(64))  # the person before the sheet
    held_until: Mapped[datetime] = mapped_column(UtcDateTime)  # nobody else gets the photo before
    suggested: Mapped[str] = mapped_column(Text, default="")  # the class of the sheet
    answered: Mapped[str | None] = mapped_column(Text)  # the label given; None: not answered, or taken back
    annotation_id: Mapped[int | None] = mapped_column(BigInteger)  # in Label Studio
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class QueueOverride(Base):
    """A photo that a person wants before all others, or after them."""

    __tablename__ = "queue_wish"
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    wish: Mapped[str] = mapped_column(String(8))  # first | last
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class CurvePoint(Base):
    """What was known of the accuracy when a project had so many answers: a point of its learning curve."""

    __tablename__ = "curve_point"
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    annotations: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    version: Mapped[str] = mapped_column(String(100))  # what served then
    accuracy: Mapped[float] = mapped_column(Float)  # [0, 1]
    low: Mapped[float] = mapped_column(Float)  # 95 % interval
    high: Mapped[float] = mapped_column(Float)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class ModelVersion(Base):
    """A version of what predicts for a project, with where it came from and how good it is."""

    __tablename__ = "model_version"
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[str] = mapped_column(String(100), primary_key=True)
    parent: Mapped[str | None] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(32))  # wordnet | propagation | head | adapted | fine_tuned
    learner: Mapped[str] = mapped_column(String(64), default="", server_default="")  # how it learned, by name
    status: Mapped[str] = mapped_column(String(32))  # serving | candidate | rejected | retired
    backbone: Mapped[str] = mapped_column(String(100))
    projection: Mapped[str] = mapped_column(
        String(100), default="", server_default=""
    )  # as in Project, when it was made
    weights_digest: Mapped[str | None] = mapped_column(String(64))
    artifact: Mapped[str | None] = mapped_column(Text)  # folder below STATE_DIR
    annotations: Mapped[int] = mapped_column(Integer, default=0)
    evaluation: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    comparison: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True)
    )  # with the serving version, while people are asked about photos on which the two differ
    note: Mapped[str] = mapped_column(Text, default="")
    seconds: Mapped[float] = mapped_column(Float, default=0.0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Job(Base):
    """A background job. This row, not the queue, is the truth: a job survives the death of its worker."""

    __tablename__ = "job"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    project_id: Mapped[int] = mapped_column(Integer, index=True)
    kind: Mapped[str] = mapped_column(String(32))  # see JobKind
    status: Mapped[str] = mapped_column(String(16), index=True)  # queued | running | done | failed | cancelled
    progress: Mapped[float] = mapped_column(Float, default=0.0)  # [0, 1]
    message: Mapped[str] = mapped_column(Text, default="")
    cancel_requested: Mapped[bool] = mapped_column(
        Boolean, default=False, server_default=false()
    )  # a person wants it to stop at its next report
    payload: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    worker: Mapped[str | None] = mapped_column(String(64))
    heartbeat_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (
        Index("ix_job_ended", "status", "finished_at"),
        # The database itself refuses a second running, or a second waiting, job of a kind for a project.
        Index("ux_job_running", "kind", "project_id", unique=True, **_only_where("status = 'running'")),
        Index("ux_job_queued", "kind", "project_id", unique=True, **_only_where("status = 'queued'")),
    )
