"""Figures of what a trained model makes of single examples: where it looked in pictures, what it calls the hits of graphs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from src.errors import UserError
from src.evaluation.saliency import grad_cam, telling
from src.strategies.base import Predictor, Strategy
from src.task import HIDDEN, IntArray, Split, class_counts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from src.evaluation.predictions import Predictions

EACH = 8
"""Pictures of a kind."""


def saliency(
    predictor: Predictor, split: Split, said: Predictions, class_names: Sequence[str], views: int, device: torch.device
) -> Figure | None:
    """Top candidates, worst false alarms and worst misses of the split's rarest class, each under its Grad-CAM map.

    None where there is nothing to show: no pictures, scores that are not the softmax of the strategy's logits, a network
    without feature maps, or a split of one class.
    """
    from src.evaluation.saliency_figures import saliency as draw

    known = said.clean != HIDDEN
    said, split = said.select(known), split.select(known)
    counts = class_counts(said.clean, len(class_names))
    explicable = type(predictor.strategy).scores is Strategy.scores
    if split.inputs.kind != "image" or not explicable or np.count_nonzero(counts) < 2:
        return None
    rarest = int(np.argmin(np.where(counts > 0, counts, counts.max() + 1)))
    positive, score = said.clean == rarest, said.probabilities[:, rarest]
    groups = telling(score, positive, EACH)
    shown = np.unique(np.concatenate(list(groups.values())))
    x = split.inputs.fetch(torch.from_numpy(split.rows[shown]), device)
    predictor.eval()
    try:
        maps = grad_cam(
            predictor.model, x, torch.full((len(shown),), rarest, device=device),
            partial(predictor.strategy.logits, predictor.model),
        )  # fmt: skip
    except UserError:  # no feature maps
        return None
    places = {title: np.searchsorted(shown, rows) for title, rows in groups.items()}
    pictures, heat = (values.float().cpu().numpy() for values in (x, maps))
    return draw(pictures, heat, score[shown], positive[shown], places, class_names[rarest], views)


def hits(
    predictor: Predictor, split: Split, said: Predictions, class_names: Sequence[str], device: torch.device
) -> Figure | None:
    """An event of every class, its hits coloured by their true and by their predicted class; None without a semantic head.

    Of each class the first event that is at least as large as the class's median, by the bytes of its graph.
    """
    from src.evaluation.graph_display import DisplayedEvent, events

    inputs: Any = split.inputs
    schema = getattr(inputs, "schema", None)
    if schema is None or not schema.semantic_classes:
        return None
    predictor.eval()
    shown = []
    for c, name in enumerate(class_names):
        at = _typical(inputs.sizes[split.rows], np.flatnonzero(said.clean == c))
        if at is None:
            continue
        row = split.rows[at : at + 1]
        with torch.inference_mode():
            x = inputs.fetch(torch.from_numpy(row), device)
            predictor.scores(x)
            scores = predictor.model.side_scores(x).get("semantic")
        if scores is None:
            return None
        of_plane = [len(plane.x) for plane in x.planes.values()]
        predicted = scores.scores.float().argmax(dim=1).cpu().split(of_plane)
        title = f"{name}, called {class_names[int(said.probabilities[at].argmax())]}"
        true = {plane: x.planes[plane].semantic.cpu().numpy() for plane in x.planes}
        called = {plane: part.numpy() for plane, part in zip(x.planes, predicted, strict=True)}
        shown.append(DisplayedEvent(title, inputs.places(int(row[0])), true, called))
    return events(shown, schema.semantic_classes) if shown else None


def _typical(sizes: IntArray, members: IntArray) -> int | None:
    """The first of the members that is at least as large as their median; None if there are none."""
    if not len(members):
        return None
    return int(members[np.flatnonzero(sizes[members] >= np.median(sizes[members]))[0]])
