"""A figure of where in its pictures a trained model found what speaks for the rarest class, or domain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from src.errors import UserError
from src.evaluation.saliency import grad_cam, telling
from src.strategies.base import Predictor, Strategy
from src.task import HIDDEN, Split, class_counts

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
