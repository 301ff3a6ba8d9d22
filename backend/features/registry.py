"""The backbones by name. A new one is a file with its networks, and a line here.

In a package of your own it is an entry point of the group `label_order.backbones`, named like the spec that it gives.
"""

from __future__ import annotations

from collections.abc import Mapping

from backend import extensions
from backend.extensions import Registry
from backend.features.efficientnet_lite import lite
from backend.features.inception_v3 import INCEPTION_V3
from backend.features.mobilenet import MOBILENETS
from backend.features.spec import BackboneSpec, single

# At 224 pixels together they are as good as each at the size that it was trained at, for 0.83 of the arithmetic
# (docs/backbones.md).
LITES_SIDE_BY_SIDE = (lite(0, 224), lite(1, 224), lite(2, 224))

BACKBONES: Mapping[str, BackboneSpec] = Registry(
    extensions.BACKBONES,
    {
        spec.name: spec
        for spec in (
            BackboneSpec("inception_v3_lite012", (INCEPTION_V3, *LITES_SIDE_BY_SIDE), input_size=299),
            BackboneSpec("efficientnet_lite012", LITES_SIDE_BY_SIDE, input_size=224, int8=True),
            *(single(network) for network in (INCEPTION_V3, *MOBILENETS, lite(0), lite(1), lite(2))),
        )
    },
)
