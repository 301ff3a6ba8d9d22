"""int8: a compiled network whose 1 x 1 and dense convolutions run in eight bits, checked against the one in float32.

Post-training quantisation by NNCF (A. Kozlov et al., "Neural Network Compression Framework for fast model inference",
2020), at set-up, on crops of the sample photos that ship with scikit-image, scikit-learn and Matplotlib. Chosen by
measurement (docs/backbones.md): ranges are those seen, not averages of them; depthwise convolutions and those at the
first resolution stay in float32, which costs little speed; weights keep one bit in reserve, since processors without VNNI
add pairs of products in 16 bits.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.errors import QuantisationError
from backend.features.openvino_import import import_openvino
from backend.features.spec import Floats, Pixels

CALIBRATION_CROPS = 32
CHECKED_CROPS = 24
MIN_COSINE = 0.99
FIRST_RESOLUTION = 3  # convolutions whose result is more than a third of the picture's side stay in float32

SAMPLES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "skimage",
        "data",
        (
            "astronaut.png",
            "camera.png",
            "chelsea.png",
            "clock_motion.png",
            "coffee.png",
            "coins.png",
            "grass.png",
            "gravel.png",
            "hubble_deep_field.jpg",
            "motorcycle_left.png",
            "motorcycle_right.png",
            "rocket.jpg",
        ),
    ),
    ("sklearn", "datasets/images", ("china.jpg", "flower.jpg")),
    ("matplotlib", "mpl-data/sample_data", ("grace_hopper.jpg",)),
)


def quantise(model: Any, widths: Sequence[int], input_size: int) -> tuple[Any, float]:
    """An OpenVINO model (uint8 [1, size, size, 3] to float32 [1, d]) in int8, and how well it agrees.

    Returns:
        The quantised model, and the least over its networks of the mean cosine with the float32 embeddings, on crops
        that it was not calibrated on.

    Raises:
        QuantisationError: NNCF or the sample photos are missing, or a cosine is below 0.99.
    """
    nncf, advanced, ranges = _import_nncf()
    crops = sample_crops(input_size, CALIBRATION_CROPS + CHECKED_CROPS)
    calibration, held_out = crops[:CALIBRATION_CROPS], crops[CALIBRATION_CROPS:]
    expected = _embed(model, held_out)
    quantised = nncf.quantize(
        model,
        nncf.Dataset([crop[np.newaxis] for crop in calibration]),
        subset_size=len(calibration),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=_kept_in_float(model, input_size)),
        advanced_parameters=advanced.AdvancedQuantizationParameters(
            overflow_fix=advanced.OverflowFix.ENABLE,
            activations_range_estimator_params=ranges.RangeEstimatorParametersSet.MINMAX,
        ),
    )
    agreement = least_cosine(expected, _embed(quantised, held_out), widths)
    if agreement < MIN_COSINE:
        raise QuantisationError(
            f"in int8 the embeddings have a cosine of {agreement:.4f} with those in float32, less than {MIN_COSINE}"
        )
    return quantised, agreement


def least_cosine(expected: Floats, found: Floats, widths: Sequence[int]) -> float:
    """The least over the parts of the mean cosine of their rows; both [n, d], parts side by side."""
    means, first = [], 0
    for width in widths:
        one, other = expected[:, first : first + width], found[:, first : first + width]
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        means.append(float(((one * other).sum(axis=1) / np.maximum(lengths, 1e-12)).mean()))
        first += width
    return min(means)


def sample_crops(size: int, count: int, seed: int = 0) -> Pixels:
    """Random square crops, half of them mirrored, of the sample photos: uint8 [count, size, size, 3].

    Raises:
        QuantisationError: none of the photos is installed.
    """
    from PIL import Image, ImageOps

    photos = [Image.open(path).convert("RGB") for path in sample_photos()]
    random = np.random.default_rng(seed)
    crops = np.empty((count, size, size, 3), np.uint8)
    for place in range(count):
        photo = photos[place % len(photos)]
        side = int(min(photo.size) * random.uniform(0.4, 1.0))
        left, top = (int(random.integers(0, length - side + 1)) for length in photo.size)
        crop = photo.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BILINEAR)
        crops[place] = np.asarray(ImageOps.mirror(crop) if random.random() < 0.5 else crop)
    return crops


def sample_photos() -> list[Path]:
    """The sample photos that are installed.

    Raises:
        QuantisationError: there is none.
    """
    found = []
    for package, folder, names in SAMPLES:
        module = find_spec(package)
        if module is not None and module.origin is not None:
            found += [path for name in names if (path := Path(module.origin).parent / folder / name).is_file()]
    if not found:
        raise QuantisationError("the sample photos of scikit-image, scikit-learn and Matplotlib are not installed")
    return found


def _kept_in_float(model: Any, input_size: int) -> list[str]:
    """Names of the depthwise convolutions and of those at the first resolution."""
    kept = []
    for operation in model.get_ordered_ops():
        kind = operation.get_type_name()
        if kind == "GroupConvolution" or (
            kind == "Convolution" and FIRST_RESOLUTION * operation.output(0).shape[-1] > input_size
        ):
            kept.append(operation.get_friendly_name())
    return kept


def _embed(model: Any, images: Pixels) -> npt.NDArray[np.float32]:
    compiled = import_openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([np.array(compiled(image[np.newaxis])[0]) for image in images])


def _import_nncf() -> tuple[Any, Any, Any]:
    import_openvino()  # first: it silences the telemetry that NNCF would report by, too
    try:
        import nncf
        from nncf.quantization import advanced_parameters, range_estimator
    except ImportError as error:
        raise QuantisationError(f"NNCF is not installed ({error.name}): pip install nncf") from error
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf, advanced_parameters, range_estimator
