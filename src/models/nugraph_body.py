"""The body of NuGraph2: from the hits of a batch to an embedding of each, kept with the batch for all heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from src.graphs import Graphs, Plane
from src.models.neighbours import Neighbours
from src.models.nugraph_layers import Encoder, Iteration

Edges = dict[str, Neighbours]


@dataclass(frozen=True)
class Pass:
    """What a body has made of a batch, and all that its being right depends on."""

    hits: dict[str, Tensor]
    planes: Mapping[str, Plane]
    by: tuple[Any, ...]
    parameters: tuple[nn.Parameter, ...]
    """Held so that no other ones get their identity."""
    spent: list[bool]
    """Not empty once a gradient has flowed back into it, which may have freed its graph."""


class Body(nn.Module):
    """Graphs to the embeddings of each plane's hits, (N, width), with a class axis (C, N, width)."""

    def __init__(
        self,
        planes: tuple[str, ...],
        classes: int | None,
        inputs: int,
        width: int,
        nexus: int,
        *,
        depth: int,
        iterations: int,
        stopgrad: bool,
        checkpointing: bool,
    ) -> None:
        super().__init__()
        self.planes, self.classes = planes, classes
        self.iterations, self.checkpointing = iterations, checkpointing
        self.encoder = Encoder(planes, classes, inputs, width, depth)
        self.iteration = Iteration(planes, classes, inputs, width, nexus, stopgrad=stopgrad)

    def forward(self, x: Graphs) -> dict[str, Tensor]:
        """Those of the last pass over the batch, if the same parameters made them in the same mode."""
        parameters = tuple(self.parameters())
        modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled(x.device.type)
        by = (*modes, *((id(p), p._version, p.requires_grad) for p in parameters))
        key = "hits", id(self)  # two networks may see one batch, by turns
        last = x.passed.get(key)
        if isinstance(last, Pass) and last.planes is x.planes and last.by == by and not last.spent:
            return last.hits
        hits, spent = self.propagated(x), list[bool]()
        for m in hits.values():
            if m.requires_grad:
                m.register_hook(lambda gradient: spent.append(True))
        x.passed[key] = Pass(hits, x.planes, by, parameters, spent)
        return hits

    def propagated(self, x: Graphs) -> dict[str, Tensor]:
        edges, links = _neighbours(x, self.planes, self.classes or 1)
        inputs = {plane: x.planes[plane].x for plane in self.planes}
        if self.classes is not None:
            inputs = {plane: values.expand(self.classes, -1, -1) for plane, values in inputs.items()}
        m: dict[str, Tensor] = self.encoder(inputs)
        for _ in range(self.iterations):
            if self.checkpointing and torch.is_grad_enabled():
                m = _recomputed(self.iteration, m, inputs, edges, links)
            else:
                m = self.iteration(m, inputs, edges, links)
        return m


def _neighbours(x: Graphs, planes: tuple[str, ...], copies: int) -> tuple[Edges, Edges]:
    """Each plane's edges between hits, and its links from hits to space points; sorted once a batch."""
    key = f"neighbours of {copies}" + (", inference" if torch.is_inference_mode_enabled() else "")
    of, edges, links = x.passed.get(key, (None, {}, {}))
    if of is not x.planes:
        for name in planes:
            plane, hits, points = x.planes[name], len(x.planes[name].x), len(x.points)
            edges[name] = Neighbours.of(plane.edges, hits, hits, copies)
            links[name] = Neighbours.of(plane.links, hits, points, copies)
        x.passed[key] = x.planes, edges, links
    return edges, links


def _recomputed(layer: nn.Module, *inputs: Any) -> dict[str, Tensor]:
    """The layer's outputs, whose way there is not kept but gone again for the gradient, with the parameters of now."""
    parameters: dict[str, Tensor] = dict(layer.named_parameters())
    found: dict[str, Tensor] = checkpoint(
        lambda *given: functional_call(layer, parameters, given), *inputs, use_reentrant=False, preserve_rng_state=False
    )
    return found
