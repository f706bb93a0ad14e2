"""NuGraph: the training step against torch_geometric, reading against the files, building graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.datasets import nugraph_files
from src.datasets.graph_inputs import GraphInputs
from src.datasets.graph_packing import open_graphs, pack
from src.datasets.nugraph_build import EVENT_CLASSES, PLANES, build
from src.datasets.nugraph_graph import RawGraph
from src.datasets.nugraph_labels import SEMANTIC_CLASSES
from src.models.nugraph2 import NuGraph2
from src.models.nugraph_names import from_reference
from src.simulators.lartpc import simulate
from src.task import Task
from tests.bench.pyg_nugraph2 import PygNuGraph2, batch_of
from tests.bench.table import Row, paired_ratios, seconds

BATCH, EVENTS, HITS, STEPS, N = 32, 128, 1000, 4, 5
PASSES = 10
"""Through the packed graphs, for one through the file."""
CPU = torch.device("cpu")


def rows() -> Iterator[Row]:
    tables = [*simulate(EVENTS, hits=HITS)]
    built = [build(each) for each in tables]
    graphs = [studied(graph) for graph in built if isinstance(graph, RawGraph)]
    hits = np.mean([sum(map(len, graph.planes.values())) for graph in graphs])
    with TemporaryDirectory() as place:
        folder = Path(place)
        pack(graphs, folder, PLANES, SEMANTIC_CLASSES)
        inputs = scaled(folder)
        size = f"{hits:,.0f} hits a graph"
        name = f"NuGraph2 v24.2, batch {BATCH}, {size}: time of a training step relative to torch_geometric"
        yield Row(name, steps(inputs), "×", at_most=1.0)
        name = f"reading batches of {BATCH} graphs relative to opening the file per graph, {size}"
        yield Row(name, reading(inputs, graphs, folder / "events.gnn.h5"), "×", at_least=10)
    yield Row(
        f"building graphs from tables, {size}", rates(lambda: [build(each) for each in tables]), "/s", at_least=50
    )
    yield Row(f"simulating events, {size}", rates(lambda: [*simulate(EVENTS, hits=HITS)]), "/s")


def studied(graph: RawGraph) -> RawGraph:
    """With as many features as the study's graphs have: eight with the position."""
    planes = {name: replace(plane, x=np.tile(plane.x, 3)) for name, plane in graph.planes.items()}
    return replace(graph, planes=planes)


def scaled(folder: Path) -> GraphInputs:
    packed = open_graphs(folder)
    norm = {name: torch.stack([plane.x.mean(dim=0), plane.x.std(dim=0)]) for name, plane in packed.planes.items()}
    return GraphInputs(packed, norm)


def rates(work: Callable[[], object]) -> list[float]:
    """Events a second, on one core: neither numpy's part nor qhull uses more."""
    return [EVENTS / seconds(work) for _ in range(N)]


# --- the training step ---


def steps(inputs: GraphInputs) -> list[float]:
    """From a batch in memory to the next parameters, of two networks that agree before."""
    rows = torch.arange(BATCH)
    x, y = inputs.fetch(rows, CPU), torch.from_numpy(inputs.packed.label)[rows]
    torch.manual_seed(0)
    theirs = PygNuGraph2(inputs.schema.features, len(EVENT_CLASSES), len(SEMANTIC_CLASSES))
    ours = NuGraph2()
    ours.setup(Task(EVENT_CLASSES, ("all",), "graph", (), graph=inputs.schema))
    ours.load_state_dict(from_reference(theirs.state_dict()))
    data = batch_of([inputs.fetch(row, CPU) for row in rows.split(1)])

    def loss() -> Tensor:
        fresh = replace(x)  # without what the last pass has left: a batch is seen once
        event = ours.tempered(F.cross_entropy(ours(fresh), y))
        return sum(ours.side_losses(fresh).values(), start=event)

    top, bottom = step(ours, loss), step(theirs, lambda: theirs.loss(data, y))
    with torch.no_grad():
        event, semantic = theirs(data)
        agree("events", ours(x), event)
        agree("hits", ours.side_scores(x)["semantic"].scores, semantic.softmax(dim=1))
    top(), bottom()
    gradients = from_reference({name: p.grad for name, p in theirs.named_parameters()})
    for name, p in ours.named_parameters():
        agree(name, p.grad, gradients[name])
    return paired_ratios(top, bottom, STEPS)


def agree(name: str, found: Tensor, expected: Tensor) -> None:
    """To 1e-4 of the largest."""
    largest = expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * largest, msg=lambda text: f"{name}: {text}")


def step(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], object]:
    optimizer = torch.optim.AdamW(model.parameters())

    def one() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    return one


# --- reading ---


def reading(inputs: GraphInputs, graphs: list[RawGraph], path: Path) -> list[float]:
    """Graphs per second from the packed arrays, as scaled batches, over tensors of single graphs from the file."""
    nugraph_files.write(path, graphs, PLANES, SEMANTIC_CLASSES, EVENT_CLASSES)
    rng = np.random.default_rng(0)

    def packed() -> None:
        for _ in range(PASSES):
            for rows in torch.from_numpy(rng.permutation(len(inputs))).split(BATCH):
                inputs.fetch(rows, CPU)

    def opened() -> None:
        for row in rng.permutation(len(graphs)):
            with h5py.File(path, "r") as file:
                record = file[f"dataset/{graphs[row].name}"][()]
            [torch.as_tensor(record[name]) for name in record.dtype.names]

    return [PASSES * ratio for ratio in paired_ratios(opened, packed, N)]
