"""The backbone that the settings name: the only place where they are turned into one."""

from __future__ import annotations

from pathlib import Path

from backend.features import Backbone, Choice, PrecisionSetting, choose_backbone, open_backbone
from backend.settings import Settings
from backend.storage.opening import make_weights_folder


def chosen_backbone(settings: Settings, name: str | None = None, *, download: bool = True) -> Choice:
    """Which backbone the settings mean, and its weights; nothing is compiled.

    Args:
        name: another one than BACKBONE.
        download: whether missing weights may be downloaded.

    Raises:
        SettingsError, WeightsError: there is none of this name, or its weights are missing.
    """
    return choose_backbone(
        name or settings.backbone,
        models_dir=settings.resolved_weights_dir,
        inception_weights=settings.inception_weights,
        download=download,
    )


def open_settings_backbone(
    settings: Settings,
    *,
    name: str | None = None,
    tuned: Path | None = None,
    precision: PrecisionSetting | None = None,
    latency: bool = False,
) -> Backbone:
    """Open the backbone that the settings name; compiled now if it was not.

    Args:
        name: another one than BACKBONE.
        tuned: weights of its body after fine-tuning.
        precision: another one than PRECISION.
        latency: one image at a time and little memory, instead of the highest throughput.

    Raises:
        SettingsError, WeightsError: there is none of this name, or its weights are missing or damaged.
    """
    make_weights_folder(settings)
    return open_backbone(
        name or settings.backbone,
        models_dir=settings.resolved_weights_dir,
        inception_weights=settings.inception_weights,
        tuned=tuned,
        precision=precision or settings.precision,
        threads=settings.inference_threads,
        latency=latency,
    )
