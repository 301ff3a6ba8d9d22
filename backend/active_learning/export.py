"""The models of a loop as files that other programs run: a linear head on the backbone, trained on the answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backend.active_learning.environment import ActiveLearning
from backend.active_learning.workdir import WorkDir
from backend.learning.head import train_head
from backend.retraining.outputs import Classifier, write_graph, write_labels
from backend.service.context.backbones import backbone_files
from backend.settings import Settings

MODEL = "model.keras"


def export_models(
    work: WorkDir, settings: Settings, backbone_id: str, learning: ActiveLearning, row_of: Mapping[str, int]
) -> None:
    """Write export/latest, of all answers, and export/best, of those up to the batch with the best validation."""
    answers = work.answers()
    last = max((batch for _, batch in answers.values()), default=0)
    results = work.results()
    best = max(results, key=lambda item: (item.accuracy, -item.batch)).batch if results else last
    network = backbone_files(settings, backbone_id).in_keras()
    batch_of = {row_of[key]: batch for key, (_, batch) in answers.items() if key in row_of}
    for name, most in (("latest", last), ("best", best)):
        rows = np.array([row for row in learning.answered if batch_of.get(int(row), 0) <= most], dtype=np.intp)
        labels = learning.answers[rows]
        if len(np.unique(labels)) < 2:
            continue
        targets = np.eye(len(learning.classes), dtype=np.float32)[labels]
        head = train_head(learning.pool.embeddings[rows], targets)
        result = next((item for item in results if item.batch == most), None)
        card = {
            "answers": len(rows),
            "batch": most,
            "validation_accuracy_of_the_loop": None if result is None else result.accuracy,
        }
        folder = work.folder / "export" / name
        write_graph(folder / MODEL, Classifier(network, head, learning.classes), card)
        write_labels(folder / "labels.txt", learning.classes)
