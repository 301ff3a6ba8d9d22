"""The result of a simulation: curves as JSON, picture and page, and a table in figures."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from backend.simulation.engine import CHECKPOINTS, Run
from backend.simulation.points import CurvePoint

TARGETS = (0.80, 0.85, 0.88, 0.90, 0.92)


@dataclass(frozen=True)
class Summary:
    """One strategy over all seeds: (mean, standard deviation) of each figure.

    Attributes:
        accuracy: labels -> accuracy, at the checkpoints up to the budget and at the budget.
        labels_needed: accuracy -> labels spent when the curve first stays at it; None where some seed never reaches it.
        seconds: wall time of one seed.
        order_seconds: wall time of one re-ranking; 0 for the baseline, which makes none.
        distractors_asked: labels -> distractors among them.
    """

    strategy: str
    seeds: int
    accuracy: dict[int, tuple[float, float]]
    labels_needed: dict[float, tuple[float, float] | None]
    seconds: float
    order_seconds: float
    distractors_asked: dict[int, float]


def summarise(runs: Sequence[Run]) -> list[Summary]:
    """One summary for each strategy, in the order they were played."""
    summaries = []
    for strategy in dict.fromkeys(run.strategy for run in runs):
        mine = [run for run in runs if run.strategy == strategy]
        budget = min(run.points[-1].labels for run in mine)
        marks = sorted({*(mark for mark in CHECKPOINTS if mark < budget), budget})
        needed: dict[float, tuple[float, float] | None] = {}
        for target in TARGETS:
            spent = [labels_needed(run.points, target) for run in mine]
            reached = [value for value in spent if value is not None]
            needed[target] = _spread(reached) if len(reached) == len(spent) else None
        summaries.append(
            Summary(
                strategy,
                len(mine),
                {mark: _spread([_accuracy_at(run.points, mark) for run in mine]) for mark in marks},
                needed,
                float(np.mean([run.seconds for run in mine])),
                float(np.mean([run.order_seconds for run in mine])),
                {
                    mark: float(np.mean([run.distractors_asked[mark] for run in mine]))
                    for mark in marks
                    if all(mark in run.distractors_asked for run in mine)
                },
            )
        )
    return summaries


def labels_needed(points: Sequence[CurvePoint], target: float) -> float | None:
    """Labels at which the curve first crosses `target`, between its points by straight lines; None: never."""
    before: CurvePoint | None = None
    for point in points:
        if point.accuracy >= target:
            if before is None or point.accuracy == before.accuracy:
                return float(point.labels)
            share = (target - before.accuracy) / (point.accuracy - before.accuracy)
            return before.labels + share * (point.labels - before.labels)
        before = point
    return None


def write_curves(runs: Sequence[Run], out_dir: Path, title: str) -> None:
    """Write curve.json, curve.png and curve.html (self-contained) into `out_dir`."""
    out_dir.mkdir(parents=True, exist_ok=True)
    points = [asdict(point) for run in runs for point in run.points]
    (out_dir / "curve.json").write_text(json.dumps(points, indent=1), encoding="utf-8")
    _draw(runs, out_dir / "curve.png", title)
    picture = base64.b64encode((out_dir / "curve.png").read_bytes()).decode("ascii")
    (out_dir / "curve.html").write_text(_page(summarise(runs), picture, title), encoding="utf-8")


def table_rows(summaries: Sequence[Summary]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table, as text."""
    marks = sorted({mark for summary in summaries for mark in summary.accuracy})
    asked = any(value for summary in summaries for value in summary.distractors_asked.values())
    header = [
        "strategy",
        *(f"accuracy at {mark}" for mark in marks),
        *(f"labels for {target:.0%}" for target in TARGETS),
    ]
    header += [f"distractors in {mark}" for mark in marks] if asked else []
    header += ["s a re-rank", "s a seed"]
    rows = []
    for summary in summaries:
        row = [summary.strategy]
        row += [_figure(summary.accuracy.get(mark), "{:.3f}") for mark in marks]
        row += [_figure(summary.labels_needed[target], "{:.0f}") for target in TARGETS]
        if asked:
            row += [f"{summary.distractors_asked.get(mark, 0.0):.1f}" for mark in marks]
        rows.append([*row, f"{summary.order_seconds:.2f}", f"{summary.seconds:.0f}"])
    return header, rows


def _figure(value: tuple[float, float] | None, form: str) -> str:
    return "–" if value is None else f"{form.format(value[0])} ± {form.format(value[1])}"


def _spread(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values))


def _accuracy_at(points: Sequence[CurvePoint], labels: int) -> float:
    return next(point.accuracy for point in points if point.labels == labels)


def _draw(runs: Sequence[Run], file: Path, title: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
    axes = figure.subplots()
    for strategy in dict.fromkeys(run.strategy for run in runs):
        mine = [run for run in runs if run.strategy == strategy]
        labels = [point.labels for point in mine[0].points]
        accuracy = np.array([[point.accuracy for point in run.points] for run in mine])
        mean, deviation = accuracy.mean(axis=0), accuracy.std(axis=0)
        (line,) = axes.plot(labels, mean, label=strategy, linewidth=2.5 if strategy == "default" else 1.2)
        axes.fill_between(labels, mean - deviation, mean + deviation, color=line.get_color(), alpha=0.15)
        suggested = np.array([[point.unlabelled_accuracy for point in run.points] for run in mine], dtype=np.float64)
        axes.plot(labels, suggested.mean(axis=0), color=line.get_color(), linewidth=1.0, linestyle=":")
    axes.set(
        title=title, xlabel="labels spent", ylabel="accuracy: lines on test photos, dots on the unlabelled", ylim=(0, 1)
    )
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file)


def _page(summaries: Sequence[Summary], picture: str, title: str) -> str:
    header, rows = table_rows(summaries)
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        "<style>body{font:15px system-ui;margin:2rem}table{border-collapse:collapse}"
        "td,th{padding:.3rem .7rem;border-bottom:1px solid #ccc;text-align:right}"
        "td:first-child,th:first-child{text-align:left}img{max-width:100%}</style>"
        f"<h1>{html.escape(title)}</h1><p>Accuracy on photos that were not in the pool, against labels spent; "
        "mean and standard deviation over seeds. Dotted: on the photos of the pool that nobody labelled yet.</p>"
        f'<img alt="Accuracy against labels spent" src="data:image/png;base64,{picture}">'
        f"<table><tr>{head}</tr>{body}</table></html>\n"
    )
