"""Any version as heads that other programs can run: trained ones as they are, what needs the pool distilled into heads."""

from __future__ import annotations

from dataclasses import dataclass

from backend.errors import BackendError
from backend.learning.distillation import distil
from backend.learning.head import Head
from backend.priority import evaluation_mask
from backend.progress import Progress
from backend.service.context.context import Runtime
from backend.service.pool.cache import PoolCache
from backend.service.pool.predictions import predict_pool, read_annotations
from backend.service.projects.labels import labels_of
from backend.service.projects.options import project_options
from backend.service.projects.project import find_project
from backend.service.training.data import training_data
from backend.service.versions.artifacts import fitting_heads, load_heads, made_for_other_labels
from backend.service.versions.registry import PROPAGATION, WORDNET, EmbeddingConfig, find_version
from backend.storage.schema import ModelVersion


@dataclass(frozen=True)
class PortableVersion:
    """A version and its heads, one for each control of the label config; `distilled`: they were made for the export."""

    version: ModelVersion
    heads: list[Head]
    distilled: bool


def portable_version(
    runtime: Runtime, project_id: int, name: str | None, progress: Progress, pools: PoolCache | None = None
) -> PortableVersion:
    """A version as heads.

    A trained version has them. What the graph says needs the whole pool: heads are distilled from what it believes of
    every photo right now, and answer as it does (`agreement` in the head's report).

    Args:
        name: of the version; None: the one that serves.
        pools: those of this process, the project's locked; None: it has none.

    Raises:
        NotFoundError: the project is not set up, or has no such version.
        BackendError: reason `other_labels` where it was made for other ones than the project has now; `no_photos`, or
            `not_serving` for a graph in a projection that is not in use; `artifact_missing` where the files of a trained
            version are gone.
    """
    project = find_project(runtime, project_id)
    wanted = name or project.serving_version
    if wanted:
        stored = load_heads(runtime, project_id, wanted)
        fitting = fitting_heads(stored, labels_of(runtime, project).spaces)
        if fitting is not None:
            return PortableVersion(find_version(runtime, project_id, wanted), fitting, distilled=False)
        if stored is not None and name:
            raise made_for_other_labels(wanted)
        if stored is not None:
            wanted = ""  # until the next training the graph answers in its place
        elif find_version(runtime, project_id, wanted).kind in ("head", "fine_tuned"):
            raise BackendError(
                f"The files of version {wanted} are gone: train again, or export another version.",
                reason="artifact_missing",
            )
    options = project_options(runtime.settings, project.extra_params)
    pool = (pools or PoolCache(runtime)).current(project, options.relevance, options.seed)
    if not pool.row_of:
        raise BackendError(
            f"No photo of project {project_id} is embedded yet: nothing can be exported.", reason="no_photos"
        )
    annotated = read_annotations(runtime, project_id, pool, options.evaluation_share)
    served, predictions = predict_pool(runtime, project.id, EmbeddingConfig.of(project), pool, annotated)
    version = find_version(runtime, project_id, wanted or served)
    sample = evaluation_mask(pool.digests, options.evaluation_share)
    heads = []
    for number, (prediction, control) in enumerate(zip(predictions, pool.controls, strict=True)):
        if version.version == served:
            target = prediction.served
        elif version.version == (project.projection or PROPAGATION):
            target = prediction.calibrated
        elif version.version == WORDNET:
            target = control.model.prior
        else:
            raise BackendError(
                f"Version {version.version} is a graph in a projection of its own: let it serve, then export it "
                f"(`python -m backend models promote {version.version} --project {project_id}`).",
                reason="not_serving",
            )
        data = training_data(pool, annotated, prediction, number, sample, options.seed)
        known = data.known if version.version != WORDNET else data.known[:0]
        heads.append(
            distil(
                data.embeddings[data.believed],
                target[data.believed],
                annotated=data.believed.searchsorted(known),
                progress=progress,
                several=data.multiple and version.version != WORDNET,
            )
        )
    return PortableVersion(version, heads, distilled=True)
