"""From images to embeddings: the backbones, their weights, and the engines that run them."""

from backend.features.backbone import Backbone
from backend.features.registry import BACKBONES
from backend.features.selection import Choice, Engine, choose_backbone, open_backbone
from backend.features.spec import BackboneSpec
from backend.features.stream import Embedded, embed_stream

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneSpec",
    "Choice",
    "Embedded",
    "Engine",
    "choose_backbone",
    "embed_stream",
    "open_backbone",
]
