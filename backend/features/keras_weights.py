"""ImageNet weights as published for Keras: found on disk, or downloaded once and checked."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import queue
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from backend.errors import WeightsError
from backend.features.spec import WeightsSource
from backend.files import atomic_file

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

PUBLISHER = "https://storage.googleapis.com/tensorflow/keras-applications"
CONNECT_SECONDS = 3.05
STALL_SECONDS = 10.0  # longest silence while the file is sent
ANSWER_SECONDS = 8.0  # longest wait for the first answer, name look-up included
DOWNLOAD_SECONDS = 900.0
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class PublishedWeights:
    """A weights file as Keras publishes it."""

    file_name: str
    url: str
    md5: str | None = None  # where the publisher gives one
    setting: str | None = None  # setting by which a user can name a file instead


def locate(published: PublishedWeights, source: WeightsSource) -> Path:
    """The weights file: the one given, else one on disk, else downloaded into `source.weights_dir`.

    Raises:
        WeightsError: there is none; the message says where to put it.
    """
    if source.given is not None:
        if not source.given.is_file():
            raise WeightsError(
                f"Weights file {source.given} does not exist; correct {published.setting or 'the path'}."
            )
        return source.given
    for directory in (source.weights_dir, _keras_home() / "models"):
        if (directory / published.file_name).is_file():
            return directory / published.file_name
    if not source.download:
        raise WeightsError(_advice(published, source, "it is not on disk"), reason="weights_missing")
    memory = source.weights_dir / f"{published.file_name}.failed.json"
    earlier = _recent_failure(memory, source.retry_after_seconds)
    if earlier is not None:
        raise WeightsError(_advice(published, source, f"a short while ago {earlier}"), reason="weights_missing")
    try:
        path = _download(published, source.weights_dir)
    except (requests.RequestException, OSError, ValueError) as error:
        cause = f"the download failed ({_in_short(error)})"
        _remember_failure(memory, cause)
        raise WeightsError(_advice(published, source, cause), reason="weights_missing") from error
    memory.unlink(missing_ok=True)
    return path


def _keras_home() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def _advice(published: PublishedWeights, source: WeightsSource, cause: str) -> str:
    alternative = f", or name the file in {published.setting}" if published.setting else ""
    return (
        f"Weights {published.file_name} are missing: {cause}. Download {published.url} on a machine with a network "
        f"and put it into {source.weights_dir}{alternative}."
    )


def _in_short(error: Exception) -> str:
    """requests repeats the address, and urllib3's whole chain of causes, in the messages of connection errors."""
    if isinstance(error, requests.ConnectionError):
        return "the network or the publisher's server cannot be reached"
    return str(error)


def _recent_failure(memory: Path, retry_after_seconds: float) -> str | None:
    try:
        record = json.loads(memory.read_text(encoding="utf-8"))
        age = time.time() - float(record["at"])
        return str(record["error"]) if 0 <= age < retry_after_seconds else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember_failure(memory: Path, message: str) -> None:
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps({"at": time.time(), "error": message}), encoding="utf-8")
    except OSError as error:
        logger.warning("The failed download cannot be noted in %s: %s", memory, error)


def _first_answer(url: str) -> requests.Response:
    """The response to a GET, its body not yet read. Name look-ups know no time limit, so a thread waits for them."""
    answers: queue.SimpleQueue[requests.Response | requests.RequestException] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(requests.get(url, stream=True, timeout=(CONNECT_SECONDS, STALL_SECONDS)))
        except requests.RequestException as error:
            answers.put(error)

    threading.Thread(target=ask, name="weights-download", daemon=True).start()
    try:
        answer = answers.get(timeout=ANSWER_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"no answer within {ANSWER_SECONDS:.0f} s") from None
    if isinstance(answer, requests.RequestException):
        raise answer
    return answer


def _download(published: PublishedWeights, directory: Path) -> Path:
    target = directory / published.file_name
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    checksum = hashlib.md5(usedforsecurity=False)
    with _first_answer(published.url) as response, atomic_file(target) as part:
        response.raise_for_status()
        logger.info("Downloading %s", published.url)
        for chunk in response.iter_content(CHUNK_BYTES):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not finished within {DOWNLOAD_SECONDS:.0f} s")
            checksum.update(chunk)
            part.write(chunk)
        if published.md5 is not None and checksum.hexdigest() != published.md5:
            raise ValueError(f"its MD5 is {checksum.hexdigest()} instead of {published.md5}")
    return target


WHOLE_NETWORK = "a whole Keras weights file of this architecture, ImageNet classifier included (not *_notop)"


def load_into(model: keras.Model, weights: Path, expected: str = WHOLE_NETWORK) -> None:
    """Load a Keras weights file (.h5 of Keras 2, or .weights.h5) into `model`; `expected` says what it must be.

    Raises:
        WeightsError: the file is damaged, holds no weights, or those of another architecture.
    """
    try:
        with warnings.catch_warnings():
            # Keras only warns where a file lacks a layer, and would leave that layer random.
            warnings.filterwarnings("error", message="(?s).*(nested container|could not be loaded|freshly-initialized)")
            model.load_weights(weights)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, UserWarning) as error:
        raise WeightsError(
            f"Weights file {weights} cannot be loaded into {model.name}: {error}. It must be {expected}."
        ) from error
