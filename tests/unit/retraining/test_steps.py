from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.retraining.steps import Checkpoint, Examples, Schedule, StepReport, judge, train_steps

pytestmark = pytest.mark.unit

SCHEDULE = Schedule(steps=45, learning_rate=0.01, batch_size=16, report_every=10)


def clusters(count: int, seed: int) -> Examples:
    """Three clusters on the unit sphere, the first ten times as frequent."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, count, p=[10 / 12, 1 / 12, 1 / 12])
    centres = np.random.default_rng(0).normal(size=(3, 24))
    features = centres[labels] + rng.normal(scale=1.2, size=(count, 24))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return Examples(features.astype(np.float32), labels.astype(np.intp))


def test_it_learns_and_reports() -> None:
    reports: list[StepReport] = []
    layers = train_steps(clusters(300, 1), 3, SCHEDULE, validation=clusters(200, 2), on_report=reports.append)
    assert [report.step for report in reports] == [10, 20, 30, 40, 45]
    assert judge(layers, clusters(500, 3))[0] > 0.9
    assert reports[-1].validation_accuracy is not None
    assert reports[-1].validation_accuracy > 0.9


def test_broken_off_and_taken_up_again_is_the_same_training(tmp_path: Path) -> None:
    examples = clusters(300, 1)
    whole = train_steps(examples, 3, SCHEDULE)

    def stop(report: StepReport) -> None:
        if report.step == 30:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(tmp_path / "state.npz", "this")
    with pytest.raises(KeyboardInterrupt):
        train_steps(examples, 3, SCHEDULE, checkpoint=checkpoint, on_report=stop)
    checkpoint.flush()
    heard: list[int] = []
    again = Checkpoint(tmp_path / "state.npz", "this")
    resumed = train_steps(examples, 3, SCHEDULE, checkpoint=again, on_report=lambda report: heard.append(report.step))
    assert heard[0] > 10
    np.testing.assert_allclose(resumed.kernel, whole.kernel, atol=1e-6)
    assert Checkpoint(tmp_path / "state.npz", "another").load() is None
    (tmp_path / "state.npz").write_bytes(b"damaged")
    assert Checkpoint(tmp_path / "state.npz", "this").load() is None
