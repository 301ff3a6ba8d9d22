"""Which backbone runs, and opening it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.errors import QuantisationError, SettingsError, WeightsError
from backend.features.backbone import Backbone
from backend.features.compiled import CompiledFiles, backbone_id, compiled_files
from backend.features.onnx_file import ENDING, onnx_backbone
from backend.features.openvino_runner import OpenVinoRunner, computes_in_int8
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
PrecisionSetting = Literal["auto", "fp32", "int8"]


@dataclass(frozen=True)
class Choice:
    """A backbone with its weights on disk, and why it was chosen."""

    spec: BackboneSpec
    weights: tuple[Path, ...]  # one file for each of its networks
    reason: str


def choose_backbone(
    name: str, *, models_dir: Path, inception_weights: Path | None = None, download: bool = True
) -> Choice:
    """Settle what `name` (of the registry, or the path of an ONNX file) means here, downloading weights if that is needed and possible.

    `auto` is the three embedded EfficientNet-Lites side by side, joined by Inception v3 if its weights are on disk or
    can be downloaded; a download that failed is tried again after an hour, so that starts stay quick.

    Raises:
        SettingsError: the registry has no such backbone.
        WeightsError: its weights are missing, or an ONNX file cannot be used; for `auto`, only where the user names a file that does not exist.
    """
    if name.endswith(ENDING):
        spec = onnx_backbone(Path(name).expanduser())
        return Choice(
            spec, spec.locate_weights(WeightsSource(models_dir)), "an ONNX file, named by the setting BACKBONE"
        )
    if name != AUTO and name not in BACKBONES:
        raise SettingsError(
            f"BACKBONE: no backbone is called {name!r}; allowed: {AUTO}, {', '.join(BACKBONES)}, the path of a file *{ENDING}"
        )
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
    precision: PrecisionSetting = "auto",
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
        precision: `auto` is int8 where the backbone was measured to bear it and this processor gains by it, else
            fp32; fine-tuned backbones, and TensorFlow, always compute in fp32.
        threads: cores for inference by OpenVINO; 0 = all.
        latency: one image at a time and little memory (a web process), instead of the highest throughput.
        engine: `tensorflow` runs it in this process by TensorFlow; `auto` does so only where that sees a GPU.
        download: whether missing weights may be downloaded.

    Raises:
        SettingsError: the registry has no such backbone.
        WeightsError: weights are missing, damaged or of another architecture.
        QuantisationError: `int8` was asked for and cannot be had.
    """
    choice = choose_backbone(name, models_dir=models_dir, inception_weights=inception_weights, download=download)
    runner: Runner
    by_tensorflow = engine == "tensorflow" or (engine == "auto" and sees_gpu())
    if tuned is not None or by_tensorflow:
        precision = "fp32"
    files = _compiled(choice, models_dir, tuned, precision)
    if by_tensorflow:
        runner = TensorFlowRunner(choice.spec, choice.weights, tuned)
    else:
        runner = OpenVinoRunner(files, threads=threads, latency=latency)
    reason = f"fine-tuned: {tuned.name}" if tuned else choice.reason
    backbone = Backbone(choice.spec, files, runner, files.classifier(), reason)
    logger.info("Backbone %s on %s: %s", backbone.id, backbone.engine, reason)
    return backbone


def _compiled(choice: Choice, models_dir: Path, tuned: Path | None, precision: PrecisionSetting) -> CompiledFiles:
    """The compiled backbone in the precision that is wanted; `auto` keeps in mind where int8 was tried in vain."""
    if precision != "auto":
        return compiled_files(choice.spec, choice.weights, models_dir, tuned, precision)
    if choice.spec.int8 and computes_in_int8():
        refused = models_dir / f".{backbone_id(choice.spec, choice.weights, precision='int8')}.refused"
        if not refused.exists():
            try:
                return compiled_files(choice.spec, choice.weights, models_dir, tuned, "int8")
            except QuantisationError as error:
                logger.warning("%s computes in fp32: %s", choice.spec.name, error)
                refused.write_text(str(error), encoding="utf-8")
    return compiled_files(choice.spec, choice.weights, models_dir, tuned)
