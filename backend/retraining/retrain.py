"""A retraining from its photos to its files."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from backend.backbones import open_settings_backbone
from backend.features import Backbone
from backend.learning.calibration import fit_temperature
from backend.learning.head_inference import Head, HeadLayers
from backend.learning.transform import FeatureTransform, fit_centring
from backend.retraining.bottlenecks import open_bottlenecks
from backend.retraining.class_folders import read_class_folders
from backend.retraining.dataset import Dataset, Pixels, embed_dataset, training_rows
from backend.retraining.listener import Listener
from backend.retraining.options import RetrainOptions
from backend.retraining.outputs import format_of
from backend.retraining.result import Retrained, judge_on_tests, show_result
from backend.retraining.steps import Checkpoint, Examples, Schedule, StepReport, train_steps
from backend.retraining.summaries import Summaries
from backend.retraining.writing import ModelWriter
from backend.settings import Settings


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
        data = embed_dataset(folders, backbone, store, options, settings, listen)
        features, labels = training_rows(data, backbone, store, options, settings, listen)
    return _Retraining(options, settings, backbone, data, listen).run(features, labels)


class _Retraining:
    """The part after the bottlenecks."""

    def __init__(
        self, options: RetrainOptions, settings: Settings, backbone: Backbone, data: Dataset, listen: Listener
    ) -> None:
        self._options = options
        self._data = data
        self._listen = listen
        self._pixels = Pixels(backbone, settings)
        self._writer = ModelWriter(options, settings, backbone, data, self._pixels)
        identity = data.identity(options, backbone.id)
        self._checkpoint = Checkpoint(
            settings.state_dir / "retrain" / f"{identity[:16]}.npz", identity, clock=time.monotonic
        )

    def run(self, embeddings: NDArray[np.float16], labels: NDArray[np.intp]) -> Retrained:
        options = self._options
        transform = fit_centring(embeddings)
        stored = self._checkpoint.load()
        resumed = int(stored["step"]) if stored is not None else 0
        if resumed:
            self._listen.say(f"going on at step {resumed}, where the last run was broken off")
        summaries = Summaries(options.summaries_dir) if options.summaries_dir is not None else None
        head = self._train(transform, Examples(transform.apply(embeddings), labels), summaries)
        result = self._conclude(head, resumed)
        if summaries is not None:
            show_result(summaries, result, self._data, self._pixels, options.training_steps)
        self._checkpoint.remove()
        return result

    def _train(self, transform: FeatureTransform, examples: Examples, summaries: Summaries | None) -> Head:
        options, data = self._options, self._data
        held = data.rows("validation")
        validation = Examples(transform.apply(data.features[held]), data.labels[held])
        every = options.intermediate_store_frequency

        def head_of(layers: HeadLayers) -> Head:
            return Head(
                kind="linear",
                transform=transform,
                layers=layers,
                annotated=np.ones(len(data.classes), dtype=bool),
                mean_prior=np.zeros(len(data.classes), dtype=np.float32),
                temperature=fit_temperature(layers.logits(validation.features), data.targets(held)),
                report={"photos": len(data.rows("training")), "steps": options.training_steps},
            )

        def on_report(report: StepReport) -> None:
            self._listen.step(report, options.training_steps)
            if summaries is not None:
                summaries.step(report, examples.features)
            previous = report.step - ((report.step - 1) % options.eval_step_interval + 1)
            if every and report.step // every > previous // every:
                self._writer.write_intermediate(report.step, head_of(report.layers))

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
                checkpoint=self._checkpoint,
                on_report=on_report,
            )
        except BaseException:
            self._checkpoint.flush()
            raise
        return head_of(layers)

    def _conclude(self, head: Head, resumed: int) -> Retrained:
        data = self._data
        testing, mistakes = judge_on_tests(head, data)
        self._writer.write_outputs(head, testing)
        agreement = None
        if self._options.quantized:
            path, agreement = self._writer.write_int8(head)
            self._listen.say(
                f"{path}: int8, the same answer as float on {agreement:.1%} of the photos it was made with"
            )
        return Retrained(
            data.classes,
            data.counts(),
            testing,
            mistakes,
            data.photos.unreadable,
            data.photos.computed,
            agreement,
            resumed,
        )
