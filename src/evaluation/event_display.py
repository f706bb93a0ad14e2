"""Pixel maps of events: what a detector's views saw of the charge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from src.evaluation.style import display, grid, styled


@styled
def events(
    maps: npt.NDArray[Any], titles: Sequence[str], view_names: Sequence[str],
    axis_names: tuple[str, str] = ("Plane", "Cell"), charge: str = "Charge (8 bit)",
) -> Figure:  # fmt: skip
    """A row of panels for each event of maps (k, views, planes, cells) ≥ 0, one for each view; cells without charge are white.

    All panels have one scale.
    """
    across, up = axis_names
    rows, views, planes, cells = maps.shape
    figure, panels = grid(rows, views, width=4.0, height=3.2 * cells / planes + 0.5, sharex=True, sharey=True)
    lit = np.ma.masked_less_equal(maps, 0)
    for i, title in enumerate(titles):
        for v, view in enumerate(view_names):
            axes = panels[i * views + v]
            image = axes.imshow(
                lit[i, v].T, origin="lower", cmap="viridis", vmin=0, vmax=maps.max() or 1, aspect="equal"
            )
            axes.grid(False)
            axes.set_title(f"{display(title, 60)}\n{view}" if not v else view, fontsize=10)
            axes.set_xlabel(across if i == rows - 1 else "")
            axes.set_ylabel(up if not v else "")
    figure.colorbar(image, ax=panels, label=charge, shrink=0.9, aspect=15 * rows, fraction=0.03)
    return figure
