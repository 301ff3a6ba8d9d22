"""Label configs, WordNet and the ImageNet classes: what the labels of a project mean."""

from __future__ import annotations

from backend.labels import imagenet
from backend.labels.class_weights import class_weights
from backend.labels.config import LabelConfig, flat_config, parse_label_config
from backend.labels.controls import Control, Label
from backend.labels.relevance import check_roots, relevance_mass
from backend.labels.space import LabelSpace
from backend.labels.tree import LabelTree
from backend.labels.wordnet import WordNet
from backend.labels.wordnet_compiled import ensure_wordnet

__all__ = [
    "Control",
    "Label",
    "LabelConfig",
    "LabelSpace",
    "LabelTree",
    "WordNet",
    "check_roots",
    "class_weights",
    "ensure_wordnet",
    "flat_config",
    "imagenet",
    "parse_label_config",
    "relevance_mass",
]
