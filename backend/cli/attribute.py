"""`python -m backend attribute`: what in a photo speaks for a label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from backend.cli.console import messages, output
from backend.errors import BackendError, SettingsError, suggestion
from backend.settings import Settings, load_settings

if TYPE_CHECKING:
    from backend.attribution import Explained, Explanation
    from backend.attribution.picture import Neighbour

Baseline = Literal["black", "grey", "white"]
NEIGHBOURS = 5


def attribute(
    image: Annotated[str | None, typer.Option(help="Photo: a file or an http(s) address.", show_default=False)] = None,
    picture: Annotated[Path, typer.Option("--output", help="PNG file to write.")] = Path("why.png"),
    graph: Annotated[
        Path | None,
        typer.Option(help="A .keras model that `retrain`, `run` or `export` wrote. Default: the ImageNet network."),
    ] = None,
    project: Annotated[
        int | None, typer.Option(help="Instead of --image and --graph: a project, explained by its serving version.")
    ] = None,
    task: Annotated[int | None, typer.Option(help="With --project: the task whose photo is explained.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Label to explain. Default: the likeliest.", show_default=False)
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, max=256, help="Integrated gradients: steps to begin with; more where they are needed.")
    ] = 8,
    baseline: Annotated[Baseline, typer.Option(help="Integrated gradients: the picture that shows nothing.")] = "black",
    photos: Annotated[
        Path | None,
        typer.Option(help="With --graph: class folders of annotated photos; the most alike are shown."),
    ] = None,
) -> None:
    """Show why a model gives a label: integrated gradients, Grad-CAM, and the annotated photos most like this one.

    For a photo (--image, with --graph or the ImageNet network), or for a task of a project (--project --task).
    """
    from backend.cli.quiet import quiet_tensorflow

    quiet_tensorflow()
    if (project is None) != (task is None) or (project is None) == (image is None):
        raise SettingsError("Give --image, or --project and --task.")
    if project is not None and task is not None:
        if graph is not None or photos is not None:
            raise SettingsError("--project explains its own serving version: leave out --graph and --photos.")
        _of_task(project, task, label, picture, steps, baseline)
    elif image is not None:
        _of_photo(image, graph, label, picture, steps, baseline, photos)


def _of_task(project: int, task: int, label: str | None, picture: Path, steps: int, baseline: Baseline) -> None:
    from backend.cli.runtime import open_runtime
    from backend.service.explanation.attribution import Attributions
    from backend.service.pool.cache import PoolCache

    with open_runtime(project) as runtime, messages().status("reading the project …") as status:
        found = Attributions(runtime, PoolCache(runtime)).of_task(
            project,
            task,
            label,
            steps=steps,
            baseline=baseline,
            progress=lambda share, said: status.update(f"{said} …"),
        )
    _write(picture, found.png())
    if found.agreement is not None:
        output().print(
            f"{found.version} distilled into a head: the same label on {found.agreement:.1%} of the photos",
            markup=False,
        )
    _print(found.label, found.explanation, baseline, found.neighbours, picture)


def _of_photo(
    image: str,
    graph: Path | None,
    label: str | None,
    picture: Path,
    steps: int,
    baseline: Baseline,
    photos: Path | None,
) -> None:
    from backend.attribution import explain
    from backend.attribution.picture import picture_png
    from backend.classifiers.explaining import open_imagenet, open_keras_classifier
    from backend.classifiers.photos import photo_sources
    from backend.folders.embedding import decoder_of

    settings = load_settings()
    sources = photo_sources([image], settings)
    if len(sources) != 1 or Path(image).is_dir():
        raise SettingsError(f"--image {image}: give one photo.")
    data = sources[0].read()
    explained = open_imagenet(settings) if graph is None else open_keras_classifier(graph)
    size = (explained.size, explained.size)
    rgb = decoder_of(settings).decode(data, size, fit=explained.fit, crop=explained.crop)
    chosen = None if label is None else _number(explained, label)
    with messages().status("integrated gradients …"):
        explanation = explain(explained, rgb, chosen, steps=steps, baseline=baseline)
    neighbours = [] if photos is None else _neighbours(explained, photos, data, settings)
    name = explained.labels[explanation.label]
    _write(picture, picture_png(rgb, name, explanation, neighbours))
    _print(name, explanation, baseline, neighbours, picture)


def _write(picture: Path, data: bytes) -> None:
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(data)
    except OSError as error:
        raise SettingsError(f"--output {picture} cannot be written: {error.strerror or error}.") from None


def _print(name: str, explanation: Explanation, baseline: str, neighbours: Sequence[Neighbour], picture: Path) -> None:
    to = output()
    to.print(f"{name}: {explanation.probability:.4f}", markup=False)
    gradients = explanation.gradients
    to.print(
        f"integrated gradients: {gradients.steps} steps, completeness error {gradients.error:.1%} of a difference of "
        f"{gradients.difference:.4f} from the {baseline} picture",
        markup=False,
    )
    for item in neighbours:
        to.print(f"alike {item.similarity:.3f}: {item.label}, {item.name}", markup=False)
    to.print(str(picture), markup=False, soft_wrap=True)


def _number(explained: Explained, label: str) -> int:
    folded = [name.casefold() for name in explained.labels]
    if label.casefold() not in folded:
        hint = suggestion(label, explained.labels, count=3, most=20)
        raise BackendError(f"--label {label}: {explained.name} has no such label{hint}", reason="no_label")
    return folded.index(label.casefold())


def _neighbours(explained: Explained, folder: Path, data: bytes, settings: Settings) -> list[Neighbour]:
    """The annotated photos whose embeddings are nearest, by cosine."""
    import numpy as np

    from backend.attribution.picture import Neighbour
    from backend.backbones import open_settings_backbone
    from backend.features import parse_backbone_id
    from backend.folders.embedding import decoder_of, embed_named, embed_photos, read_photo
    from backend.images import sha256_digest
    from backend.learning.projection import unit_rows
    from backend.retraining.bottlenecks import open_bottlenecks
    from backend.retraining.class_folders import read_class_folders

    if explained.backbone is None:
        raise SettingsError("--photos needs --graph with its card: the card tells which network made the model.")
    folders = read_class_folders(folder, "--photos")
    label_of = dict(zip(folders.paths, folders.labels, strict=True))
    backbone = open_settings_backbone(settings, name=parse_backbone_id(explained.backbone).name, precision="auto")
    digest = sha256_digest(data)
    with open_bottlenecks(settings, None) as store, messages().status("annotated photos …"):
        known = embed_photos(folders.paths, backbone, store, settings, lambda done, total: None)
        own, _ = embed_named({digest: lambda: data}, backbone, store, settings, lambda done, total: None)
    cosines = unit_rows(known.embeddings.astype(np.float32)) @ unit_rows(own[digest].astype(np.float32)[None])[0]
    decode = decoder_of(settings).decode
    found: list[Neighbour] = []
    for row in np.argsort(-cosines, kind="stable"):
        if known.digests[row] == digest or len(found) == NEIGHBOURS:
            continue
        path = known.paths[row]
        shown = decode(read_photo(path, settings.max_image_bytes), (224, 224), fit="center_crop", crop=1.0)
        found.append(Neighbour(path.name, folders.classes[label_of[path]], float(cosines[row]), shown))
    return found
