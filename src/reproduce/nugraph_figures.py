"""The tau-neutrino study's Figures 4 to 6, from its runs, and what it does not show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from src.evaluation import rare_class_figures as draw
from src.reproduce.nugraph_arms import ORIGINAL, Arm
from src.reproduce.nugraph_findings import Findings, confusion, displays, first, tests
from src.reproduce.nugraph_tables import METRICS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = ("tau recall", "tau precision", "macro-F1")

Drawn = Iterator[tuple[str, "Figure"]]


def drawn(found: Findings) -> Drawn:
    """(file's name, figure) of everything there is to show."""
    yield (
        "figure4_class_frequencies",
        draw.frequencies(found.drawn, found.classes, "Events"),
    )
    matrices = {found.title(key): confusion(tests(one)) for key, one in found.lengths.items()}
    yield "figure5_precision", draw.matrices(matrices, found.classes, "predicted")
    yield "recall", draw.matrices(matrices, found.classes, "true")
    yield "figure6_losses", losses(found)
    yield "ablation", ablation(found)
    yield "classes_of_hits", hits(found, found.best)
    if figure := displays(first(found.arms[found.best].runs)):
        yield "events", figure


def losses(found: Findings) -> Figure:
    """Figure 6."""
    training, validation = (
        {found.title(key): list(one.curve(name).values()) for key, one in found.lengths.items()}
        for name in ("train/total", "val/loss")
    )
    return draw.losses(training, validation)


def ablation(found: Findings) -> Figure:
    """Tau recall and precision, and macro-F1, of every arm."""
    measured = {
        title: {arm.name: [*one.metric(f"test/{METRICS[title]}").values()] for arm, one in found.arms.items()}
        for title in SHOWN
    }
    return draw.arms(measured, ORIGINAL.name)


def hits(found: Findings, arm: Arm) -> Figure:
    """Classes of hits, of all seeds' test events: the original beside the arm."""
    matrices = {one.name: found.semantic(one)[0] for one in dict.fromkeys((ORIGINAL, arm))}
    return draw.matrices(matrices, found.semantic(arm)[1], "true")
