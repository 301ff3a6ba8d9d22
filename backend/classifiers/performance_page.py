"""A classifier's performance as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.classifiers.performance import Performance
from backend.learning.calibration import Reliability
from backend.retraining.pictures import confusion_picture

MAX_MISTAKES = 60
THUMBNAIL = 160

Thumbnail = Callable[[Path, int], NDArray[np.uint8]]

_STYLE = """
:root{--ink:#1b1f24;--paper:#fff;--soft:#667;--line:#d8dce2;--bar:#2f6fb0;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--paper:#15181c;--soft:#9aa3ad;--line:#343a42;--bar:#6ca6e0}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1080px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}p{color:var(--soft);margin:.3rem 0}
.figures{display:flex;flex-wrap:wrap;gap:2.5rem;margin:1.2rem 0}.figures b{display:block;font-size:1.9rem;line-height:1.2}
.figures span{color:var(--soft)}table{border-collapse:collapse;width:100%}th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:600}
.track{display:inline-block;width:6rem;height:.5rem;background:var(--line);border-radius:.25rem;overflow:hidden}.track i{display:block;height:100%;background:var(--bar)}
img.wide{max-width:100%;background:#fff;border-radius:.3rem}.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(160px,1fr));gap:1rem}
figure{margin:0}figure img{width:100%;border-radius:.3rem;display:block}figcaption{font-size:.82rem;color:var(--soft);overflow-wrap:anywhere}figcaption b{color:var(--ink)}
"""


def performance_page(found: Performance, title: str, thumbnail: Thumbnail) -> str:
    """The page: headline figures, classes, confusion matrix, calibration, worst mistakes.

    `thumbnail(path, size)` gives a photo as uint8 [size, size, 3].
    """
    evaluation = found.evaluation
    figures = (
        (
            f"{evaluation.accuracy:.1%}",
            f"accuracy, 95 % {evaluation.accuracy_low:.1%} to {evaluation.accuracy_high:.1%}",
        ),
        (f"{evaluation.macro_f1:.3f}", "macro-F1"),
        (f"{evaluation.calibration_error:.3f}", "expected calibration error"),
        (f"{evaluation.photos:,}", "photos"),
    )
    shown = "".join(f"<div><b>{value}</b><span>{html.escape(name)}</span></div>" for value, name in figures)
    worst = found.worst(MAX_MISTAKES)
    wrong = int((found.predicted != found.truth).sum())
    notes = "".join(f"<p>{html.escape(text)}</p>" for text in found.warnings)
    if found.unreadable:
        names = "".join(f"<li>{html.escape(name)}: {html.escape(str(error))}</li>" for name, error in found.unreadable)
        notes += (
            f"<details><summary>{len(found.unreadable)} photos could not be read</summary><ul>{names}</ul></details>"
        )
    matrix = evaluation.confusion_matrix(len(found.labels))
    used = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    confusion = confusion_picture(matrix[np.ix_(used, used)], [found.labels[place] for place in used])
    mistakes = "".join(_mistake(found, row, thumbnail) for row in worst)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style><h1>{html.escape(title)}</h1>{notes}"
        f'<div class="figures">{shown}</div>'
        f"<h2>Classes</h2>{_classes(found)}"
        f"<h2>Confusion matrix</h2><p>Rows are the true classes, columns what was predicted.</p>"
        f'<img class="wide" alt="Confusion matrix" src="{_png(confusion)}">'
        "<h2>Calibration</h2><p>How often a confidence came true; on the line it is right as often as it says.</p>"
        f'<img class="wide" alt="Reliability diagram" src="{_png(_reliability_picture(found.calibration))}">'
        f"<h2>Worst mistakes</h2><p>{wrong} of {evaluation.photos} photos, the most confident first"
        f'{f"; {len(worst)} are shown" if wrong > len(worst) else ""}.</p><div class="sheet">{mistakes}</div></html>\n'
    )


def _classes(found: Performance) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(found.labels[score.label])}</td><td>{score.support}</td><td>{score.precision:.3f}</td>"
        f"<td>{score.recall:.3f}</td><td>{score.f1:.3f}</td>"
        f'<td><span class="track"><i style="width:{score.f1:.1%}"></i></span></td></tr>'
        for score in sorted(found.evaluation.labels, key=lambda item: item.f1)
    )
    return (
        "<table><thead><tr><th>class, worst first</th><th>photos</th><th>precision</th><th>recall</th><th>F1</th>"
        f"<th></th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _mistake(found: Performance, row: int, thumbnail: Thumbnail) -> str:
    path = found.paths[row]
    picture = _jpeg(thumbnail(path, THUMBNAIL))
    return (
        f'<figure><img alt="" src="{picture}"><figcaption><b>{html.escape(found.labels[found.predicted[row]])}'
        f"</b> {found.probabilities[row].max():.2f}<br>is {html.escape(found.labels[found.truth[row]])}<br>"
        f"{html.escape(path.parent.name)}/{html.escape(path.name)}</figcaption></figure>"
    )


def _reliability_picture(curve: Reliability) -> NDArray[np.uint8]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.2), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled = curve.counts > 0
    axes.plot([0, 1], [0, 1], color="#999", linewidth=1)
    axes.plot(curve.confidence[filled], curve.accuracy[filled], "o-", color="#2f6fb0")
    axes.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    edges = np.linspace(0, 1, len(curve.counts) + 1)
    below.bar(edges[:-1], curve.counts, width=edges[1], align="edge", color="#2f6fb0", alpha=0.6)
    below.set(xlabel="confidence", ylabel="photos")
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _png(pixels: NDArray[np.uint8]) -> str:
    return _encoded(pixels, "png")


def _jpeg(pixels: NDArray[np.uint8]) -> str:
    return _encoded(pixels, "jpeg")


def _encoded(pixels: NDArray[np.uint8], form: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=form)
    return f"data:image/{form};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
