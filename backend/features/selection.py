"""Which backbone runs, and opening it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.errors import SettingsError, WeightsError
from backend.features.backbone import Backbone
from backend.features.compiled import compiled_files
from backend.features.openvino_runner import OpenVinoRunner
from backend.features.registry import BACKBONES
from backend.features.runner import Runner
from backend.features.spec import BackboneSpec, WeightsSource
from backend.features.tensorflow_runner import TensorFlowRunner, sees_gpu

logger = logging.getLogger(__name__)

AUTO = "auto"
PREFERRED = "inception_v3_lite012"
EMBEDDED = "efficientnet_lite012"
AUTO_RETRY_SECONDS = 3600.0

Engine = Literal["auto", "openvino", "tensorflow"]


@dataclass(frozen=True)
class Choice:
    """A backbone with its weights on disk, and why it was chosen."""

    spec: BackboneSpec
    weights: tuple[Path, ...]  # one file for each of its networks
    reason: str


def choose_backbone(
    name: str, *, models_dir: Path, inception_weights: Path | None = None, download: bool = True
) -> Choice:
    """Settle what `name` means here, downloading weights if that is needed and possible.

    `auto` is the three embedded EfficientNet-Lites side by side, joined by Inception v3 if its weights are on disk or
    can be downloaded; a download that failed is tried again after an hour, so that starts stay quick.

    Raises:
        SettingsError: the registry has no such backbone.
        WeightsError: its weights are missing; for `auto`, only where the user names a file that does not exist.
    """
    if name != AUTO and name not in BACKBONES:
        raise SettingsError(f"BACKBONE: no backbone is called {name!r}; allowed: {AUTO}, {', '.join(BACKBONES)}")
    spec = BACKBONES[PREFERRED if name == AUTO else name]
    source = WeightsSource(
        weights_dir=models_dir / "weights",
        given=inception_weights,
        download=download,
        retry_after_seconds=AUTO_RETRY_SECONDS if name == AUTO else 0.0,
    )
    try:
        weights = spec.locate_weights(source)
    except WeightsError as error:
        if name != AUTO or inception_weights is not None:
            raise
        spec = BACKBONES[EMBEDDED]
        reason = f"the embedded {EMBEDDED}, since inception_v3 is not to be had. {error}"
        return Choice(spec, spec.locate_weights(source), reason)
    return Choice(spec, weights, "the best whose weights are here" if name == AUTO else "named by the setting BACKBONE")


def open_backbone(
    name: str,
    *,
    models_dir: Path,
    inception_weights: Path | None = None,
    tuned: Path | None = None,
    threads: int = 0,
    latency: bool = False,
    engine: Engine = "openvino",
    download: bool = True,
) -> Backbone:
    """Open a backbone by name, or `auto` (see `choose_backbone`).

    The first time its network is converted by TensorFlow in another process (about half a minute); afterwards it
    is loaded from `models_dir` without TensorFlow.

    Args:
        name: `auto` or a key of BACKBONES.
        models_dir: folder for downloaded weights and compiled models.
        inception_weights: Keras weights file of Inception v3, instead of the download.
        tuned: Keras weights file of the body after fine-tuning; the ImageNet layer stays that of the base.
        threads: cores for inference by OpenVINO; 0 = all.
        latency: one image at a time and little memory (a web process), instead of the highest throughput.
        engine: `tensorflow` runs it in this process by TensorFlow; `auto` does so only where that sees a GPU.
        download: whether missing weights may be downloaded.

    Raises:
        SettingsError: the registry has no such backbone.
        WeightsError: weights are missing, damaged or of another architecture.
    """
    choice = choose_backbone(name, models_dir=models_dir, inception_weights=inception_weights, download=download)
    files = compiled_files(choice.spec, choice.weights, models_dir, tuned)
    runner: Runner
    if engine == "tensorflow" or (engine == "auto" and sees_gpu()):
        runner = TensorFlowRunner(choice.spec, choice.weights, tuned)
    else:
        runner = OpenVinoRunner(files, threads=threads, latency=latency)
    reason = f"fine-tuned: {tuned.name}" if tuned else choice.reason
    backbone = Backbone(choice.spec, files, runner, files.classifier(), reason)
    logger.info("Backbone %s on %s: %s", backbone.id, backbone.engine, reason)
    return backbone
