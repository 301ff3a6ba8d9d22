"""Training a head on cached embeddings with Keras."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backend.errors import BackendError
from backend.learning.calibration import fit_temperature
from backend.learning.folds import stratified_folds
from backend.learning.head_fitting import Examples, Fitted, calibrated_loss, fit_network, prototype_layers
from backend.learning.head_inference import Head, HeadLayers
from backend.learning.head_options import HeadOptions
from backend.learning.transform import FeatureTransform, Floats, fit_centring
from backend.progress import Progress

__all__ = ["Head", "HeadOptions", "train_head"]

logger = logging.getLogger(__name__)


_UNJUDGED_EPOCHS = 5  # where no photo can be held out to tell when to stop


def train_head(
    embeddings: NDArray[np.floating],
    targets: Floats,
    options: HeadOptions | None = None,
    *,
    evaluation: tuple[NDArray[np.floating], Floats] | None = None,
    warm_start: Head | None = None,
    progress: Progress | None = None,
    prior: Floats | None = None,
    transform: FeatureTransform | None = None,
    weights: Floats | None = None,
    epochs: int | None = None,
) -> Head:
    """Train a head on embeddings [m, d] and targets [m, L] (rows sum to 1; with `multiple` each entry in [0, 1]).

    Args:
        evaluation: held-out (embeddings, targets), never trained on. From `evaluation_minimum` photos on their loss
            stops the training and sets the temperature; while there are fewer, cross-validation does.
        warm_start: an earlier head to start from. It is used where it has the same kind, labels and transform and
            an evaluation set stops the training (cross-validation would be judged by a head that saw its folds).
        progress: called with the part done in [0, 1] and a sentence.
        prior: zero-annotation probabilities [m, L] of the same photos; their mean stands in for labels without
            annotations when `predict` is given no prior.
        transform: feature transform, best fitted on the whole pool (`fit_centring`), or a learnt projection; by
            default that of `warm_start`, else centring on `embeddings`.
        weights: [m] importance of each photo, > 0. Photos below 1 (pseudo-labels) are learnt from, never judged by.
        epochs: train for exactly so many, nothing held out, uncalibrated: for comparisons of ways to learn.

    A label counts as annotated when some photo has a target of 0.5 or more for it. Training has a fixed seed: the
    same input gives the same head on the same machine.

    Raises:
        BackendError: reason `no_annotations` when no label is annotated.
        ValueError: shapes do not fit each other.
    """
    options = options or HeadOptions()
    report = progress or _no_progress
    started = time.monotonic()
    _check_shapes(embeddings, targets, evaluation, prior, weights)
    annotated: NDArray[np.bool_] = np.any(targets >= 0.5, axis=0)
    if not annotated.any():
        raise BackendError(
            "No photo is annotated with a label of the config: label some first", reason="no_annotations"
        )
    transform = transform or _default_transform(embeddings, warm_start)
    importance = np.ones(len(targets), dtype=np.float32) if weights is None else weights.astype(np.float32)
    examples = _examples(transform.apply(embeddings), targets, importance, annotated, options)
    held_out = None
    if evaluation is not None and len(evaluation[0]):
        ones = np.ones(len(evaluation[1]), dtype=np.float32)
        held_out = _examples(transform.apply(evaluation[0]), evaluation[1], ones, annotated, options)
    if annotated.sum() == 1 and not options.multiple:
        stopped_by = "single label"  # a softmax of one output is 1 whatever the weights are
        outcome = _Outcome(HeadLayers.zeros(transform.output_dim, 1), 0, 1.0, None)
    elif epochs is not None:
        stopped_by = "given epochs"
        outcome = _fit_for(examples, options, epochs)
    elif held_out is not None and len(held_out.features) >= options.evaluation_minimum:
        start = _warm_layers(warm_start, annotated, transform, options, prototype_layers(examples, options))
        stopped_by = "evaluation"
        outcome = _fit_until_best(examples, options, start, held_out, report)
    else:
        stopped_by = "cross-validation"
        outcome = _fit_cross_validated(examples, options, report)
    report(1.0, "Head trained")
    return Head(
        kind=options.kind,
        transform=transform,
        layers=outcome.layers.spread(annotated),
        annotated=annotated,
        mean_prior=_mean_prior(prior, annotated, options.multiple),
        multiple=options.multiple,
        temperature=outcome.temperature,
        report={
            "options": asdict(options),
            "annotations": len(targets),
            "annotated_labels": int(annotated.sum()),
            "stopped_by": stopped_by,
            "epochs": outcome.epochs,
            "validation_loss": outcome.loss,
            "seconds": round(time.monotonic() - started, 3),
        },
    )


@dataclass(frozen=True)
class _Outcome:
    layers: HeadLayers
    epochs: int
    temperature: float
    loss: float | None  # calibrated cross-entropy of photos that were held out; None: none could be


def _fit_for(examples: Examples, options: HeadOptions, epochs: int) -> _Outcome:
    start = prototype_layers(examples, options)
    if start is not None and epochs == 0:
        return _Outcome(start, 0, 1.0, None)
    return _Outcome(fit_network(examples, options, start, epochs=max(epochs, 1)).layers, epochs, 1.0, None)


def _fit_until_best(
    examples: Examples, options: HeadOptions, start: HeadLayers | None, held_out: Examples, report: Progress
) -> _Outcome:
    def on_epoch(epoch: int) -> None:
        report(epoch / options.epochs, f"Epoch {epoch} of at most {options.epochs}")

    fitted = fit_network(examples, options, start, epochs=options.epochs, validation=held_out, on_epoch=on_epoch)
    return _calibrated(fitted, fitted.epochs, fitted.layers.logits(held_out.features), held_out.targets, options)


def _fit_cross_validated(examples: Examples, options: HeadOptions, report: Progress) -> _Outcome:
    """Find the number of epochs and the temperature on held-out folds, then fit on everything."""
    folds = stratified_folds(examples.targets, options.folds, np.random.default_rng(options.seed))
    folds[examples.weights < 1] = -1
    runs = options.folds + 1
    logits = np.zeros_like(examples.targets)
    best_epochs: list[int] = []
    for fold in range(options.folds):
        inside, outside = examples.rows(folds != fold), examples.rows(folds == fold)
        if not len(outside.features):
            continue
        report(fold / runs, f"Cross-validation, fold {fold + 1} of {options.folds}")
        fitted = fit_network(
            inside, options, prototype_layers(inside, options), epochs=options.epochs, validation=outside
        )
        best_epochs.append(fitted.epochs)
        logits[folds == fold] = fitted.layers.logits(outside.features)
    start = prototype_layers(examples, options)
    if best_epochs:
        epochs = int(np.median(best_epochs))
    else:  # nothing can be held out; without pseudo-labels to learn from, prototypes are the least overconfident
        epochs = _UNJUDGED_EPOCHS if start is None or (examples.weights < 1).any() else 0
    report(options.folds / runs, f"Training on all annotations for {epochs} epochs")
    if start is not None and epochs == 0:
        fitted = Fitted(start, 0, None)
    else:
        fitted = fit_network(examples, options, start, epochs=epochs)
    judged = folds >= 0
    return _calibrated(fitted, epochs, logits[judged], examples.targets[judged], options)


def _calibrated(fitted: Fitted, epochs: int, logits: Floats, targets: Floats, options: HeadOptions) -> _Outcome:
    temperature = fit_temperature(logits, targets, multiple=options.multiple)
    loss = calibrated_loss(logits, targets, options) if len(logits) else None
    return _Outcome(fitted.layers, epochs, temperature, loss)


def _examples(
    features: Floats, targets: Floats, weights: Floats, annotated: NDArray[np.bool_], options: HeadOptions
) -> Examples:
    """Targets cut down to the annotated labels; of single-label photos only those that have one of them."""
    cut = targets[:, annotated].astype(np.float32)
    if options.multiple:
        return Examples(features, cut, weights)
    mass = cut.sum(axis=1)
    known = mass >= 0.5
    return Examples(features[known], cut[known] / mass[known, None], weights[known])


def _default_transform(embeddings: NDArray[np.floating], warm_start: Head | None) -> FeatureTransform:
    if warm_start is not None and warm_start.transform.input_dim == embeddings.shape[1]:
        return warm_start.transform
    return fit_centring(embeddings)


def _warm_layers(
    warm_start: Head | None,
    annotated: NDArray[np.bool_],
    transform: FeatureTransform,
    options: HeadOptions,
    cold: HeadLayers | None,
) -> HeadLayers | None:
    """The earlier head's weights for the labels it knew, prototypes for the others; `cold` where it does not fit."""
    if warm_start is None:
        return cold
    same = (
        warm_start.kind == options.kind
        and warm_start.multiple == options.multiple
        and warm_start.n_labels == len(annotated)
        and warm_start.transform.same_as(transform)
    )
    if same and warm_start.layers.hidden_bias is not None:
        same = len(warm_start.layers.hidden_bias) == options.hidden
    if not same:
        logger.info("The earlier head has another kind, transform or label set: training starts afresh")
        return cold
    kernel, bias = warm_start.layers.kernel[:, annotated].copy(), warm_start.layers.bias[annotated].copy()
    if cold is not None:
        fresh = ~warm_start.annotated[annotated]
        kernel[:, fresh], bias[fresh] = cold.kernel[:, fresh], cold.bias[fresh]
    return replace(warm_start.layers, kernel=kernel, bias=bias)


def _mean_prior(prior: Floats | None, annotated: NDArray[np.bool_], multiple: bool) -> Floats:
    """Mean prior [L]; without one a single-label head gives each unannotated label 1 / (L + 1), a multi-label one 0."""
    if prior is not None and len(prior):
        return np.asarray(prior.mean(axis=0), dtype=np.float32)
    guess = 0.0 if multiple else 1.0 / (len(annotated) + 1)
    return np.where(annotated, 0.0, guess).astype(np.float32)


def _check_shapes(
    embeddings: NDArray[np.floating],
    targets: Floats,
    evaluation: tuple[NDArray[np.floating], Floats] | None,
    prior: Floats | None,
    weights: Floats | None,
) -> None:
    if embeddings.ndim != 2 or targets.ndim != 2 or len(embeddings) != len(targets):
        raise ValueError(f"embeddings {embeddings.shape} and targets {targets.shape} must be [m, d] and [m, L]")
    if evaluation is not None and (
        evaluation[0].shape[1:] != embeddings.shape[1:]
        or evaluation[1].shape[1:] != targets.shape[1:]
        or len(evaluation[0]) != len(evaluation[1])
    ):
        raise ValueError(
            f"evaluation has shapes {evaluation[0].shape} and {evaluation[1].shape}: not those of training"
        )
    if prior is not None and prior.shape != targets.shape:
        raise ValueError(f"the prior has shape {prior.shape}, the targets {targets.shape}")
    if weights is not None and weights.shape != (len(targets),):
        raise ValueError(f"weights have shape {weights.shape}, not ({len(targets)},)")


def _no_progress(part: float, message: str) -> None:
    return None
