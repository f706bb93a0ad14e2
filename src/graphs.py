"""Ragged graphs: a batch of events of several readout planes, without padding, and what all of them have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

NOISE = -1
"""The semantic class of a hit that no particle made."""


@dataclass(frozen=True)
class GraphSchema:
    """What every graph of a sample is made of."""

    planes: tuple[str, ...]
    """Names of the readout planes, e.g. u, v, y."""
    features: int
    """How many numbers each hit has."""
    semantic_classes: tuple[str, ...] = ()
    """Names of the hits' classes; empty where their truth is not known."""
    vertex: bool = False
    """Whether the true position of the interaction is known."""


@dataclass(frozen=True)
class Plane:
    """One plane of a batch: N hits, E edges between them, L links to space points. Numbers run through the batch."""

    x: Tensor
    """(N, features), scaled."""
    graph: Tensor
    """(N,) int64: the graph each hit is of, rising."""
    edges: Tensor
    """(2, E) int64: from hit, to hit."""
    links: Tensor
    """(2, L) int64: hit, space point."""
    semantic: Tensor
    """(N,) int64, truth: a semantic class, or NOISE. Networks must not read it but for a loss."""

    def to(self, device: torch.device) -> Plane:
        return Plane(*(column.to(device, non_blocking=True) for column in vars(self).values()))


@dataclass(frozen=True)
class Graphs:
    """A batch of B graphs. What a network takes; the truth in it serves losses of its heads, nothing else."""

    planes: dict[str, Plane]
    points: Tensor
    """(S,) int64: the graph each space point is of."""
    size: int
    """B; graphs without hits count."""
    vertex: Tensor | None = None
    """(B, 3), truth: where the interaction was, in cm."""
    passed: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What the last pass of a network has left here, for its other heads; a batch made from this one has none."""

    def __len__(self) -> int:
        return self.size

    @property
    def device(self) -> torch.device:
        return self.points.device

    def to(self, device: torch.device) -> Graphs:
        planes = {name: plane.to(device) for name, plane in self.planes.items()}
        vertex = None if self.vertex is None else self.vertex.to(device, non_blocking=True)
        return replace(self, planes=planes, points=self.points.to(device), vertex=vertex)

    def joined(self, other: Graphs) -> Graphs:
        """These graphs, then the other's; the true vertices only if both have them."""
        planes = {name: _joined(plane, other.planes[name], self) for name, plane in self.planes.items()}
        both = None if self.vertex is None or other.vertex is None else torch.cat([self.vertex, other.vertex])
        points = torch.cat([self.points, other.points + self.size])
        return Graphs(planes, points, self.size + other.size, both)


def _joined(first: Plane, second: Plane, before: Graphs) -> Plane:
    hits, points = len(first.x), len(before.points)
    shift = torch.tensor([[hits], [points]], device=first.links.device)
    return Plane(
        x=torch.cat([first.x, second.x]),
        graph=torch.cat([first.graph, second.graph + before.size]),
        edges=torch.cat([first.edges, second.edges + hits], dim=1),
        links=torch.cat([first.links, second.links + shift], dim=1),
        semantic=torch.cat([first.semantic, second.semantic]),
    )
