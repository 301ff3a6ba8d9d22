"""Sheets against single answers: accuracy after so many minutes of a person's time, with slips.

    python -m benchmarks.sheets --embeddings pool.npz --test test.npz [--minutes 30] [--slips 0.01,0.05]

The person is simulated; seconds are those of `AnswerTimes`, an assumption. A slip on a single answer is a random other
class; on a sheet it is an odd photo that is overlooked, or a right one that is taken out and given a random class.
The archives hold `embeddings` [n, d] and `classes` [n], as numpy.savez writes them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.learning.pool_model import PoolModel
from backend.priority import OrderOptions, PoolView, order_pool
from backend.priority.sheets import AnswerTimes, best_sheet, sheet_is_better

Found = dict[int, list[tuple[float, int, float]]]
MODES = ("single", "sheets", "auto")


@dataclass
class Session:
    """A simulated person before a pool."""

    truth: NDArray[np.intp]
    model: PoolModel
    slips: float
    rng: np.random.Generator
    times: AnswerTimes = field(default_factory=AnswerTimes)
    seconds: float = 0.0
    rows: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def answer(self, row: int, shown: int | None) -> None:
        """Label one photo; `shown` is the class of the sheet it is on, None where it is alone."""
        truth, other = int(self.truth[row]), int(self.rng.integers(self.model.n_labels))
        slip = self.rng.random() < self.slips
        said = truth if not slip else (shown if shown is not None and truth != shown else other)
        self.rows.append(row)
        self.labels.append(said)

    def probabilities(self) -> NDArray[np.float32]:
        """What the model believes after the answers so far."""
        answers = np.zeros((len(self.rows), self.model.n_labels), dtype=np.float32)
        answers[np.arange(len(self.rows)), self.labels] = 1.0
        return self.model.propagate(np.array(self.rows, dtype=np.intp), answers)


def play(
    mode: str, session: Session, minutes: int, report: Callable[[int], None], batch: int = 5, seed: int = 0
) -> None:
    """Answer for so many minutes, telling `report` each whole one."""
    done = 0
    probabilities = session.probabilities()
    n = session.truth.size
    while done < minutes:
        labelled = np.zeros(n, dtype=bool)
        labelled[session.rows] = True
        sheet = None
        if mode != "single":
            sheet = best_sheet(probabilities, session.model.space.__getitem__, ~labelled)
        if sheet and (mode == "sheets" or sheet_is_better(sheet, probabilities[~labelled])):
            odd = int((session.truth[sheet.rows] != sheet.label).sum())
            session.seconds += session.times.sheet(sheet.rows.size, odd)
            for row in sheet.rows:
                session.answer(int(row), sheet.label)
        else:
            view = PoolView(
                space=session.model.space,
                probabilities=probabilities,
                labelled=labelled,
                neighbours=session.model.neighbours,
                similarities=session.model.similarities,
                rng_seed=seed,
            )
            for row in order_pool(view, OrderOptions(window=batch, seed=seed, evaluation_share=0.0)).rows[:batch]:
                session.seconds += session.times.single
                session.answer(int(row), None)
        probabilities = session.probabilities()
        while done < minutes and session.seconds >= 60 * (done + 1):
            done += 1
            report(done)


def main() -> None:
    """Print a table: minutes against accuracy and labels for each mode and rate of slips."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--slips", default="0.01,0.05")
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--classes", default="all", choices=("all", "even", "odd"), help="half of the classes by name")
    arguments = parser.parse_args()
    with np.load(arguments.embeddings) as pool, np.load(arguments.test) as test:
        names = sorted(set(pool["classes"].tolist()))
        chosen = {"all": names, "even": names[::2], "odd": names[1::2]}[arguments.classes]
        keep, keep_test = np.isin(pool["classes"], chosen), np.isin(test["classes"], chosen)
        embeddings, test_embeddings = pool["embeddings"][keep], test["embeddings"][keep_test]
        truth = np.searchsorted(chosen, pool["classes"][keep])
        test_truth = np.searchsorted(chosen, test["classes"][keep_test])
    flat = np.full((truth.size, len(chosen)), 1.0 / len(chosen), dtype=np.float32)
    test_flat = np.full((test_truth.size, len(chosen)), 1.0 / len(chosen), dtype=np.float32)
    marks = [minute for minute in (2, 5, 10, 20, 30, 60) if minute <= arguments.minutes]
    print(f"{truth.size} photos, {len(chosen)} classes; minutes: accuracy on test photos (labels given)")
    for slips in [float(part) for part in arguments.slips.split(",")]:
        for mode in arguments.modes.split(","):
            found: Found = {mark: [] for mark in marks}
            for seed in range(arguments.seeds):
                model = PoolModel(embeddings, flat, seed=seed)
                session = Session(truth, model, slips, np.random.default_rng(seed))

                def report(minute: int, session: Session = session, found: Found = found) -> None:
                    if minute in found:
                        predicted = session.model.extend(test_embeddings, test_flat).argmax(axis=1)
                        wrong = float((truth[session.rows] != np.array(session.labels)).mean())
                        found[minute].append((float((predicted == test_truth).mean()), len(session.rows), wrong))

                play(mode, session, arguments.minutes, report, seed=seed)
            cells = [
                f"{minute} min {np.mean([a for a, _, _ in points]):.3f} ({np.mean([k for _, k, _ in points]):.0f})"
                for minute, points in found.items()
            ]
            wrong = np.mean([w for _, _, w in found[marks[-1]]])
            print(f"slips {slips:.0%}  {mode:8s} " + " | ".join(cells) + f" | wrong labels {wrong:.1%}", flush=True)


if __name__ == "__main__":
    main()
