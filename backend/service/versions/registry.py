"""The model versions of a project: what they are, which one serves, how to change that."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from backend.errors import BackendError, NotFoundError
from backend.features import parse_backbone_id
from backend.jobs.kinds import JobKind
from backend.learning.figures import HEADLINE, Figures
from backend.service.context.backbones import backbone_files
from backend.service.context.context import Runtime
from backend.service.projects.labels import labels_of
from backend.service.projects.project import find_project
from backend.service.versions.artifacts import fitting_heads, head_folder, load_heads, made_for_other_labels
from backend.storage.schema import ModelVersion, Project

log = logging.getLogger(__name__)

WORDNET = "wordnet"
PROPAGATION = "propagation"
BUILT_IN = (WORDNET, PROPAGATION)


@dataclass(frozen=True)
class EmbeddingConfig:
    """What the photos of a project are embedded and answered with.

    Attributes:
        backbone: id of a fine-tuned backbone; "" is that of the settings.
        projection: the version whose projection the graph lives in; "" is none.
        serving: the trained version that predicts; "" is none.
    """

    backbone: str = ""
    projection: str = ""
    serving: str = ""

    @classmethod
    def of(cls, project: Project) -> EmbeddingConfig:
        """That of a project as it is stored."""
        return cls(project.backbone, project.projection, project.serving_version)

    def serving_version(self, annotated_tasks: int) -> str:
        """The version that predicts: the promoted one, else propagation once there is an annotation, else WordNet."""
        return self.serving or (PROPAGATION if annotated_tasks else WORDNET)


def record_version(runtime: Runtime, project_id: int, version: str, **values: Any) -> None:
    """Store what is known of a version; a known one is updated."""
    with runtime.database.session() as session:
        _record(session, runtime, project_id, version, values)


def _record(session: Session, runtime: Runtime, project_id: int, version: str, values: Mapping[str, Any]) -> None:
    statement = runtime.database.insert(ModelVersion).values(project_id=project_id, version=version, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["project_id", "version"], set_=dict(values)))


def record_figures(
    session: Session, runtime: Runtime, project_id: int, versions: Mapping[str, Mapping[str, Any]]
) -> None:
    """Store what was measured of some versions; one given without its `kind` is changed only if it is known."""
    for version, values in versions.items():
        if "kind" in values:
            _record(session, runtime, project_id, version, values)
        else:
            known = update(ModelVersion).where(ModelVersion.project_id == project_id, ModelVersion.version == version)
            session.execute(known.values(**values))


def conclude_training(
    runtime: Runtime,
    project_id: int,
    versions: Mapping[str, Mapping[str, Any]],
    *,
    promoted: str | None,
    seen: EmbeddingConfig,
    annotations: int,
    learned_from: str,
) -> bool:
    """Store all that a training came to at once: a crash leaves all of it or none. Whether the promoted version serves.

    Args:
        versions: what is known of each new version.
        promoted: the version that is to serve from now on, unless a person chose one meanwhile; None: what serves stays.
        seen: what the project was embedded and answered with when the training began.
        annotations: how many annotated tasks the training knew.
        learned_from: digest of all that it learned from.

    A comparison of versions that has begun ends: the new versions are compared anew.
    """
    with runtime.database.session() as session:
        session.execute(update(ModelVersion).where(ModelVersion.project_id == project_id).values(comparison=None))
        for version, values in versions.items():
            _record(session, runtime, project_id, version, values)
        serves = promoted is not None and _serve_unless_chosen(session, project_id, promoted, seen)
        session.execute(
            update(Project)
            .where(Project.id == project_id)
            .values(trained_annotations=annotations, learned_from=learned_from)
        )
    return serves


def list_versions(runtime: Runtime, project_id: int) -> list[ModelVersion]:
    """All versions of a project, oldest first."""
    query = select(ModelVersion).where(ModelVersion.project_id == project_id)
    with runtime.database.session() as session:
        return list(session.scalars(query.order_by(ModelVersion.created_at, ModelVersion.version)))


def version_names(runtime: Runtime) -> list[str]:
    """The names of the versions of all projects, each once: the published ones first."""
    published = select(Project.published_version).where(Project.published_version != "").order_by(Project.id)
    made = select(ModelVersion.version).order_by(ModelVersion.project_id, ModelVersion.created_at, ModelVersion.version)
    with runtime.database.session() as session:
        return list(dict.fromkeys([*session.scalars(published), *session.scalars(made)]))


def find_version(runtime: Runtime, project_id: int, version: str) -> ModelVersion:
    """One version of a project.

    Raises:
        NotFoundError: the project has no such version; the message lists those it has.
    """
    with runtime.database.session() as session:
        found = session.get(ModelVersion, (project_id, version))
    if found is not None:
        return found
    known = ", ".join(item.version for item in list_versions(runtime, project_id)) or "none yet"
    raise NotFoundError(f"Project {project_id} has no model version {version!r}; it has: {known}.")


def promote(runtime: Runtime, project_id: int, version: str) -> str:
    """Let a person's choice of version serve from now on; training does not move it. Returns the refresh job's id.

    Raises:
        NotFoundError: there is no such version.
        BackendError: the version was made for other labels or another backbone, or its files are gone or damaged.
        WeightsError: it was made with a fine-tuned backbone whose weights are gone.
    """
    find_project(runtime, project_id)
    chosen = find_version(runtime, project_id, version)
    if parse_backbone_id(chosen.backbone).tuned:
        backbone_files(runtime.settings, chosen.backbone)
    elif chosen.backbone != runtime.backbone.id:
        raise BackendError(
            f"Version {version} was made with backbone {chosen.backbone}; this server runs {runtime.backbone.id}.",
            reason="other_backbone",
        )
    _check_files(runtime, chosen)
    serve(runtime, project_id, version, pinned=True)
    return runtime.jobs.enqueue(JobKind.REFRESH, project_id)


def _check_files(runtime: Runtime, version: ModelVersion) -> None:
    """Raises BackendError where a version that was trained has no files any more, damaged ones, or those for other labels."""
    folder = head_folder(runtime, version.project_id, version.version)
    if not version.artifact:
        return
    heads = load_heads(runtime, version.project_id, version.version)
    if heads is not None:
        if fitting_heads(heads, labels_of(runtime, find_project(runtime, version.project_id)).spaces) is None:
            raise made_for_other_labels(version.version)
        return
    if not any(folder.glob("projection-*.npz")):
        raise BackendError(
            f"The files of version {version.version} are gone: promote another one, or train again.",
            reason="artifact_missing",
        )


def rollback(runtime: Runtime, project_id: int) -> tuple[str, str]:
    """Go back to the parent of the serving version. Returns that version and the refresh job's id.

    Raises:
        BackendError: the serving version has no parent.
    """
    project = find_project(runtime, project_id)
    current = project.serving_version
    if not current:
        raise BackendError(
            f"Project {project_id} serves no trained version, so there is none to go back from.", reason="no_parent"
        )
    parent = find_version(runtime, project_id, current).parent
    if parent is None:
        raise BackendError(f"Version {current} has no parent to go back to.", reason="no_parent")
    return parent, promote(runtime, project_id, parent)


def unpin(runtime: Runtime, project_id: int) -> None:
    """Let training choose the serving version again."""
    find_project(runtime, project_id)
    with runtime.database.session() as session:
        session.execute(update(Project).where(Project.id == project_id).values(pinned=False))


def serve(runtime: Runtime, project_id: int, version: str, *, pinned: bool) -> None:
    """Make a version the serving one; the project then uses the backbone and projection that it was made with."""
    with runtime.database.session() as session:
        _serve(session, project_id, version, pinned=pinned)
    log.info("project %s is served by %s%s", project_id, version, " (chosen by a person)" if pinned else "")


def serve_unless_chosen(runtime: Runtime, project_id: int, version: str, seen: EmbeddingConfig) -> bool:
    """Make a version the serving one, unless a person chose one since the project was `seen`; whether it serves."""
    with runtime.database.session() as session:
        return _serve_unless_chosen(session, project_id, version, seen)


def _serve_unless_chosen(session: Session, project_id: int, version: str, seen: EmbeddingConfig) -> bool:
    as_seen = update(Project).where(
        Project.id == project_id,
        Project.pinned.is_(False),
        Project.serving_version == seen.serving,
        Project.backbone == seen.backbone,
        Project.projection == seen.projection,
    )
    # The write comes first: from here on nobody else can choose.
    found = cast("CursorResult[Any]", session.execute(as_seen.values(pinned=False)))
    if found.rowcount != 1:
        versions = update(ModelVersion).where(ModelVersion.project_id == project_id, ModelVersion.version == version)
        session.execute(versions.values(note=f"{version} is not promoted: another version was chosen meanwhile"))
        return False
    _serve(session, project_id, version, pinned=False)
    log.info("project %s is served by %s", project_id, version)
    return True


def _serve(session: Session, project_id: int, version: str, *, pinned: bool) -> None:
    versions = update(ModelVersion).where(ModelVersion.project_id == project_id)
    session.execute(versions.where(ModelVersion.status == "serving").values(status="retired"))
    session.execute(versions.where(ModelVersion.version == version).values(status="serving"))
    made = session.get_one(ModelVersion, (project_id, version))
    embedding = {
        "backbone": made.backbone if parse_backbone_id(made.backbone).tuned else "",
        "projection": made.projection,
    }
    session.execute(
        update(Project).where(Project.id == project_id).values(serving_version=version, pinned=pinned, **embedding)
    )


def learner_of(runtime: Runtime, project_id: int, version: str) -> str:
    """Name of the learner that made a version; empty for the built-in ones."""
    query = select(ModelVersion.learner).where(ModelVersion.project_id == project_id, ModelVersion.version == version)
    with runtime.database.session() as session:
        return session.scalar(query) or ""


def matches_backbone(runtime: Runtime, project_id: int, config: EmbeddingConfig, version: str) -> bool:
    """Whether a version was made with the backbone of this configuration: BACKBONE may have been changed since."""
    query = select(ModelVersion.backbone).where(ModelVersion.project_id == project_id, ModelVersion.version == version)
    with runtime.database.session() as session:
        made_with = session.scalar(query)
    return made_with is None or made_with == (config.backbone or runtime.backbone.id)


def update_version(runtime: Runtime, project_id: int, version: str, **values: Any) -> None:
    """Change what is known of a version, if there is one of this name."""
    query = update(ModelVersion).where(ModelVersion.project_id == project_id, ModelVersion.version == version)
    with runtime.database.session() as session:
        session.execute(query.values(**values))


def describe_version(version: ModelVersion) -> dict[str, Any]:
    """A version for the API and the command line; `accuracy` is its headline figure, None while that is not known."""
    figures = Figures.from_json(version.evaluation)
    measured = {name: value for name, value in figures.to_json().items() if name != HEADLINE}
    return {
        "version": version.version,
        "parent": version.parent,
        "kind": version.kind,
        "status": version.status,
        "backbone": version.backbone,
        "projection": version.projection,
        "learner": version.learner,
        "weights_digest": version.weights_digest,
        "annotations": version.annotations,
        "accuracy": None if figures.accuracy is None else figures.accuracy.to_json(),
        "evaluation": measured,
        "note": version.note,
        "seconds": round(version.seconds, 3),
        "created_at": version.created_at.isoformat(),
    }


def compare(first: ModelVersion, second: ModelVersion) -> list[dict[str, Any]]:
    """The figures of two versions side by side, the headline first: name, first, second, difference."""
    one, two = (_flat(Figures.from_json(item.evaluation).to_json()) for item in (first, second))
    return [
        {
            "figure": name,
            first.version: one.get(name),
            second.version: two.get(name),
            "difference": two[name] - one[name] if name in one and name in two else None,
        }
        for name in dict.fromkeys([*one, *two])
    ]


def _flat(figures: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of some figures, each under its full name: `accuracy`, `accuracy low`, `evaluation sample: macro f1`."""
    flat: dict[str, float] = {}
    for group, values in figures.items():
        prefix = group.replace("_", " ")
        for name, value in (values or {}).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                separator = " " if group == HEADLINE else ": "
                full = (
                    prefix if (group, name) == (HEADLINE, "value") else f"{prefix}{separator}{name.replace('_', ' ')}"
                )
                flat[full] = value
    return flat
