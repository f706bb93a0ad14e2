"""Inputs that are ragged graphs: rows of packed arrays, gathered for a whole batch at once, without padding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from src.datasets.graph_packing import Packed, PackedPlane
from src.datasets.inputs import RESIDENT_BYTES
from src.graphs import Graphs, GraphSchema, Plane
from src.task import FloatArray, InputKind, IntArray

BLOCK = 1024  # graphs taken at a time where all are passed through
INTEGRAL = 2
"""The column of a hit's charge, behind its position."""


class GraphInputs:
    """Packed graphs, features of each plane scaled by (x - mean) / deviation; (2, features) each, none: as stored."""

    kind: InputKind = "graph"
    shape: tuple[int, ...] = ()

    def __init__(self, packed: Packed, norm: Mapping[str, npt.NDArray[Any] | Tensor] | None = None) -> None:
        self.packed = packed
        self.norm = {name: torch.as_tensor(values) for name, values in (norm or {}).items()}

    def __len__(self) -> int:
        return len(self.packed)

    @property
    def schema(self) -> GraphSchema:
        return self.packed.schema

    @property
    def sizes(self) -> IntArray:
        """Bytes of each graph, (n,), as the reference counts them (and balances batches by them)."""
        return self.packed.sizes

    @property
    def streams(self) -> bool:
        return self.packed.vertex.device.type == "cpu"  # memory-mapped

    def resident(self, device: torch.device) -> GraphInputs:
        if device.type == "cpu" or self.packed.nbytes > RESIDENT_BYTES:
            return self
        return GraphInputs(self.packed.to(device), {name: values.to(device) for name, values in self.norm.items()})

    def fetch(self, positions: Tensor, device: torch.device) -> Graphs:
        points = Ragged.of(self.packed.points_at, positions)
        planes = {
            name: self._plane(name, plane, positions, points, device) for name, plane in self.packed.planes.items()
        }
        vertex = self.packed.vertex
        chosen = vertex[positions.to(vertex.device)].to(device, non_blocking=True) if self.schema.vertex else None
        return Graphs(planes, points.owner(device), len(positions), chosen)

    def _plane(self, name: str, plane: PackedPlane, positions: Tensor, points: Ragged, device: torch.device) -> Plane:
        hits, edges, links = (Ragged.of(at, positions) for at in (plane.hits_at, plane.edges_at, plane.links_at))
        x = hits.rows(plane.x).to(device, non_blocking=True)
        if name in self.norm:
            mean, deviation = self.norm[name].to(device)
            x = x.sub_(mean).div_(deviation)
        return Plane(
            x=x,
            graph=hits.owner(device),
            edges=edges.pairs(plane.edges, hits, hits).to(device, non_blocking=True).long(),
            links=links.pairs(plane.links, hits, points).to(device, non_blocking=True).long(),
            semantic=hits.rows(plane.semantic).to(device, non_blocking=True).long(),
        )

    # --- what is looked at, unscaled ---

    def unscaled(self, name: str, positions: IntArray) -> npt.NDArray[np.float32]:
        """All features of the hits of these graphs in a plane, (N, features), position first."""
        plane = self.packed.planes[name]
        return Ragged.of(plane.hits_at, torch.from_numpy(positions)).rows(plane.x).cpu().numpy()

    def blocks(self, name: str, positions: IntArray, size: int = BLOCK) -> Iterator[npt.NDArray[np.float32]]:
        """The same, of so many graphs at a time."""
        return (self.unscaled(name, positions[start : start + size]) for start in range(0, len(positions), size))

    def places(self, position: int) -> dict[str, npt.NDArray[np.float32]]:
        """Where the hits of one graph are in each plane, (N, 2): wire and time, for a picture."""
        return {name: self.unscaled(name, np.array([position]))[:, :2] for name in self.schema.planes}

    def hits_and_charge(self, positions: IntArray) -> tuple[FloatArray, tuple[str, ...]]:
        """The number of hits and their summed integral in each plane, (B, 2 · planes), and the columns' names."""
        table, names = [], []
        for name, plane in self.packed.planes.items():
            count = plane.hits_at.diff()[torch.from_numpy(positions)].numpy()
            owner = np.repeat(np.arange(len(positions)), count)
            charge = self.unscaled(name, positions)[:, INTEGRAL].astype(np.float64)
            table += [count.astype(np.float64), np.bincount(owner, charge, minlength=len(positions))]
            names += [f"hits_{name}", f"charge_{name}"]
        return np.stack(table, axis=1), tuple(names)


@dataclass(frozen=True)
class Ragged:
    """Rows of graphs, to be laid out one graph behind the other. All (B,) int64, on the CPU: no device is waited for.

    In memory numpy cuts and repeats, in less than half the time that torch takes for pieces so small.
    """

    start: Tensor
    """Where each graph's rows begin in storage."""
    count: Tensor

    @classmethod
    def of(cls, offsets: Tensor, positions: Tensor) -> Ragged:
        start = offsets[positions]
        return cls(start, offsets[positions + 1] - start)

    @cached_property
    def first(self) -> Tensor:
        """Where they begin in the batch."""
        return self.count.cumsum(0) - self.count

    def rows(self, storage: Tensor) -> Tensor:
        """The batch's rows, (total, ...). Copied graph by graph: faster than row by row, which needs as many indices."""
        places = zip(self.start.tolist(), self.count.tolist(), strict=True)
        if storage.device.type == "cpu":
            mapped = storage.numpy()
            return torch.from_numpy(np.concatenate([mapped[at : at + n] for at, n in places]))
        return torch.cat([storage[at : at + n] for at, n in places])

    def pairs(self, storage: Tensor, *ends: Ragged) -> Tensor:
        """The same of pairs of rows of both `ends`, stored as all first ones of a graph and then all second ones: (2, total)."""
        both = Ragged(torch.cat([2 * self.start, 2 * self.start + self.count]), self.count.repeat(2))
        first = torch.cat([end.first for end in ends]).to(storage.dtype)
        return both.rows(storage).add_(both.repeated(first, storage.device)).view(2, -1)

    def owner(self, device: torch.device) -> Tensor:
        """The graph in the batch that each row is of, (total,), rising."""
        return self.repeated(torch.arange(len(self.count)), device)

    def repeated(self, values: Tensor, device: torch.device) -> Tensor:
        """Of each row its graph's value: (B,) to (total,)."""
        if device.type == "cpu":
            return torch.from_numpy(np.repeat(values.numpy(), self.count.numpy()))
        return values.to(device).repeat_interleave(self.count.to(device), output_size=int(self.count.sum()))
