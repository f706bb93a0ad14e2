"""A batch gathered at once is the batch put together graph by graph."""

import numpy as np
import pytest
import torch

from src.datasets.graph_inputs import GraphInputs
from src.datasets.graph_packing import open_graphs, pack
from tests.datasets.raw_graphs import PLANES, SEMANTIC, raw_graph

CPU = torch.device("cpu")
HITS = [(3, 1, 2), (0, 4, 1), (5, 2, 0), (2, 2, 2), (0, 0, 0), (7, 9, 6)]
GRAPHS = [raw_graph(k, hits=hits, points=(k * 3) % 5) for k, hits in enumerate(HITS)]
NORM = {p: np.array([[1, 2, 3, 4], [2, 3, 4, 5]], np.float32) + k for k, p in enumerate(PLANES)}


@pytest.fixture
def inputs(tmp_path):
    pack(GRAPHS, tmp_path, PLANES, SEMANTIC)
    return GraphInputs(open_graphs(tmp_path), NORM)


def one_by_one(chosen, name):
    """x, graph, edges, links, semantic of a plane, by a loop."""
    parts, hits, points = [], 0, 0
    for k, graph in enumerate(chosen):
        plane = graph.planes[name]
        x = (np.concatenate([plane.pos, plane.x], axis=1) - NORM[name][0]) / NORM[name][1]
        shift = np.array([[hits], [points]])
        parts.append((x, np.full(len(plane), k), plane.edges.T + hits, (plane.links + shift).T, plane.semantic))
        hits, points = hits + len(plane), points + graph.points
    x, graph, edges, links, semantic = (np.concatenate(column) for column in zip(*parts, strict=True))
    return x, graph, edges.T, links.T, semantic


@pytest.mark.parametrize("positions", [[0], [4], [5, 0, 5], [3, 4, 1, 2, 0, 5], [1, 1, 4, 4]])
def test_a_batch_is_its_graphs_one_behind_the_other(inputs, positions):
    chosen = [GRAPHS[k] for k in positions]
    batch = inputs.fetch(torch.tensor(positions), CPU)
    assert len(batch) == len(positions)
    assert batch.points.tolist() == [k for k, graph in enumerate(chosen) for _ in range(graph.points)]
    np.testing.assert_array_equal(batch.vertex, [graph.vertex for graph in chosen])
    for name, plane in batch.planes.items():
        x, *others = one_by_one(chosen, name)
        np.testing.assert_allclose(plane.x, x, rtol=1e-6)
        for found, expected in zip((plane.graph, plane.edges, plane.links, plane.semantic), others, strict=True):
            assert found.dtype == torch.int64
            assert found.is_contiguous()
            np.testing.assert_array_equal(found, expected)


def test_two_batches_joined_are_one(inputs):
    first, second, both = (inputs.fetch(torch.tensor(k), CPU) for k in ([5, 0], [2, 3], [5, 0, 2, 3]))
    joined = first.joined(second)
    assert torch.equal(joined.points, both.points)
    for name, plane in both.planes.items():
        for column, values in vars(plane).items():
            assert torch.equal(getattr(joined.planes[name], column), values)


def test_without_a_norm_features_are_as_stored(inputs):
    batch = GraphInputs(inputs.packed).fetch(torch.tensor([5]), CPU)
    assert np.array_equal(batch.planes["v"].x[:, :2], GRAPHS[5].planes["v"].pos)
    assert np.array_equal(batch.planes["v"].x[:, 2:], GRAPHS[5].planes["v"].x)


def test_kind_and_size_are_told(inputs):
    assert (inputs.kind, inputs.shape, len(inputs)) == ("graph", (), 6)
    assert inputs.schema.features == 4
    assert inputs.sizes.dtype == np.int64
    assert inputs.sizes[5] == inputs.sizes.max()
    assert inputs.resident(CPU) is inputs
    assert inputs.streams


def test_on_a_device_contents_are_taken_from_there(inputs):
    device = torch.device("meta")  # has shapes, but nothing that could be copied to the CPU
    resident = inputs.resident(device)
    assert not resident.streams
    batch, expected = (
        each.fetch(torch.tensor([5, 0, 3]), place) for each, place in ((resident, device), (inputs, CPU))
    )
    assert batch.device == device
    for name, plane in expected.planes.items():
        for column, values in vars(plane).items():
            assert getattr(batch.planes[name], column).shape == values.shape


def test_what_is_looked_at_is_not_scaled(inputs):
    assert all(np.array_equal(place, GRAPHS[5].planes[p].pos) for p, place in inputs.places(5).items())
    blocks = [*inputs.blocks("u", np.array([5, 0, 4, 3]), size=2)]
    assert [len(block) for block in blocks] == [10, 2]
    assert np.array_equal(blocks[0][7:, 2:], GRAPHS[0].planes["u"].x)


def test_hits_and_charge_are_counted(inputs):
    table, names = inputs.hits_and_charge(np.array([5, 4, 1]))
    assert names == ("hits_u", "charge_u", "hits_v", "charge_v", "hits_y", "charge_y")
    expected = [
        [value for p in PLANES for value in (len(GRAPHS[k].planes[p]), GRAPHS[k].planes[p].x[:, 0].sum())]
        for k in (5, 4, 1)
    ]
    np.testing.assert_allclose(table, expected, rtol=1e-6)
