"""A graph's record in a NuGraph file, {"<store>/<attribute>": array}, to and from a graph in memory; both generations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from src.datasets.nugraph_graph import Floats, Ints, RawGraph, RawPlane

Record = dict[str, npt.NDArray[Any]]


def planar(record: Record, planes: Sequence[str]) -> RawGraph:
    """A record of the first generation, a store a plane. Raises KeyError for a field that is missing.

    What is empty stands in files as a single 0.
    """
    parts = {p: _plane(record, p) for p in planes}
    return _graph(record, parts, int(record["sp/num_nodes"]))


def _plane(record: Record, p: str) -> RawPlane:
    pos, x = _rows(record[f"{p}/pos"], 2), record[f"{p}/x"]
    vertex = record.get(f"{p}/y_vtx")
    return RawPlane(
        pos, _rows(x, 0), _column(record[f"{p}/id"]),
        _label(record, f"{p}/y_semantic", len(pos)), _label(record, f"{p}/y_instance", len(pos)),
        _pairs(record[f"{p}_plane_{p}/edge_index"]), _pairs(record[f"{p}_nexus_sp/edge_index"]),
        None if vertex is None or not vertex.ndim else vertex.astype(np.float32, copy=False),
    )  # fmt: skip


def merged(record: Record, planes: Sequence[str]) -> RawGraph:
    """A record of the second generation, one store for the hits of all planes, whose number `hit/plane` tells.

    Edges between planes are left out; a particle's number among the true ones becomes the instance. Positions are as stored
    (wire and tick, not in cm). Raises KeyError for a field that is missing, ValueError for an index out of range or columns that differ in length.
    """
    plane = _column(record["hit/plane"])
    n = len(plane)
    if n and not 0 <= plane.min() <= plane.max() < len(planes):
        raise ValueError(
            f"hit/plane has values from {plane.min()} to {plane.max()}, and there are {len(planes)} planes"
        )
    pos, x, number = _rows(record["hit/pos"], 2), _rows(record["hit/x"], 0), _column(record["hit/id"])
    semantic, instance = _label(record, "hit/y_semantic", n), np.full(n, -1, dtype=np.int64)
    for name, values in (("pos", pos), ("x", x), ("id", number), ("y_semantic", semantic)):
        if len(values) != n:
            raise ValueError(f"hit/{name} has {len(values)} rows, hit/plane {n}")
    edges, links = (_within(record, f"hit_{kind}/edge_index", n) for kind in ("delaunay-planar_hit", "nexus_sp"))
    if "hit_cluster-truth_particle-truth/edge_index" in record:
        hit, particle = _within(record, "hit_cluster-truth_particle-truth/edge_index", n)
        instance[hit] = particle
    parts, local = {}, np.zeros(n, dtype=np.int64)
    for k, name in enumerate(planes):
        here = np.flatnonzero(plane == k)
        local[here] = np.arange(len(here))
        inside = edges[:, (plane[edges] == k).all(axis=0)]
        linked = links[:, plane[links[0]] == k]
        parts[name] = RawPlane(
            pos[here], x[here], number[here], semantic[here], instance[here],
            local[inside], np.stack([local[linked[0]], linked[1]]),
        )  # fmt: skip
    points = int(record["sp/num_nodes"]) if "sp/num_nodes" in record else len(_rows(record["sp/pos"], 3))
    return _graph(record, parts, points)


def _within(record: Record, field: str, n: int) -> Ints:
    """Pairs whose first ones are hits of a graph of n."""
    pairs = _pairs(record[field])
    if pairs.ndim != 2 or len(pairs) != 2:
        raise ValueError(f"{field} is of shape {pairs.shape}, not (2, any)")
    ends = pairs if field.endswith("_hit/edge_index") else pairs[:1]
    if ends.size and not 0 <= ends.min() <= ends.max() < n:
        raise ValueError(f"{field} has hits from {ends.min()} to {ends.max()}, and there are {n}")
    return pairs


def _graph(record: Record, planes: dict[str, RawPlane], points: int) -> RawGraph:
    number = {name: int(record[f"metadata/{name}"]) for name in ("run", "subrun", "event")}
    label, vertex = record.get("evt/y"), record.get("evt/y_vtx")
    return RawGraph(
        **number, planes=planes, points=points,
        label=None if label is None else int(label.reshape(-1)[0]),
        vertex=None if vertex is None or not vertex.ndim else vertex.reshape(-1).astype(np.float32, copy=False),
    )  # fmt: skip


def _rows(values: npt.NDArray[Any], width: int) -> Floats:
    return values.astype(np.float32, copy=False) if values.ndim else np.zeros((0, width), dtype=np.float32)


def _column(values: npt.NDArray[Any]) -> Ints:
    return values.astype(np.int64, copy=False) if values.ndim else np.zeros(0, dtype=np.int64)


def _label(record: Record, field: str, n: int) -> Ints:
    return _column(record[field]) if field in record else np.full(n, -1, dtype=np.int64)


def _pairs(values: npt.NDArray[Any]) -> Ints:
    return values.astype(np.int64, copy=False) if values.ndim else np.zeros((2, 0), dtype=np.int64)


def record(graph: RawGraph) -> Record:
    """The first generation's record of a graph; `planar` reads it back."""
    number = {f"metadata/{name}": np.int64(getattr(graph, name)) for name in ("run", "subrun", "event")}
    fields: dict[str, Any] = {**number, "sp/num_nodes": np.int64(graph.points)}
    for p, plane in graph.planes.items():
        fields |= {f"{p}/pos": plane.pos, f"{p}/x": plane.x, f"{p}/id": plane.id}
        fields |= {f"{p}/y_semantic": plane.semantic, f"{p}/y_instance": plane.instance}
        fields |= {} if plane.vertex is None else {f"{p}/y_vtx": plane.vertex}
    fields |= {} if graph.label is None else {"evt/y": np.int64(graph.label)}
    fields |= {} if graph.vertex is None else {"evt/y_vtx": graph.vertex[None]}
    for p, plane in graph.planes.items():
        fields |= {f"{p}_plane_{p}/edge_index": plane.edges, f"{p}_nexus_sp/edge_index": plane.links}
    arrays = {name: np.asarray(value) for name, value in fields.items()}
    return {name: array if array.size else array.dtype.type(0) for name, array in arrays.items()}


def loaded_bytes(graph: RawGraph) -> int:
    """What the reference takes a graph's size for: bytes of all its fields, hits' positions counted as features, too."""
    whole = sum(value.nbytes for name, value in record(graph).items() if value.ndim or not name.endswith("edge_index"))
    return whole + sum(plane.pos.nbytes for plane in graph.planes.values())
