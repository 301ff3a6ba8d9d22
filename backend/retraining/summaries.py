"""What TensorBoard shows of a retraining: curves, histograms, the embeddings as a map, mistakes, the confusion matrix."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.errors import BackendError, SettingsError
from backend.retraining.pictures import confusion_picture
from backend.retraining.steps import StepReport

THUMBNAIL = 64  # pixels, both ways
MAX_THUMBNAILS = 2000
MAX_MISTAKES = 25
HISTOGRAMS_EVERY = 10  # reports

RgbImages = NDArray[np.uint8]


def require_tensorboard(option: str) -> None:
    """Raise BackendError where the package is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        raise BackendError(
            f"{option} needs the package tensorboard: install this backend with its extra `tensorboard`",
            reason="tensorboard_missing",
        )


class Summaries:
    """Writes event files below `folder`: `train` and `validation` as TensorFlow for Poets did, and the `projector`."""

    def __init__(self, folder: Path) -> None:
        require_tensorboard("--summaries-dir")
        from backend.frameworks import tf

        self._tf = tf
        self._folder = folder
        try:
            self._train = tf.summary.create_file_writer(str(folder / "train"))
            self._validation = tf.summary.create_file_writer(str(folder / "validation"))
        except tf.errors.OpError as error:
            raise SettingsError(f"--summaries-dir {folder} cannot be written: {error.message}") from None
        self._reports = 0

    def step(self, report: StepReport, features: NDArray[np.float32]) -> None:
        """Curves, and now and then histograms of weights and of the activations for the last batch."""
        summary = self._tf.summary
        with self._train.as_default(step=report.step):
            summary.scalar("accuracy", report.train_accuracy)
            summary.scalar("cross_entropy", report.train_loss)
            if self._reports % HISTOGRAMS_EVERY == 0:
                summary.histogram("final_layer/weights", report.layers.kernel)
                summary.histogram("final_layer/biases", report.layers.bias)
                activations = report.layers.logits(features[report.batch])
                summary.histogram("final_layer/pre_activations", activations)
                shifted = np.exp(activations - activations.max(axis=1, keepdims=True))
                summary.histogram("final_layer/activations", shifted / shifted.sum(axis=1, keepdims=True))
        if report.validation_accuracy is not None and report.validation_loss is not None:
            with self._validation.as_default(step=report.step):
                summary.scalar("accuracy", report.validation_accuracy)
                summary.scalar("cross_entropy", report.validation_loss)
        self._reports += 1

    def mistakes(self, step: int, photos: RgbImages, sentences: Sequence[str]) -> None:
        """Misclassified photos uint8 [n, h, w, 3], each with a sentence."""
        with self._validation.as_default(step=step):
            for place, (photo, sentence) in enumerate(zip(photos, sentences, strict=True)):
                self._tf.summary.image(f"mistakes/{place + 1:02d}", photo[None], description=sentence)
                self._tf.summary.text(f"mistakes/{place + 1:02d}", sentence)

    def confusion(self, step: int, matrix: NDArray[np.int64], labels: Sequence[str]) -> None:
        """The confusion matrix of the test photos as a picture."""
        with self._validation.as_default(step=step):
            self._tf.summary.image("confusion_matrix", confusion_picture(matrix, labels)[None])

    def projector(
        self, embeddings: NDArray[np.floating], rows: Sequence[tuple[str, str, str]], thumbnails: RgbImages
    ) -> None:
        """The map: embeddings [n, d] with (label, side, path) of each, and thumbnails uint8 [n, 64, 64, 3]."""
        count, width = embeddings.shape
        (self._folder / "bottlenecks.bytes").write_bytes(embeddings.astype("<f4").tobytes())
        lines = ["label\tside\tpath", *("\t".join(cell.replace("\t", " ") for cell in row) for row in rows)]
        (self._folder / "metadata.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        Image.fromarray(sprite(thumbnails)).save(self._folder / "sprite.png")
        (self._folder / "projector_config.pbtxt").write_text(
            "embeddings {\n"
            '  tensor_name: "bottlenecks"\n'
            f"  tensor_shape: {count}\n  tensor_shape: {width}\n"
            '  tensor_path: "bottlenecks.bytes"\n'
            '  metadata_path: "metadata.tsv"\n'
            "  sprite {\n"
            f'    image_path: "sprite.png"\n    single_image_dim: {THUMBNAIL}\n    single_image_dim: {THUMBNAIL}\n'
            "  }\n}\n",
            encoding="utf-8",
        )

    def close(self) -> None:
        """Write what is still in memory."""
        self._train.close()
        self._validation.close()


def sprite(thumbnails: RgbImages) -> RgbImages:
    """Thumbnails [n, s, s, 3] in one square picture, row by row."""
    count, size = thumbnails.shape[:2]
    side = max(1, math.ceil(math.sqrt(count)))
    sheet = np.zeros((side * side, size, size, 3), dtype=np.uint8)
    sheet[:count] = thumbnails
    rows = sheet.reshape(side, side, size, size, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(rows.reshape(side * size, side * size, 3))


@contextmanager
def tensorboard_server(folder: Path, port: int, tell: Callable[[str], None]) -> Iterator[None]:
    """TensorBoard over a folder while the context lasts; its address is told.

    Raises:
        BackendError: the package is missing, or the port is taken.
    """
    require_tensorboard("--tensorboard")
    from tensorboard import program

    server: Any = program.TensorBoard()
    server.configure(argv=[None, "--logdir", str(folder), "--port", str(port), "--load_fast", "false"])
    try:
        address = server.launch()
    except program.TensorBoardServerException as error:
        raise BackendError(
            f"TensorBoard could not start on port {port} ({error}): name a free one with --tensorboard-port.",
            reason="port_taken",
        ) from None
    tell(f"TensorBoard: {address}")
    yield
