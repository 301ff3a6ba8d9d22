"""The head as a Keras network, and how it is fitted.

Keras is imported inside the functions: only training jobs pay for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.batches import balanced_batches, simple_batches
from backend.learning.calibration import cross_entropy, fit_temperature
from backend.learning.head_inference import HeadLayers
from backend.learning.head_options import HeadOptions
from backend.learning.projection import unit_rows
from backend.learning.transform import Floats

if TYPE_CHECKING:
    import keras

_STEPS_AT_LEAST = 10  # per epoch, so that an epoch means something with a handful of photos
_MONITOR = "calibrated_loss"


@dataclass(frozen=True)
class Examples:
    """Rows to learn from: features [n, k], targets [n, L] and the importance [n] of each row."""

    features: Floats
    targets: Floats
    weights: Floats

    def rows(self, chosen: NDArray[np.bool_]) -> Examples:
        """The rows where `chosen` [n] is true."""
        return Examples(self.features[chosen], self.targets[chosen], self.weights[chosen])


@dataclass(frozen=True)
class Fitted:
    """What a fit ended with: the best weights, the epoch they are from (1 = first) and their validation loss."""

    layers: HeadLayers
    epochs: int
    loss: float | None


def prototype_layers(examples: Examples, options: HeadOptions) -> HeadLayers | None:
    """Where linear and cosine heads start: per label the direction of its photos' weighted mean feature.

    None for an mlp, which starts from random weights.
    """
    if options.kind == "mlp":
        return None
    means = (examples.targets * examples.weights[:, None]).T @ examples.features
    kernel = unit_rows(means.astype(np.float32)).T * np.float32(options.scale)
    return HeadLayers(np.ascontiguousarray(kernel), np.zeros(kernel.shape[1], dtype=np.float32))


def fit_network(
    examples: Examples,
    options: HeadOptions,
    start: HeadLayers | None,
    *,
    epochs: int,
    validation: Examples | None = None,
    on_epoch: Callable[[int], None] | None = None,
) -> Fitted:
    """Fit a head for `epochs` epochs, or fewer when the loss on `validation` stops falling (then its best is kept).

    That loss is the cross-entropy at the best temperature, computed in numpy: what counts is what calibration leaves.
    """
    import keras

    count, width = examples.features.shape
    labels = examples.targets.shape[1]
    network = _network(options, width, labels, options.weight_decay / count)
    if start is not None:
        network.set_weights(_to_keras(start, options))
    batch_size = min(options.batch_size, count)
    steps = max(_STEPS_AT_LEAST, -(-count // batch_size))
    network.compile(
        optimizer=keras.optimizers.Adam(options.resolved_learning_rate),
        loss=_loss(options),
        jit_compile=False,
        steps_per_execution=steps,
    )
    losses: list[float] = []

    def after_epoch(epoch: int, logs: dict[str, float]) -> None:
        if validation is not None:
            outputs = _from_keras(network.get_weights(), options).logits(validation.features)
            losses.append(calibrated_loss(outputs, validation.targets, options))
            logs[_MONITOR] = losses[-1]
        if on_epoch is not None:
            on_epoch(epoch + 1)

    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=after_epoch)]
    if validation is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping(_MONITOR, patience=options.patience, mode="min", restore_best_weights=True)
        )
    network.fit(
        _batches(examples, batch_size, options),
        steps_per_epoch=steps,
        epochs=epochs,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )
    best = int(np.argmin(losses)) if losses else epochs - 1
    return Fitted(_from_keras(network.get_weights(), options), best + 1, losses[best] if losses else None)


def calibrated_loss(logits: Floats, targets: Floats, options: HeadOptions) -> float:
    """Cross-entropy of targets [n, L] under logits [n, L] divided by the temperature that suits them best."""
    temperature = fit_temperature(logits, targets, multiple=options.multiple)
    return cross_entropy(logits / temperature, targets, multiple=options.multiple)


def _network(options: HeadOptions, width: int, labels: int, penalty: float) -> keras.Model:
    import keras

    regularizer = keras.regularizers.L2(penalty)
    # Seeds of their own: Keras's global seed is shared by all trainings of a process.
    initial = keras.initializers.GlorotUniform(options.seed)
    inputs = keras.Input((width,), name="features")
    outputs: Any = inputs
    if options.kind == "mlp":
        outputs = keras.layers.Dense(
            options.hidden,
            "relu",
            kernel_initializer=keras.initializers.HeNormal(options.seed),
            kernel_regularizer=regularizer,
            name="hidden",
        )(outputs)
        outputs = keras.layers.Dropout(options.dropout, seed=options.seed)(outputs)
    if options.kind == "cosine":
        prototypes = keras.layers.Dense(
            labels,
            use_bias=False,
            kernel_initializer=initial,
            kernel_constraint=keras.constraints.UnitNorm(axis=0),
            name="prototypes",
        )
        outputs = keras.layers.Rescaling(options.scale, name="scale")(prototypes(outputs))
    else:
        outputs = keras.layers.Dense(labels, kernel_initializer=initial, kernel_regularizer=regularizer, name="output")(
            outputs
        )
    return keras.Model(inputs, outputs, name=f"{options.kind}_head")


def _loss(options: HeadOptions) -> keras.losses.Loss:
    import keras

    family = keras.losses.BinaryCrossentropy if options.multiple else keras.losses.CategoricalCrossentropy
    return family(from_logits=True, label_smoothing=options.label_smoothing)


def _batches(examples: Examples, batch_size: int, options: HeadOptions) -> Iterator[tuple[Floats, Floats, Floats]]:
    rng = np.random.default_rng(options.seed)
    rows = (
        balanced_batches(examples.targets, batch_size, rng)
        if options.batches == "balanced"
        else simple_batches(len(examples.targets), batch_size, rng)
    )
    for chosen in rows:
        yield examples.features[chosen], examples.targets[chosen], examples.weights[chosen]


def _to_keras(layers: HeadLayers, options: HeadOptions) -> list[Floats]:
    if options.kind == "cosine":
        return [unit_rows(layers.kernel.T).T]
    if layers.hidden_kernel is not None and layers.hidden_bias is not None:
        return [layers.hidden_kernel, layers.hidden_bias, layers.kernel, layers.bias]
    return [layers.kernel, layers.bias]


def _from_keras(weights: list[Floats], options: HeadOptions) -> HeadLayers:
    if options.kind == "cosine":
        kernel = weights[0] * np.float32(options.scale)
        return HeadLayers(kernel, np.zeros(kernel.shape[1], dtype=np.float32))
    if options.kind == "mlp":
        hidden_kernel, hidden_bias, kernel, bias = weights
        return HeadLayers(kernel, bias, hidden_kernel, hidden_bias)
    kernel, bias = weights
    return HeadLayers(kernel, bias)
