"""The control tags that classify images. A new tag is one handler file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from backend.labels.controls.base import Control, ControlHandler, ControlKind
from backend.labels.controls.choices import ChoicesHandler
from backend.labels.controls.label import Choice, Label
from backend.labels.controls.taxonomy import TaxonomyHandler

CONTROLS: Mapping[ControlKind, ControlHandler] = MappingProxyType(
    {handler.kind: handler for handler in (ChoicesHandler(), TaxonomyHandler())}
)

__all__ = ["CONTROLS", "Choice", "Control", "ControlHandler", "ControlKind", "Label"]
