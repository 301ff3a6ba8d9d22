"""From images to embeddings: the backbones, their weights, and the engines that run them."""

from backend.features.backbone import Backbone
from backend.features.compiled import backbone_id
from backend.features.onnx_file import ENDING as ONNX_ENDING
from backend.features.registry import BACKBONES
from backend.features.selection import Choice, Engine, PrecisionSetting, choose_backbone, open_backbone
from backend.features.spec import BackboneSpec, Precision
from backend.features.stream import Embedded, embed_stream
from backend.features.tuned import build_tuned, parse_backbone_id

__all__ = [
    "BACKBONES",
    "ONNX_ENDING",
    "Backbone",
    "BackboneSpec",
    "Choice",
    "Embedded",
    "Engine",
    "Precision",
    "PrecisionSetting",
    "backbone_id",
    "build_tuned",
    "choose_backbone",
    "embed_stream",
    "open_backbone",
    "parse_backbone_id",
]
