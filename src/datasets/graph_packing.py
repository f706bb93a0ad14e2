"""Many graphs as a few arrays on disk, one behind the other, with the places where each begins; made once, memory-mapped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from src.datasets.inputs import open_packed
from src.datasets.nugraph_graph import RawGraph, RawPlane
from src.datasets.nugraph_records import loaded_bytes
from src.errors import UserError
from src.graphs import GraphSchema
from src.task import IntArray

FACTS = "facts.json"
PARTS = {"x": np.float32, "semantic": np.int8, "edges": np.int32, "links": np.int32}
"""Arrays of a plane; numbers of hits and points count from the graph's first."""


@dataclass(frozen=True)
class PackedPlane:
    """All hits, edges and links of a plane. Offsets (n + 1,) int64: graph g has the rows from [g] to [g + 1]."""

    x: Tensor
    """(N, features) float32, unscaled: position first, then what else is known of a hit."""
    semantic: Tensor
    """(N,) int8."""
    edges: Tensor
    """(2 E,) int32: of each graph the hits that its edges are from, then those that they are to."""
    links: Tensor
    """(2 L,) int32: of each graph the hits of its links, then the points."""
    hits_at: Tensor
    edges_at: Tensor
    links_at: Tensor

    def to(self, device: torch.device) -> PackedPlane:
        """Contents on the device; offsets stay."""
        return replace(self, **{name: getattr(self, name).to(device) for name in PARTS})


@dataclass(frozen=True)
class Packed:
    """n graphs."""

    schema: GraphSchema
    planes: dict[str, PackedPlane]
    points_at: Tensor
    """(n + 1,): offsets of the space points, which have no contents."""
    vertex: Tensor
    """(n, 3) float32; NaN where it is not known."""
    label: IntArray
    """(n,): class of the event; -1 where it is not known."""
    event: IntArray
    """(n, 3): run, subrun, event."""
    sizes: IntArray
    """(n,): bytes, as the reference counts them."""

    def __len__(self) -> int:
        return len(self.label)

    @property
    def nbytes(self) -> int:
        return sum(getattr(plane, name).nbytes for plane in self.planes.values() for name in PARTS)

    def to(self, device: torch.device) -> Packed:
        planes = {name: plane.to(device) for name, plane in self.planes.items()}
        return replace(self, planes=planes, vertex=self.vertex.to(device))

    def holes(self) -> int:
        """How many graphs have a plane without a hit."""
        counts = torch.stack([plane.hits_at.diff() for plane in self.planes.values()])
        return int((counts == 0).any(dim=0).sum())

    def without_vertex(self) -> int:
        """Of how many graphs the vertex is not known."""
        return int((~self.vertex.isfinite()).any(dim=1).sum())


def pack(graphs: Iterable[RawGraph], folder: Path, planes: Sequence[str], semantic_classes: Sequence[str]) -> None:
    """Write graphs into a folder, one by one, in memory that does not grow with their number but for offsets.

    All hits must have as many features (ValueError).
    """
    offsets = {f"{p}.{part}_at": [0] for p in planes for part in ("hits", "edges", "links")} | {"points_at": [0]}
    columns: dict[str, list[Any]] = {name: [] for name in ("label", "event", "vertex", "sizes")}
    classified = False
    with ExitStack() as stack:
        files = {
            f"{p}.{part}": stack.enter_context(Growing(folder / f"{p}.{part}.npy", kind))
            for p in planes for part, kind in PARTS.items()
        }  # fmt: skip
        for graph in graphs:
            for p, plane in graph.planes.items():
                _add_plane(p, plane, files, offsets)
                classified |= bool((plane.semantic >= 0).any())
            offsets["points_at"].append(offsets["points_at"][-1] + graph.points)
            columns["label"].append(-1 if graph.label is None else graph.label)
            columns["event"].append((graph.run, graph.subrun, graph.event))
            columns["vertex"].append((np.nan,) * 3 if graph.vertex is None else graph.vertex)
            columns["sizes"].append(loaded_bytes(graph))
    for name, values in (offsets | columns).items():
        kind = np.float32 if name == "vertex" else np.int64
        np.save(folder / f"{name}.npy", np.array(values, dtype=kind))
    facts = {"planes": [*planes], "semantic_classes": [*semantic_classes] if classified else []}
    (folder / FACTS).write_text(json.dumps(facts))


def _add_plane(p: str, plane: RawPlane, files: dict[str, Growing], offsets: dict[str, list[int]]) -> None:
    rows = {"edges": plane.edges.reshape(-1), "links": plane.links.reshape(-1), "semantic": plane.semantic}
    if len(plane):
        rows["x"] = np.concatenate([plane.pos, plane.x], axis=1)
    for part, values in rows.items():
        files[f"{p}.{part}"].append(values)
    for part, count in (("hits", len(plane)), ("edges", plane.edges.shape[1]), ("links", plane.links.shape[1])):
        offsets[f"{p}.{part}_at"].append(offsets[f"{p}.{part}_at"][-1] + count)


class Growing:
    """A .npy file that rows are appended to; its header tells their number when it is closed."""

    def __init__(self, path: Path, kind: Any) -> None:
        self.file, self.kind = path.open("wb"), np.dtype(kind)
        self.rows = 0
        self.shape: tuple[int, ...] = ()

    def __enter__(self) -> Growing:
        return self

    def append(self, rows: npt.NDArray[Any]) -> None:
        if len(rows):
            if not self.rows:
                self.shape = rows.shape[1:]
                self._header()
            if rows.shape[1:] != self.shape:
                raise ValueError(f"{self.file.name}: rows of shape {rows.shape[1:]} behind others of {self.shape}")
            self.file.write(np.ascontiguousarray(rows, dtype=self.kind).data)
            self.rows += len(rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.file.seek(0)
        self._header()
        self.file.close()

    def _header(self) -> None:
        """As long whatever the number of rows: numpy leaves room for it to grow."""
        header = {"descr": self.kind.str, "fortran_order": False, "shape": (self.rows, *self.shape)}
        np.lib.format.write_array_header_1_0(self.file, header)


def open_graphs(folder: Path) -> Packed:
    """What `pack` has written, memory-mapped. Raises UserError if it is damaged."""
    try:
        facts = json.loads((folder / FACTS).read_text())
        stored = {path.name.removesuffix(".npy"): open_packed(path) for path in folder.glob("*.npy")}
        return _packed(facts, stored)
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{folder}: damaged ({error}); delete it, and it is made again") from None


def _packed(facts: dict[str, list[str]], stored: dict[str, npt.NDArray[Any]]) -> Packed:
    names = tuple(facts["planes"])
    features = max((stored[f"{p}.x"].shape[1] for p in names if stored[f"{p}.x"].size), default=2)
    planes = {}
    for p in names:
        parts = {part: torch.from_numpy(stored[f"{p}.{part}"]) for part in PARTS}
        parts["x"] = parts["x"].reshape(len(parts["x"]), features)
        offsets = {f"{part}_at": torch.from_numpy(stored[f"{p}.{part}_at"]) for part in ("hits", "edges", "links")}
        planes[p] = PackedPlane(**parts, **offsets)
    vertex = stored["vertex"].reshape(-1, 3)
    known = bool(len(vertex)) and bool(np.isfinite(vertex).all())
    schema = GraphSchema(names, features, tuple(facts["semantic_classes"]), known)
    return Packed(
        schema, planes, torch.from_numpy(stored["points_at"]), torch.from_numpy(vertex), np.asarray(stored["label"]),
        np.asarray(stored["event"]).reshape(-1, 3), np.asarray(stored["sizes"]),
    )  # fmt: skip
