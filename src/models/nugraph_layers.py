"""The message passing of NuGraph2: within each plane along its edges, and between the planes through space points.

Hits have embeddings m (N, F), with a class axis (C, N, F), where every class has weights of its own. Names of modules
and parameters are those of the original (github.com/nugraph/nugraph), but that C linear layers are one ClassLinear.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.models.neighbours import Neighbours, weighted_sum


class Linear(nn.Linear):
    """A linear layer (N, w) -> (N, v)."""

    def of(self, first: Tensor, second: Tensor) -> Tensor:
        """The layer of both, side by side, without a copy that holds both."""
        weights = self.weight.split([first.shape[-1], second.shape[-1]], dim=-1)
        return torch.addmm(F.linear(first, weights[0], self.bias), second, weights[1].t())


class ClassLinear(nn.Module):
    """C linear layers (C, N, w) -> (C, N, v), one for each class."""

    def __init__(self, classes: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(classes, outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(classes, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight.mT)

    def of(self, first: Tensor, second: Tensor) -> Tensor:
        weights = self.weight.split([first.shape[-1], second.shape[-1]], dim=-1)
        return torch.baddbmm(torch.baddbmm(self.bias, first, weights[0].mT), second, weights[1].mT)


def each(layer: Linear | ClassLinear, *pieces: Tensor) -> list[Tensor]:
    """What each piece of a layer's input adds to its output, which lacks the bias."""
    weights = layer.weight.split([piece.shape[-1] for piece in pieces], dim=-1)
    return [piece @ weight.mT for piece, weight in zip(pieces, weights, strict=True)]


def linear(classes: int | None, inputs: int, outputs: int) -> Linear | ClassLinear:
    """One layer, or with a class axis one for each class."""
    return Linear(inputs, outputs) if classes is None else ClassLinear(classes, inputs, outputs)


class Perceptron(nn.Sequential):
    """Linear layers, each with a tanh; none: the identity."""

    def __init__(self, classes: int | None, inputs: int, *widths: int) -> None:
        layers: list[nn.Module] = []
        for before, width in zip((inputs, *widths), widths, strict=False):
            layers += [linear(classes, before, width), nn.Tanh()]
        super().__init__(*layers)

    @property
    def first(self) -> Linear | ClassLinear:
        return cast(Linear | ClassLinear, self[0])

    def after_first(self, x: Tensor) -> Tensor:
        for layer in [*self][1:]:
            x = layer(x)
        return x


class Messages(nn.Module):
    """Nodes hear their neighbours through gates of attention, and answer with a new embedding.

    The gate of an edge is the sigmoid of a linear function of what both its ends hold; with a class axis, the softmax
    over the classes. No gradient flows through it to the embeddings if `stopgrad`.
    """

    def __init__(self, classes: int | None, own: int, heard: int, width: int, *, stopgrad: bool) -> None:
        super().__init__()
        gate = nn.Sigmoid() if classes is None else nn.Softmax(dim=0)
        self.edge_net = nn.Sequential(linear(classes, own + heard, 1), gate)
        self.node_net = Perceptron(classes, own + heard, width, width)
        self.stopgrad = stopgrad

    def forward(self, own: Tensor, heard: Tensor, edges: Neighbours, share: Tensor | None = None) -> Tensor:
        """(..., t, own), (..., n, heard) -> (..., t, width); `share` (E,) times what the gates let through."""
        gates = self.gates(own, heard, edges)
        told = weighted_sum(heard, gates if share is None else gates * share.view_as(gates), edges)
        return self.node_net.after_first(self.node_net.first.of(own, told))

    def gates(self, own: Tensor, heard: Tensor, edges: Neighbours) -> Tensor:
        """(..., E). Each node's part of the linear function is computed once, not once an edge."""
        if self.stopgrad:
            own, heard = own.detach(), heard.detach()
        layer, gate = cast(Linear | ClassLinear, self.edge_net[0]), self.edge_net[1]
        to, source = each(layer, own, heard)
        logits = (to + layer.bias).flatten().index_select(0, edges.target)
        logits = logits + source.flatten().index_select(0, edges.source)
        opened: Tensor = gate(logits.view(*own.shape[:-2], -1))
        return opened


class Encoder(nn.Module):
    """x (N, inputs) to the first embedding of each plane's hits: tanh of a linear layer, `depth` times."""

    def __init__(self, planes: Iterable[str], classes: int | None, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.net = nn.ModuleDict({plane: Perceptron(classes, inputs, *[width] * depth) for plane in planes})

    def forward(self, x: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {plane: net(x[plane]) for plane, net in self.net.items()}


class PlaneNet(nn.Module):
    """Messages between the hits of each plane, summed."""

    def __init__(self, planes: Iterable[str], classes: int | None, inputs: int, width: int, *, stopgrad: bool) -> None:
        super().__init__()
        held = width + inputs
        self.net = nn.ModuleDict({p: Messages(classes, held, held, width, stopgrad=stopgrad) for p in planes})

    def forward(
        self, m: Mapping[str, Tensor], x: Mapping[str, Tensor], edges: Mapping[str, Neighbours]
    ) -> dict[str, Tensor]:
        held = {plane: torch.cat([m[plane], x[plane]], dim=-1) for plane in m}
        return {plane: net(held[plane], held[plane], edges[plane]) for plane, net in self.net.items()}


class NexusNet(nn.Module):
    """Messages from all planes' hits to their space points, summed, and back, their mean."""

    def __init__(self, planes: Iterable[str], classes: int | None, width: int, nexus: int, *, stopgrad: bool) -> None:
        super().__init__()
        planes = tuple(planes)
        self.nexus_net = Perceptron(classes, len(planes) * width, nexus, nexus)
        self.nexus_down = nn.ModuleDict({p: Messages(classes, width, nexus, width, stopgrad=stopgrad) for p in planes})

    def forward(self, m: Mapping[str, Tensor], links: Mapping[str, Neighbours]) -> dict[str, Tensor]:
        """`links`: from hits to space points."""
        points = self.up(m, links)
        return {
            plane: net(m[plane], points, links[plane].reversed, links[plane].reversed.share)
            for plane, net in self.nexus_down.items()
        }

    def up(self, m: Mapping[str, Tensor], links: Mapping[str, Neighbours]) -> Tensor:
        """Space points (..., S, G). The first layer comes before the sums, which it commutes with: they are narrower."""
        parts = each(self.nexus_net.first, *m.values())
        sums = [
            weighted_sum(part, torch.ones_like(links[plane].source, dtype=part.dtype), links[plane])
            for plane, part in zip(m, parts, strict=True)
        ]
        return self.nexus_net.after_first(sum(sums, start=self.nexus_net.first.bias))


class Iteration(nn.Module):
    """One round of messages: every hit's embedding m and its input x to its next embedding."""

    def __init__(
        self, planes: Iterable[str], classes: int | None, inputs: int, width: int, nexus: int, *, stopgrad: bool
    ) -> None:
        super().__init__()
        planes = tuple(planes)
        self.plane_net = PlaneNet(planes, classes, inputs, width, stopgrad=stopgrad)
        self.nexus_net = NexusNet(planes, classes, width, nexus, stopgrad=stopgrad)

    def forward(
        self, m: Mapping[str, Tensor], x: Mapping[str, Tensor], edges: Mapping[str, Neighbours],
        links: Mapping[str, Neighbours],
    ) -> dict[str, Tensor]:  # fmt: skip
        return self.nexus_net(self.plane_net(m, x, edges), links)
