"""NuGraph's graph files (.gnn.h5), read without MPI: one compound record a graph, both generations; the first is written."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from src.datasets.caf import opened
from src.datasets.nugraph_graph import RawGraph
from src.datasets.nugraph_records import Record, loaded_bytes, merged, planar, record
from src.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import h5py

PARTS = ("train", "validation", "test")
GENERATIONS = {1: planar, 2: merged}

Norm = Mapping[str, npt.NDArray[Any]]
"""Of each plane: (2, features), mean and standard deviation."""


@dataclass(frozen=True)
class Header:
    """What a file says of all its graphs."""

    path: Path
    generation: int
    planes: tuple[str, ...]
    semantic_classes: tuple[str, ...]
    """Empty if the file does not say."""
    event_classes: tuple[str, ...]
    """Empty if the file does not say."""
    names: tuple[str, ...]
    """Of the graphs, in the order in which HDF5 lists them."""
    samples: dict[str, tuple[str, ...]]
    """Names of the graphs of train, validation and test, as stored, unchecked; empty if the file is not divided."""
    norm: Norm
    """As stored, unchecked; empty if it is not."""


def read_header(path: Path) -> Header:
    """What stands beside the graphs. Raises UserError for what is missing."""
    with opened(path) as file:
        for name in ("planes", "dataset"):
            if name not in file:
                raise UserError(f"{path}: has no '{name}'; a graph file has planes and dataset/<graph> (is it one?)")
        planes, names = _texts(file, "planes"), tuple(file["dataset"])
        generation = int(np.ravel(file["gen"][()])[0]) if "gen" in file else 1
        if generation not in GENERATIONS:
            raise UserError(f"{path}: graphs of generation {generation}; the generations 1 and 2 can be read")
        norm = {p: file[f"norm/{p}"][()] for p in planes if f"norm/{p}" in file}
        classes = [_texts(file, f"{kind}_classes") for kind in ("semantic", "event")]
        samples = {part: _texts(file, f"samples/{part}") for part in PARTS if f"samples/{part}" in file}
        return Header(path, generation, planes, classes[0], classes[1], names, samples, norm)


def _texts(file: h5py.File, name: str) -> tuple[str, ...]:
    from h5py import check_string_dtype

    if name not in file:
        return ()
    if check_string_dtype(file[name].dtype) is None or file[name].ndim != 1:
        raise UserError(f"{file.filename}: '{name}' is no list of strings; make the file again")
    return tuple(file[name].asstr()[()].tolist())


def check_samples(header: Header) -> None:
    """Raises UserError unless a file's parts are all three or none, disjoint, and of graphs that are there."""
    path, parts, names = header.path, header.samples, set(header.names)
    for part in PARTS if parts else ():
        if part not in parts:
            raise UserError(f"{path}: has samples/{', samples/'.join(parts)}, but no samples/{part}; use split=random")
    seen: set[str] = set()
    for part, listed in parts.items():
        for name in listed:
            if name not in names:
                known = did_you_mean(name, names)
                raise UserError(f"{path}: samples/{part} names '{name}', which is not in dataset{known}")
            if name in seen:
                raise UserError(f"{path}: graph '{name}' stands in samples twice, at last in {part}; use split=random")
            seen.add(name)


def read_graphs(header: Header, names: Iterable[str] | None = None) -> Iterator[RawGraph]:
    """The graphs of these names (all, if none are given), in their order, from a file that is opened once.

    Raises UserError for a graph that lacks a field, or that is none.
    """
    convert = GENERATIONS[header.generation]
    with opened(header.path) as file:
        for name in header.names if names is None else names:
            where = f"{header.path}: graph {name}"
            try:
                yield convert(fields(file["dataset"], name), header.planes)
            except KeyError as error:
                raise UserError(
                    f"{where} has no field {error}, which generation {header.generation} needs; make the file again"
                ) from None
            except ValueError as error:
                raise UserError(f"{where}: {error}; make the file again, or leave the graph out of samples") from None


def fields(group: h5py.Group, name: str) -> Record:
    """The fields of a compound scalar: its bytes at once, cut by its type, in less than half the time of h5py's own way.

    Raises KeyError if it is not there, ValueError if it is something else.
    """
    from h5py import h5d, h5s, h5t

    stored = h5d.open(group.id, name.encode())
    kind = stored.get_type()
    if kind.get_class() != h5t.COMPOUND or stored.shape != ():
        raise ValueError("is not one compound record")
    whole = np.empty(kind.get_size(), dtype=np.uint8)
    stored.read(h5s.ALL, h5s.ALL, whole, kind)
    found = {}
    for k in range(kind.get_nmembers()):
        member, shape = kind.get_member_type(k), ()
        if member.get_class() == h5t.ARRAY:
            member, shape = member.get_super(), member.get_array_dims()
        if member.get_class() not in (h5t.INTEGER, h5t.FLOAT):
            continue  # nothing that a graph is made of
        numbers = _numbers(member.get_class() == h5t.FLOAT, member.get_size(), member.get_order() == h5t.ORDER_LE)
        values = np.frombuffer(whole, numbers, math.prod(shape), kind.get_member_offset(k))
        found[kind.get_member_name(k).decode()] = values.reshape(shape)
    return found


@functools.cache
def _numbers(floats: bool, size: int, little: bool) -> np.dtype[Any]:
    return np.dtype(f"{'<' if little else '>'}{'f' if floats else 'i'}{size}")


def write(
    path: Path,
    graphs: Iterable[RawGraph],
    planes: Sequence[str],
    semantic_classes: Sequence[str] = (),
    event_classes: Sequence[str] = (),
    samples: Mapping[str, Sequence[str]] | None = None,
    norm: Norm | None = None,
) -> None:
    """A file of the first generation, as the reference writes it; `samples` brings datasize/train along."""
    import h5py

    classes = {"semantic_classes": semantic_classes, "event_classes": event_classes}
    texts = {"planes": planes, **{name: values for name, values in classes.items() if values}}
    texts |= {f"samples/{part}": names for part, names in (samples or {}).items()}
    size = {}
    with h5py.File(path, "w") as file:
        for name, values in texts.items():
            file.create_dataset(name, data=list(values), dtype=h5py.string_dtype())
        for plane, scale in (norm or {}).items():
            file[f"norm/{plane}"] = np.asarray(scale, dtype=np.float32)
        for graph in graphs:
            _write_graph(file, graph)
            size[graph.name] = loaded_bytes(graph)
        if samples:
            file["datasize/train"] = np.array([size[name] for name in samples["train"]], dtype=np.int64)


def _write_graph(file: h5py.File, graph: RawGraph) -> None:
    stored = record(graph)
    values = np.zeros((), dtype=[(name, value.dtype, value.shape) for name, value in stored.items()])
    for name, value in stored.items():
        values[name] = value
    file.create_dataset(f"dataset/{graph.name}", data=values)
