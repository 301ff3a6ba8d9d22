"""What can be chosen about a retraining."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backend.errors import SettingsError
from backend.features import BACKBONES

QUANTIZED = "_quantized"


@dataclass(frozen=True)
class Distortions:
    """Random changes to training photos, so that the head learns what does not matter.

    `random_crop`, `random_scale` and `random_brightness` are percentages in [0, 100): how much of the margin is cut at
    most, how much larger the photo is made at most, and by how much its pixels are multiplied up or down at most.
    """

    flip_left_right: bool = False
    random_crop: int = 0
    random_scale: int = 0
    random_brightness: int = 0
    variants: int = 4  # distorted copies of each training photo

    def __post_init__(self) -> None:
        for name in ("random_crop", "random_scale", "random_brightness"):
            value = getattr(self, name)
            if not 0 <= value < 100:
                raise SettingsError(f"--{name.replace('_', '-')} {value}: must be a percentage from 0 to 99.")

    @property
    def any(self) -> bool:
        """Whether photos are changed at all."""
        return bool(self.flip_left_right or self.random_crop or self.random_scale or self.random_brightness)


@dataclass(frozen=True)
class RetrainOptions:
    """The options of `retrain`, as its `--help` tells them."""

    image_dir: Path
    output_graph: Path
    output_labels: Path
    architecture: str = "efficientnet_lite2"
    training_steps: int = 500
    learning_rate: float = 0.01
    testing_percentage: float = 10
    validation_percentage: float = 10
    train_batch_size: int = 100
    eval_step_interval: int = 10
    bottleneck_dir: Path | None = None
    summaries_dir: Path | None = None
    model_dir: Path | None = None
    saved_model_dir: Path | None = None
    intermediate_output_graphs_dir: Path | None = None
    intermediate_store_frequency: int = 0
    final_tensor_name: str = "final_result"
    distortions: Distortions = Distortions()
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("training_steps", "train_batch_size", "eval_step_interval"):
            if getattr(self, name) < 1:
                raise SettingsError(f"--{name.replace('_', '-')} {getattr(self, name)}: must be 1 or more.")
        if not 0 < self.learning_rate <= 10:
            raise SettingsError(f"--learning-rate {self.learning_rate}: must be above 0 and at most 10.")
        for name in ("testing_percentage", "validation_percentage"):
            if not 0 <= getattr(self, name) < 100:
                raise SettingsError(f"--{name.replace('_', '-')} {getattr(self, name)}: must be from 0 to 99.")
        if self.testing_percentage + self.validation_percentage >= 100:
            raise SettingsError("--testing-percentage and --validation-percentage leave no photo to train on.")
        if self.backbone not in BACKBONES and self.backbone != "auto":
            known = ", ".join(("auto", *BACKBONES))
            raise SettingsError(
                f"--architecture {self.architecture}: unknown; known: {known}; each also with {QUANTIZED} at its end."
            )

    @property
    def backbone(self) -> str:
        """Name of the network in the registry."""
        return self.architecture.removesuffix(QUANTIZED)

    @property
    def quantized(self) -> bool:
        """Whether an int8 model is written as well."""
        return self.architecture.endswith(QUANTIZED)
