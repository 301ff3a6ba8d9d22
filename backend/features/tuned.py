"""Fine-tuned backbones: the network that was trained on ImageNet, with a body that learnt further.

Only the body is fine-tuned; its weights are kept as a Keras weights file beside those of the network it came from, whose
ImageNet layer it keeps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import WeightsError
from backend.features.compiled import TUNED
from backend.features.keras_weights import load_into
from backend.features.side_by_side import build_network
from backend.features.spec import BackboneSpec, ImageNetNetwork

_ID = re.compile(rf"(?P<name>[a-z0-9_.]+)(?P<tuned>{TUNED})?-[0-9a-f]{{8}}")


@dataclass(frozen=True)
class BackboneName:
    """What a backbone's id says: its name in the registry, and whether it was fine-tuned."""

    name: str
    tuned: bool


def parse_backbone_id(backbone_id: str) -> BackboneName:
    """Read an id such as "efficientnet_lite2-1a2b3c4d" or "efficientnet_lite2-tuned-1a2b3c4d".

    Raises:
        WeightsError: it is no id of a backbone.
    """
    found = _ID.fullmatch(backbone_id)
    if found is None:
        raise WeightsError(f"{backbone_id!r} is no id of a backbone: they look like efficientnet_lite2-1a2b3c4d.")
    return BackboneName(found["name"], found["tuned"] is not None)


def build_tuned(spec: BackboneSpec, weights: Sequence[Path | None], tuned: Path | None) -> ImageNetNetwork:
    """The network of `spec` with the `weights` of each of its networks, and with the fine-tuned body of the file `tuned` where one is given.

    Raises:
        WeightsError: a file is damaged or of another architecture; the message names it.
    """
    network = build_network(spec, weights)
    if tuned is not None:
        load_into(network.body, tuned, f"the Keras weights file of a {spec.name} body, as fine-tuning writes it")
    return network
