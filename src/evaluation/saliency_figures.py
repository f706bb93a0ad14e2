"""Pictures, and what in them spoke for a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from src.evaluation.label_noise_figures import as_picture
from src.evaluation.style import COLOURS, display, grid, styled
from src.task import FloatArray, IntArray

STRONGEST = 0.75
"""Opacity where a map is largest."""
RIGHT, WRONG = "0.15", COLOURS[2]


@styled
def saliency(
    pictures: npt.NDArray[Any], maps: npt.NDArray[Any], score: FloatArray, positive: npt.NDArray[np.bool_],
    groups: Mapping[str, IntArray], class_name: str, views: int = 1,
) -> Figure:  # fmt: skip
    """For each group of positions a row of pictures (n, C, H, W) and, below, the same under their maps (n, H, W) ≥ 0.

    Above each picture its score (n,); red, with a frame, if the class was there and the score below 0.5, or the reverse.
    Maps are scaled to their own maximum. `groups` are those of `src.evaluation.saliency.telling`.
    """
    columns = max((len(rows) for rows in groups.values()), default=0) or 1
    tall = pictures.shape[2] / (pictures.shape[3] * views)
    figure, panels = grid(2 * len(groups), columns, 1.45, 1.45 * tall + 0.14)
    for axes in panels:
        axes.set_axis_off()
    for number, (title, rows) in enumerate(groups.items()):
        upper, lower = (panels[(2 * number + k) * columns :][: len(rows)] for k in range(2))
        for column, (i, top, bottom) in enumerate(zip(rows, upper, lower, strict=True)):
            colour = WRONG if (score[i] >= 0.5) != positive[i] else RIGHT
            for axes in (top, bottom):
                _picture(axes, as_picture(pictures[i], views), colour)
            bottom.imshow(overlay(np.tile(maps[i], (1, views))), aspect="equal")
            top.set_title(f"{score[i]:.3f}", fontsize=9, color=colour, pad=3)
            if not column:
                top.set_ylabel(title.replace(" ", "\n"), fontsize=9)
    figure.supxlabel(
        f"p({display(class_name)}) above each picture, in red where it is on the wrong side of 0.5; below: what spoke for the class, from 0 to its maximum",
        fontsize=9, color="0.3",
    )  # fmt: skip
    return figure


def overlay(heat: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """A colour (h, w, 4) that is the more opaque the larger the map (h, w) is."""
    colour = np.empty((*heat.shape, 4))
    colour[..., :3] = to_rgb(COLOURS[2])
    colour[..., 3] = STRONGEST * heat / (heat.max() or 1)
    return colour


def _picture(axes: Axes, picture: npt.NDArray[np.float32], colour: str) -> None:
    axes.set_axis_on()
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, aspect="equal")
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=2.0 if colour == WRONG else 0.6)
