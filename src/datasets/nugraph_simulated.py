"""Simulated events as a graph file of the first generation: drawn on first use, then kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from src import simulators
from src.datasets import nugraph_files
from src.datasets.cache import completed, digest, file_digest
from src.datasets.nugraph_build import EVENT_CLASSES, PLANES, build
from src.datasets.nugraph_graph import RawGraph
from src.datasets.nugraph_labels import SEMANTIC_CLASSES

USUAL_HITS, LOWER_BOUND = 1000, 20
WITHOUT_END = 10**9
"""More events than anybody draws; another sample's numbers may begin here, or at twice that."""
CODE = ("build", "graph", "labels", "records", "files")


@dataclass(frozen=True)
class Simulation:
    """What is drawn: so many graphs, of events that the simulator numbers from `first` on."""

    events: int
    class_mix: Sequence[float]
    hits: int
    seed: int
    first: int = 0
    shift: float = 0.0
    """How far the detector is from the usual one."""

    @property
    def digest(self) -> str:
        """Of the parameters, and of the code that makes events and graphs of them."""
        here = [Path(__file__).with_name(f"nugraph_{name}.py") for name in CODE]
        code = file_digest([*sorted(Path(simulators.__file__).parent.glob("lartpc*.py")), *here])
        return digest(vars(self), code)

    def file(self, cache_root: Path, name: str) -> Path:
        """The file of that name, complete."""

        def make(folder: Path) -> None:
            graphs = _shown(islice(self._graphs(), self.events), self.events)
            nugraph_files.write(folder / name, graphs, PLANES, SEMANTIC_CLASSES, EVENT_CLASSES)

        return completed(cache_root / "simulated" / f"nugraph-{self.digest}", make) / name

    def _graphs(self) -> Iterator[RawGraph]:
        """Without end. Coarser events must have fewer hits in a plane, so that no class loses more of them than others."""
        from src.simulators.lartpc import simulate
        from src.simulators.lartpc_readout import Response

        bound = round(LOWER_BOUND * min(self.hits / USUAL_HITS, 1))
        tables = simulate(
            WITHOUT_END, class_mix=self.class_mix, seed=self.seed, first=self.first, hits=self.hits,
            response=Response.shifted(self.shift),
        )  # fmt: skip
        return (graph for graph in (build(each, lower_bound=bound) for each in tables) if isinstance(graph, RawGraph))


def _shown(graphs: Iterator[RawGraph], total: int) -> Any:
    from tqdm import tqdm

    shown = sys.stderr.isatty()
    return tqdm(graphs, total=total, desc="simulating events", unit="event", disable=not shown, leave=False)
