"""The backbones that a process has open: that of the settings, and those that projects and versions name by id."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.backbones import chosen_backbone, open_settings_backbone
from backend.errors import WeightsError
from backend.features import (
    BACKBONES,
    ONNX_ENDING,
    Backbone,
    BackboneSpec,
    Precision,
    PrecisionSetting,
    backbone_id,
    build_tuned,
    parse_backbone_id,
)
from backend.learning.export.classifier import ExportBackbone
from backend.settings import Settings

log = logging.getLogger(__name__)

MAX_OPEN_BACKBONES = 3  # beside that of the settings; the one unused longest makes room
SUFFIX = ".weights.h5"


@dataclass(frozen=True)
class BackboneFiles:
    """The weights that a backbone is made of, a file for each of its networks; `tuned` is None where it was not fine-tuned."""

    id: str
    spec: BackboneSpec
    weights: tuple[Path, ...]
    tuned: Path | None
    precision: Precision = "fp32"

    def in_keras(self) -> ExportBackbone:
        """The network in Keras: to train it, or to export it.

        Raises:
            WeightsError: a file is damaged.
        """
        spec = self.spec
        body = build_tuned(spec, self.weights, self.tuned).body
        return ExportBackbone(
            self.id, body, spec.input_size, spec.mean, spec.scale, spec.fit, spec.widths if spec.several else ()
        )


class Backbones:
    """Opens backbones when they are first used, once, whichever thread asks first."""

    def __init__(self, settings: Settings, *, low_latency: bool) -> None:
        self._settings = settings
        self._low_latency = low_latency
        self._default: Backbone | None = None
        self._others: dict[str, Backbone] = {}
        self._opening_default = threading.Lock()
        self._opening_other = threading.Lock()  # converting takes half a minute: the default is not kept waiting

    @property
    def default_if_open(self) -> Backbone | None:
        """The backbone that the settings name; None while it is not open. Never waits."""
        return self._default

    @property
    def default(self) -> Backbone:
        """The backbone that the settings name, compiled.

        Raises:
            WeightsError: its weights are missing or damaged.
        """
        with self._opening_default:
            if self._default is None:
                self._default = self._open(self._settings.backbone, None, self._settings.precision)
                log.info("backbone %s", self._default.id)
            return self._default

    def of(self, wanted: str) -> Backbone:
        """The backbone with this id; "" is that of the settings. At most `MAX_OPEN_BACKBONES` others stay in memory.

        Raises:
            WeightsError: its weights are gone, damaged, or no longer those that the id stands for.
        """
        if wanted in ("", self.default.id):
            return self.default
        with self._opening_other:
            backbone = self._others.pop(wanted, None)
            if backbone is None:
                files = backbone_files(self._settings, wanted)
                backbone = self._open(files.spec.name, files.tuned, files.precision)
            self._others[wanted] = backbone
            while len(self._others) > MAX_OPEN_BACKBONES:
                self._others.pop(next(iter(self._others)))
            return backbone

    def _open(self, name: str, tuned: Path | None, precision: PrecisionSetting) -> Backbone:
        return open_settings_backbone(
            self._settings, name=name, tuned=tuned, precision=precision, latency=self._low_latency
        )


def tuned_folder(settings: Settings, project_id: int) -> Path:
    """Where the fine-tuned backbones of a project are."""
    return settings.state_dir / "projects" / str(project_id) / "backbones"


def backbone_files(settings: Settings, wanted: str) -> BackboneFiles:
    """The files of the backbone with this id; fine-tuned ones may be those of any project.

    Raises:
        WeightsError: they are gone, or no longer those that the id stands for.
    """
    parsed = parse_backbone_id(wanted)
    own = settings.backbone.endswith(ONNX_ENDING) and chosen_backbone(settings).spec
    spec = own if own and own.name == parsed.name else BACKBONES.get(parsed.name)
    if spec is None:
        raise WeightsError(f"Backbone {wanted}: the registry has no {parsed.name}; it has: {', '.join(BACKBONES)}.")
    tuned = None
    if parsed.tuned:
        found = [path for folder in _tuned_folders(settings) if (path := folder / f"{wanted}{SUFFIX}").is_file()]
        if not found:
            raise WeightsError(
                f"Backbone {wanted} was fine-tuned, but {wanted}{SUFFIX} is no longer below {settings.state_dir}: "
                "put the file back, roll back to a version of another backbone, or fine-tune anew."
            )
        tuned = found[0]
    weights = spec.own.files if spec.own else chosen_backbone(settings, spec.name).weights
    precisions: tuple[Precision, ...] = ("fp32",) if tuned else ("fp32", "int8")
    present = {backbone_id(spec, weights, tuned, precision): precision for precision in precisions}
    if wanted not in present:
        files = ", ".join(map(str, [tuned] if tuned else weights))
        raise WeightsError(f"Backbone {wanted} needs other weights than {files}, which make {' or '.join(present)}.")
    return BackboneFiles(wanted, spec, weights, tuned, present[wanted])


def keep_tuned(folder: Path, base: BackboneFiles, network: ExportBackbone, metadata: Mapping[str, Any]) -> str:
    """Write the body of a network that was fine-tuned, and its metadata; returns its id.

    The weights get their name last: where they are, they are whole and their metadata is beside them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as temporary:
        weights, described = Path(temporary) / f"body{SUFFIX}", Path(temporary) / "metadata.json"
        network.body.save_weights(weights)
        described.write_text(json.dumps(dict(metadata), indent=2), encoding="utf-8")
        made = backbone_id(base.spec, base.weights, weights)
        described.rename(folder / f"{made}.json")
        weights.rename(folder / f"{made}{SUFFIX}")
    return made


def tuned_metadata(folder: Path) -> dict[str, dict[str, Any]]:
    """The metadata of the fine-tuned backbones in a folder (how each was made), by their ids."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
        if (folder / f"{path.stem}{SUFFIX}").is_file()
    }


def _tuned_folders(settings: Settings) -> list[Path]:
    return [settings.state_dir / "backbones", *sorted((settings.state_dir / "projects").glob("*/backbones"))]
