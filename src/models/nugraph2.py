"""NuGraph2: a graph network for hits of liquid-argon detectors (Aurisano 2024), of releases v24.2 and v23.11."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import ConfigDict, with_config
from torch import Tensor, nn
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from src.component import NonNegativeFloat, PositiveInt
from src.errors import UserError
from src.graphs import NOISE, Graphs, GraphSchema
from src.models.base import Model
from src.models.heads import Head, last_layer
from src.models.nugraph_body import Body
from src.models.nugraph_heads import FilterDecoder, SemanticDecoder, SoftmaxPool, TanhLinear, VertexDecoder, Zeros, flat
from src.models.nugraph_layers import Perceptron
from src.models.nugraph_losses import RecallMean, SemanticLoss, filter_loss, log_cosh, semantic_loss
from src.models.side import SideScores
from src.task import Task

Version = Literal["v24.2", "v23.11"]
HeadName = Literal["event", "semantic", "filter", "vertex"]


@with_config(ConfigDict(extra="forbid"))
class LossWeights(TypedDict):
    """What each head's loss counts."""

    event: NonNegativeFloat
    semantic: NonNegativeFloat
    filter: NonNegativeFloat
    vertex: NonNegativeFloat


@dataclass(frozen=True)
class Widths:
    """How wide a release is where no option says otherwise."""

    planar: int
    nexus: int
    vertex_lstm: int
    vertex_mlp: tuple[int, ...]


WIDTHS: dict[str, Widths] = {"v24.2": Widths(128, 32, 64, (64,)), "v23.11": Widths(64, 16, 32, (32,))}
TEMPERATURES = {"event": 0.0, "semantic": 0.0, "filter": 0.0, "vertex": 5.0}
"""What they begin with."""


class NuGraph2(Model):
    """Hits are encoded (tanh of a linear layer, `encoder_depth` times); `iterations` times the same weights then pass messages.

    The features are the hits' embeddings, pooled channel by channel: planes · planar numbers of an event, in v23.11 of
    each semantic class. Without an event head the logits are 0. Every head k's loss counts as
    weight_k · exp(-T_k) · loss_k + T_k with a learned temperature T_k, which falls without bound as the loss goes to 0.
    """

    def __init__(
        self,
        *,
        version: Version = "v24.2",
        heads: list[HeadName] = ["event", "semantic"],  # noqa: B006 (never changed)
        planar: PositiveInt | None = None,
        nexus: PositiveInt | None = None,
        iterations: PositiveInt = 5,
        encoder_depth: Literal[1, 2] = 1,
        event_hidden: list[PositiveInt] = [],  # noqa: B006
        event_tanh: bool = False,
        head: Head = "linear",
        vertex_lstm: PositiveInt | None = None,
        vertex_mlp: list[PositiveInt] | None = None,
        vertex_padded: bool = False,
        semantic_loss: SemanticLoss = "recall",
        recall_mean: RecallMean = "all",
        loss_weights: LossWeights = LossWeights(event=2.0, semantic=2.0, filter=2.0, vertex=1.0),  # noqa: B008
        temperatures: bool = True,
        attention_stopgrad: bool = True,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if not heads or len({*heads}) < len(heads):
            raise ValueError(f"heads={heads}: give at least one of event, semantic, filter, vertex, each once")
        if event_tanh and head != "linear":
            raise ValueError("event_tanh squeezes the outputs of a linear layer: head=linear")
        if recall_mean == "labelled" and semantic_loss != "recall":
            raise ValueError(f"recall_mean is of semantic_loss=recall, not of {semantic_loss}")
        self.classifies, self.tempers = "event" in heads, temperatures and "event" in heads
        of_version = WIDTHS[version]
        self.version, self.heads, self.last = version, heads, head
        self.planar, self.nexus = planar or of_version.planar, nexus or of_version.nexus
        self.iterations, self.encoder_depth = iterations, encoder_depth
        self.event_hidden, self.event_tanh = event_hidden, event_tanh
        self.vertex_lstm = vertex_lstm or of_version.vertex_lstm
        self.vertex_mlp = of_version.vertex_mlp if vertex_mlp is None else tuple(vertex_mlp)
        self.vertex_padded, self.semantic_loss, self.recall_mean = vertex_padded, semantic_loss, recall_mean
        self.loss_weights, self.temperatures = loss_weights, temperatures
        self.attention_stopgrad, self.checkpointing = attention_stopgrad, checkpointing

    def setup(self, task: Task) -> None:
        schema = self._schema(task)
        names = schema.semantic_classes
        self.planes, self.semantic_classes = schema.planes, names
        self.classes = len(names) if self.version == "v23.11" else None
        width = self.planar * (self.classes or 1)
        self.body = Body(
            self.planes, self.classes, schema.features, self.planar, self.nexus,
            depth=self.encoder_depth, iterations=self.iterations,
            stopgrad=self.attention_stopgrad, checkpointing=self.checkpointing,
        )  # fmt: skip
        self.pool = nn.ModuleDict({plane: SoftmaxPool() for plane in self.planes})
        self.feature_dim = len(self.planes) * width
        self._event_layers(task.num_classes)
        if "semantic" in self.heads:
            self.semantic_decoder = SemanticDecoder(self.planes, self.classes, self.planar, len(names))
        if "filter" in self.heads:
            self.filter_decoder = FilterDecoder(self.planes, width)
        if "vertex" in self.heads:
            self.vertex_decoder = VertexDecoder(
                self.planes, width, self.vertex_lstm, self.vertex_mlp, padded=self.vertex_padded
            )
        self.temperature = nn.ParameterDict()
        if self.temperatures:
            self.temperature.update({head: nn.Parameter(torch.tensor(TEMPERATURES[head])) for head in self.heads})

    def _schema(self, task: Task) -> GraphSchema:
        if task.input_kind != "graph" or task.graph is None:
            raise UserError(f"model=nugraph2 takes graphs, not {task.input_kind}s; dataset=nugraph has them")
        schema, classes = task.graph, bool(task.graph.semantic_classes)
        if self.version == "v23.11" and not classes:
            raise UserError(
                "model.version=v23.11 has an axis of semantic classes, and this dataset names none: use v24.2"
            )
        for head, known in {"semantic": classes, "filter": classes, "vertex": schema.vertex}.items():
            if head in self.heads and not known:
                truth = "true vertex" if head == "vertex" else "semantic class of a hit"
                raise UserError(f"model.heads: '{head}' learns from the {truth}, which this dataset does not know")
        return schema

    def _event_layers(self, num_classes: int) -> None:
        self.hidden = Perceptron(None, self.feature_dim, *self.event_hidden)
        width = [self.feature_dim, *self.event_hidden][-1]
        if "event" not in self.heads:
            self.head: nn.Module = Zeros(num_classes)
        elif self.event_tanh:
            self.head = TanhLinear(width, num_classes)
        else:
            self.head = last_layer(self.last, width, num_classes)

    def features(self, x: Graphs) -> Tensor:
        hits = self.body(x)
        pooled = [pool(flat(hits[plane]), x.planes[plane].graph, x.size) for plane, pool in self.pool.items()]
        return torch.cat(pooled, dim=1)

    def penultimate(self, z: Tensor) -> Tensor:
        activations: Tensor = self.hidden(z)
        return activations

    def tempered(self, loss: Tensor) -> Tensor:
        return self._counted("event", loss) if "event" in self.heads else loss

    def side_losses(self, x: Graphs) -> dict[str, Tensor]:
        said = self._said(x)
        losses: dict[HeadName, Tensor] = {}
        if "semantic" in said:
            kind, mean = self.semantic_loss, self.recall_mean
            losses["semantic"] = semantic_loss(said["semantic"], self._truth(x), kind, mean)
        if "filter" in said:
            losses["filter"] = filter_loss(said["filter"], self._truth(x))
        if "vertex" in said:
            assert x.vertex is not None
            losses["vertex"] = log_cosh(said["vertex"], x.vertex)
        return {head: self._counted(head, loss) for head, loss in losses.items()}

    def side_scores(self, x: Graphs) -> dict[str, SideScores]:
        said = self._said(x)
        truth, graph = self._truth(x), torch.cat([x.planes[plane].graph for plane in self.planes])
        scores: dict[str, SideScores] = {}
        if "semantic" in said:
            scores["semantic"] = SideScores(
                "classes", said["semantic"].softmax(dim=1), truth, graph, self.semantic_classes
            )
        if "filter" in said:
            signal = (truth != NOISE).long()
            scores["filter"] = SideScores("binary", said["filter"].sigmoid(), signal, graph, ("noise", "signal"))
        if "vertex" in said:
            true = torch.full_like(said["vertex"], torch.nan) if x.vertex is None else x.vertex
            events = torch.arange(x.size, device=x.device)
            scores["vertex"] = SideScores("position", said["vertex"], true, events, ("x", "y", "z"))
        return scores

    def _said(self, x: Graphs) -> dict[str, Tensor]:
        """What the other heads say in this order: logits (N, C) and (N,) of all planes' hits, positions (B, 3)."""
        if self.heads == ["event"]:
            return {}
        hits, said = self.body(x), {}
        if "semantic" in self.heads:
            said["semantic"] = torch.cat([*self.semantic_decoder(hits).values()]).float()
        if "filter" in self.heads:
            said["filter"] = torch.cat([*self.filter_decoder(hits).values()]).float()
        if "vertex" in self.heads:
            said["vertex"] = self.vertex_decoder(hits, x.planes, x.size).float()
        return said

    def _truth(self, x: Graphs) -> Tensor:
        """The semantic class of all planes' hits."""
        return torch.cat([x.planes[plane].semantic for plane in self.planes])

    def _counted(self, head: HeadName, loss: Tensor) -> Tensor:
        loss = self.loss_weights[head] * loss
        if not self.temperatures:
            return loss
        t = self.temperature[head]
        return (-t).exp() * loss + t
