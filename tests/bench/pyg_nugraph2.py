"""NuGraph2 v24.2 with an event and a semantic head in torch_geometric, layer by layer as its authors have it.

Parameters have the original's names, so that `from_reference` translates them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.data import Batch, HeteroData
from torch_geometric.nn import MessagePassing, SimpleConv
from torch_geometric.nn.aggr import SoftmaxAggregation

from src.graphs import Graphs
from src.models.nugraph_losses import semantic_loss

PLANES = ("u", "v", "y")
WEIGHT = 2.0
"""What each head's loss counts."""


def batch_of(events: list[Graphs]) -> Batch:
    """Events, one each, as one batch of torch_geometric."""
    return Batch.from_data_list([_data(event) for event in events])


def _data(event: Graphs) -> HeteroData:
    data = HeteroData()
    for name, plane in event.planes.items():
        data[name].x, data[name].y_semantic = plane.x, plane.semantic
        data[name, "plane", name].edge_index = plane.edges
        data[name, "nexus", "sp"].edge_index = plane.links
    data["sp"].num_nodes = len(event.points)
    return data


def perceptron(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())


class Planar(MessagePassing):
    """Messages between the hits of a plane, summed."""

    def __init__(self, held: int, width: int) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.edge_net = nn.Sequential(nn.Linear(2 * held, 1), nn.Sigmoid())
        self.node_net = perceptron(2 * held, width)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        return self.propagate(edges, x=x)

    def message(self, x_i: Tensor, x_j: Tensor) -> Tensor:
        return self.edge_net(torch.cat([x_i, x_j], dim=-1).detach()) * x_j

    def update(self, told: Tensor, x: Tensor) -> Tensor:
        return self.node_net(torch.cat([x, told], dim=-1))


class NexusDown(MessagePassing):
    """Messages from space points to the hits of a plane, their mean."""

    def __init__(self, width: int, nexus: int) -> None:
        super().__init__(aggr="mean", node_dim=0, flow="target_to_source")
        self.edge_net = nn.Sequential(nn.Linear(width + nexus, 1), nn.Sigmoid())
        self.node_net = perceptron(width + nexus, width)

    def forward(self, m: Tensor, points: Tensor, links: Tensor) -> Tensor:
        told = self.propagate(links, x=m, n=points)
        return self.node_net(torch.cat([m, told], dim=-1))

    def message(self, x_i: Tensor, n_j: Tensor) -> Tensor:
        return self.edge_net(torch.cat([x_i, n_j], dim=-1).detach()) * n_j


class Each(nn.Module):
    """One layer a plane, under the name `net`."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        self.net = nn.ModuleDict(layers)


class Nexus(nn.Module):
    def __init__(self, width: int, nexus: int) -> None:
        super().__init__()
        self.nexus_up = SimpleConv(aggr="add", node_dim=0)
        self.nexus_net = perceptron(3 * width, nexus)
        self.nexus_down = nn.ModuleDict({p: NexusDown(width, nexus) for p in PLANES})

    def forward(self, m: dict[str, Tensor], links: dict[str, Tensor], points: Tensor) -> dict[str, Tensor]:
        heard = [self.nexus_up((m[p], points), links[p]) for p in PLANES]
        found = self.nexus_net(torch.cat(heard, dim=-1))
        return {p: down(m[p], found, links[p]) for p, down in self.nexus_down.items()}


class Event(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.pool = nn.ModuleDict({p: SoftmaxAggregation(learn=True) for p in PLANES})
        self.net = nn.Sequential(nn.Linear(3 * width, classes))
        self.temp = nn.Parameter(torch.tensor(0.0))


class Semantic(Each):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__({p: nn.Linear(width, classes) for p in PLANES})
        self.temp = nn.Parameter(torch.tensor(0.0))


class PygNuGraph2(nn.Module):
    def __init__(self, features: int, events: int, semantic: int, width: int = 128, nexus: int = 32) -> None:
        super().__init__()
        self.encoder = Each({p: nn.Sequential(nn.Linear(features, width), nn.Tanh()) for p in PLANES})
        self.plane_net = Each({p: Planar(width + features, width) for p in PLANES})
        self.nexus_net = Nexus(width, nexus)
        self.event_decoder = Event(width, events)
        self.semantic_decoder = Semantic(width, semantic)

    def forward(self, data: Batch, iterations: int = 5) -> tuple[Tensor, Tensor]:
        """Logits of the events (B, classes), and of all planes' hits (N, classes)."""
        x = {p: data[p].x for p in PLANES}
        edges = {p: data[p, "plane", p].edge_index for p in PLANES}
        links = {p: data[p, "nexus", "sp"].edge_index for p in PLANES}
        points = x["u"].new_empty(data["sp"].num_nodes, 1)
        m = {p: net(x[p]) for p, net in self.encoder.net.items()}
        for _ in range(iterations):
            m = {p: net(torch.cat([m[p], x[p].detach()], dim=-1), edges[p]) for p, net in self.plane_net.net.items()}
            m = self.nexus_net(m, links, points)
        pooled = [pool(m[p], data[p].batch, dim_size=data.num_graphs) for p, pool in self.event_decoder.pool.items()]
        semantic = [net(m[p]) for p, net in self.semantic_decoder.net.items()]
        return self.event_decoder.net(torch.cat(pooled, dim=-1)), torch.cat(semantic)

    def loss(self, data: Batch, y: Tensor) -> Tensor:
        """Cross-entropy of the events and the recall loss of the hits, each with its temperature."""
        event, semantic = self(data)
        truth = torch.cat([data[p].y_semantic for p in PLANES])
        t, s = self.event_decoder.temp, self.semantic_decoder.temp
        first, second = F.cross_entropy(event, y), semantic_loss(semantic, truth, "recall", "all")
        return WEIGHT * ((-t).exp() * first + (-s).exp() * second) + t + s
