"""How a head is fitted: batches of examples, an epoch at a time, until the loss on held-out photos stops falling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from backend.learning.batches import balanced_batches, simple_batches
from backend.learning.calibration import cross_entropy, fit_temperature
from backend.learning.head_inference import HeadLayers
from backend.learning.head_network import head_network
from backend.learning.head_options import HeadOptions
from backend.learning.projection import unit_rows
from backend.learning.transform import Floats

_MIN_STEPS = 10  # per epoch, so that an epoch means something with a handful of photos


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
    count, width = examples.features.shape
    batch_size = min(options.batch_size, count)
    steps = max(_MIN_STEPS, -(-count // batch_size))
    batches = _batches(examples, batch_size, options)
    best: Fitted | None = None
    with head_network(options, width, examples.targets.shape[1]) as network:
        network.start(examples.features, examples.targets, examples.weights, start)
        for epoch in range(1, epochs + 1):
            network.run(np.stack(list(islice(batches, steps))), options.weight_decay / count)
            if validation is not None:
                layers = network.layers()
                loss = calibrated_loss(layers.logits(validation.features), validation.targets, options)
                if best is None or best.loss is None or loss < best.loss:
                    best = Fitted(layers, epoch, loss)
            if on_epoch is not None:
                on_epoch(epoch)
            if best is not None and epoch - best.epochs >= options.patience:
                break
        return best or Fitted(network.layers(), epochs, None)


def calibrated_loss(logits: Floats, targets: Floats, options: HeadOptions) -> float:
    """Cross-entropy of targets [n, L] under logits [n, L] divided by the temperature that suits them best."""
    temperature = fit_temperature(logits, targets, multiple=options.multiple)
    return cross_entropy(logits / temperature, targets, multiple=options.multiple)


def _batches(examples: Examples, batch_size: int, options: HeadOptions) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(options.seed)
    return (
        balanced_batches(examples.targets, batch_size, rng)
        if options.batches == "balanced"
        else simple_batches(len(examples.targets), batch_size, rng)
    )
