"""Compiled backbones on disk: an OpenVINO graph (of all networks, where there are several), the ImageNet layer, and a manifest with their digests.

A fine-tuned backbone has two weights files: those of the network that it came from, and `tuned`, those of its body.

TensorFlow converts a network once, in a process of its own (`backend.features.build`); afterwards the folder is
all that is needed. A folder is written under a temporary name and renamed, so a half-written one is never seen.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import QuantisationError, WeightsError
from backend.features.spec import BackboneSpec, Floats, Precision
from backend.files import atomic_folder

logger = logging.getLogger(__name__)

QUANTISATION = 1  # grows when `backend.features.quantise` does it otherwise
FORMAT = 1  # grows when what a compiled folder holds changes; part of its name
MODEL_FILE = "model.xml"
PARAMETERS_FILE = "model.bin"
CLASSIFIER_FILE = "classifier.npz"
MANIFEST_FILE = "manifest.json"
FAULT_FILE = "fault.txt"  # why the conversion failed, left by the converting process
REFUSED_FILE = "refused.txt"  # why there is no int8 of it, left by the converting process
AGREEMENT_FILE = "int8.json"  # how well int8 agrees with float32, for people
CONVERSION_SECONDS = 1800
TUNED = "-tuned"  # in the id of a fine-tuned backbone, behind its name


@dataclass(frozen=True)
class CompiledFiles:
    """A compiled backbone on disk."""

    directory: Path
    digest: str  # hex sha-256 of weights and pre-processing

    @property
    def id(self) -> str:
        """The backbone's id, which is the folder's name too."""
        return self.directory.name

    @property
    def model(self) -> Path:
        return self.directory / MODEL_FILE

    @property
    def cache(self) -> Path:
        """Where OpenVINO keeps what it compiled for this machine's processor."""
        return self.directory / "processor_cache"

    @contextmanager
    def processor_cache(self) -> Iterator[Path]:
        """`cache`, held by this process alone until the end of the block.

        Raises:
            OSError: it can be neither made nor locked, as on a read-only disk.
        """
        self.cache.mkdir(exist_ok=True)
        with _locked(self.cache / ".lock"):
            yield self.cache

    def classifier(self) -> tuple[Floats, Floats]:
        """The ImageNet layer: kernel float32 [d, 1000] and bias float32 [1000]."""
        with np.load(self.directory / CLASSIFIER_FILE, allow_pickle=False) as arrays:
            return arrays["kernel"], arrays["bias"]


def file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def model_digest(
    spec: BackboneSpec, weights: Sequence[Path], tuned: Path | None = None, precision: Precision = "fp32"
) -> str:
    """Hex sha-256 of all that decides an embedding: the weights files, the pre-processing and the precision."""
    parts = [str(FORMAT), spec.fingerprint()]
    if precision == "int8":
        parts.append(f"int8 {QUANTISATION}")
    for path in (*weights, tuned):
        if path is None:
            continue
        try:
            parts.append(file_digest(path))
        except OSError as error:
            raise WeightsError(f"Weights file {path} cannot be read: {error}") from error
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def backbone_id(
    spec: BackboneSpec, weights: Sequence[Path], tuned: Path | None = None, precision: Precision = "fp32"
) -> str:
    """Id of a backbone: `<name>-<digest>`, fine-tuned `<name>-tuned-<digest>`; the digest is cut to 8 characters.

    Raises:
        WeightsError: a weights file cannot be read.
    """
    return _id(spec, model_digest(spec, weights, tuned, precision), tuned)


def _id(spec: BackboneSpec, digest: str, tuned: Path | None) -> str:
    return f"{spec.name}{TUNED if tuned else ''}-{digest[:8]}"


def compiled_files(
    spec: BackboneSpec,
    weights: Sequence[Path],
    models_dir: Path,
    tuned: Path | None = None,
    precision: Precision = "fp32",
) -> CompiledFiles:
    """The compiled form of `spec` with its weights, converted now if it is not below `models_dir` yet.

    Raises:
        WeightsError: the weights are damaged or of another architecture.
        QuantisationError: it cannot be had in int8 here, or not with the same embeddings.
    """
    if spec.own is not None and precision == "int8":
        raise QuantisationError(f"{spec.name} is an ONNX file and computes in fp32: set PRECISION to auto or fp32.")
    digest = model_digest(spec, weights, tuned, precision)
    directory = models_dir / _id(spec, digest, tuned)
    files = CompiledFiles(directory, digest)
    if _is_whole(files):
        return files
    models_dir.mkdir(parents=True, exist_ok=True)
    with _locked(models_dir / f".{directory.name}.lock"):
        if not _is_whole(files):
            if directory.exists():
                logger.warning("Compiled backbone %s is damaged; it is converted again", directory)
                shutil.rmtree(directory)
            _convert(spec, weights, tuned, precision, files)
    return files


def write_manifest(directory: Path, digest: str) -> None:
    """Seal a compiled folder with the digests of its files."""
    names = (MODEL_FILE, PARAMETERS_FILE, CLASSIFIER_FILE)
    manifest = {"digest": digest, "files": {name: file_digest(directory / name) for name in names}}
    (directory / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def _is_whole(files: CompiledFiles) -> bool:
    try:
        manifest = json.loads((files.directory / MANIFEST_FILE).read_text(encoding="utf-8"))
        return manifest["digest"] == files.digest and all(
            file_digest(files.directory / name) == digest for name, digest in manifest["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes, so that those started together convert once."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _convert(
    spec: BackboneSpec, weights: Sequence[Path], tuned: Path | None, precision: Precision, files: CompiledFiles
) -> None:
    logger.info("Converting %s for OpenVINO in %s (once; a minute or two)", files.id, precision)
    with atomic_folder(files.directory) as output:
        if spec.own is not None:
            spec.own.write(output)
            write_manifest(output, files.digest)
            return
        source_root = Path(__file__).resolve().parents[2]
        command = [sys.executable, "-m", "backend.features.build", spec.name, str(output)]
        command += [str(path.resolve()) for path in weights]
        command += ["--precision", precision]
        if tuned is not None:
            command += ["--tuned", str(tuned.resolve())]
        environment = os.environ | {
            "CUDA_VISIBLE_DEVICES": "-1",
            "KERAS_BACKEND": "tensorflow",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(source_root), os.environ.get("PYTHONPATH")))),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=CONVERSION_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise WeightsError(f"{spec.name} could not be converted within {CONVERSION_SECONDS} s") from error
        fault = output / FAULT_FILE
        refused = output / REFUSED_FILE
        if refused.exists():
            raise QuantisationError(refused.read_text(encoding="utf-8"))
        if fault.exists():
            raise WeightsError(fault.read_text(encoding="utf-8"))
        if done.returncode != 0:
            raise WeightsError(f"{spec.name} could not be converted: {done.stderr.strip()[-2000:]}")
        write_manifest(output, files.digest)
