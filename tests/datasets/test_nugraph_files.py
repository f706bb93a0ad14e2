"""Graph files of the reference implementation are read and written to the bit; what is wrong with one is a sentence."""

import re
from dataclasses import replace

import h5py
import numpy as np
import pytest

from src.datasets.nugraph_files import check_samples, fields, read_graphs, read_header, write
from src.datasets.nugraph_records import loaded_bytes
from src.errors import UserError
from tests.datasets.raw_graphs import EVENTS, PLANES, SEMANTIC, TOY, equal, raw_graph, toy


@pytest.fixture
def copy(tmp_path):
    """A file of four graphs that a test may spoil."""
    graphs = [raw_graph(k, label=k) for k in range(4)]
    names = [graph.name for graph in graphs]
    samples = {"train": names[:2], "validation": names[2:3], "test": names[3:]}
    path = tmp_path / "four.gnn.h5"
    write(path, graphs, PLANES, SEMANTIC, EVENTS, samples, {p: np.ones((2, 4)) for p in PLANES})
    return path


def test_the_reference_file_is_read():
    header, graphs = read_header(TOY), toy()
    check_samples(header)
    assert (header.generation, header.planes) == (1, PLANES)
    assert (header.semantic_classes, header.event_classes) == (SEMANTIC, EVENTS)
    assert [len(header.samples[part]) for part in ("train", "validation", "test")] == [36, 2, 2]
    assert header.norm["v"].shape == (2, 4)
    assert [graph.name for graph in graphs] == [*header.names]
    assert len(graphs) == 40
    assert {graph.label for graph in graphs} == {0, 1, 2, 3}


def test_fields_are_what_h5py_reads_in_its_own_way():
    with h5py.File(TOY) as file:
        for name in file["dataset"]:
            expected, found = file["dataset"][name][()], fields(file["dataset"], name)
            assert list(found) == [*expected.dtype.names]
            for field in found:
                assert found[field].dtype == expected[field].dtype
                assert np.array_equal(found[field], expected[field])


def test_what_is_empty_stands_in_the_file_as_a_zero():
    graph = next(graph for graph in toy() if graph.name == "r1_sr0_evt2")  # no space points
    assert graph.points == 0
    assert all(plane.links.shape == (2, 0) for plane in graph.planes.values())


def test_sizes_are_those_that_the_reference_counts():
    with h5py.File(TOY) as file:
        names, sizes = file["samples/train"].asstr()[()], file["datasize/train"][()]
    assert [loaded_bytes(graph) for graph in read_graphs(read_header(TOY), names)] == sizes.tolist()


def test_what_is_written_is_to_the_bit_what_the_reference_writes(tmp_path):
    header, path = read_header(TOY), tmp_path / "again.gnn.h5"
    write(path, toy(), header.planes, header.semantic_classes, header.event_classes, header.samples, header.norm)
    with h5py.File(TOY) as theirs, h5py.File(path) as ours:
        found: list[str] = []
        theirs.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        assert len(found) == 40 + 10
        for name in found:
            assert ours[name].dtype == theirs[name].dtype, name
            assert ours[name].shape == theirs[name].shape, name
            assert np.array_equal(ours[name][()], theirs[name][()]), name


def test_a_file_is_opened_once_for_all_its_graphs(monkeypatch):
    header, opened = read_header(TOY), []
    real = h5py.File
    monkeypatch.setattr(h5py, "File", lambda *a, **k: opened.append(a) or real(*a, **k))
    assert len(list(read_graphs(header))) == 40
    assert len(opened) == 1


def test_planes_without_hits_come_back(tmp_path):
    graph, path = raw_graph(hits=(3, 0, 1), points=0), tmp_path / "g.h5"
    write(path, [graph], PLANES)
    (back,) = read_graphs(read_header(path))
    assert [len(plane) for plane in back.planes.values()] == [3, 0, 1]
    assert back.planes["v"].edges.shape == back.planes["v"].links.shape == (2, 0)
    assert equal(replace(graph, planes={**graph.planes, "v": back.planes["v"]}), back)


# --- the second generation ---


def merged_record(graph, rng):
    """A graph as the second generation has it: hits of all planes in one store, in any order; instances as edges."""
    plane = rng.permutation(np.repeat(np.arange(3), [len(p) for p in graph.planes.values()]))
    n, at = len(plane), [np.flatnonzero(plane == k) for k in range(3)]

    def put(name):
        values = [getattr(p, name) for p in graph.planes.values()]
        out = np.zeros((n, *values[0].shape[1:]), values[0].dtype)
        for here, value in zip(at, values, strict=True):
            out[here] = value
        return out

    instance = put("instance")
    planes = list(graph.planes.values())
    planar = np.concatenate([here[p.edges] for here, p in zip(at, planes, strict=True)], axis=1)
    crossing = np.array([[at[0][0]], [at[1][0]]])
    links = np.concatenate(
        [np.stack([here[p.links[0]], p.links[1]]) for here, p in zip(at, planes, strict=True)], axis=1
    )
    known = np.flatnonzero(instance >= 0)
    return {
        "metadata/run": graph.run, "metadata/subrun": graph.subrun, "metadata/event": graph.event,
        "hit/plane": plane, "hit/pos": put("pos"), "hit/x": put("x"), "hit/id": put("id"), "hit/y_semantic": put("semantic"),
        "sp/pos": np.zeros((graph.points, 3), np.float32), "evt/num_nodes": 1, "evt/y": np.array([graph.label]),
        "evt/y_vtx": graph.vertex[None],
        "hit_delaunay_hit/edge_index": np.concatenate([planar, crossing], axis=1),
        "hit_delaunay-planar_hit/edge_index": np.concatenate([planar, crossing], axis=1),
        "hit_nexus_sp/edge_index": links,
        "hit_cluster-truth_particle-truth/edge_index": np.stack([known, instance[known]]),
    }  # fmt: skip


def write_merged(path, records, gen=2):
    with h5py.File(path, "w") as file:
        file["gen"] = [gen]
        for name, values in (("planes", PLANES), ("semantic_classes", SEMANTIC), ("event_classes", EVENTS)):
            file.create_dataset(name, data=list(values), dtype=h5py.string_dtype())
        for record in records:
            arrays = {name: np.asarray(value) for name, value in record.items()}
            values = np.zeros((), [(name, a.dtype, a.shape) for name, a in arrays.items()])
            for name, a in arrays.items():
                values[name] = a
            file[f"dataset/r{record['metadata/run']}_sr0_evt{record['metadata/event']}"] = values


def test_the_second_generation_is_parted_into_planes(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "gen2.gnn.h5"
    graphs = [raw_graph(k, label=k, features=6) for k in range(3)]
    write_merged(path, [merged_record(graph, rng) for graph in graphs])
    header = read_header(path)
    assert (header.generation, header.norm, header.samples) == (2, {}, {})
    for graph, back in zip(graphs, read_graphs(header), strict=True):
        assert equal(graph, back)


@pytest.mark.parametrize("field", ["hit_delaunay-planar_hit/edge_index", "hit_nexus_sp/edge_index"])
@pytest.mark.parametrize("value", [-1, 16])
def test_an_index_out_of_range_in_the_second_generation_is_named(tmp_path, field, value):
    record = merged_record(raw_graph(), np.random.default_rng(0))
    record[field] = record[field].copy()
    record[field][0, 0] = value
    write_merged(tmp_path / "g.h5", [record])
    with pytest.raises(UserError, match=rf"r1_sr0_evt0: {field} has hits .*and there are 16"):
        list(read_graphs(read_header(tmp_path / "g.h5")))


@pytest.mark.parametrize("field", ["hit_delaunay-planar_hit", "hit_nexus_sp", "hit_cluster-truth_particle-truth"])
@pytest.mark.parametrize("shape", [(15, 2), (3, 15), (4,)])
def test_pairs_of_another_shape_in_the_second_generation_are_named(tmp_path, field, shape):
    record = merged_record(raw_graph(), np.random.default_rng(0))
    record[f"{field}/edge_index"] = np.zeros(shape, np.int64)
    write_merged(tmp_path / "g.h5", [record])
    with pytest.raises(
        UserError, match=re.escape(f"r1_sr0_evt0: {field}/edge_index is of shape {shape}, not (2, any)")
    ):
        list(read_graphs(read_header(tmp_path / "g.h5")))


@pytest.mark.parametrize("column", ["pos", "x", "id", "y_semantic"])
@pytest.mark.parametrize("rows", [15, 17])
def test_columns_that_differ_in_length_in_the_second_generation_are_named(tmp_path, column, rows):
    record = merged_record(raw_graph(), np.random.default_rng(0))
    record[f"hit/{column}"] = np.resize(record[f"hit/{column}"], (rows, *record[f"hit/{column}"].shape[1:]))
    write_merged(tmp_path / "g.h5", [record])
    with pytest.raises(UserError, match=f"r1_sr0_evt0: hit/{column} has {rows} rows, hit/plane 16"):
        list(read_graphs(read_header(tmp_path / "g.h5")))


# --- mistakes ---


def spoil(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def replaced(name, values):
    def change(file):
        del file[name]
        if values is not None:
            file.create_dataset(name, data=values, dtype=h5py.string_dtype() if isinstance(values[0], str) else None)

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (replaced("planes", None), "has no 'planes'"),
        (lambda file: file.__delitem__("dataset"), "has no 'dataset'"),
        (replaced("planes", [0, 1, 2]), "'planes' is no list of strings; make the file again"),
        (replaced("samples/test", [3]), "'samples/test' is no list of strings"),
        (lambda file: (file.pop("planes"), file.update(planes="u")), "'planes' is no list of strings"),
        (lambda file: file.create_dataset("gen", data=[3]), "generation 3; the generations 1 and 2 can be read"),
    ],
)  # fmt: skip
def test_a_header_that_is_wrong_is_named(copy, change, sentence):
    spoil(copy, change)
    with pytest.raises(UserError, match=sentence) as error:
        read_header(copy)
    assert str(copy) in str(error.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (replaced("samples/test", None), "no samples/test; use split=random"),
        (replaced("samples/test", ["r1_sr0_evt33"]), "names 'r1_sr0_evt33', which is not in dataset; did you mean"),
        (replaced("samples/test", ["r1_sr0_evt2"]), "'r1_sr0_evt2' stands in samples twice"),
    ],
)  # fmt: skip
def test_parts_that_cannot_be_are_named(copy, change, sentence):
    spoil(copy, change)
    with pytest.raises(UserError, match=sentence) as error:
        check_samples(read_header(copy))
    assert str(copy) in str(error.value)


def test_a_graph_that_is_none_or_lacks_a_field_is_named(copy):
    spoil(copy, replaced("dataset/r1_sr0_evt1", [1.0]))
    with pytest.raises(UserError, match=r"four\.gnn\.h5: graph r1_sr0_evt1: is not one compound record"):
        list(read_graphs(read_header(copy)))
    spoil(copy, replaced("planes", ["u", "v", "w"]))
    with pytest.raises(UserError, match="graph r1_sr0_evt0 has no field 'w/pos', which generation 1 needs"):
        list(read_graphs(read_header(copy)))


def test_a_truncated_file_is_named(copy):
    copy.write_bytes(copy.read_bytes()[:2000])
    with pytest.raises(UserError, match="truncated, damaged or not HDF5"):
        read_header(copy)
    with pytest.raises(UserError, match="no such file"):
        read_header(copy.with_name("none.h5"))
