"""Files of graphs, or of event tables, as one packed sample: checked, built and packed once, then memory-mapped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from src.datasets.cache import completed, digest, digests, file_digest
from src.datasets.graph_packing import Packed, open_graphs, pack
from src.datasets.nugraph_build import EVENT_CLASSES, PLANES, Dropped, build
from src.datasets.nugraph_checks import check
from src.datasets.nugraph_events import SUFFIX, read_events
from src.datasets.nugraph_files import PARTS, Header, check_samples, read_graphs, read_header
from src.datasets.nugraph_graph import RawGraph
from src.datasets.nugraph_labels import SEMANTIC_CLASSES
from src.errors import UserError
from src.graphs import GraphSchema
from src.simulators.lartpc_tables import EventTables
from src.task import IntArray

COUNTS = "counts.json"
CODE = ("nugraph_*.py", "graph_packing.py")


@dataclass(frozen=True)
class Sample:
    """All graphs of some files."""

    packed: Packed
    paths: Sequence[Path]
    path: IntArray
    """(n,): which of these files each is from."""
    part: IntArray | None
    """(n,): its place in PARTS, where the files say so."""
    event_classes: tuple[str, ...]
    headers: list[Header]
    """Of graph files; none for event tables."""
    dropped: dict[str, int]
    """How many events became no graph, by reason."""

    @property
    def file(self) -> npt.NDArray[np.str_]:
        """(n,): the name of the file that each is from."""
        return np.array([path.name for path in self.paths])[self.path]

    @property
    def left_out(self) -> list[str]:
        """What a person should know of the events that became no graph."""
        return [f"{count} events left out: {why}" for why, count in self.dropped.items()]

    @property
    def schema(self) -> GraphSchema:
        return self.packed.schema


def find(path: Path) -> list[Path]:
    """Graph files below a folder, else files of event tables, sorted; or the one file that the path names."""
    if path.is_file():
        return [path]
    files = sorted(file for file in path.rglob("*.h5") if not file.name.startswith("."))
    graphs = [file for file in files if not file.name.endswith(SUFFIX)]
    return graphs or files


def collect(paths: Sequence[Path], cache_root: Path, *, as_divided: bool, lower_bound: int) -> Sample:
    """One sample of all files; `as_divided`: only graphs that stand in samples, where the files have such lists.

    Raises UserError for files that differ in kind, or for a graph that cannot be learned from.
    """
    events = [path for path in paths if path.name.endswith(SUFFIX)]
    if 0 < len(events) < len(paths):
        graphs = next(path for path in paths if path not in events)
        raise UserError(f"{events[0]} has event tables, and {graphs} graphs; give files of one kind")
    headers = [] if events else _agreeing([read_header(path) for path in paths])
    divided = as_divided and _divided(headers)
    names = [_chosen(header, divided) for header in headers]
    code = [file for pattern in CODE for file in sorted(Path(__file__).parent.glob(pattern))]
    content = digests(paths, cache_root)
    key = digest([content[path] for path in paths], divided, lower_bound if events else None, file_digest(code))

    def make(folder: Path) -> None:
        counts, dropped = [0] * len(paths), Counter[str]()
        streams = [_built(path, lower_bound, dropped) for path in events] or map(read_graphs, headers, names)
        planes, semantic, classes = _kind(headers)
        checked = _checked(zip(paths, streams, strict=True), counts, len(semantic), len(classes))
        pack(checked, folder, planes, semantic)
        (folder / COUNTS).write_text(json.dumps({"counts": counts, "dropped": dropped}))

    folder = completed(cache_root / "graphs" / key, make)
    stored = json.loads((folder / COUNTS).read_text())
    part = np.concatenate([_parts(header) for header in headers]) if divided else None
    path = np.repeat(np.arange(len(paths)), stored["counts"])
    return Sample(open_graphs(folder), paths, path, part, _kind(headers)[2], headers, stored["dropped"])


def _agreeing(headers: list[Header]) -> list[Header]:
    """Raises UserError if they differ in planes, or in classes that they give."""
    for name in ("planes", "semantic_classes", "event_classes"):
        giving = [header for header in headers if name == "planes" or getattr(header, name)]
        for header in giving:
            one, other = getattr(giving[0], name), getattr(header, name)
            if one != other:
                raise UserError(
                    f"{header.path}: its {name} are {', '.join(other)}, those of {giving[0].path.name} {', '.join(one)}; "
                    "give files of one kind"
                )
    return headers


def _divided(headers: list[Header]) -> bool:
    """Whether the files say which graphs are for training, validation and test: all, or none of them."""
    for header in headers:
        check_samples(header)
    without = [header.path for header in headers if not header.samples]
    if headers and without and len(without) < len(headers):
        raise UserError(f"{without[0]}: has no samples, but other files have; use dataset.split=random")
    return bool(headers) and not without


def _chosen(header: Header, divided: bool) -> list[str]:
    return [name for part in PARTS for name in header.samples[part]] if divided else [*header.names]


def _parts(header: Header) -> IntArray:
    return np.repeat(np.arange(len(PARTS)), [len(header.samples[part]) for part in PARTS])


def _kind(headers: list[Header]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(planes, semantic classes, event classes), of those that give them."""
    if not headers:
        return PLANES, SEMANTIC_CLASSES, EVENT_CLASSES
    semantic = next((header.semantic_classes for header in headers if header.semantic_classes), ())
    return headers[0].planes, semantic, next((header.event_classes for header in headers if header.event_classes), ())


def _built(path: Path, lower_bound: int, dropped: Counter[str]) -> Iterator[RawGraph]:
    """The graphs of a file of event tables; those that become none are counted."""
    for tables in read_events(path):
        graph = _graph_of(path, tables, lower_bound)
        if isinstance(graph, Dropped):
            dropped[graph.value] += 1
        else:
            yield graph


def _graph_of(path: Path, tables: EventTables, lower_bound: int) -> RawGraph | Dropped:
    """The graph, with the true vertex where the tables have it."""
    vertex = {"nu_vtx_corr", "nu_vtx_wire_pos", "nu_vtx_wire_time"} <= tables.truth.keys()
    try:
        return build(tables, lower_bound=lower_bound, label_vertex=vertex)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _checked(
    files: Iterable[tuple[Path, Iterator[RawGraph]]], counts: list[int], semantic: int, events: int
) -> Iterator[RawGraph]:
    """The graphs of all files, fit to be learned from together; how many there are of each is counted."""
    features = None
    for k, (path, graphs) in enumerate(files):
        for graph in graphs:
            features = check(graph, str(path), semantic, events, features)
            counts[k] += 1
            yield graph
