"""The trained head at work: class probabilities from embeddings in plain numpy, kept as one npz and one json file."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from backend.errors import BackendError
from backend.files import atomic_folder
from backend.learning.transform import FeatureTransform, Floats

FORMAT = 1
WEIGHTS_FILE = "weights.npz"
DESCRIPTION_FILE = "head.json"


@dataclass(frozen=True)
class HeadLayers:
    """The trained weights: at most one ReLU layer, then one dense layer, over features [n, k]."""

    kernel: Floats  # [k, L], or [h, L] behind a hidden layer
    bias: Floats  # [L]
    hidden_kernel: Floats | None = None  # [k, h]
    hidden_bias: Floats | None = None  # [h]

    @classmethod
    def zeros(cls, features: int, labels: int) -> HeadLayers:
        """One layer that gives 0 for everything."""
        return cls(np.zeros((features, labels), dtype=np.float32), np.zeros(labels, dtype=np.float32))

    def logits(self, features: Floats) -> Floats:
        """Outputs [n, L] for features [n, k]."""
        if self.hidden_kernel is not None and self.hidden_bias is not None:
            features = np.maximum(features @ self.hidden_kernel + self.hidden_bias, 0)
        outputs: Floats = features @ self.kernel + self.bias
        return outputs

    def spread(self, annotated: NDArray[np.bool_]) -> HeadLayers:
        """The same with an output for every label: zero columns where a label is not annotated ([L] bool)."""
        kernel = np.zeros((self.kernel.shape[0], len(annotated)), dtype=np.float32)
        bias = np.zeros(len(annotated), dtype=np.float32)
        kernel[:, annotated] = self.kernel
        bias[annotated] = self.bias
        return replace(self, kernel=kernel, bias=bias)

    def arrays(self) -> dict[str, Floats]:
        """The weights by name."""
        named = vars(self)
        return {name: array for name, array in named.items() if array is not None}


@dataclass(frozen=True)
class Head:
    """A classifier over embeddings: transform, at most one hidden layer, one output layer, a temperature.

    Labels that no annotation was seen of have no output of their own: they keep the probability that the
    zero-annotation prior gives them, and the annotated labels share the rest.
    """

    kind: str  # linear | mlp | cosine
    transform: FeatureTransform
    layers: HeadLayers  # outputs of labels without annotations are zero and unused
    annotated: NDArray[np.bool_]  # [L]
    mean_prior: Floats  # [L]; stands in for the prior of a photo when none is given
    multiple: bool = False  # several labels a photo: independent sigmoids instead of one softmax
    temperature: float = 1.0
    report: Mapping[str, Any] = field(default_factory=dict)  # how the training went
    labels: tuple[str, ...] = ()  # values of the L labels in their order; empty: not known, as of earlier releases

    @property
    def n_labels(self) -> int:
        """Number of labels L."""
        return len(self.annotated)

    def for_labels(self, labels: tuple[str, ...]) -> Head | None:
        """The same head with its outputs in the order of these labels; None: it was made for others."""
        if not self.labels or self.labels == labels:
            return self if self.n_labels == len(labels) else None
        if sorted(self.labels) != sorted(labels):
            return None
        place = [self.labels.index(label) for label in labels]
        layers = replace(self.layers, kernel=self.layers.kernel[:, place], bias=self.layers.bias[place])
        return replace(
            self, layers=layers, annotated=self.annotated[place], mean_prior=self.mean_prior[place], labels=labels
        )

    def logits(self, embeddings: NDArray[np.floating]) -> Floats:
        """Outputs [n, L] before temperature and squashing; columns of labels without annotations mean nothing."""
        return self.layers.logits(self.transform.apply(embeddings))

    def predict(self, embeddings: NDArray[np.floating], prior: Floats | None = None) -> Floats:
        """Class probabilities float32 [n, L], each in [0, 1].

        `prior` [n, L] are the zero-annotation probabilities of the same photos; without it labels that were never
        annotated get their mean prior of the training photos. Rows sum to 1 unless the labels are `multiple`.

        Raises:
            ValueError: the shapes do not fit each other.
        """
        logits = self.logits(embeddings)
        if prior is None:
            prior = np.broadcast_to(self.mean_prior, logits.shape)
        elif prior.shape != logits.shape:
            raise ValueError(f"the prior has shape {prior.shape}, the head gives {logits.shape}")
        return mix_with_prior(logits / np.float32(self.temperature), prior, self.annotated, self.multiple)

    def save(self, folder: Path) -> str:
        """Write `folder` whole or not at all (temporary name, then rename); returns the digest of the weights.

        An older folder of the same name is replaced. Only arrays and plain JSON are written.
        """
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **self.arrays())
        weights = buffer.getvalue()
        digest = hashlib.sha256(weights).hexdigest()
        description = {
            "format": FORMAT,
            "kind": self.kind,
            "multiple": self.multiple,
            "temperature": float(self.temperature),
            "n_labels": self.n_labels,
            "labels": list(self.labels),
            "embedding_dim": self.transform.input_dim,
            "weights_sha256": digest,
            "report": dict(self.report),
        }
        with atomic_folder(folder, durable=True) as temporary:
            (temporary / WEIGHTS_FILE).write_bytes(weights)
            (temporary / DESCRIPTION_FILE).write_text(json.dumps(description, indent=1, sort_keys=True))
        return digest

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays of the head by name."""
        return {
            **self.transform.arrays(),
            **self.layers.arrays(),
            "annotated": self.annotated,
            "mean_prior": self.mean_prior,
        }

    @classmethod
    def load(cls, folder: Path) -> Head:
        """Read what `save` wrote.

        Raises:
            BackendError: reason `artifact_missing` or `artifact_damaged`; names the folder.
        """
        try:
            description = json.loads((folder / DESCRIPTION_FILE).read_bytes())
            weights = (folder / WEIGHTS_FILE).read_bytes()
        except FileNotFoundError as error:
            raise BackendError(
                f"{folder}: no trained head here ({error.filename} is missing); train again or roll back",
                reason="artifact_missing",
            ) from error
        except ValueError as error:
            raise _damaged(folder, f"{DESCRIPTION_FILE} is not JSON") from error
        try:
            if description["format"] != FORMAT:
                raise _damaged(folder, f"format {description['format']}, this version reads {FORMAT}")
            if hashlib.sha256(weights).hexdigest() != description["weights_sha256"]:
                raise _damaged(folder, f"{WEIGHTS_FILE} is not the file that was written with {DESCRIPTION_FILE}")
            with np.load(io.BytesIO(weights), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            return cls(
                kind=str(description["kind"]),
                transform=FeatureTransform.from_arrays(arrays),
                layers=HeadLayers(
                    arrays["kernel"], arrays["bias"], arrays.get("hidden_kernel"), arrays.get("hidden_bias")
                ),
                annotated=arrays["annotated"],
                mean_prior=arrays["mean_prior"],
                multiple=bool(description["multiple"]),
                temperature=float(description["temperature"]),
                report=description["report"],
                labels=tuple(description.get("labels", ())),
            )
        except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise _damaged(folder, str(error)) from error


def mix_with_prior(logits: Floats, prior: Floats, annotated: NDArray[np.bool_], multiple: bool) -> Floats:
    """Probabilities [n, L] from logits [n, L] of the annotated labels and the prior [n, L] of the others.

    One label a photo: labels without annotations keep their prior p_u, the annotated ones share 1 - sum(p_u) by
    softmax. Several: sigmoid for annotated labels, the prior for the others.
    """
    if multiple:
        return np.where(annotated, expit(logits), prior).astype(np.float32)
    masked = np.where(annotated, logits, -np.inf)
    if not annotated.any():
        return np.asarray(prior, dtype=np.float32)
    kept = np.where(annotated, np.float32(0), prior)
    share = np.clip(1 - kept.sum(axis=1, keepdims=True), 0, 1)
    return np.asarray(kept + share * softmax(masked, axis=1), dtype=np.float32)


def _damaged(folder: Path, detail: str) -> BackendError:
    return BackendError(
        f"{folder}: the trained head is damaged ({detail}); train again or roll back to another version",
        reason="artifact_damaged",
    )
