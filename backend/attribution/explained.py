"""A classifier with what is needed to explain it, taken out of its Keras model; and the explanation of a photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backend.attribution.gradients import STEPS, AttributedModel, IntegratedGradients, integrated_gradients
from backend.decoding import Fit
from backend.errors import BackendError
from backend.learning.export.classifier import ExportBackbone, feature_layers, head_layers
from backend.learning.head_inference import Head

Baseline = Literal["black", "grey", "white"]
Form = tuple[Any, ...]
LEVELS = {"black": 0.0, "grey": 127.5, "white": 255.0}


@dataclass(frozen=True)
class Explained:
    """A classifier with what is needed to explain it; pixels go in as (pixel - mean) / std."""

    name: str
    labels: tuple[str, ...]
    size: int
    fit: Fit
    crop: float
    mean: float
    std: float
    model: AttributedModel
    backbone: str | None  # id, where it is known


@dataclass(frozen=True)
class Explanation:
    """Why a photo gets a label.

    Attributes:
        label: index of the label.
        probability: in [0, 1].
        gradients: what each pixel adds to it.
        cam: Grad-CAM float32 [y, x] in [0, 1]; None where the network has no last convolutional layer.
    """

    label: int
    probability: float
    gradients: IntegratedGradients
    cam: NDArray[np.float32] | None


def explain(
    explained: Explained,
    rgb: NDArray[np.uint8],
    label: int | None = None,
    *,
    steps: int = STEPS,
    baseline: Baseline = "black",
) -> Explanation:
    """Explain a label of a photo, uint8 [size, size, 3]; None: its likeliest one."""
    pixels = (rgb.astype(np.float32) - np.float32(explained.mean)) / np.float32(explained.std)
    seen = explained.model.look(pixels[None], label)
    empty = np.full_like(pixels, (LEVELS[baseline] - explained.mean) / explained.std)
    gradients = integrated_gradients(explained.model, pixels, seen.label, empty, steps=steps)
    return Explanation(seen.label, float(seen.probabilities[0, seen.label]), gradients, seen.cam)


def explained_classifier(
    whole: Any, name: str, labels: Sequence[str], *, size: int, fit: Fit, crop: float, backbone: str | None
) -> Explained:
    """Take apart a Keras classifier as `build_classifier` makes it.

    Raises:
        BackendError: it was made elsewhere.
    """
    from backend.frameworks import keras

    if "normalise" not in [layer.name for layer in whole.layers]:
        raise BackendError(f"{name} was not made by this product: it has no layer `normalise`.", reason="bad_graph")
    normalise = whole.get_layer("normalise")
    std = 1 / float(normalise.scale)
    rest = keras.Model(normalise.output, whole.output)
    body = next((layer for layer in whole.layers if isinstance(layer, keras.Model)), None)
    split = None
    if body is not None:
        split = split_at_pools(body, keras.Model(_output_of(whole, body), whole.output))
    return Explained(
        name,
        tuple(labels),
        size,
        fit,
        crop,
        -float(normalise.offset) * std,
        std,
        AttributedModel(lambda pixels: rest(pixels, training=False), split),
        backbone,
    )


class HeadsOnBackbone:
    """Heads on one backbone, each put together with it for attribution alone: no copy of the network is made.

    A project whose graph is at work has another head after every annotation. One of the same form as the last takes its
    place in the compiled network: to compile it takes longer than to explain a photo.
    """

    def __init__(self, network: ExportBackbone, *, fit: Fit, crop: float) -> None:
        """`fit` and `crop` say how photos become the squares that the network takes."""
        self.network, self._fit, self._crop = network, fit, crop
        self._last: tuple[Form, Any, AttributedModel] | None = None  # and its Keras layers

    def explained(self, head: Head, name: str, labels: Sequence[str]) -> Explained:
        """The backbone with a head on it; what an earlier call gave is of no use from then on."""
        network, form, layers = self.network, form_of(head), self._layers(head)
        if self._last is not None and self._last[0] == form:
            _, compiled, model = self._last
            compiled.set_weights(layers.get_weights())
        else:

            def after(found: Any) -> Any:
                return layers(found, training=False)

            model = AttributedModel(
                lambda pixels: after(network.body(pixels, training=False)), split_at_pools(network.body, after)
            )
            self._last = form, layers, model
        return Explained(
            name,
            tuple(labels),
            network.input_size,
            self._fit,
            self._crop,
            network.mean,
            network.scale,
            model,
            network.id,
        )

    def _layers(self, head: Head) -> Any:
        from backend.frameworks import keras

        embeddings = keras.Input((self.network.body.output_shape[-1],))
        return keras.Model(embeddings, head_layers(head, feature_layers(self.network.widths, embeddings)))


def form_of(head: Head) -> Form:
    """All of a head but the weights of its layers: heads with equal ones differ in what `set_weights` takes alone."""
    transform, layers = head.transform, head.layers
    centre = transform.mean.tobytes() if transform.matrix is None else transform.matrix.shape
    hidden = None if layers.hidden_kernel is None else layers.hidden_kernel.shape
    unseen = head.mean_prior[~head.annotated].tobytes()
    return (
        head.multiple,
        transform.unit,
        centre,
        hidden,
        layers.kernel.shape,
        head.annotated.tobytes(),
        unseen,
    )


def split_at_pools(body: Any, head: Any) -> Any:
    """A network, or several side by side, before their global pools, and what follows; None: there are no such pools."""
    from backend.frameworks import keras

    parts = [layer for layer in body.layers if isinstance(layer, keras.Model)]
    halves = [_halves(part) for part in parts or [body]]
    if any(half is None for half in halves):
        return None
    befores, afters = zip(*(half for half in halves if half is not None), strict=True)
    inputs = keras.Model(body.input, [_input_of(body, part) for part in parts]) if parts else None

    def before(pixels: Any) -> list[Any]:
        pictures = [pixels] if inputs is None else inputs(pixels, training=False)
        return [half(picture, training=False) for half, picture in zip(befores, pictures, strict=True)]

    def after(features: Sequence[Any]) -> Any:
        found = [half(feature, training=False) for half, feature in zip(afters, features, strict=True)]
        return head(keras.ops.concatenate(found, axis=1) if len(found) > 1 else found[0])

    return before, after


def _halves(network: Any) -> tuple[Any, Any] | None:
    """A network up to its global pool, and from there on; None: it has no such pool, or several."""
    from backend.frameworks import keras

    pools = [layer for layer in network.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)]
    if len(pools) != 1:
        return None
    return keras.Model(network.input, pools[0].input), keras.Model(pools[0].input, network.output)


def _input_of(whole: Any, part: Any) -> Any:
    """The tensor that `part` takes inside `whole`: it may have been called elsewhere too."""
    own = {id(operation) for operation in whole.operations}
    for node in reversed(part._inbound_nodes):
        tensor = node.input_tensors[0]
        if id(tensor._keras_history.operation) in own:
            return tensor
    raise ValueError(f"{part.name} takes nothing inside {whole.name}")


def _output_of(whole: Any, body: Any) -> Any:
    """The tensor that `body` gives inside `whole`: a model may have been called more than once."""
    for operation in whole.operations:  # also those that are no layers, as the square root of the features
        if operation is body:
            continue
        for node in operation._inbound_nodes:
            for tensor in node.input_tensors:
                if tensor._keras_history.operation is body:
                    return tensor
    return whole.output
