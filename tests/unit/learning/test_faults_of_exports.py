"""An export whose k-th change of the file system fails, or at which it is killed, leaves the earlier one or makes the new one, whole."""

from __future__ import annotations

import json
import logging
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from backend.files import atomic_folder
from backend.learning.export import FORMATS, ExportBackbone, export_classifier
from backend.learning.head_inference import Head, HeadLayers
from backend.learning.transform import FeatureTransform
from tests.forked import WORKER_MODULES, ForkServer
from tests.unit.service.faults import FileFaults, Killer

pytestmark = [pytest.mark.unit, pytest.mark.long]

log = logging.getLogger(__name__)

FILES = FileFaults()
STEP = int(os.environ.get("FAULT_STEP", "5"))  # 1: every single one; the suite takes every fifth
LABELS = ("coffee", "rocket")
WIDTH = 4


def export(target: Path, format_name: str, number: int) -> None:
    """A small network, exported; the card of the model tells the number."""
    import keras

    image = keras.Input((16, 16, 3))
    features = keras.layers.Conv2D(WIDTH, 3, strides=2, name="_conv")(image)
    body = keras.Model(image, keras.layers.GlobalAveragePooling2D()(features))
    head = Head(
        kind="linear",
        transform=FeatureTransform(np.zeros(WIDTH, dtype=np.float32)),
        layers=HeadLayers(np.eye(WIDTH, len(LABELS), dtype=np.float32), np.zeros(len(LABELS), dtype=np.float32)),
        annotated=np.ones(len(LABELS), dtype=np.bool_),
        mean_prior=np.zeros(len(LABELS), dtype=np.float32),
    )
    backbone = ExportBackbone("small-00000000", body, 16, 127.0, 128.0, "squash")
    export_classifier(target, format_name, backbone, head, LABELS, card={"number": number})


def exported(target: Path, format_name: str) -> int:
    """The number of an export that is whole: it runs, and has its labels and its card beside it."""
    images = np.zeros((1, 16, 16, 3), dtype=np.uint8)
    assert FORMATS[format_name].load(target / FORMATS[format_name].file_name)(images).shape == (1, len(LABELS))
    assert (target / "labels.txt").read_text().split() == list(LABELS)
    return int(json.loads((target / "model_card.json").read_text())["number"])


def export_and_die(target: Path, format_name: str, number: int) -> None:
    with FILES.fault(target.parent, number, Killer):
        export(target, format_name, number)


def hours_later(folder: Path) -> None:
    for path in folder.glob(".*"):
        earlier = path.stat().st_mtime - 7200
        os.utime(path, (earlier, earlier))


@pytest.mark.parametrize("format_name", ["keras", "savedmodel"])
def test_a_fault_of_the_disk(tmp_path: Path, format_name: str) -> None:
    target = tmp_path / "export"
    export(target, format_name, 0)
    last = 0
    for number in range(1, 400, STEP):
        with FILES.fault(tmp_path, number) as counter:
            try:
                export(target, format_name, number)
            except OSError:
                assert counter.failed
            else:
                last = number
        assert exported(target, format_name) == last
        assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["export"]
        if not counter.failed:
            log.info("export as %s: faults of the files at %d places", format_name, counter.seen)
            assert counter.seen >= 5
            return
    raise AssertionError("it never passed")


@pytest.mark.parametrize("format_name", ["keras"])
def test_a_kill(tmp_path: Path, format_name: str) -> None:
    target = tmp_path / "export"
    export(target, format_name, 0)
    server = ForkServer(WORKER_MODULES)
    for killed, number in enumerate(range(1, 400, STEP)):
        before = exported(target, format_name)
        process = server.start(export_and_die, target, format_name, number)
        process.join(240)
        assert process.exitcode in (0, -signal.SIGKILL)
        hours_later(tmp_path)
        if not target.exists():  # it died between two renames: the next export puts the earlier one back first
            with pytest.raises(ZeroDivisionError), atomic_folder(target):
                raise ZeroDivisionError
        assert exported(target, format_name) in (before, number)
        if process.exitcode == 0:
            assert killed >= 5 // STEP
            assert list(tmp_path.iterdir()) == [target], "what the killed ones left is gone with the first that is not"
            log.info("export as %s: %d kills", format_name, killed)
            return
    raise AssertionError("it never passed")
