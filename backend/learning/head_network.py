"""The head as a Keras network, with its steps compiled.

Keras is imported inside the functions: only training jobs pay for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backend.learning.head_inference import HeadLayers
from backend.learning.head_options import HeadOptions
from backend.learning.projection import unit_rows
from backend.learning.transform import Floats

if TYPE_CHECKING:
    import keras

_IDLE = 4  # networks kept for the next fit


class HeadNetwork:
    """A head with its optimiser and a compiled function for several steps. One fit at a time.

    Compiling takes longer than most fits: the folds of a cross-validation and the fit on everything share a network.
    """

    def __init__(self, options: HeadOptions, width: int, labels: int) -> None:
        from backend.frameworks import keras, tf

        self._options = options
        self._network = network = _network(options, width, labels)
        self._optimizer = optimizer = keras.optimizers.Adam(options.resolved_learning_rate)
        optimizer.build(network.trainable_variables)
        # All of it: weights, the state of the optimiser, and that of dropout's random numbers.
        self._variables = [*network.variables, *optimizer.variables]
        self._initial = [keras.ops.convert_to_numpy(variable) for variable in self._variables]
        self._examples: tuple[Any, ...] = ()
        loss = _loss(options)
        # Prototypes keep their length: it is no sign of overfitting.
        decayed = [] if options.kind == "cosine" else [layer.kernel for layer in network.layers if layer.weights]

        def floats(*shape: int | None) -> Any:
            return tf.TensorSpec(shape, tf.float32)

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[
                floats(None, width),
                floats(None, labels),
                floats(None),
                tf.TensorSpec((None, None), tf.int32),
                floats(),
            ]
        )
        def run(features: Any, targets: Any, weights: Any, rows: Any, penalty: Any) -> None:
            for chosen in rows:
                with tf.GradientTape() as tape:
                    outputs = network(tf.gather(features, chosen), training=True)
                    value = loss(tf.gather(targets, chosen), outputs, sample_weight=tf.gather(weights, chosen))
                    for kernel in decayed:
                        value += penalty * tf.reduce_sum(tf.square(kernel))
                gradients = tape.gradient(value, network.trainable_variables)
                optimizer.apply(gradients, network.trainable_variables)

        self._run = run

    def start(self, features: Floats, targets: Floats, weights: Floats, layers: HeadLayers | None) -> None:
        """Begin a fit on features [n, k], targets [n, L], weights [n]: at `layers`, or at random ones by the seed."""
        from backend.frameworks import tf

        for variable, value in zip(self._variables, self._initial, strict=True):
            variable.assign(value)
        if layers is not None:
            self._network.set_weights(_to_keras(layers, self._options))
        self._examples = tuple(tf.constant(part, tf.float32) for part in (features, targets, weights))

    def run(self, rows: NDArray[np.int64], penalty: float) -> None:
        """One step for each row of `rows` [steps, batch], with an L2 penalty on kernels."""
        self._run(*self._examples, rows.astype(np.int32), np.float32(penalty))

    def layers(self) -> HeadLayers:
        """The weights as they are now."""
        return _from_keras(self._network.get_weights(), self._options)

    def finish(self) -> None:
        """Let go of the examples."""
        self._examples = ()


_idle: OrderedDict[tuple[HeadOptions, int, int], HeadNetwork] = OrderedDict()
_idle_lock = Lock()


@contextmanager
def head_network(options: HeadOptions, width: int, labels: int) -> Iterator[HeadNetwork]:
    """A network for one fit: one that an earlier fit has left, else a new one."""
    key = (options, width, labels)
    with _idle_lock:
        network = _idle.pop(key, None)
    network = network or HeadNetwork(*key)
    try:
        yield network
    finally:
        network.finish()
        with _idle_lock:
            _idle[key] = network
            while len(_idle) > _IDLE:
                _idle.popitem(last=False)


def _network(options: HeadOptions, width: int, labels: int) -> keras.Model:
    from backend.frameworks import keras

    # Seeds of their own: Keras's global seed is shared by all trainings of a process.
    initial = keras.initializers.GlorotUniform(options.seed)
    inputs = keras.Input((width,), name="features")
    outputs: Any = inputs
    if options.kind == "mlp":
        outputs = keras.layers.Dense(
            options.hidden,
            "relu",
            kernel_initializer=keras.initializers.HeNormal(options.seed),
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
        outputs = keras.layers.Dense(labels, kernel_initializer=initial, name="output")(outputs)
    return keras.Model(inputs, outputs, name=f"{options.kind}_head")


def _loss(options: HeadOptions) -> keras.losses.Loss:
    from backend.frameworks import keras

    family = keras.losses.BinaryCrossentropy if options.multiple else keras.losses.CategoricalCrossentropy
    return family(from_logits=True, label_smoothing=options.label_smoothing)


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
