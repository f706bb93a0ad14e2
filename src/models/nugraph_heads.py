"""What NuGraph2 reads off its hits' embeddings m, which are (N, F), or (C, N, F) with a class axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence, pad_sequence

from src.graphs import Plane
from src.models.nugraph_layers import linear


def flat(m: Tensor) -> Tensor:
    """(N, F) or (N, C · F)."""
    return m if m.ndim == 2 else m.movedim(0, 1).flatten(1)


class SoftmaxPool(nn.Module):
    """Σ_i softmax_i(t · m_ic) m_ic over the hits i of each graph, for every channel c: (N, w) -> (B, w).

    A graph without hits gives 0. The scale t is learned.
    """

    def __init__(self) -> None:
        super().__init__()
        self.t = nn.Parameter(torch.ones(1))

    def forward(self, m: Tensor, graph: Tensor, size: int) -> Tensor:
        m = m.float()  # sums over thousands of hits
        scaled = self.t * m
        zeros = m.new_zeros(size, m.shape[1])
        with torch.no_grad():
            index = graph[:, None].expand_as(m)
            largest = zeros.scatter_reduce(0, index, scaled.detach(), "amax", include_self=False)
        weight = (scaled - largest.index_select(0, graph)).exp()
        total = zeros.index_add(0, graph, weight)  # at least 1 where there are hits
        return zeros.index_add(0, graph, weight * m) / total.clamp_min(1)


class Zeros(nn.Module):
    """Logits (B, C) that say nothing: of a run without an event head."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, z: Tensor) -> Tensor:
        return z.new_zeros(len(z), self.num_classes)


class TanhLinear(nn.Linear):
    """A linear layer whose outputs are squeezed into (-1, 1)."""

    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z).tanh()


class SemanticDecoder(nn.Module):
    """Logits (N, C) of each plane's hits."""

    def __init__(self, planes: Iterable[str], classes: int | None, width: int, num_classes: int) -> None:
        super().__init__()
        outputs = num_classes if classes is None else 1
        self.net = nn.ModuleDict({plane: linear(classes, width, outputs) for plane in planes})

    def forward(self, m: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {plane: flat(net(m[plane])) for plane, net in self.net.items()}


class FilterDecoder(nn.Module):
    """Logits (N,) of each plane's hits: whether a particle made them."""

    def __init__(self, planes: Iterable[str], width: int) -> None:
        super().__init__()
        self.net = nn.ModuleDict({plane: nn.Linear(width, 1) for plane in planes})

    def forward(self, m: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {plane: net(flat(m[plane])).squeeze(1) for plane, net in self.net.items()}


class VertexDecoder(nn.Module):
    """Where the interaction was, (B, 3): an LSTM over each plane's hits in their order, then a perceptron with ReLU.

    Padded, graphs are made as long as the longest of the batch by zeros, which the LSTM runs on over, as the original
    does: then what is said of a graph depends on its companions. Else it stops at a graph's last hit; a plane without
    hits gives 0.
    """

    def __init__(self, planes: Iterable[str], width: int, hidden: int, widths: Sequence[int], *, padded: bool) -> None:
        super().__init__()
        self.lstm = nn.ModuleDict({plane: nn.LSTM(width, hidden, batch_first=True) for plane in planes})
        layers: list[nn.Module] = []
        for before, after in zip((len(self.lstm) * hidden, *widths), widths, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1] if widths else len(self.lstm) * hidden, 3))
        self.padded = padded

    def forward(self, m: Mapping[str, Tensor], planes: Mapping[str, Plane], size: int) -> Tensor:
        last = self.last_padded if self.padded else self.last
        read = [
            last(cast(nn.LSTM, lstm), _graphs(m[plane], planes[plane].graph, size)) for plane, lstm in self.lstm.items()
        ]
        found: Tensor = self.net(torch.cat(read, dim=1))
        return found

    @staticmethod
    def last(lstm: nn.LSTM, graphs: Sequence[Tensor]) -> Tensor:
        """The state (B, hidden) after each graph's last hit."""
        full = [number for number, graph in enumerate(graphs) if len(graph)]
        state = graphs[0].new_zeros(len(graphs), lstm.hidden_size)
        if not full:
            return state
        _, (after, _) = lstm(pack_sequence([graphs[number] for number in full], enforce_sorted=False))
        return state.to(after.dtype).index_copy(0, torch.tensor(full, device=state.device), after[0])

    @staticmethod
    def last_padded(lstm: nn.LSTM, graphs: Sequence[Tensor]) -> Tensor:
        padded = pad_sequence([*graphs], batch_first=True)
        if not padded.shape[1]:
            return padded.new_zeros(len(graphs), lstm.hidden_size)
        states: Tensor = lstm(padded)[0]
        return states[:, -1]


def _graphs(m: Tensor, graph: Tensor, size: int) -> Sequence[Tensor]:
    """The hits of each graph."""
    return flat(m).split(torch.bincount(graph, minlength=size).tolist())
