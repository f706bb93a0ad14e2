"""Where in its picture a model finds what speaks for a class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.errors import UserError
from src.task import BoolArray, IntArray

PLACES = 4
"""Of a side: coarser maps do not tell where in a picture something is."""
TOP, FALSE, MISSED = "Top candidates", "Worst false alarms", "Worst misses"


def grad_cam(model: nn.Module, x: Tensor, target: Tensor, logits: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """Grad-CAM (Selvaraju 2017): maps (B, H, W) ≥ 0 of what in pictures (B, C, H, W) speaks for the classes `target` (B,).

    relu of the last feature maps' sum, each map weighed by the mean gradient of the class's evidence, enlarged to the picture.
    The last feature maps are the model's last output in a pass that has at least PLACES × PLACES places, or as many as any has.
    `logits` (B, K) of pictures, by way of the model, are what is explained: the model's own unless given. The model is left in
    evaluation mode. Raises UserError if it has no feature maps.
    """
    with _places(model) as outputs:
        _, evidence = _evidence(model, x, target, logits)
    if not outputs:
        raise UserError("Grad-CAM needs a model with convolutions; this one has no feature maps")
    fine = min(PLACES, max(min(each.shape[2:]) for each in outputs))
    last = [each for each in outputs if min(each.shape[2:]) >= fine][-1]
    (gradient,) = torch.autograd.grad(evidence, last)
    weighed = (gradient.mean(dim=(2, 3), keepdim=True) * last).sum(dim=1, keepdim=True).relu()
    maps = F.interpolate(weighed, x.shape[2:], mode="bilinear", align_corners=False)
    return maps.squeeze(1).detach()


def input_gradients(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """|gradient of the class's evidence| of every pixel, its largest over channels (Simonyan 2014): (B, H, W) ≥ 0."""
    pictures, evidence = _evidence(model, x, target)
    (gradient,) = torch.autograd.grad(evidence, pictures)
    return gradient.abs().amax(dim=1)


def _evidence(
    model: nn.Module, x: Tensor, target: Tensor, logits: Callable[[Tensor], Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """(the pictures with a graph, the sum of the log-odds log p / (1 - p) of their targets): z1 - z0 for two classes."""
    model.eval()
    with torch.enable_grad():
        pictures = x.detach().clone().requires_grad_()
        z: Tensor = (model if logits is None else logits)(pictures)
        own = F.one_hot(target, z.shape[1]).bool()
        others = z.masked_fill(own, -torch.inf).logsumexp(dim=1)
        return pictures, (z[own] - others).sum()


@contextmanager
def _places(model: nn.Module) -> Iterator[list[Tensor]]:
    """Collects what the model's layers give, in the order of a pass, as long as it has places: (B, C, h, w), h · w > 1.

    A compiled pass is left out for that long: what its layers give to hooks is not what its logits come from.
    """
    outputs: list[Tensor] = []
    compiled = vars(model).pop("features", None)

    def keep(layer: nn.Module, given: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            outputs.append(output)

    handles = [layer.register_forward_hook(keep) for layer in model.modules()]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
        if compiled is not None:
            model.features = compiled


def telling(score: npt.NDArray[np.floating[Any]], positive: BoolArray, count: int) -> dict[str, IntArray]:
    """Positions worth a look, by what they are: of the highest scores (n,), of false alarms and of misses, the worst first.

    `positive` (n,) says which belong to the class. Fewer than `count` where there are fewer.
    """
    falling = np.argsort(-score, kind="stable")
    rising = falling[::-1]
    return {
        TOP: falling[:count],
        FALSE: falling[~positive[falling]][:count],
        MISSED: rising[positive[rising]][:count],
    }
