"""How near embedding a folder comes to the bare model, and how far from Keras: `python -m benchmarks.embedding`.

Each round times, one after the other on the same cores, (a) the bare compiled model on tensors that are ready,
(b) a folder of 500-pixel JPEGs to embeddings stored in SQLite, and (c) Keras `predict`, one ready image at a time.
Printed are medians over the rounds of the ratios b/a and b/c within a round, so that what else the machine does
matters little. With `--against NAME:PRECISION …` the bare models of other backbones run in the same rounds, and the ratio of
processor times for one photo is printed: this one's to each of theirs. The JPEGs are cut from the photographs in scikit-image and scikit-learn. Where Inception v3 has no
weights, random ones take their place: they are as slow.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image
from sqlalchemy import create_engine

from backend.errors import WeightsError
from backend.features import Backbone, BackboneSpec, build_tuned, choose_backbone, embed_stream, open_backbone
from backend.features.compiled import CompiledFiles
from backend.features.openvino_import import import_openvino
from backend.images import find_images
from backend.storage.feature_store import FeatureStore
from backend.storage.schema import Base

LONG_SIDE = 500
WRITE_EVERY = 64
SAVE_RANDOM_INCEPTION = (
    "import sys, keras; model = keras.applications.InceptionV3(weights=None); model.save_weights(sys.argv[1])"
)


def write_photos(directory: Path, count: int) -> None:
    """Cut `count` different 500 x 375 JPEGs out of installed photographs."""
    import skimage
    import sklearn

    data, images = Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets" / "images"
    names = [data / "chelsea.png", data / "coffee.png", data / "rocket.jpg", data / "astronaut.png"]
    sources = [Image.open(path).convert("RGB") for path in (*names, images / "china.jpg", images / "flower.jpg")]
    random = np.random.default_rng(0)
    for number in range(count):
        source = sources[number % len(sources)]
        width = min(source.width, source.height * 4 // 3) * random.uniform(0.7, 1.0)
        height = width * 3 / 4
        left, top = random.uniform(0, source.width - width), random.uniform(0, source.height - height)
        photo = source.resize((LONG_SIDE, LONG_SIDE * 3 // 4), box=(left, top, left + width, top + height))
        photo.save(directory / f"{number:05}.jpg", quality=90)


class BareModel:
    """The compiled model alone, on tensors that are ready."""

    def __init__(self, backbone: Backbone, models_dir: Path, images: np.ndarray) -> None:
        openvino = import_openvino()
        files = CompiledFiles(models_dir / backbone.id, backbone.digest)
        options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32", "CACHE_DIR": str(files.cache)}
        self._queue = openvino.AsyncInferQueue(openvino.Core().compile_model(files.model, "CPU", options))
        self._images = images

    def processor_seconds(self, count: int) -> float:
        """Processor time of one photo: what else the machine does counts less than in images/s."""
        start = time.process_time()
        self.images_per_second(count)
        return (time.process_time() - start) / count

    def images_per_second(self, count: int) -> float:
        start = time.perf_counter()
        for number in range(count):
            self._queue.start_async([self._images[number % len(self._images), np.newaxis]])
        self._queue.wait_all()
        return count / (time.perf_counter() - start)


def folder_images_per_second(backbone: Backbone, folder: Path, database: Path) -> float:
    """From a folder to embeddings committed to a fresh SQLite database."""
    engine = create_engine(f"sqlite:///{database}")
    Base.metadata.create_all(engine)
    store = FeatureStore(engine)
    start = time.perf_counter()
    paths = find_images(folder)
    waiting: list[tuple[str, np.ndarray]] = []
    stream = embed_stream(
        backbone, ((path, path.read_bytes) for path in paths), known=lambda digests: store.get(digests, backbone.id)
    )
    for embedded in stream:
        if embedded.error is not None or embedded.digest is None or embedded.embedding is None:
            raise SystemExit(f"{embedded.key}: {embedded.error}")
        waiting.append((embedded.digest, embedded.embedding))
        if len(waiting) == WRITE_EVERY:
            store.put(backbone.id, waiting)
            waiting = []
    store.put(backbone.id, waiting)
    speed = len(paths) / (time.perf_counter() - start)
    engine.dispose()
    return speed


def keras_images_per_second(network: Any, images: np.ndarray) -> float:
    start = time.perf_counter()
    for image in images:
        network.predict(image[np.newaxis], verbose=0)
    return len(images) / (time.perf_counter() - start)


def keras_model(spec: BackboneSpec, weights: tuple[Path, ...]) -> Any:
    """The whole network in Keras, ImageNet layer included."""
    import keras

    network = build_tuned(spec, weights, None)
    classifier = keras.layers.Dense(network.bias.size, activation="softmax")
    model = keras.Sequential([network.body, classifier])
    classifier.set_weights([network.kernel, network.bias])
    return model


def other_bare(name: str, models_dir: Path) -> BareModel:
    """The bare model of another backbone, as NAME:PRECISION."""
    backbone_name, _, precision = name.partition(":")
    other = open_backbone(backbone_name, models_dir=models_dir, precision=precision or "auto")  # type: ignore[arg-type]
    size = other.spec.input_size
    return BareModel(other, models_dir, np.random.default_rng(0).integers(0, 255, (32, size, size, 3), dtype=np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="efficientnet_lite012")
    parser.add_argument("--precision", choices=("auto", "int8", "fp32"), default="auto")
    parser.add_argument("--against", nargs="*", default=["efficientnet_lite2:fp32"], metavar="NAME:PRECISION")
    parser.add_argument("--models-dir", type=Path, default=Path(".state/models"))
    parser.add_argument("--inception-weights", type=Path)
    parser.add_argument("--photos", type=int, default=256)
    parser.add_argument("--keras-images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        models_dir, given = arguments.models_dir, arguments.inception_weights
        try:
            choice = choose_backbone(arguments.backbone, models_dir=models_dir, inception_weights=given)
        except WeightsError as error:
            if "inception" not in arguments.backbone or given is not None:
                raise
            print(f"{error}\nMeasured with random weights instead.")
            models_dir, given = scratch / "models", scratch / "random.weights.h5"
            subprocess.run([sys.executable, "-c", SAVE_RANDOM_INCEPTION, str(given)], check=True)
            choice = choose_backbone(arguments.backbone, models_dir=models_dir, inception_weights=given)
        backbone = open_backbone(
            arguments.backbone, models_dir=models_dir, inception_weights=given, precision=arguments.precision
        )
        others = {name: other_bare(name, models_dir) for name in arguments.against}
        photos = scratch / "photos"
        photos.mkdir()
        write_photos(photos, arguments.photos)

        size = backbone.spec.input_size
        ready = np.random.default_rng(0).integers(0, 255, (32, size, size, 3), dtype=np.uint8)
        bare = BareModel(backbone, models_dir, ready)
        network = keras_model(choice.spec, choice.weights)
        normalised = (ready[: arguments.keras_images] - np.float32(choice.spec.mean)) / np.float32(choice.spec.scale)
        bare.images_per_second(16)
        keras_images_per_second(network, normalised[:2])
        folder_images_per_second(backbone, photos, scratch / "warm.db")

        print(f"{backbone.id} on {backbone.engine}; {arguments.photos} photos, images/s")
        print(f"{'round':>5} {'bare model':>11} {'folder':>8} {'Keras':>7} {'folder/bare':>12} {'folder/Keras':>13}")
        ratios: list[tuple[float, float]] = []
        times: dict[str, list[float]] = {name: [] for name in others}
        for number in range(arguments.rounds):
            before = bare.images_per_second(arguments.photos)
            folder = folder_images_per_second(backbone, photos, scratch / f"{number}.db")
            after = bare.images_per_second(arguments.photos)
            one_by_one = keras_images_per_second(network, normalised)
            for name, other in others.items():
                times[name].append(bare.processor_seconds(32) / other.processor_seconds(32))
            alone = (before + after) / 2
            ratios.append((folder / alone, folder / one_by_one))
            print(
                f"{number:>5} {alone:>11.1f} {folder:>8.1f} {one_by_one:>7.1f} {ratios[-1][0]:>12.2f} {ratios[-1][1]:>13.1f}"
            )
        to_bare, to_keras = (median(column) for column in zip(*ratios, strict=True))
        for name, found in times.items():
            print(f"median: processor time of a photo / {name}'s {median(found):.2f}")
        print(f"median: folder / bare model {to_bare:.2f}, folder / Keras one by one {to_keras:.1f}")


if __name__ == "__main__":
    main()
