"""The alpha-decay study's figures, from its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from src import runs
from src.evaluation import detection_figures as draw
from src.evaluation import study_figures
from src.evaluation.detection_figures import Selection
from src.reproduce.emulsion_findings import ALPHA, OBJECTIVE, Findings, M, N, pairs
from src.simulators.emulsion_objects import FIELD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EACH = 8
"""Pictures of a kind."""


def crops(found: Findings) -> Figure:
    """Figure 1: test crops of every kind, where the data name kinds, else of both classes."""
    test = found.splits.test
    kinds = test.keys.get("kind", np.array(found.splits.class_names)[test.clean])
    order = sorted(set(kinds.tolist()), key=lambda kind: (test.clean[kinds == kind][0] != ALPHA, kind))
    shown = {kind: torch.from_numpy(test.rows[kinds == kind][:EACH]) for kind in order}
    pictures = {kind: test.inputs.fetch(rows, torch.device("cpu")).numpy() for kind, rows in shown.items()}
    return draw.crops({kind: (255 * x).round().astype(np.uint8) for kind, x in pictures.items()}, FIELD)


def losses(found: Findings) -> Figure:
    """Figure 2: the chosen pair's trainings."""
    train, val = (list(found.chosen.curve(name).values()) for name in ("train/total", "val/loss"))
    best = [int(runs.read_json(run / "metrics.json")["selected_epoch"]) for run in found.chosen.runs.values()]
    return draw.losses(train, val, best)


def heat_map(found: Findings) -> Figure:
    """Figure 3: average precision on validation by N and M."""
    return study_figures.heat_map(pairs(found.grid), OBJECTIVE, (M, N), maximize=True)


def outputs(found: Findings) -> Figure:
    """Figure 4: outputs of the first model for the test's crops."""
    rest = found.splits.class_names[1 - ALPHA]
    return draw.outputs(found.scores[0], found.truth, found.splits.class_names[ALPHA], rest, found.points[0].cut)


def precision_recall(found: Findings) -> Figure:
    """Figure 5: the models, trees on measured tracks, and the former method with its errors."""
    models = {f"network, seed {seed}": score for seed, score in zip(found.models, found.scores, strict=True)}
    if found.former is None or found.improvement is None:
        return draw.precision_recall(models, found.truth, [])
    point = found.improvement.selection
    errors = point.recall * point.relative_error, point.precision * point.relative_error
    selection = Selection("cuts on tracks", point.recall, point.precision, errors)
    return draw.precision_recall(models, found.truth, [selection], {"trees on tracks": found.former.trees})
