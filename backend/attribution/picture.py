"""Photo, maps and the photos that speak for the label, side by side in one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.attribution.explained import Explanation

Rgb = NDArray[np.uint8]

_CLIP = 99.5  # percentile of a map that gets its strongest colour


@dataclass(frozen=True)
class Neighbour:
    """An annotated photo that is like the one explained; similarity is a cosine, [-1, 1]."""

    name: str
    label: str
    similarity: float
    photo: Rgb


def picture_png(
    photo: Rgb, label: str, explanation: Explanation, neighbours: Sequence[Neighbour] = (), subtitle: str = ""
) -> bytes:
    """The picture as PNG; `photo` is uint8 [h, w, 3]."""
    from matplotlib.figure import Figure

    rows = 2 if neighbours else 1
    figure = Figure(figsize=(12, 4.3 * rows), dpi=110, layout="constrained")
    title = f"{_plain(label)}  {explanation.probability:.3f}" + (f"   ({_plain(subtitle)})" if subtitle else "")
    figure.suptitle(title, fontsize=15, fontweight="bold")
    gradients, cam = explanation.gradients, explanation.cam
    panels = figure.subfigures(rows, 1, squeeze=False)
    top = panels[0][0].subplots(1, 3)
    grey = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    top[0].imshow(photo)
    top[0].set_title("photo", fontsize=10)
    pixels = gradients.values.sum(axis=2)
    limit = max(float(np.percentile(np.abs(pixels), _CLIP)), 1e-12)
    top[1].imshow(grey, alpha=0.35)
    shown = top[1].imshow(pixels, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=0.85)
    top[1].set_title(
        f"integrated gradients, {gradients.steps} steps, completeness error {gradients.error:.1%}", fontsize=10
    )
    figure.colorbar(shown, ax=top[1], shrink=0.75, label="against  ←  probability a pixel  →  for")
    if cam is not None:
        height, width = photo.shape[:2]
        top[2].imshow(grey)
        heat = top[2].imshow(
            cam, cmap="inferno", alpha=0.6, extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="bilinear"
        )
        figure.colorbar(heat, ax=top[2], shrink=0.75, label="share of the strongest")
    top[2].set_title("Grad-CAM" if cam is not None else "Grad-CAM: no single last layer", fontsize=10)
    if neighbours:
        below = panels[1][0].subplots(1, len(neighbours), squeeze=False)[0]
        panels[1][0].suptitle("annotated photos that are most like it", fontsize=11)
        for axes, item in zip(below, neighbours, strict=True):
            axes.imshow(item.photo)
            axes.set_title(f"{_plain(item.label)}\n{item.similarity:.2f}  {_plain(item.name)}", fontsize=9)
    for axes in figure.axes:
        if axes.get_images() and axes.get_label() != "<colorbar>":
            axes.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _plain(text: str) -> str:
    """Text as it is: matplotlib takes what stands between two dollars for a formula."""
    return text.replace("$", r"\$")
