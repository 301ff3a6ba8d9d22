"""Training a linear head step by step, so that it can be watched, broken off and taken up again.

TensorFlow for Poets drew each batch with every class equally often, and so does this. Adam with a decaying rate takes
the place of plain gradient descent: a learning rate of 0.01 then does in 500 steps what took thousands.
"""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.files import atomic_file
from backend.learning.batches import balanced_batches
from backend.learning.calibration import cross_entropy
from backend.learning.head_inference import HeadLayers

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]

PROTOTYPE_SCALE = 16.0  # logit of a cosine of 1 in the head that training starts from
WEIGHT_DECAY = 0.015  # L2 penalty on the kernel over the number of photos
LABEL_SMOOTHING = 0.05


@dataclass(frozen=True)
class Examples:
    """Features float32 [n, k] and the class of each row [n]."""

    features: Floats
    labels: Ints


@dataclass(frozen=True)
class StepReport:
    """How training stood after `step` steps; accuracies in [0, 1], None where there is no validation photo."""

    step: int
    train_accuracy: float
    train_loss: float
    validation_accuracy: float | None
    validation_loss: float | None
    layers: HeadLayers
    batch: Ints  # the rows of the last batch


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train."""

    steps: int
    learning_rate: float
    batch_size: int = 100
    report_every: int = 10
    seed: int = 0


def train_steps(
    examples: Examples,
    n_classes: int,
    schedule: Schedule,
    *,
    validation: Examples | None = None,
    checkpoint: Checkpoint | None = None,
    on_report: Callable[[StepReport], None] = lambda report: None,
) -> HeadLayers:
    """A linear head for `examples`; each class should have at least one.

    Args:
        validation: never trained on; judged at each report.
        checkpoint: where the state is kept; training goes on from there if it holds one of the same training.
        on_report: hears every `report_every` steps, and after the last.
    """
    from backend.frameworks import keras

    targets = np.eye(n_classes, dtype=np.float32)[examples.labels]
    trainer = _Trainer(examples.features, targets, schedule)
    first = 0
    stored = checkpoint.load() if checkpoint is not None else None
    if stored is not None:
        first = trainer.restore(stored)
    keras.utils.set_random_seed(schedule.seed)
    batches = balanced_batches(targets, schedule.batch_size, np.random.default_rng(schedule.seed))
    batches = itertools.islice(batches, first, None)
    step = first
    while step < schedule.steps:
        count = min(schedule.report_every - step % schedule.report_every, schedule.steps - step)
        rows = np.stack(list(itertools.islice(batches, count)))
        trainer.run(rows)
        step += count
        layers = trainer.layers()
        on_report(_report(step, layers, examples, rows[-1], validation))
        if checkpoint is not None:
            checkpoint.offer(trainer.state(step))
    return trainer.layers()


@dataclass
class Checkpoint:
    """A file that holds the state of one training; `identity` tells which, so that another is never taken up."""

    path: Path
    identity: str
    seconds: float = 2.0  # between two writes
    clock: Callable[[], float] = lambda: 0.0
    _written: float = -1e9
    _latest: dict[str, Any] | None = None

    def load(self) -> dict[str, Any] | None:
        """The state, or None where there is none, or one of another training, or a damaged one."""
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                if str(stored["identity"]) != self.identity:
                    return None
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None

    def offer(self, state: dict[str, Any]) -> None:
        """Keep a state; it is written when the last was written long enough ago."""
        self._latest = state
        if self.clock() - self._written >= self.seconds:
            self.flush()

    def flush(self) -> None:
        """Write what was offered last, whole or not at all."""
        if self._latest is None:
            return
        with atomic_file(self.path) as stream:
            np.savez(stream, allow_pickle=False, identity=np.array(self.identity), **self._latest)
        self._latest = None
        self._written = self.clock()

    def remove(self) -> None:
        """Training is done."""
        self._latest = None
        self.path.unlink(missing_ok=True)


class _Trainer:
    """The head as a Keras layer, its optimiser, and a compiled function for several steps at once."""

    def __init__(self, features: Floats, targets: Floats, schedule: Schedule) -> None:
        from backend.frameworks import keras, tf

        means = targets.T @ features
        norms = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        start = (means / norms).T * np.float32(PROTOTYPE_SCALE)
        self._layer = layer = keras.layers.Dense(targets.shape[1], name="final_layer")
        layer.build((None, features.shape[1]))
        layer.set_weights([start, np.zeros(targets.shape[1], np.float32)])
        decay = keras.optimizers.schedules.CosineDecay(schedule.learning_rate, schedule.steps)
        self._optimizer = optimizer = keras.optimizers.Adam(decay)
        optimizer.build(layer.trainable_variables)
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING)
        penalty = WEIGHT_DECAY / len(features)
        inputs, answers = tf.constant(features), tf.constant(targets)

        @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)])  # type: ignore[untyped-decorator]
        def run(rows: Any) -> None:
            for chosen in rows:
                with tf.GradientTape() as tape:
                    value = loss(tf.gather(answers, chosen), layer(tf.gather(inputs, chosen)))
                    value += penalty * tf.reduce_sum(tf.square(layer.kernel))
                optimizer.apply(tape.gradient(value, layer.trainable_variables), layer.trainable_variables)

        self._run = run

    def run(self, rows: Ints) -> None:
        """One step for each row of `rows` [steps, batch]."""
        self._run(rows.astype(np.int32))

    def layers(self) -> HeadLayers:
        kernel, bias = self._layer.get_weights()
        return HeadLayers(kernel, bias)

    def state(self, step: int) -> dict[str, Any]:
        values = [np.asarray(variable) for variable in self._variables()]
        return {"step": np.array(step), **{f"variable_{place}": value for place, value in enumerate(values)}}

    def restore(self, state: dict[str, Any]) -> int:
        for place, variable in enumerate(self._variables()):
            variable.assign(state[f"variable_{place}"])
        return int(state["step"])

    def _variables(self) -> Sequence[Any]:
        return [*self._layer.trainable_variables, *self._optimizer.variables]


def _report(step: int, layers: HeadLayers, examples: Examples, batch: Ints, validation: Examples | None) -> StepReport:
    accuracy, loss = judge(layers, Examples(examples.features[batch], examples.labels[batch]))
    if validation is None or not len(validation.labels):
        return StepReport(step, accuracy, loss, None, None, layers, batch)
    return StepReport(step, accuracy, loss, *judge(layers, validation), layers, batch)


def judge(layers: HeadLayers, examples: Examples) -> tuple[float, float]:
    """Accuracy in [0, 1] and cross-entropy of a head on examples."""
    logits = layers.logits(examples.features)
    accuracy = float((logits.argmax(axis=1) == examples.labels).mean())
    return accuracy, cross_entropy(logits, np.eye(logits.shape[1], dtype=np.float32)[examples.labels])
