"""What can be chosen about a trained head, with the values that measured best as defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["linear", "mlp", "cosine"]
Batches = Literal["balanced", "simple"]

KINDS: tuple[Kind, ...] = ("linear", "mlp", "cosine")


@dataclass(frozen=True)
class HeadOptions:
    """Hyper-parameters of `train_head`; every one has a range that is checked."""

    kind: Kind = "linear"
    multiple: bool = False  # several labels a photo: sigmoid outputs
    batches: Batches = "balanced"
    batch_size: int = 256
    epochs: int = 60  # at most; early stopping usually ends sooner
    patience: int = 15  # epochs without a better validation loss before stopping
    folds: int = 3  # of the cross-validation that replaces too small an evaluation set
    evaluation_minimum: int = 50  # evaluation photos from which on they, not cross-validation, stop the training
    learning_rate: float | None = None  # of Adam; None: 0.2 (linear), 0.003 (mlp, cosine)
    weight_decay: float = 0.015  # L2 penalty on kernels over the number of photos; 1 / (2 C) of logistic regression
    label_smoothing: float = 0.05  # [0, 1)
    hidden: int = 512  # units of the mlp's hidden layer
    dropout: float = 0.2  # [0, 1), mlp only
    scale: float = 16.0  # logit of a cosine of 1; also scales the prototypes a head starts from
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError, naming the option and its range, when a value is outside it."""
        limits: dict[str, tuple[float, float]] = {
            "batch_size": (1, 65536),
            "epochs": (1, 10_000),
            "patience": (1, 10_000),
            "folds": (2, 100),
            "evaluation_minimum": (1, 1_000_000),
            "learning_rate": (1e-7, 10),
            "weight_decay": (0, 10),
            "label_smoothing": (0, 0.999),
            "hidden": (1, 65536),
            "dropout": (0, 0.999),
            "scale": (1e-3, 1e3),
        }
        for name, (lowest, highest) in limits.items():
            value = getattr(self, name)
            if value is None:
                continue
            if not lowest <= value <= highest:
                raise ValueError(f"{name} must be between {lowest:g} and {highest:g}, got {value!r}")
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.batches not in ("balanced", "simple"):
            raise ValueError(f"batches must be balanced or simple, got {self.batches!r}")

    @property
    def resolved_learning_rate(self) -> float:
        """The learning rate that is really used."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 0.2 if self.kind == "linear" else 0.003
