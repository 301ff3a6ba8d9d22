"""The loop over folders: a batch to label, the answers, a better model, the next batch; every step is kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.active_learning.capture_time import date_taken
from backend.active_learning.environment import SET_ASIDE, ActiveLearning
from backend.active_learning.items import picture_of, read_detections
from backend.active_learning.learners import make_learner
from backend.active_learning.loop_options import FOLDERS, LoopListener, LoopOptions
from backend.active_learning.reading import PictureSet, Reading, classes_of
from backend.active_learning.report import write_confusion, write_curve
from backend.active_learning.timelapse import Answered, TimelapseRow, match_answers, read_rows
from backend.active_learning.workdir import Result, WorkDir
from backend.backbones import open_settings_backbone
from backend.errors import NotFoundError, SettingsError
from backend.features import Backbone
from backend.folders.embedding import decoder_of
from backend.learning.adaptation import AdaptationOptions
from backend.learning.evaluation import evaluate
from backend.retraining.bottlenecks import open_bottlenecks
from backend.retraining.class_folders import read_class_folders
from backend.settings import Settings

LABELLED = "labelled.csv"


@dataclass(frozen=True)
class LoopEnd:
    """How a run ended: answers in all, validation so far, and the batch that waits for a person (None: nothing does)."""

    answers: int
    results: list[Result]
    waiting: Path | None


def run_loop(options: LoopOptions, settings: Settings, listener: LoopListener | None = None) -> LoopEnd:
    """Go on with a loop until it needs a person, or its budget is spent; as `python -m backend run` does.

    Raises:
        NotFoundError: a folder is missing or empty, or no class is known.
        SettingsError: an option is not allowed, or the working folder is another loop's.
    """
    listen = listener or LoopListener()
    if options.batch < 1:
        raise SettingsError(f"--batch {options.batch}: must be 1 or more.")
    learner = make_learner(options.classifier, seed=options.seed, batches=options.batches, epochs=options.epochs)
    given = None if options.detections is None else read_detections(options.detections, options.confidence)
    folders = {
        name: read_class_folders(path, f"--{name}")
        for name, path in (("train", options.train), ("validation", options.validation))
        if path is not None
    }
    classes = classes_of(options, folders)
    work = WorkDir(options.working_dir)
    work.clear_leftovers()
    work.open(
        {
            "unlabelled": str(options.unlabelled.resolve()),
            "detections": None if options.detections is None else str(options.detections.resolve()),
            "confidence": options.confidence,
            "strategy": options.strategy,
            "classifier": options.classifier,
            "batch": options.batch,
            "seed": options.seed,
        },
        classes,
    )
    backbone = open_settings_backbone(settings)
    with open_bottlenecks(settings, None) as store:
        reading = Reading(backbone, store, settings, classes, listen)
        unlabelled = reading.unlabelled(options.unlabelled, given)
        train = reading.labelled(options.train, folders.get("train"), "train")
        validation = reading.labelled(options.validation, folders.get("validation"), "validation")
    adaptation = None
    if options.loss != "off":
        adaptation = AdaptationOptions(
            loss=options.loss,
            margin=options.margin,
            triplets=options.triplets,
            steps=options.adaptation_steps,
            seed=options.seed,
        )
    pool = unlabelled.photos if train is None else unlabelled.photos.and_also(train.photos)
    learning = ActiveLearning(
        pool,
        classes,
        learner=learner,
        strategy=options.strategy,
        hierarchy=reading.hierarchy,
        adaptation=adaptation,
        adaptation_epochs=options.finetune_epochs,
        seed=options.seed,
    )
    if train is not None:
        first = len(unlabelled.photos)
        learning.answer(range(first, len(pool)), train.labels.tolist())
    return _Loop(options, settings, work, learning, unlabelled, validation, backbone, listen).run()


class _Loop:
    """The rounds."""

    def __init__(
        self,
        options: LoopOptions,
        settings: Settings,
        work: WorkDir,
        learning: ActiveLearning,
        unlabelled: PictureSet,
        validation: PictureSet | None,
        backbone: Backbone,
        listen: LoopListener,
    ) -> None:
        self._options = options
        self._settings = settings
        self._work = work
        self._learning = learning
        self._items = unlabelled.items
        self._empty = unlabelled.empty
        self._validation = validation
        self._backbone = backbone
        self._listen = listen
        self._row_of = {item.key: row for row, item in enumerate(self._items)}
        self._number = {name: place for place, name in enumerate(learning.classes)}

    def run(self) -> LoopEnd:
        number = 1
        while self._work.is_answered(number):
            number += 1
        self._take(self._work.answers())
        self._learning.fit()
        if number - 1 not in {result.batch for result in self._work.results()}:
            self._validate(number - 1)
        waiting = None
        while True:
            csv = self._make_batch(number)
            if csv is None:
                break
            answered = self._answers_of(number)
            if answered is None:
                waiting = csv
                break
            labels = {**answered.labels, **dict.fromkeys(answered.deleted, "")}
            self._work.record(number, labels, answered.problems())
            for problem in answered.problems()[:10]:
                self._listen.say(f"batch {number}: {problem}")
            self._take(self._work.answers())
            self._learning.fit()
            self._validate(number)
            number += 1
        self._conclude()
        return LoopEnd(len(self._work.answers()), self._work.results(), waiting)

    def _take(self, answers: dict[str, tuple[str, int]]) -> None:
        rows, labels = [], []
        for key, (label, _) in answers.items():
            if key in self._row_of:
                rows.append(self._row_of[key])
                labels.append(self._number[label] if label else SET_ASIDE)
        self._learning.answer(rows, labels)

    def _make_batch(self, number: int) -> Path | None:
        """The CSV of a batch, made now if it was not yet; None when there is nothing left to ask."""
        if self._work.asked(number) is not None:
            return self._work.batch_folder(number) / "batch.csv"
        left = self._options.batch
        if self._options.budget is not None:
            left = min(left, self._options.budget - len(self._work.answers()))
        rows = self._learning.query(left) if left > 0 else []
        if not rows:
            return None
        decode, most = decoder_of(self._settings).decode, self._settings.max_image_bytes
        pictures: dict[str, Path | bytes] = {}
        if self._options.pictures:
            for row in rows:
                item = self._items[row]
                pictures[item.key] = item.path if item.box is None else picture_of(item, decode, most)
        made = [self._row(row) for row in rows]
        csv = self._work.write_batch(number, made, self._learning.classes, pictures)
        self._listen.say(f"batch {number}: {len(rows)} pictures to label, {csv}")
        return csv

    def _row(self, row: int) -> TimelapseRow:
        item, belief = self._items[row], self._learning.beliefs[row]
        folder, _, name = item.key.rpartition("/")
        return TimelapseRow(
            name,
            folder,
            self._options.unlabelled.name,
            date_taken(item.path, self._settings.max_image_bytes),
            self._learning.classes[int(belief.argmax())],
            probability=f"{belief.max():.3f}",
            crop="" if item.box is None else " ".join(f"{value:.4f}" for value in item.box),
        )

    def _answers_of(self, number: int) -> Answered | None:
        """What a person, or the folders, say of a batch; None while nobody has."""
        asked = self._work.asked(number) or []
        if self._options.answers == FOLDERS:
            labels = {key: key.split("/", 1)[0] for key in asked}
            known = {key: label for key, label in labels.items() if label in self._number}
            return Answered(labels=known, deleted=[key for key in asked if key not in known])
        folder = self._work.batch_folder(number)
        given = Path(self._options.answers) if self._options.answers else folder / LABELLED
        if self._options.answers and not given.is_file():
            raise NotFoundError(f"There is no file {given}: give the labelled CSV, or `folders`, to --answers.")
        if not given.is_file():
            return None
        found = match_answers(read_rows(given.read_bytes(), str(given)), asked, self._learning.classes)
        if not found.labels and not found.deleted:
            for problem in found.problems()[:10]:
                self._listen.say(f"{given}: {problem}")
            return None
        return found

    def _validate(self, number: int) -> None:
        held = self._validation
        if held is None:
            return
        classes = self._learning.classes
        probabilities = self._learning.predict(held.photos.embeddings, held.photos.prior)
        evaluation = evaluate(probabilities, np.eye(len(classes), dtype=np.float32)[held.labels])
        write_confusion(self._work, number, evaluation.confusion_matrix(len(classes)), classes)
        results = self._work.add_result(
            Result(
                number,
                len(self._work.answers()),
                evaluation.photos,
                evaluation.accuracy,
                evaluation.accuracy_low,
                evaluation.accuracy_high,
                evaluation.macro_f1,
            )
        )
        write_curve(self._work, results)
        self._listen.say(
            f"after batch {number}: {len(self._work.answers())} answers, validation {evaluation.summary()}"
        )

    def _conclude(self) -> None:
        """What the model says of every picture, the counts, and the exported models."""
        beliefs, answers = self._learning.beliefs, self._work.answers()
        classes = self._learning.classes
        rows: list[tuple[str, str, str, str]] = []
        counts: dict[str, Counter[str]] = {}
        for row, item in enumerate(self._items):
            said = answers.get(item.key)
            label = said[0] if said else classes[int(beliefs[row].argmax())]
            sure = "1.000" if said and label else f"{beliefs[row].max():.3f}"
            rows.append((item.key, label, sure, "yes" if said else "no"))
            if label:
                counts.setdefault(str(item.path.relative_to(self._options.unlabelled)), Counter())[label] += 1
        self._work.write_csv("predictions.csv", ("picture", "label", "probability", "answered"), rows)
        if self._options.detections is not None:
            table = [(photo, label, count) for photo, found in sorted(counts.items()) for label, count in found.items()]
            self._work.write_csv(
                "counts.csv", ("photo", "label", "count"), [*table, *((p, "", 0) for p in self._empty)]
            )
        if self._options.export and len(set(self._learning.answers[self._learning.answered].tolist())) > 1:
            from backend.active_learning.export import export_models

            export_models(self._work, self._settings, self._backbone.id, self._learning, self._row_of)
            self._listen.say(f"models: {self._work.folder / 'export'}")
