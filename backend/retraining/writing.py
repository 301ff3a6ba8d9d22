"""The models of one retraining, as its options name them."""

from __future__ import annotations

import json
from pathlib import Path

from backend.features import Backbone
from backend.learning.evaluation import Evaluation
from backend.learning.export import ExportBackbone
from backend.learning.head_inference import Head
from backend.retraining.dataset import Dataset, Pixels
from backend.retraining.options import RetrainOptions
from backend.retraining.outputs import Classifier, with_normalised_output, write_graph, write_int8, write_labels
from backend.service.context.backbones import backbone_files
from backend.settings import Settings

CHECKED_PHOTOS = 8  # on which a written model is compared with the head
CALIBRATION_PHOTOS = 100  # that give the ranges of an int8 model


class ModelWriter:
    """Writes heads as whole classifiers; the network is loaded once, when the first is written."""

    def __init__(
        self, options: RetrainOptions, settings: Settings, backbone: Backbone, data: Dataset, pixels: Pixels
    ) -> None:
        self._options = options
        self._settings = settings
        self._backbone = backbone
        self._data = data
        self._pixels = pixels
        self._network: ExportBackbone | None = None

    def write_intermediate(self, step: int, head: Head) -> None:
        """The model on the way, where a folder for these is named."""
        folder = self._options.intermediate_output_graphs_dir
        if folder is not None:
            self._write(folder / f"intermediate_{step}{self._options.output_graph.suffix}", head, None)

    def write_outputs(self, head: Head, evaluation: Evaluation | None) -> None:
        """The model, its labels, and the SavedModel where one is asked for."""
        self._write(self._options.output_graph, head, evaluation)
        write_labels(self._options.output_labels, self._data.classes)
        if self._options.saved_model_dir is not None:
            self._write(self._options.saved_model_dir, head, evaluation)

    def write_int8(self, head: Head) -> tuple[Path, float]:
        """An int8 model beside the other, and the share of photos on which it gives the same answer."""
        path = self._options.output_graph.with_name(f"{self._options.output_graph.stem}_int8.tflite")
        return path, write_int8(path, self._classifier(head), self._pixels.some_of(self._data, CALIBRATION_PHOTOS))

    def _write(self, path: Path, head: Head, evaluation: Evaluation | None) -> None:
        options, spec = self._options, self._backbone.spec
        card = {
            "architecture": options.architecture,
            "backbone": self._backbone.id,
            "input_mean": spec.mean,
            "input_std": spec.scale,
            "crop": spec.crop,
            "photos": self._data.counts(),
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
            images=self._pixels.some_of(self._data, CHECKED_PHOTOS),
            output_tensor=options.final_tensor_name,
        )

    def _classifier(self, head: Head) -> Classifier:
        if self._network is None:
            self._network = with_normalised_output(backbone_files(self._settings, self._backbone.id).in_keras())
        return Classifier(self._network, head, self._data.classes)
