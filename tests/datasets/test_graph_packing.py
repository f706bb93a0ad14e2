"""Packed graphs are the graphs; what does not fit together, or is damaged, is a sentence."""

import numpy as np
import pytest

from src.datasets.graph_packing import Growing, open_graphs, pack
from src.errors import UserError
from tests.datasets.raw_graphs import PLANES, SEMANTIC, raw_graph


@pytest.fixture
def packed(tmp_path):
    def of(graphs, semantic=SEMANTIC):
        pack(iter(graphs), tmp_path, PLANES, semantic)
        return open_graphs(tmp_path)

    return of


def test_every_graph_is_there(packed):
    graphs = [
        raw_graph(k, hits=hits, points=k, label=k % 4) for k, hits in enumerate([(3, 1, 2), (0, 4, 1), (5, 2, 0)])
    ]
    found = packed(graphs)
    assert len(found) == 3
    assert found.schema.planes == PLANES
    assert found.schema.features == 4
    assert found.schema.semantic_classes == SEMANTIC
    assert found.schema.vertex
    assert found.label.tolist() == [0, 1, 2]
    assert found.event.tolist() == [[1, 0, 0], [1, 0, 1], [1, 0, 2]]
    assert found.points_at.tolist() == [0, 0, 1, 3]
    assert found.holes() == 2
    for name, plane in found.planes.items():
        for k, graph in enumerate(graphs):
            raw = graph.planes[name]
            hits, edges, links = (
                slice(*at[k : k + 2].tolist()) for at in (plane.hits_at, plane.edges_at, plane.links_at)
            )
            assert np.array_equal(plane.x[hits], np.concatenate([raw.pos, raw.x], axis=1))
            assert np.array_equal(plane.semantic[hits], raw.semantic)
            assert np.array_equal(plane.edges[2 * edges.start : 2 * edges.stop], raw.edges.reshape(-1))
            assert np.array_equal(plane.links[2 * links.start : 2 * links.stop], raw.links.reshape(-1))


def test_what_is_not_known_of_all_graphs_is_not_known(packed):
    graphs = [raw_graph(0), raw_graph(1)]
    object.__setattr__(graphs[1], "vertex", None)
    for graph in graphs:
        for plane in graph.planes.values():
            plane.semantic[:] = -1
    found = packed(graphs)
    assert found.without_vertex() == 1
    schema = found.schema
    assert not schema.vertex
    assert schema.semantic_classes == ()


def test_graphs_without_any_hit_are_graphs(packed):
    found = packed([raw_graph(hits=(0, 0, 0), points=0)] * 2)
    assert len(found) == found.holes() == 2
    assert found.planes["u"].x.shape == (0, 2)


def test_another_number_of_features_is_refused(packed):
    with pytest.raises(ValueError, match=r"u\.x\.npy: rows of shape \(8,\) behind others of \(4,\)"):
        packed([raw_graph(0), raw_graph(1, features=6)])


def test_a_damaged_folder_is_named(packed, tmp_path):
    packed([raw_graph()])
    (tmp_path / "u.x.npy").write_bytes(b"x")
    with pytest.raises(UserError, match=r"damaged .* delete it, and it is made again"):
        open_graphs(tmp_path)


def test_a_growing_file_is_what_numpy_reads_however_long_it_gets(tmp_path):
    rows = np.arange(24_000, dtype=np.int32).reshape(-1, 2)
    with Growing(tmp_path / "a.npy", np.int32) as file:
        for start in range(0, len(rows), 7):
            file.append(rows[start : start + 7])
            file.append(rows[:0])
    assert np.array_equal(np.load(tmp_path / "a.npy"), rows)
    assert (tmp_path / "a.npy").stat().st_size == 128 + rows.nbytes
