"""A retraining from its photos to its files."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.backbones import open_settings_backbone
from backend.errors import ImageError, NotFoundError
from backend.features import Backbone
from backend.features.normalise import normalise_parts
from backend.folders.embedding import EmbeddedPhotos, decoder_of, embed_photos, read_photo
from backend.learning.calibration import fit_temperature
from backend.learning.evaluation import Evaluation, evaluate
from backend.learning.head_inference import Head, HeadLayers
from backend.learning.transform import fit_centring
from backend.retraining.bottlenecks import embed_distorted, open_bottlenecks
from backend.retraining.class_folders import SIDES, ClassFolders, Side, read_class_folders, sides_of
from backend.retraining.options import RetrainOptions
from backend.retraining.outputs import (
    Classifier,
    format_of,
    with_normalised_output,
    write_graph,
    write_int8,
    write_labels,
)
from backend.retraining.steps import Checkpoint, Examples, Schedule, StepReport, train_steps
from backend.service.context.backbones import backbone_files
from backend.settings import Settings
from backend.storage.feature_store import FeatureStore

logger = logging.getLogger(__name__)

CHECKED_PHOTOS = 8  # on which a written model is compared with the head
CALIBRATION_PHOTOS = 100  # that give the ranges of an int8 model


class Listener:
    """Hears how a retraining goes; by default it does nothing."""

    def say(self, text: str) -> None:
        """A sentence for people."""

    def embedding(self, what: str, done: int, total: int) -> None:
        """So many photos are read."""

    def step(self, report: StepReport, total: int) -> None:
        """So many of `total` steps are done."""


@dataclass(frozen=True)
class Mistake:
    """A test photo that was taken for another class."""

    path: Path
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Retrained:
    """What a retraining ended with; `testing` is None where no photo was held out."""

    classes: tuple[str, ...]
    counts: dict[Side, int]
    testing: Evaluation | None
    mistakes: list[Mistake]
    unreadable: list[tuple[Path, ImageError]]
    embedded: int  # photos whose bottleneck was not there yet
    int8_agreement: float | None = None
    resumed_from: int = 0


@dataclass(frozen=True)
class _Data:
    """The readable photos with their classes and sides."""

    classes: tuple[str, ...]
    photos: EmbeddedPhotos
    features: NDArray[np.float16]  # [n, d], what the head sees of each photo
    labels: NDArray[np.intp]
    sides: NDArray[np.str_]

    def rows(self, side: Side) -> NDArray[np.intp]:
        return np.flatnonzero(self.sides == side)

    def identity(self, options: RetrainOptions, backbone: str) -> str:
        """Equal for two trainings that would take the same steps."""
        parts = [backbone, options.training_steps, options.learning_rate, options.train_batch_size, options.seed]
        parts += [options.eval_step_interval, options.distortions, self.classes]
        photos = list(zip(self.photos.digests, self.labels.tolist(), self.sides.tolist(), strict=True))
        return hashlib.sha256(repr([*parts, photos]).encode()).hexdigest()


def retrain(options: RetrainOptions, settings: Settings, listener: Listener | None = None) -> Retrained:
    """Train a classifier on folders of photos and write it; as `python -m backend retrain` does.

    Embeddings are kept, and so is the state of a training that is broken off: the same call goes on from there.

    Raises:
        NotFoundError: the folder is missing, or there are fewer than two classes with photos to train on.
        SettingsError: an option is not allowed, or a place cannot be written.
        WeightsError: the network's weights are missing.
    """
    listen = listener or Listener()
    format_of(options.output_graph)
    if options.model_dir is not None:
        settings = settings.model_copy(update={"weights_dir": options.model_dir})
    folders = read_class_folders(options.image_dir)
    for warning in (*folders.warnings, *folders.few):
        listen.say(f"warning: {warning}")
    backbone = open_settings_backbone(settings, name=options.backbone)
    with open_bottlenecks(settings, options.bottleneck_dir) as store:
        data = _embed(folders, backbone, store, options, settings, listen)
        features, labels = _training_rows(data, backbone, store, options, settings, listen)
    return _Retraining(options, settings, backbone, data, listen).run(features, labels)


def _embed(
    folders: ClassFolders,
    backbone: Backbone,
    store: FeatureStore,
    options: RetrainOptions,
    settings: Settings,
    listen: Listener,
) -> _Data:
    photos = embed_photos(
        folders.paths,
        backbone,
        store,
        settings,
        lambda done, total: listen.embedding("Bottlenecks", done, total),
    )
    for path, error in photos.unreadable:
        listen.say(f"left out: {path}: {error}")
    label_of = dict(zip(folders.paths, folders.labels, strict=True))
    labels = np.array([label_of[path] for path in photos.paths], dtype=np.intp)
    sides = np.array(
        sides_of(options.image_dir, photos.paths, options.testing_percentage, options.validation_percentage)
    )
    data = _Data(folders.classes, photos, normalise_parts(photos.embeddings, backbone.spec.widths), labels, sides)
    trained = set(labels[data.rows("training")].tolist())
    lacking = [name for label, name in enumerate(folders.classes) if label not in trained]
    if lacking:
        raise NotFoundError(
            f"{options.image_dir}: no readable photo to train on for {', '.join(lacking)}: add photos, or lower "
            "--testing-percentage and --validation-percentage."
        )
    counts = ", ".join(f"{len(data.rows(side))} for {side}" for side in SIDES)
    listen.say(
        f"{len(folders.classes)} classes, {len(photos.paths)} photos: {counts}; {photos.computed} newly embedded"
    )
    return data


def _training_rows(
    data: _Data,
    backbone: Backbone,
    store: FeatureStore,
    options: RetrainOptions,
    settings: Settings,
    listen: Listener,
) -> tuple[NDArray[np.float16], NDArray[np.intp]]:
    """Features and classes to train on: the training photos, and their distorted copies where these are asked for."""
    rows = data.rows("training")
    features, labels = data.features[rows], data.labels[rows]
    if not options.distortions.any:
        return features, labels
    copies, origins = embed_distorted(
        data.photos,
        rows,
        options.distortions,
        backbone,
        store,
        settings,
        lambda done, total: listen.embedding("Distorted copies", done, total),
    )
    return np.concatenate([features, normalise_parts(copies, backbone.spec.widths)]), np.concatenate(
        [labels, data.labels[origins]]
    )


class _Retraining:
    """The part after the bottlenecks."""

    def __init__(
        self, options: RetrainOptions, settings: Settings, backbone: Backbone, data: _Data, listen: Listener
    ) -> None:
        self._options = options
        self._settings = settings
        self._backbone = backbone
        self._data = data
        self._listen = listen
        self._network: Any = None
        self._decode = decoder_of(settings).decode

    def run(self, embeddings: NDArray[np.float16], labels: NDArray[np.intp]) -> Retrained:
        options, data = self._options, self._data
        transform = fit_centring(embeddings)
        examples = Examples(transform.apply(embeddings), labels)
        held = data.rows("validation")
        validation = Examples(transform.apply(data.features[held]), data.labels[held])

        def head_of(layers: HeadLayers) -> Head:
            targets = np.eye(len(data.classes), dtype=np.float32)[validation.labels]
            return Head(
                kind="linear",
                transform=transform,
                layers=layers,
                annotated=np.ones(len(data.classes), dtype=bool),
                mean_prior=np.zeros(len(data.classes), dtype=np.float32),
                temperature=fit_temperature(layers.logits(validation.features), targets),
                report={"photos": len(data.rows("training")), "steps": options.training_steps},
            )

        identity = data.identity(options, self._backbone.id)
        checkpoint = Checkpoint(
            self._settings.state_dir / "retrain" / f"{identity[:16]}.npz", identity, clock=time.monotonic
        )
        stored = checkpoint.load()
        resumed = int(stored["step"]) if stored is not None else 0
        if resumed:
            self._listen.say(f"going on at step {resumed}, where the last run was broken off")
        summaries = self._summaries()
        every = options.intermediate_store_frequency

        def on_report(report: StepReport) -> None:
            self._listen.step(report, options.training_steps)
            if summaries is not None:
                summaries.step(report, examples.features)
            previous = report.step - ((report.step - 1) % options.eval_step_interval + 1)
            if every and options.intermediate_output_graphs_dir and report.step // every > previous // every:
                name = f"intermediate_{report.step}{options.output_graph.suffix}"
                self._write(options.intermediate_output_graphs_dir / name, head_of(report.layers), None)

        schedule = Schedule(
            options.training_steps,
            options.learning_rate,
            options.train_batch_size,
            options.eval_step_interval,
            options.seed,
        )
        try:
            layers = train_steps(
                examples,
                len(data.classes),
                schedule,
                validation=validation,
                checkpoint=checkpoint,
                on_report=on_report,
            )
        except BaseException:
            checkpoint.flush()
            raise
        result = self._conclude(head_of(layers), resumed)
        if summaries is not None:
            self._show(summaries, result)
        checkpoint.remove()
        return result

    def _conclude(self, head: Head, resumed: int) -> Retrained:
        options, data = self._options, self._data
        rows = data.rows("testing")
        evaluation, mistakes = None, []
        if len(rows):
            probabilities = head.predict(data.features[rows])
            evaluation = evaluate(probabilities, np.eye(len(data.classes), dtype=np.float32)[data.labels[rows]])
            mistakes = [
                Mistake(
                    data.photos.paths[row],
                    data.classes[data.labels[row]],
                    data.classes[int(answer.argmax())],
                    float(answer.max()),
                )
                for row, answer in zip(rows, probabilities, strict=True)
                if answer.argmax() != data.labels[row]
            ]
        self._write(options.output_graph, head, evaluation)
        write_labels(options.output_labels, data.classes)
        if options.saved_model_dir is not None:
            self._write(options.saved_model_dir, head, evaluation)
        agreement = None
        if options.quantized:
            path = options.output_graph.with_name(f"{options.output_graph.stem}_int8.tflite")
            agreement = write_int8(path, self._classifier(head), self._pixels(CALIBRATION_PHOTOS))
            self._listen.say(
                f"{path}: int8, the same answer as float on {agreement:.1%} of the photos it was made with"
            )
        return Retrained(
            data.classes,
            {side: len(data.rows(side)) for side in SIDES},
            evaluation,
            mistakes,
            data.photos.unreadable,
            data.photos.computed,
            agreement,
            resumed,
        )

    def _write(self, path: Path, head: Head, evaluation: Evaluation | None) -> None:
        options = self._options
        card = {
            "architecture": options.architecture,
            "backbone": self._backbone.id,
            "input_mean": self._backbone.spec.mean,
            "input_std": self._backbone.spec.scale,
            "crop": self._backbone.spec.crop,
            "photos": {side: len(self._data.rows(side)) for side in SIDES},
            "training_steps": options.training_steps,
            "learning_rate": options.learning_rate,
            "testing_percentage": options.testing_percentage,
            "validation_percentage": options.validation_percentage,
            "testing": evaluation.to_json() if evaluation is not None else None,
            "left_out": [f"{path}: {error}" for path, error in self._data.photos.unreadable],
        }
        # JSON first: a number that is none must not surface after the model is written.
        json.dumps(card)
        write_graph(
            path,
            self._classifier(head),
            card,
            images=self._pixels(CHECKED_PHOTOS),
            output_tensor=options.final_tensor_name,
        )

    def _classifier(self, head: Head) -> Classifier:
        if self._network is None:
            self._network = with_normalised_output(backbone_files(self._settings, self._backbone.id).in_keras())
        return Classifier(self._network, head, self._data.classes)

    def _pixels(self, count: int) -> NDArray[np.uint8]:
        """Some of the training photos as the network takes them, uint8 [n, size, size, 3]."""
        rows = self._data.rows("training")
        chosen = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
        spec = self._backbone.spec
        return self._decoded([self._data.photos.paths[row] for row in chosen], spec.input_size)

    def _decoded(self, paths: Sequence[Path], size: int) -> NDArray[np.uint8]:
        spec = self._backbone.spec
        return np.stack(
            [
                self._decode(
                    read_photo(path, self._settings.max_image_bytes), (size, size), fit=spec.fit, crop=spec.crop
                )
                for path in paths
            ]
        )

    def _summaries(self) -> Any:
        if self._options.summaries_dir is None:
            return None
        from backend.retraining.summaries import Summaries

        return Summaries(self._options.summaries_dir)

    def _show(self, summaries: Any, result: Retrained) -> None:
        """Mistakes, the confusion matrix and the map, after training."""
        from backend.retraining.summaries import MOST_MISTAKES, MOST_THUMBNAILS, THUMBNAIL

        data, step = self._data, self._options.training_steps
        worst = sorted(result.mistakes, key=lambda mistake: -mistake.probability)[:MOST_MISTAKES]
        if worst:
            sentences = [
                f"{item.path.name}: {item.label}, taken for {item.predicted} ({item.probability:.2f})" for item in worst
            ]
            summaries.mistakes(step, self._decoded([item.path for item in worst], 224), sentences)
        if result.testing is not None:
            summaries.confusion(step, result.testing.confusion_matrix(len(data.classes)), data.classes)
        count = len(data.photos.paths)
        rows = np.unique(np.linspace(0, count - 1, min(count, MOST_THUMBNAILS)).astype(int))
        paths = [data.photos.paths[row] for row in rows]
        shown = [
            (data.classes[data.labels[row]], str(data.sides[row]), str(path))
            for row, path in zip(rows, paths, strict=True)
        ]
        summaries.projector(data.photos.embeddings[rows], shown, self._decoded(paths, THUMBNAIL))
        summaries.close()
