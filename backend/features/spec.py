"""What a backbone is, before any of it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import keras

IMAGENET_CLASSES = 1000

Pixels = npt.NDArray[np.uint8]  # RGB [..., height, width, 3]
Embeddings = npt.NDArray[np.float16]  # [..., d]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class WeightsSource:
    """Where the weights of a backbone may come from."""

    weights_dir: Path  # downloaded weights are looked for, and kept, here
    given: Path | None = None  # a file named by the user; nothing else is then looked at
    download: bool = True
    retry_after_seconds: float = 0.0  # a download that failed more recently than this is not tried again


@dataclass(frozen=True)
class ImageNetNetwork:
    """A network trained on ImageNet, cut at its global average pool.

    `body` maps normalised float32 RGB [n, size, size, 3] to embeddings [n, d]; the logits of the 1000 classes are
    embeddings @ `kernel` [d, 1000] + `bias` [1000].
    """

    body: keras.Model
    kernel: Floats
    bias: Floats


@dataclass(frozen=True)
class BackboneSpec:
    """An entry of the registry.

    `fit` and `crop` say how an image becomes a square (see `backend.images.decode_rgb`). Pixels in [0, 255] are
    normalised as (pixel - `mean`) / `scale`. `locate_weights` finds or downloads the weights
    file without TensorFlow; `build_network` imports Keras and raises WeightsError where the file does not fit
    (no file: random weights, which only measurements and tests want).
    """

    name: str
    input_size: int  # pixels, both ways
    embedding_dim: int
    fit: Literal["squash", "center_crop"]
    crop: float  # share of the sides that center_crop keeps, (0, 1]
    mean: float
    scale: float
    locate_weights: Callable[[WeightsSource], Path]
    build_network: Callable[[Path | None], ImageNetNetwork]

    def fingerprint(self) -> str:
        """All that, beside the weights, decides an embedding."""
        return f"{self.name} {self.input_size} {self.fit} {self.crop} {self.mean} {self.scale}"
