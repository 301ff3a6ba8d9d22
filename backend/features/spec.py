"""What a backbone is, before any of it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
Precision = Literal["fp32", "int8"]  # of the network's arithmetic; the two give different embeddings


@dataclass(frozen=True)
class WeightsSource:
    """Where the weights of a backbone may come from."""

    weights_dir: Path  # downloaded weights are looked for, and kept, here
    given: Path | None = None  # a file named by the user, for networks that take one; nothing else is then looked at
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
class NetworkSpec:
    """A network trained on ImageNet, and where its weights come from.

    Pixels in [0, 255] are normalised as (pixel - `mean`) / `scale`. `locate_weights` finds or downloads the weights
    file without TensorFlow; `build_network` imports Keras and raises WeightsError where the file does not fit
    (no file: random weights, which only measurements and tests want).
    """

    name: str
    input_size: int  # pixels, both ways
    embedding_dim: int
    mean: float
    scale: float
    locate_weights: Callable[[WeightsSource], Path]
    build_network: Callable[[Path | None], ImageNetNetwork]
    takes_given: bool = False  # whether a user may name its file (INCEPTION_WEIGHTS)


@dataclass(frozen=True)
class OwnFiles:
    """A network in files of the user's, which nobody has to convert by TensorFlow.

    Attributes:
        files: all that decides an embedding, the network first.
        write: writes graph and ImageNet layer into a folder, as `backend.features.build` does.
    """

    files: tuple[Path, ...]
    write: Callable[[Path], None]


@dataclass(frozen=True)
class BackboneSpec:
    """An entry of the registry: a network, or several whose embeddings stand side by side.

    An image is decoded once, to `input_size`; a network that wants another size gets the picture resized.
    """

    name: str
    networks: tuple[NetworkSpec, ...]
    input_size: int  # pixels, both ways
    fit: Literal["squash", "center_crop"] = "center_crop"  # how an image becomes a square: `backend.images.decode_rgb`
    crop: float = 1.0  # share of the sides that center_crop keeps, (0, 1]
    own: OwnFiles | None = None  # it is not of the registry: its files were named by the user
    int8: bool = False  # whether `auto` runs it in int8: measured to cost next to no quality (docs/backbones.md)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many values of an embedding each network gives."""
        return tuple(network.embedding_dim for network in self.networks)

    @property
    def embedding_dim(self) -> int:
        """Length of an embedding."""
        return sum(self.widths)

    @property
    def cosine_dim(self) -> float:
        """Dimensions by which a cosine of embeddings is judged: those of one network, however many stand side by side."""
        return self.embedding_dim / len(self.networks)

    @property
    def mean(self) -> float:
        """Pixels are normalised as (pixel - mean) / scale; networks that want it otherwise do so inside the body."""
        return self.networks[0].mean

    @property
    def scale(self) -> float:
        """See `mean`."""
        return self.networks[0].scale

    @property
    def several(self) -> bool:
        """More than one network: what learns sees the parts normalised (see `normalise_parts`)."""
        return len(self.networks) > 1

    def locate_weights(self, source: WeightsSource) -> tuple[Path, ...]:
        """The weights file of each network, found or downloaded.

        Raises:
            WeightsError: one is missing.
        """
        if self.own is not None:
            return self.own.files
        unnamed = replace(source, given=None)
        return tuple(part.locate_weights(source if part.takes_given else unnamed) for part in self.networks)

    def fingerprint(self) -> str:
        """All that, beside the weights, decides an embedding."""
        own = f"{self.name} {self.input_size} {self.fit} {self.crop} {self.mean} {self.scale}"
        if not self.several:
            return own
        return f"{own} {[(part.name, part.input_size, part.mean, part.scale) for part in self.networks]}"


def single(network: NetworkSpec) -> BackboneSpec:
    """The backbone that is one network, under its name."""
    return BackboneSpec(network.name, (network,), network.input_size)
