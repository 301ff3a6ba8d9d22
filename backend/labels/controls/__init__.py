"""The control tags that classify images. A new tag is one handler file and one line here.

In a package of your own it is an entry point of the group `label_order.controls`, named like the tag in small letters,
that gives a handler.
"""

from __future__ import annotations

from collections.abc import Mapping

from backend import extensions
from backend.extensions import Registry
from backend.labels.controls.base import Control, ControlHandler, ControlKind
from backend.labels.controls.choices import ChoicesHandler
from backend.labels.controls.label import Choice, Label
from backend.labels.controls.taxonomy import TaxonomyHandler

CONTROLS: Mapping[ControlKind, ControlHandler] = Registry(
    extensions.CONTROLS, {handler.kind: handler for handler in (ChoicesHandler(), TaxonomyHandler())}
)

__all__ = ["CONTROLS", "Choice", "Control", "ControlHandler", "ControlKind", "Label"]
