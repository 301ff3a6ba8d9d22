"""A backbone that is an ONNX file: our_network.onnx with a few numbers beside it in our_network.json.

OpenVINO reads it as it is: neither Keras nor TensorFlow is asked. It can embed, order and learn like any other backbone, but
it can be neither fine-tuned nor exported, since both need the network in Keras.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend.errors import WeightsError
from backend.features.compiled import CLASSIFIER_FILE, MODEL_FILE
from backend.features.openvino_import import import_openvino
from backend.features.registry import BACKBONES
from backend.features.spec import IMAGENET_CLASSES, BackboneSpec, Floats, ImageNetNetwork, NetworkSpec, OwnFiles

ENDING = ".onnx"
EXTERNAL_DATA = (".data", "_data")  # what exporters put behind the file's name for weights of more than 2 GB
_NAME = re.compile(r"[a-z0-9_.]+")

ThreeOrOne = float | tuple[float, float, float]


class OnnxDescription(BaseModel):
    """What the file itself does not say; kept beside it as JSON.

    Attributes:
        input_size: pixels, both ways.
        mean, scale: pixels in [0, 255] are normalised as (pixel - mean) / scale; one number, or one for each of R, G, B.
        fit: how a photo becomes a square, see `BackboneSpec`.
        crop: share of the sides that center_crop keeps.
        output: name of the tensor with the embedding; None: the first output.
        imagenet_layer: an npz file beside it with kernel [d, 1000] and bias [1000] of the ImageNet layer, classes in the usual
            order; None: the network knows nothing of ImageNet, and every label is as likely as any other at first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input_size: int = Field(ge=16, le=2048)
    mean: ThreeOrOne = 127.5
    scale: ThreeOrOne = 127.5
    fit: Literal["squash", "center_crop"] = "center_crop"
    crop: float = Field(1.0, gt=0.0, le=1.0)
    output: str | None = None
    imagenet_layer: str | None = None


def onnx_backbone(path: Path) -> BackboneSpec:
    """The backbone in an ONNX file, as an entry of the registry would be; its name is that of the file.

    Raises:
        WeightsError: a file is missing or damaged, or does not fit the others; the message names it and the fix.
    """
    name = path.stem
    if not _NAME.fullmatch(name):
        raise WeightsError(
            f"{path}: name the file with small letters, digits, _ and . only, since ids are made of its name."
        )
    if name in BACKBONES:
        raise WeightsError(f"{path}: a backbone is called {name} already: rename the file.")
    description, layer = _described(path)
    width = int(_cut(path, description).outputs[0].partial_shape.to_shape()[1])
    _imagenet_layer(layer, width)
    network = NetworkSpec(
        name=name,
        input_size=description.input_size,
        embedding_dim=width,
        mean=0.0,  # what it really is, is in the graph, and in the digest by the files
        scale=1.0,
        locate_weights=lambda source: path,
        build_network=_refuse,
    )
    beside = [found for ending in EXTERNAL_DATA if (found := path.with_name(path.name + ending)).is_file()]
    files = (path, path.with_suffix(".json"), *beside, *([] if layer is None else [layer]))
    return BackboneSpec(
        name,
        (network,),
        description.input_size,
        fit=description.fit,
        crop=description.crop,
        own=OwnFiles(files, lambda output: _write(path, description, layer, width, output)),
    )


def _described(path: Path) -> tuple[OnnxDescription, Path | None]:
    if not path.is_file():
        raise WeightsError(f"There is no ONNX file {path}: correct BACKBONE.")
    beside = path.with_suffix(".json")
    try:
        description = OnnxDescription.model_validate_json(beside.read_bytes())
    except FileNotFoundError:
        raise WeightsError(
            f'{beside} is missing: write the numbers that {path.name} needs into it, at least {{"input_size": 224}}.'
        ) from None
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        raise WeightsError(f"{beside}: {key + ': ' if key else ''}{fault['msg']}") from None
    if any(value == 0.0 for value in _channels(description.scale)):
        raise WeightsError(f"{beside}: scale: must not be 0")
    layer = None if description.imagenet_layer is None else path.parent / description.imagenet_layer
    return description, layer


def _imagenet_layer(layer: Path | None, width: int) -> tuple[Floats, Floats]:
    """Kernel [d, 1000] and bias [1000]; of no classes where there is no layer."""
    if layer is None:
        return np.zeros((width, 0), np.float32), np.zeros(0, np.float32)
    try:
        with np.load(layer, allow_pickle=False) as arrays:
            kernel, bias = np.asarray(arrays["kernel"], np.float32), np.asarray(arrays["bias"], np.float32)
    except FileNotFoundError:
        raise WeightsError(f"{layer} is missing: put it there, or leave imagenet_layer out.") from None
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{layer} must be an npz file with kernel and bias: {error}") from None
    if kernel.shape != (width, IMAGENET_CLASSES) or bias.shape != (IMAGENET_CLASSES,):
        raise WeightsError(
            f"{layer}: kernel must be [{width}, {IMAGENET_CLASSES}] and bias [{IMAGENET_CLASSES}], "
            f"not {list(kernel.shape)} and {list(bias.shape)}"
        )
    return kernel, bias


def _cut(path: Path, description: OnnxDescription) -> Any:
    """The OpenVINO model from one picture, as the file takes it, to its embedding [1, d]."""
    openvino = import_openvino()
    try:
        model = openvino.Core().read_model(path)
    except RuntimeError as error:
        raise WeightsError(f"{path} cannot be read as ONNX: {str(error).strip().splitlines()[-1]}") from None
    if len(model.inputs) != 1:
        raise WeightsError(f"{path} takes {len(model.inputs)} inputs; a backbone takes one, the picture.")
    size = description.input_size
    shape = [1, 3, size, size] if _layout(path, model) == "NCHW" else [1, size, size, 3]
    try:
        model.reshape(shape)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not take pictures of {size} pixels: correct input_size. ({error})") from None
    output = _output(path, model, description.output)
    found = output.partial_shape
    dimensions = [] if found.is_dynamic else list(found.to_shape())
    if len(dimensions) < 2 or dimensions[0] != 1 or any(length != 1 for length in dimensions[2:]):
        raise WeightsError(
            f"{path}: {description.output or 'its first output'} has the shape {found}, not that of an embedding, [1, d]: "
            f"name another in {path.with_suffix('.json').name}, as output."
        )
    if len(dimensions) > 2:
        from openvino import opset13

        output = opset13.reshape(output, np.array([1, dimensions[1]], np.int64), False).output(0)
    return openvino.Model([output], model.get_parameters(), path.stem)


def _layout(path: Path, model: Any) -> Literal["NCHW", "NHWC"]:
    shape = model.inputs[0].partial_shape
    if shape.rank.is_static and shape.rank.get_length() == 4:
        if shape[1].is_static and shape[1].get_length() == 3:
            return "NCHW"
        if shape[3].is_static and shape[3].get_length() == 3:
            return "NHWC"
    raise WeightsError(
        f"{path} takes an input of shape {shape}; a backbone takes pictures, [n, 3, h, w] or [n, h, w, 3]."
    )


def _output(path: Path, model: Any, name: str | None) -> Any:
    """The tensor of that name, an inner one too."""
    if name is None:
        return model.outputs[0].get_node().input_value(0)
    for operation in model.get_ops():
        for output in operation.outputs():
            if name in output.get_names():
                return output
    known = sorted(name for output in model.outputs for name in output.get_names())
    raise WeightsError(f"{path} has no tensor {name!r}; its outputs: {', '.join(known)}.")


def _write(path: Path, description: OnnxDescription, layer: Path | None, width: int, folder: Path) -> None:
    """Write graph and ImageNet layer as `backend.features.build` does: uint8 RGB [1, size, size, 3] to float32 [1, d]."""
    openvino = import_openvino()
    model = _cut(path, description)
    layout = _layout(path, model)
    processor = openvino.preprocess.PrePostProcessor(model)
    processor.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    processor.input().model().set_layout(openvino.Layout(layout))
    steps = processor.input().preprocess().convert_element_type(openvino.Type.f32)
    steps.mean(_channels(description.mean)).scale(_channels(description.scale))
    processor.output().tensor().set_element_type(openvino.Type.f32)
    openvino.save_model(processor.build(), folder / MODEL_FILE, compress_to_fp16=False)
    kernel, bias = _imagenet_layer(layer, width)
    np.savez(folder / CLASSIFIER_FILE, kernel=kernel, bias=bias)


def _channels(value: ThreeOrOne) -> list[float]:
    return [value] * 3 if isinstance(value, float) else list(value)


def _refuse(weights: Path | Sequence[Path] | None) -> ImageNetNetwork:
    raise WeightsError(
        "A backbone that is an ONNX file can be neither fine-tuned nor exported: that needs the network in Keras."
    )
