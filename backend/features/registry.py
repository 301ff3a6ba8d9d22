"""The backbones by name. A new one is a file with its `SPECS`, and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from backend.features import efficientnet_lite, inception_v3, mobilenet
from backend.features.spec import BackboneSpec

BACKBONES: Mapping[str, BackboneSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            *inception_v3.SPECS,
            *mobilenet.SPECS,
            *efficientnet_lite.SPECS,
        )
    }
)
