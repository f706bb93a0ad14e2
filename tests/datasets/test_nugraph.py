"""The reference's file, event tables and simulated events become the same kind of splits, or a sentence."""

import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from src.datasets import nugraph_norm, nugraph_sample
from src.datasets.nugraph import NuGraph
from src.datasets.nugraph_build import build
from src.datasets.nugraph_events import write_events
from src.datasets.nugraph_files import PARTS, read_graphs, read_header, write
from src.datasets.nugraph_graph import RawGraph
from src.datasets.nugraph_simulated import Simulation
from src.errors import UserError
from src.simulators.lartpc import simulate
from src.task import HIDDEN
from tests.datasets.raw_graphs import EVENTS, PLANES, SEMANTIC, TOY, raw_graph, toy

CPU = torch.device("cpu")
TINY = {"events": 24, "hits": 60, "class_mix": [1.0, 1.0, 1.0, 1.0]}


def names(split):
    return [
        "r{}_sr{}_evt{}".format(*key) for key in zip(*(split.keys[c] for c in ("run", "subrun", "event")), strict=True)
    ]


def features(split, plane="u"):
    return split.inputs.fetch(torch.from_numpy(split.rows), CPU).planes[plane].x.numpy()


@pytest.fixture
def root(tmp_path):
    """A data_root with the reference's file, which a test may spoil."""
    (tmp_path / "data" / "nugraph").mkdir(parents=True)
    shutil.copy(TOY, tmp_path / "data" / "nugraph" / "toy.gnn.h5")
    return tmp_path / "data"


@pytest.fixture
def spoil(root):
    def changed(**datasets):
        """Datasets of the file set to other values, None: removed; __ in a name is a /."""
        with h5py.File(root / "nugraph" / "toy.gnn.h5", "r+") as file:
            for name, values in datasets.items():
                del file[name.replace("__", "/")]
                if values is not None:
                    file[name.replace("__", "/")] = values

    return changed


@pytest.fixture
def of(tmp_path, root):
    """Splits of the file, by options."""
    return lambda seed=0, **options: NuGraph(**options).splits(root, tmp_path / "cache", seed)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Splits of simulated events, by options; what is drawn once is kept."""
    cache = tmp_path_factory.mktemp("cache")
    return lambda seed=0, **options: NuGraph(**{**TINY, **options}).splits(cache / "none", cache, seed)


# --- files ---


def test_a_file_that_is_divided_keeps_its_parts(of):
    header, found = read_header(TOY), of()
    for part, split in (("train", found.train), ("validation", found.val), ("test", found.test)):
        assert names(split) == [*header.samples[part]]
        assert split.labelled.all()
    assert found.class_names == EVENTS
    assert found.natural_prior is None
    (note,) = found.notes
    assert "norm/* of the file is used; NuGraph makes it of all graphs, the test's too: dataset.norm=train" in note
    assert not of(norm="file").notes
    assert not of(norm="train").notes
    assert found.train.inputs.schema.semantic_classes == SEMANTIC
    with h5py.File(TOY) as file:
        assert np.array_equal(found.train.inputs.sizes[found.train.rows], file["datasize/train"][()])


def test_labels_are_those_of_the_graphs(of):
    known = {graph.name: graph.label for graph in toy()}
    for split in (found := of()).train, found.val, found.test:
        assert split.labels.tolist() == [known[name] for name in names(split)]


def test_a_random_split_is_stratified_and_of_all_graphs(of):
    a, b = of(split="random"), of(split="random", seed=1)
    assert sorted(names(a.train) + names(a.val) + names(a.test)) == [*read_header(TOY).names]
    assert set(a.val.labels.tolist()) == set(a.test.labels.tolist()) == {0, 1, 2, 3}
    assert names(a.val) != names(b.val)


def test_a_graph_in_no_sample_is_left_out(of, spoil):
    header = read_header(TOY)
    spoil(samples__train=[*header.samples["train"][:-3]])
    found = of()
    assert len(found.train) == 33
    assert found.notes[1:] == ("3 graphs that stand in no sample are left out",)
    assert len(of(split="random").train.inputs) == 40


def test_parts_that_cannot_be_do_not_matter_to_a_random_split(of, spoil):
    spoil(samples__test=None)
    with pytest.raises(UserError, match=r"no samples/test; use split=random"):
        of()
    assert len(of(split="random").test)


def test_packed_once(of, monkeypatch):
    of()
    monkeypatch.setattr(nugraph_sample, "read_graphs", lambda *_: pytest.fail("the file was read again"))
    of(seed=1)


def test_several_files_are_one_sample_if_they_are_of_a_kind(tmp_path):
    folder = tmp_path / "d" / "nugraph"
    folder.mkdir(parents=True)
    for run in (1, 2):
        graphs = [raw_graph(k, label=k % 4, run=run) for k in range(20)]
        write(folder / f"run{run}.h5", graphs, PLANES, SEMANTIC, EVENTS)
    found = NuGraph().splits(tmp_path / "d", tmp_path / "c", 0)
    both = np.concatenate(
        [np.stack([s.keys["run"], s.keys["file"]]) for s in (found.train, found.val, found.test)], axis=1
    )
    assert both.shape == (2, 40)
    assert set(map(tuple, both.T)) == {("1", "run1.h5"), ("2", "run2.h5")}
    write(folder / "run3.h5", [raw_graph(0)], PLANES, SEMANTIC, EVENTS[:3])
    with pytest.raises(
        UserError, match=r"run3\.h5: its event_classes are cc_nue, cc_numu, cc_nutau, those of run1\.h5"
    ):
        NuGraph().splits(tmp_path / "d", tmp_path / "c", 0)
    write(folder / "run3.h5", [raw_graph(0)], PLANES, SEMANTIC, EVENTS, dict.fromkeys(PARTS, ()))
    with pytest.raises(UserError, match="has no samples, but other files have"):
        NuGraph().splits(tmp_path / "d", tmp_path / "c", 0)


# --- scaling ---


def test_the_norm_of_the_file_is_used_where_it_is_whole(of):
    stored = read_header(TOY).norm["u"]
    raw = {graph.name: graph.planes["u"] for graph in toy()}
    for norm in ("auto", "file"):
        test = of(norm=norm).test
        x = np.concatenate([np.concatenate([raw[n].pos, raw[n].x], axis=1) for n in names(test)])
        np.testing.assert_allclose(features(test), (x - stored[0]) / stored[1], rtol=1e-5, atol=1e-6)


def test_the_training_norm_is_of_training_hits_alone(of):
    found = of(norm="train")
    for plane in PLANES:
        x = features(found.train, plane).astype(np.float64)
        np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(x.std(axis=0, ddof=1), 1, rtol=1e-6)
    fewer = of(norm="train", train_size=20)
    assert abs(features(fewer.train).mean()) < 1e-6
    assert not np.array_equal(features(fewer.test), features(found.test))


def test_the_reference_norm_is_the_one_that_it_stored(of, monkeypatch):
    monkeypatch.setattr(nugraph_norm, "BATCH", 8)  # as the file was made
    np.testing.assert_allclose(features(of(norm="reference").test), features(of().test), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.full((2, 4), np.nan, np.float32), "not finite, or a deviation of 0"),
        (np.zeros((2, 4), np.float32), "not finite, or a deviation of 0"),
        (np.ones((2, 6), np.float32), r"is \(2, 6\); hits have 4 features"),
        (None, "has no norm/v"),
    ],
)
def test_a_norm_that_is_none_is_replaced_with_a_word_or_refused(of, spoil, values, sentence):
    spoil(norm__v=values)
    found = of()
    (note,) = found.notes
    assert "the training graphs' own mean and deviation are used" in note
    assert abs(features(found.train, "v").mean()) < 1e-6
    with pytest.raises(UserError, match=f"dataset.norm=file: .*{sentence}; use norm=train"):
        of(norm="file")


def test_a_plane_without_hits_makes_the_reference_norm_nan_and_is_counted(tmp_path):
    (tmp_path / "nugraph").mkdir()
    graphs = [raw_graph(k, label=k % 4, hits=(4, 0, 3) if k < 2 else (4, 0, 2)) for k in range(20)]
    write(tmp_path / "nugraph" / "g.h5", graphs, PLANES, SEMANTIC, EVENTS)
    assert NuGraph().splits(tmp_path, tmp_path / "c", 0).notes == ("20 of 20 graphs have a plane without a hit",)
    with pytest.raises(UserError, match="norm=reference gives NaN"):
        NuGraph(norm="reference").splits(tmp_path, tmp_path / "c", 0)


def kept(tmp_path, folder, graphs, *classes, name="some.h5"):
    (tmp_path / folder).mkdir(exist_ok=True, parents=True)
    write(tmp_path / folder / name, graphs, PLANES, *classes)


def test_the_reference_norm_is_of_the_source_alone(tmp_path, simulated):
    kept(tmp_path, "nugraph", [raw_graph(k, label=k % 4) for k in range(20)], SEMANTIC, EVENTS)
    kept(tmp_path, "other", [raw_graph(k, label=k % 4, hits=(90, 80, 70)) for k in range(20)], SEMANTIC, EVENTS)
    alone, adapted = (NuGraph(norm="reference", target_folder=target, split="random") for target in (None, "other"))
    for dataset in (alone, adapted):
        dataset.splits(tmp_path, tmp_path / "c", 0)
    assert adapted.learned["norm"] == alone.learned["norm"]
    usual, more = (simulated(norm="reference", extra_tau=n) for n in (0, 5))
    assert np.array_equal(features(more.test), features(usual.test))


def test_the_reference_norm_goes_file_by_file_though_names_collide(tmp_path, monkeypatch):
    monkeypatch.setattr(nugraph_norm, "BATCH", 8)
    graphs = [raw_graph(k, label=k % 4, run=k % 2) for k in range(20)]
    for run, folder in ((1, "a"), (0, "b")):  # within one list of all, run 0 would come first
        of_run = [replace(graph, label=k % 4) for k, graph in enumerate(g for g in graphs if g.run == run)]
        kept(tmp_path, f"nugraph/{folder}", of_run, SEMANTIC, EVENTS)
    dataset = NuGraph(norm="reference")
    sample = dataset.splits(tmp_path, tmp_path / "c", 0).train.inputs
    order = sorted(range(20), key=lambda row: (row >= 10, "r{}_sr{}_evt{}".format(*sample.packed.event[row])))
    batches = [sample.unscaled("u", np.array(order[start : start + 8])) for start in range(0, 20, 8)]
    assert dataset.learned["norm"]["u"] == nugraph_norm.reference(batches).tolist()


# --- mistakes ---


def test_a_file_without_labels_cannot_be_learned_from(of, spoil):
    spoil(event_classes=None)
    with pytest.raises(UserError, match=r"toy\.gnn\.h5: 0 of 40 graphs have no evt/y, and event_classes are not given"):
        of()


def test_a_label_out_of_range_is_named(of, spoil):
    spoil(event_classes=[*EVENTS[:3]])
    with pytest.raises(UserError, match=r"toy\.gnn\.h5: graph r1_sr\d_evt\d+: event label 3; there are classes 0 to 2"):
        of()


def test_a_class_without_training_events_is_named(tmp_path):
    (tmp_path / "nugraph").mkdir()
    write(tmp_path / "nugraph" / "g.h5", [raw_graph(k, label=k % 3) for k in range(30)], PLANES, SEMANTIC, EVENTS)
    with pytest.raises(UserError, match="the training split has no event of class 'nc'"):
        NuGraph().splits(tmp_path, tmp_path / "c", 0)


def test_a_graph_of_another_shape_is_named_with_its_file(tmp_path):
    graphs = [raw_graph(k, label=k % 4) for k in range(20)]
    bad = replace(graphs[0].planes["u"], edges=np.zeros((15, 2), np.int64))
    graphs[0] = replace(graphs[0], planes={**graphs[0].planes, "u": bad})
    kept(tmp_path, "nugraph", graphs, SEMANTIC, EVENTS)
    with pytest.raises(UserError, match=r"some\.h5: graph r1_sr0_evt0, plane u: edges is of shape \(15, 2\)"):
        NuGraph().splits(tmp_path, tmp_path / "c", 0)


def test_a_true_vertex_that_some_graphs_lack_is_told(tmp_path):
    graphs = [raw_graph(k, label=k % 4) for k in range(20)]
    kept(tmp_path, "nugraph", [replace(graphs[0], vertex=None), *graphs[1:]], SEMANTIC, EVENTS)
    found = NuGraph().splits(tmp_path, tmp_path / "c", 0)
    assert not found.train.inputs.schema.vertex
    (note,) = found.notes
    assert note.startswith("1 of 20 graphs have no true vertex")
    kept(tmp_path, "none", [replace(graph, vertex=None) for graph in graphs], SEMANTIC, EVENTS)
    assert not NuGraph(folder="none").splits(tmp_path, tmp_path / "c", 0).notes


def test_options_that_make_no_sense_are_sentences(of, tmp_path):
    with pytest.raises(UserError, match="extra_tau=3 adds simulated events"):
        of(extra_tau=3)
    with pytest.raises(UserError, match=r"none\.gnn\.h5: no such file or folder"):
        of(folder="none.gnn.h5")
    with pytest.raises(ValueError, match="class_mix is zero"):
        NuGraph(class_mix=[0.0, 0.0, 0.0, 0.0])


# --- event tables, and prediction ---


def test_event_tables_are_built_into_graphs(tmp_path):
    (tmp_path / "nugraph").mkdir()
    events = list(simulate(24, hits=100, class_mix=[1, 1, 1, 1]))
    write_events(tmp_path / "nugraph" / "some.evt.h5", events)
    graphs = [graph for graph in (build(each, lower_bound=9) for each in events) if isinstance(graph, RawGraph)]
    dropped = len(events) - len(graphs)
    assert dropped
    found = NuGraph(lower_bound=9, test_fraction=0.3).splits(tmp_path, tmp_path / "c", 0)
    assert found.notes == (f"{dropped} events left out: a plane has too few hits",)
    assert found.class_names == EVENTS
    inputs = found.train.inputs
    assert [(*key,) for key in inputs.packed.event.tolist()] == [(g.run, g.subrun, g.event) for g in graphs]
    assert all(np.array_equal(inputs.places(3)[p], graphs[3].planes[p].pos) for p in PLANES)


def test_new_files_are_scaled_as_in_training_and_need_no_truth(root, tmp_path, spoil):
    dataset = NuGraph(norm="train")
    splits = dataset.splits(root, tmp_path / "cache", 0)
    spoil(event_classes=None, samples=None, norm=None)
    new = dataset.read(root / "nugraph" / "toy.gnn.h5", tmp_path / "cache")
    at = {name: k for k, name in enumerate(names(new))}
    rows = torch.tensor([at[name] for name in names(splits.test)])
    assert torch.equal(new.inputs.fetch(rows, CPU).planes["y"].x, torch.from_numpy(features(splits.test, "y")))
    assert set(new.keys) == {"run", "subrun", "event", "file"}


def test_new_events_that_become_no_graph_are_logged(root, tmp_path, caplog):
    dataset = NuGraph(lower_bound=9)
    dataset.splits(root, tmp_path / "cache", 0)
    events = list(simulate(24, hits=100, class_mix=[1, 1, 1, 1]))
    write_events(tmp_path / "new.evt.h5", events)
    for _ in range(2):  # built, then from the cache
        caplog.clear()
        new = dataset.read(tmp_path / "new.evt.h5", tmp_path / "cache")
        lost = len(events) - len(new.inputs)
        assert lost
        assert f"new.evt.h5: {lost} events left out: a plane has too few hits" in caplog.text


def test_a_spoilt_event_is_named_with_its_file(tmp_path):
    (tmp_path / "nugraph").mkdir()
    path = tmp_path / "nugraph" / "some.evt.h5"
    write_events(path, list(simulate(4, hits=100)))
    with h5py.File(path, "r+") as file:
        file["hit_table/local_time"][0] = np.nan
    with pytest.raises(UserError, match=r"some\.evt\.h5: event \d+, \d+, \d+ .* local_time is nan"):
        NuGraph(lower_bound=1).splits(tmp_path, tmp_path / "c", 0)


def test_event_tables_without_truth_are_read(root, tmp_path):
    dataset = NuGraph(lower_bound=5)
    dataset.splits(root, tmp_path / "cache", 0)
    events = list(simulate(3, hits=100))
    write_events(tmp_path / "new.evt.h5", events)
    with h5py.File(tmp_path / "new.evt.h5", "r+") as file:
        for name in [c for c in file["event_table"] if not c.startswith("event_id")]:
            del file[f"event_table/{name}"]
        del file["particle_table"], file["edep_table"]
    new = dataset.read(tmp_path / "new.evt.h5", tmp_path / "cache")
    assert 1 <= len(new.inputs) <= 3
    assert (new.inputs.packed.label == -1).all()
    assert not new.inputs.schema.vertex


def test_new_files_of_another_kind_are_refused(root, tmp_path):
    dataset = NuGraph()
    dataset.splits(root, tmp_path / "cache", 0)
    write(tmp_path / "six.h5", [raw_graph(features=4)], PLANES, SEMANTIC, EVENTS)
    with pytest.raises(UserError, match=r"six\.h5: its features are 6, those learned from 4"):
        dataset.read(tmp_path / "six.h5", tmp_path / "cache")
    with pytest.raises(UserError, match=r"no \.h5 files here"):
        dataset.read(tmp_path / "empty", tmp_path / "cache")


# --- simulation ---


def test_simulated_events_are_a_graph_file_of_the_first_generation(simulated):
    found = simulated()
    assert len(found.train) + len(found.val) + len(found.test) == 24
    assert "simulated events are used" in found.notes[0]
    assert sum(found.natural_prior) == pytest.approx(1)
    (file,) = Path(found.notes[0].partition("(")[2].rstrip(")")).iterdir()
    header = read_header(file)
    assert (header.generation, header.planes, header.semantic_classes, header.event_classes) == (
        1,
        PLANES,
        SEMANTIC,
        EVENTS,
    )
    graph = next(read_graphs(header))
    assert graph.vertex is not None
    assert max(plane.semantic.max() for plane in graph.planes.values()) >= 0


def test_additional_tau_events_are_new_and_for_training_alone(simulated):
    usual, five, eight = simulated(), simulated(extra_tau=5), simulated(extra_tau=8)
    n = len(usual.train)
    for found, more in ((five, 5), (eight, 8)):
        assert names(found.val) == names(usual.val)
        assert names(found.test) == names(usual.test)
        assert names(found.train)[:n] == names(usual.train)
        assert found.train.labels[n:].tolist() == [EVENTS.index("cc_nutau")] * more
        assert not set(names(found.train)[n:]) & set(names(usual.train) + names(usual.val) + names(usual.test))
    assert names(eight.train)[: n + 5] == names(five.train)
    assert len({usual.fingerprint, five.fingerprint, eight.fingerprint}) == 3
    thinned = simulated(extra_tau=5, class_counts=[1, 2, 1, 2])
    assert np.bincount(thinned.train.labels).tolist() == [1, 2, 6, 2]


def test_another_seed_is_another_sample(simulated):
    a, b = simulated(), simulated(simulation_seed=1)
    assert a.fingerprint != b.fingerprint
    assert features(a.train).shape != features(b.train).shape


def test_few_events_are_lost_to_the_bound_whatever_their_number_of_hits():
    """So the mix that is asked for is the mix that is had."""
    for hits in (80, 300):
        drawn = Simulation(1, [0.0, 0.0, 0.0, 1.0], hits, 0)._graphs()
        numbers = [graph.event for graph in islice(drawn, 12)]
        assert numbers[-1] < 18


# --- a second domain ---


def of_domain(split, domain):
    return split.select(split.domain == domain)


def test_a_shifted_target_is_other_events_whose_labels_are_hidden_but_for_the_test(simulated):
    usual, found = simulated(), simulated(target="shifted")
    assert (usual.domain_names, found.domain_names) == (("all",), ("source", "target"))
    for part in ("train", "val", "test"):
        split = getattr(found, part)
        target = of_domain(split, 1)
        assert len(target)
        assert (split.labelled == ((split.domain == 0) | (part == "test"))).all()
        assert (target.labels == target.clean).all()
        assert not {*names(target)} & {*names(of_domain(split, 0))}
    assert sum(len(of_domain(s, 0)) for s in (found.train, found.val, found.test)) == 24
    assert found.fingerprint not in (usual.fingerprint, simulated(target="shifted", shift=0.5).fingerprint)


def test_the_target_may_be_labelled_and_is_not_thinned(simulated):
    found = simulated(target="shifted", target_labels=True, class_counts=[1, 1, 1, 1])
    assert found.train.labelled.all()
    assert np.bincount(found.train.labels[found.train.domain == 0]).tolist() == [1, 1, 1, 1]
    assert len(of_domain(found.train, 1)) > 10


def test_features_are_scaled_by_the_source(simulated):
    found = simulated(target="shifted")
    source, target = (features(of_domain(found.train, d)) for d in range(2))
    np.testing.assert_allclose(source.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(source.std(axis=0, ddof=1), 1, rtol=1e-5)
    assert target[:, 2].mean() < -0.1, "less charge"


def test_the_target_may_be_files_without_labels(tmp_path):
    kept(tmp_path, "nugraph", [raw_graph(k, label=k % 4) for k in range(20)], SEMANTIC, EVENTS)
    kept(tmp_path, "data", [unlabelled(raw_graph(k, label=None)) for k in range(20)])
    found = NuGraph(target_folder="data").splits(tmp_path, tmp_path / "c", 0)
    for split in (found.train, found.val, found.test):
        target = of_domain(split, 1)
        assert len(target)
        assert (target.clean == HIDDEN).all()
        assert not target.labelled.any()
        assert of_domain(split, 0).labelled.all()
    assert found.fingerprint != NuGraph().splits(tmp_path, tmp_path / "c", 0).fingerprint
    assert found.class_names == EVENTS
    assert found.train.inputs.schema.semantic_classes == SEMANTIC


def unlabelled(graph):
    planes = {p: replace(plane, semantic=np.full(len(plane), -1)) for p, plane in graph.planes.items()}
    return replace(graph, planes=planes)


def test_classes_that_a_first_file_does_not_give_are_those_of_the_next(tmp_path):
    kept(tmp_path, "nugraph", [raw_graph(k, label=k % 4) for k in range(20)], name="a.h5")
    kept(tmp_path, "nugraph", [raw_graph(k, label=k % 4, run=2) for k in range(20)], SEMANTIC, EVENTS, name="b.h5")
    found = NuGraph().splits(tmp_path, tmp_path / "c", 0)
    assert (found.class_names, found.train.inputs.schema.semantic_classes) == (EVENTS, SEMANTIC)
    write(tmp_path / "nugraph" / "c.h5", [raw_graph(0)], PLANES[:2], SEMANTIC, EVENTS)
    with pytest.raises(UserError, match=r"c\.h5: its planes are u, v, those of a\.h5 u, v, y; give files of one kind"):
        NuGraph().splits(tmp_path, tmp_path / "c", 0)


def test_targets_that_cannot_be_are_refused(root, of):
    with pytest.raises(UserError, match=r"target=shifted is simulated, and the events of .*target_folder"):
        of(target="shifted")
    with pytest.raises(UserError, match=r"target_folder: no \.h5 files in .*elsewhere"):
        of(target_folder="elsewhere")
    with pytest.raises(UserError, match=r"toy\.gnn\.h5 is of the source .* and of the target"):
        of(target_folder="nugraph")
    (root / "tables").mkdir()
    write_events(root / "tables" / "some.evt.h5", list(simulate(2, hits=60)))
    with pytest.raises(UserError, match=r"some\.evt\.h5 has event tables, and .*toy\.gnn\.h5 graphs"):
        of(target_folder="tables")
    with pytest.raises(ValueError, match="both set"):
        NuGraph(target="shifted", target_folder="data")
    with pytest.raises(ValueError, match="there is no target"):
        NuGraph(target_labels=True)
