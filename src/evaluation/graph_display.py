"""Event displays of graphs: the hits of every plane, coloured by what made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from src.evaluation.style import COLOURS, display, grid, styled
from src.task import IntArray

NOISE_COLOUR = "0.75"
INK = 900  # square points that the hits of a panel share


@dataclass(frozen=True)
class DisplayedEvent:
    """One event, plane by plane."""

    title: str
    places: Mapping[str, npt.NDArray[np.float32]]
    """(N, 2) of each plane: wire and time, in the file's units: cm in the first generation, raw numbers in the second."""
    true: Mapping[str, IntArray]
    """(N,) of each plane: the class of each hit, -1: none."""
    predicted: Mapping[str, IntArray]


@styled
def events(shown: Sequence[DisplayedEvent], class_names: Sequence[str]) -> Figure:
    """Two rows of panels for each event, true classes above predicted ones, a column for each plane.

    A hit that no particle made is grey in both rows: no class was asked for there.
    """
    planes = list(shown[0].places)
    figure, panels = grid(2 * len(shown), len(planes), width=3.9, height=2.5)
    for number, event in enumerate(shown):
        for row, (what, classes) in enumerate((("true", event.true), ("predicted", event.predicted))):
            for column, plane in enumerate(planes):
                axes = panels[(2 * number + row) * len(planes) + column]
                (wire, time), real = event.places[plane].T, event.true[plane] >= 0
                size = min(max(INK / max(len(wire), 1), 3), 14)
                axes.scatter(wire[~real], time[~real], s=size, color=NOISE_COLOUR, linewidths=0)
                for c in range(len(class_names)):
                    these = real & (classes[plane] == c)
                    axes.scatter(wire[these], time[these], s=size, color=COLOURS[c], linewidths=0)
                axes.set_title(f"{display(event.title, 60)}: {what}, {plane}" if not column else plane, fontsize=9)
                axes.set_ylabel("Time" if not column else "")
                axes.set_xlabel("Wire" if row else "")
    marks = [
        Line2D([], [], marker="o", linestyle="", markersize=5, color=colour, label=display(name))
        for name, colour in [*zip(class_names, COLOURS, strict=False), ("noise", NOISE_COLOUR)]
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=min(len(marks), 9))
    return figure
