"""Inputs that are ragged graphs: rows of packed arrays, gathered for a whole batch at once, without padding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
            x = (x - mean) / deviation
        first, point = (each.first.to(device, torch.int32) for each in (hits, points))
        return Plane(
            x=x,
            graph=hits.owner(device),
            edges=(edges.pairs(plane.edges).to(device, non_blocking=True) + edges.shift(first)).long(),
            links=(
                links.pairs(plane.links).to(device, non_blocking=True) + links.shift(torch.stack([first, point]))
            ).long(),
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
    """Rows of graphs, to be laid out one graph behind the other. All (B,) int64, on the CPU: no device is waited for."""

    start: Tensor
    """Where each graph's rows begin in storage."""
    count: Tensor
    first: Tensor
    """Where they begin in the batch."""
    total: int

    @classmethod
    def of(cls, offsets: Tensor, positions: Tensor) -> Ragged:
        start = offsets[positions]
        count = offsets[positions + 1] - start
        return cls(start, count, count.cumsum(0) - count, int(count.sum()))

    def rows(self, storage: Tensor) -> Tensor:
        """The batch's rows, (total, ...). Copied graph by graph: faster than row by row, which needs as many indices."""
        return torch.cat([storage[at : at + n] for at, n in self._places()])

    def pairs(self, storage: Tensor) -> Tensor:
        """The same of pairs, stored as all first ones of a graph and then all second ones: (2, total)."""
        return torch.cat([storage[2 * at : 2 * (at + n)].view(2, n) for at, n in self._places()], dim=1)

    def _places(self) -> Iterator[tuple[int, int]]:
        return zip(self.start.tolist(), self.count.tolist(), strict=True)

    def owner(self, device: torch.device) -> Tensor:
        """The graph in the batch that each row is of, (total,), rising."""
        return self.shift(torch.arange(len(self.count), device=device))

    def shift(self, values: Tensor) -> Tensor:
        """Of each row its graph's value: (..., B) to (..., total)."""
        return values.repeat_interleave(self.count.to(values.device), dim=-1, output_size=self.total)
