"""Tables to graphs: the reference's own file is rebuilt from positions and from raw tables."""

import csv
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from src.datasets.nugraph_build import EVENT_CLASSES, Dropped, build, delaunay
from src.datasets.nugraph_graph import RawGraph
from src.datasets.nugraph_labels import (
    DELTA,
    DIFFUSE,
    HADRON,
    INVISIBLE,
    MICHEL,
    MUON,
    PION,
    SEMANTIC_CLASSES,
    SHOWER,
    SIMPLE,
    UNLABELLED,
    standard_labels,
)
from src.errors import UserError
from src.simulators.lartpc import CLASSES, simulate
from src.simulators.lartpc_tables import EventTables

REFERENCE = Path(__file__).parents[1] / "reference" / "nugraph"


@pytest.fixture(scope="module")
def toy():
    with h5py.File(REFERENCE / "toy.gnn.h5") as file:
        return {name: record[()] for name, record in file["dataset"].items()}


def edges_in(record, name):
    stored = record[f"{name}/edge_index"]
    return stored if stored.ndim else np.empty((2, 0), np.int64)


def table(event, name):
    with open(REFERENCE / f"raw_evt{event}_{name}_table.csv") as file:
        header, *rows = csv.reader(file)
    integer = ("_id", "plane", "wire", "cc", "pdg", "id_u", "id_v", "id_y")
    return {
        column: np.array([float(row[i]) for row in rows]).astype(np.int64 if column.endswith(integer) else np.float64)
        for i, column in enumerate(header)
    }


def raw(event):
    truth = table(event, "event")
    truth["nu_vtx_corr"] = np.stack([truth.pop(f"nu_vtx_corr_{axis}") for axis in "xyz"], axis=1)
    truth["nu_vtx_wire_pos"] = np.stack([truth.pop(f"nu_vtx_wire_pos_{i}") for i in range(3)], axis=1)
    return EventTables(1, 0, event, table(event, "hit"), table(event, "spacepoint"), table(event, "edep"), truth)


def test_all_edges_of_the_reference_are_rebuilt_in_order(toy):
    assert len(toy) == 40
    for record in toy.values():
        for plane in "uvy":
            assert np.array_equal(delaunay(record[f"{plane}/pos"]), edges_in(record, f"{plane}_plane_{plane}"))


@pytest.mark.parametrize("event", range(4))
def test_a_raw_event_becomes_the_references_graph(toy, event):
    graph = build(raw(event), lower_bound=5)
    assert isinstance(graph, RawGraph)
    record = toy[graph.name]
    assert (graph.points, graph.label) == (record["sp/num_nodes"], record["evt/y"])
    assert np.array_equal(graph.vertex, record["evt/y_vtx"][0])
    for name, plane in graph.planes.items():
        for column, stored in (("pos", "pos"), ("x", "x"), ("id", "id"), ("vertex", "y_vtx")):
            values = getattr(plane, column)
            assert values.dtype == record[f"{name}/{stored}"].dtype
            assert np.array_equal(values, record[f"{name}/{stored}"])
        assert np.array_equal(plane.edges, edges_in(record, f"{name}_plane_{name}"))
        assert np.array_equal(plane.links, edges_in(record, f"{name}_nexus_sp"))
        assert (plane.semantic == -1).all()
        assert (plane.instance == -1).all()


def test_a_raw_event_without_space_points_has_no_links():
    graph = build(raw(2), lower_bound=5)
    assert graph.points == 0
    assert all(plane.links.shape == (2, 0) for plane in graph.planes.values())


@pytest.mark.parametrize("n", range(7))
@pytest.mark.parametrize("kind", ["spread", "in a line", "on one another", "grid"])
def test_tiny_and_degenerate_planes(n, kind):
    places = {"spread": np.random.default_rng(0).normal(size=(n, 2)), "in a line": np.arange(n)[:, None] * np.ones(2),
              "on one another": np.full((n, 2), 7.0), "grid": np.stack(np.divmod(np.arange(n), 2), axis=1)}  # fmt: skip
    edges = delaunay(places[kind].astype(np.float32))
    assert edges.shape[0] == 2
    assert edges.dtype == np.int64
    pairs = set(map(tuple, edges.T.tolist()))
    assert len(pairs) == edges.shape[1]
    assert pairs == {(b, a) for a, b in pairs}
    assert all(a != b for a, b in pairs)
    assert edges.T.tolist() == sorted(edges.T.tolist())
    assert set(edges[0].tolist()) == set(range(n)) if n > 1 else not pairs


def test_an_edge_joins_points_that_some_empty_circle_touches():
    """The definition of Delaunay, by brute force over all triangles."""
    points = np.random.default_rng(3).normal(size=(25, 2)).astype(np.float32).astype(float)
    expected = set()
    for a in range(25):
        for b in range(a):
            for c in range(b):
                corners = points[[a, b, c]]
                matrix = 2 * (corners[1:] - corners[0])
                centre = np.linalg.solve(matrix, (corners[1:] ** 2).sum(1) - (corners[0] ** 2).sum())
                away = ((points - centre) ** 2).sum(1)
                if (np.delete(away, [a, b, c]) > away[a]).all():
                    expected |= {(a, b), (b, c), (a, c), (b, a), (c, b), (c, a)}
    assert set(map(tuple, delaunay(points.astype(np.float32)).T.tolist())) == expected


def small(known=True, **changes):
    """Three planes of four hits, hits 3, 7 and 11 made by none; hits 0 and 1 have two particles."""
    n = 12
    hits = {"hit_id": np.arange(n)[::-1] + 100, "local_plane": np.arange(n) // 4, "local_wire": np.arange(n) ** 2 % 17,
            "local_time": np.linspace(50, 90, n), "integral": np.full(n, 30.0), "rms": np.full(n, 3.0)}  # fmt: skip
    made = [i for i in range(n) if i % 4 != 3]
    edeps = {"hit_id": hits["hit_id"][[*made, 0, 1]], "g4_id": np.array([*[1] * len(made), 3, 3]),
             "energy": np.array([*[1.0] * len(made), 1.0, 2.0])}  # fmt: skip
    points = {"spacepoint_id": np.array([0, 1]), "hit_id_u": np.array([111, -1]), "hit_id_v": np.array([107, 104]),
              "hit_id_y": np.array([-1, 100])}  # fmt: skip
    truth = {"is_cc": np.array([1]), "nu_pdg": np.array([-14]), "nu_vtx_corr": np.array([[1.0, 2, 3]]),
             "nu_vtx_wire_pos": np.array([[10.0, 20, 30]]), "nu_vtx_wire_time": np.array([100.0])}  # fmt: skip
    particles = tree((1, 0, 13, 0.5, "primary", "Decay"), (3, 1, -11, 0.03, "Decay", "annihil"))
    return replace(EventTables(2, 3, 4, hits, points, edeps, truth, particles if known else None), **changes)


def tree(*rows):
    names = ("g4_id", "parent_id", "type", "momentum", "start_process", "end_process")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def test_a_hit_is_of_the_particle_that_left_most_the_first_of_equals():
    plane = build(small(), lower_bound=3).planes["u"]
    assert plane.semantic.tolist() == [0, 3, 0, -1]
    assert plane.instance.tolist() == [0, 1, 0, -1]


def test_numbers_are_those_of_the_plane_and_of_the_points():
    planes = build(small(), lower_bound=3).planes
    assert [planes[name].links.tolist() for name in "uvy"] == [[[0], [0]], [[0, 3], [0, 1]], [[3], [1]]]


def test_the_vertex_can_be_left_out():
    graph = build(small(), lower_bound=3, label_vertex=False)
    assert graph.vertex is None
    assert graph.planes["v"].vertex is None
    assert build(small(), lower_bound=3).planes["v"].vertex == pytest.approx(np.array([[6.0, 5.5]]))


def test_events_are_dropped_for_a_reason():
    loud = small().hits | {"integral": np.full(12, 2e6)}
    assert build(small(hits=loud), lower_bound=3) is Dropped.CHARGE
    assert build(small(), lower_bound=4) is Dropped.FEW_HITS
    assert isinstance(build(small(known=False), lower_bound=4), RawGraph)
    assert build(small(known=False), lower_bound=5) is Dropped.FEW_HITS
    assert build(small(particles=tree((1, 0, 13, 0.5, "primary", "Decay"))), lower_bound=3) is Dropped.UNLABELLED
    unknown = tree((1, 0, 13, 0.5, "primary", "Decay"), (3, 0, 99, 0.1, "primary", "Decay"))
    assert build(small(particles=unknown), lower_bound=3) is Dropped.UNLABELLED
    nothing = {name: column[:0] for name, column in small().hits.items()}
    assert build(small(hits=nothing)) is Dropped.FEW_HITS


@pytest.mark.parametrize(("is_cc", "pdg", "name"), [(1, 12, "cc_nue"), (1, -14, "cc_numu"), (1, 16, "cc_nutau"), (0, 14, "nc"), (0, 99, "nc")])  # fmt: skip
def test_event_classes(is_cc, pdg, name):
    truth = small().truth | {"is_cc": np.array([is_cc]), "nu_pdg": np.array([pdg])}
    assert EVENT_CLASSES[build(small(truth=truth), lower_bound=3).label] == name
    assert EVENT_CLASSES == CLASSES


def test_a_charged_current_of_no_neutrino_is_named():
    truth = small().truth | {"nu_pdg": np.array([22])}
    with pytest.raises(UserError, match=r"2, 3, 4 .*particle 22"):
        build(small(truth=truth), lower_bound=3)


@pytest.mark.parametrize(
    ("column", "value", "wanted"),
    [
        ("local_plane", -1, "0 to 2"), ("local_plane", 3, "0 to 2"), ("local_wire", np.nan, "finite"),
        ("local_time", np.inf, "finite"),
    ],
)  # fmt: skip
def test_a_hit_that_is_nowhere_is_named(column, value, wanted):
    hits = dict(small().hits)
    hits[column] = hits[column].astype(type(value))
    hits[column][5] = value
    with pytest.raises(UserError, match=rf"event 2, 3, 4 .* {column} is {value}, hit_id 106; it should be {wanted}"):
        build(small(hits=hits), lower_bound=3)


TREE = [
    ((1, 0, 13, 1.0, "primary", "Decay"), MUON, 0),
    ((2, 1, 11, 0.03, "muMinusCaptureAtRest", "eIoni"), MICHEL, 1),
    ((3, 2, 22, 0.002, "eBrem", "compt"), MICHEL, 1),
    ((4, 1, 11, 0.02, "muIoni", "eIoni"), DELTA, -1),
    ((5, 1, 11, 0.005, "muIoni", "eIoni"), MUON, 0),
    ((6, 0, 2212, 0.5, "primary", "hIoni"), HADRON, 2),
    ((7, 0, 2212, 0.1, "primary", "hIoni"), DIFFUSE, -1),
    ((8, 0, 111, 0.4, "primary", "Decay"), INVISIBLE, -1),
    ((9, 8, 22, 0.2, "Decay", "conv"), SHOWER, 3),
    ((10, 9, 11, 0.1, "conv", "eIoni"), SHOWER, 3),
    ((11, 8, 22, 0.01, "Decay", "compt"), DIFFUSE, -1),
    ((12, 0, 2112, 0.4, "primary", "nCapture"), DIFFUSE, -1),
    ((13, 12, 22, 0.004, "nCapture", "compt"), DIFFUSE, -1),
    ((14, 0, -211, 0.3, "primary", "hBertiniCaptureAtRest"), PION, 4),
    ((15, 14, 11, 0.004, "hIoni", "eIoni"), PION, 4),
    ((16, 6, 11, 0.001, "hIoni", "eIoni"), DIFFUSE, -1),
    ((17, 0, 22, 0.5, "primary", "CoupledTransportation"), INVISIBLE, -1),
    ((18, 0, 11, 1.5, "primary", "eIoni"), SHOWER, 5),
    ((19, 18, 11, 0.02, "eIoni", "eIoni"), SHOWER, 5),
    ((20, 999, 13, 1.0, "primary", "Decay"), UNLABELLED, -1),
    ((21, 0, 99, 1.0, "primary", "Decay"), UNLABELLED, -1),
    ((22, 0, 1000020040, 0.5, "primary", "ionIoni"), DIFFUSE, -1),
]  # fmt: skip


def test_labels_follow_the_rules_whatever_the_order():
    order = np.random.default_rng(0).permutation(len(TREE))
    rows, labels, objects = zip(*TREE, strict=True)
    found, instances = standard_labels(tree(*rows))
    assert found.tolist() == list(labels)
    assert instances.tolist() == list(objects)
    shuffled, _ = standard_labels(tree(*(rows[i] for i in order)))
    assert shuffled.tolist() == [labels[i] for i in order]


def test_the_simple_classes_merge_tracks():
    names = ["MIP", "MIP", "HIP", "HIP", "shower", "michel", "MIP", "diffuse"]
    assert [SEMANTIC_CLASSES[i] for i in SIMPLE[:-1]] == names
    assert SIMPLE[INVISIBLE] == -1


def test_simulated_events_become_graphs_with_all_classes():
    graphs = [build(event, lower_bound=5) for event in simulate(60, hits=300, seed=2)]
    assert Dropped.UNLABELLED not in graphs
    assert Dropped.CHARGE not in graphs
    kept = [graph for graph in graphs if isinstance(graph, RawGraph)]
    assert len(kept) > 50
    semantic = np.concatenate([plane.semantic for graph in kept for plane in graph.planes.values()])
    assert set(semantic.tolist()) == {-1, 0, 1, 2, 3, 4}
    assert len({graph.name for graph in kept}) == len(kept)
