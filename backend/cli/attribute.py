"""`python -m backend attribute`: what in a photo speaks for a label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from backend.cli.console import messages, output
from backend.errors import BackendError, SettingsError, suggestion
from backend.settings import Settings, load_settings

if TYPE_CHECKING:
    from backend.attribution.opening import Explained
    from backend.attribution.picture import Neighbour

NEIGHBOURS = 5


def attribute(
    image: Annotated[str, typer.Option(help="Photo: a file or an http(s) address.")],
    picture: Annotated[Path, typer.Option("--output", help="PNG file to write.")] = Path("why.png"),
    graph: Annotated[
        Path | None,
        typer.Option(help="A .keras model that `retrain`, `run` or `export` wrote. Default: the ImageNet network."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Label to explain. Default: the likeliest.", show_default=False)
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, max=1024, help="Integrated gradients: steps to begin with; doubled until complete.")
    ] = 32,
    baseline: Annotated[
        Literal["black", "grey", "white"], typer.Option(help="Integrated gradients: the picture that shows nothing.")
    ] = "black",
    photos: Annotated[
        Path | None,
        typer.Option(help="With --graph: class folders of annotated photos; the most alike are shown."),
    ] = None,
) -> None:
    """Show why a model gives a label: integrated gradients, Grad-CAM, and the annotated photos most like this one."""
    from backend.cli.quiet import quiet_tensorflow

    quiet_tensorflow()
    import numpy as np

    from backend.attribution import grad_cam, integrated_gradients
    from backend.attribution.opening import open_imagenet, open_keras_classifier
    from backend.attribution.picture import write_picture
    from backend.classifiers.photos import photo_sources
    from backend.folders.embedding import decoder_of

    settings = load_settings()
    sources = photo_sources([image], settings)
    if len(sources) != 1 or Path(image).is_dir():
        raise SettingsError(f"--image {image}: give one photo.")
    data = sources[0].read()
    explained = open_imagenet(settings) if graph is None else open_keras_classifier(graph)
    size = explained.size
    rgb = decoder_of(settings).decode(data, (size, size), fit=explained.fit, crop=explained.crop)
    pixels = (rgb.astype(np.float32) - np.float32(explained.mean)) / np.float32(explained.std)
    probabilities = np.asarray(explained.model.probabilities(pixels[None]))[0]
    chosen = int(probabilities.argmax()) if label is None else _number(explained, label)
    level = {"black": 0.0, "grey": 127.5, "white": 255.0}[baseline]
    empty = np.full_like(pixels, (level - explained.mean) / explained.std)
    with messages().status("integrated gradients …"):
        gradients = integrated_gradients(explained.model, pixels, chosen, empty, steps=steps)
    neighbours = [] if photos is None else _neighbours(explained, photos, data, settings)
    name, probability = explained.labels[chosen], float(probabilities[chosen])
    cam = grad_cam(explained.model, pixels, chosen)
    try:
        write_picture(picture, rgb, name, probability, gradients, cam, neighbours)
    except OSError as error:
        raise SettingsError(f"--output {picture} cannot be written: {error.strerror or error}.") from None
    to = output()
    to.print(f"{name}: {probability:.4f}", markup=False)
    to.print(
        f"integrated gradients: {gradients.steps} steps, completeness error {gradients.error:.1%} of a difference of "
        f"{gradients.difference:.4f} from the {baseline} picture",
        markup=False,
    )
    for item in neighbours:
        to.print(f"alike {item.similarity:.3f}: {item.label}, {item.name}", markup=False)
    to.print(str(picture), markup=False)


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
