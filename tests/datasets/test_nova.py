"""NOvA files become splits: by key, with both domains, or with a sentence."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from src.datasets import caf
from src.datasets.nova import NOvA
from src.errors import UserError
from tests.datasets.files import make_nova

EVEN = {"class_mix": (1, 1, 1)}


@pytest.fixture
def files(tmp_path):
    return make_nova(tmp_path, "genie", **EVEN), make_nova(tmp_path, "gibuu", **EVEN)


def splits(root, **options):
    return NOvA(**options).splits(root, root / "cache", 0)


def everything(found):
    parts = (found.train, found.val, found.test)
    return {name: np.concatenate([part.keys[name] for part in parts]) for name in found.train.keys}, parts


def test_every_map_meets_the_truth_of_its_own_key(tmp_path, files):
    """By brute force over one file, whose tables are shuffled against each other and repeat evt in every subrun."""
    found = splits(tmp_path)
    truth, maps = {}, {}
    for path in files:
        with h5py.File(path) as file:
            t = [file[f"{caf.TRUTH}/{name}"][:, 0].tolist() for name in (*caf.KEY, "iscc", "pdg")]
            truth |= {key: (iscc, pdg) for *key_, iscc, pdg in zip(*t, strict=True) for key in [tuple(key_)]}
            m = [file[f"{caf.MAPS}/{name}"][:, 0].tolist() for name in caf.KEY]
            maps |= dict(zip(zip(*m, strict=True), file[f"{caf.MAPS}/cvnmap"][:], strict=True))
            assert len(set(zip(t[3], t[4], strict=True))) < len(t[3]), "evt and subevt alone are not a key"
    for part in everything(found)[1]:
        x = part.inputs.fetch(torch.from_numpy(part.rows), torch.device("cpu")).numpy() * 255
        for i, key in enumerate(zip(*(part.keys[name].tolist() for name in caf.KEY), strict=True)):
            iscc, pdg = truth[key]
            assert part.clean[i] == (0 if not iscc else {12: 1, 14: 2}[abs(pdg)])
            assert np.array_equal(np.rint(x[i]).reshape(-1), maps[key])


def test_no_event_is_lost_or_doubled_and_domains_follow_the_file_names(tmp_path, files):
    keys, parts = everything(splits(tmp_path))
    assert len({tuple(row) for row in zip(*keys.values(), strict=True)}) == 120
    for part in parts:
        assert np.array_equal(part.domain == 1, np.char.find(part.keys["file"].astype(str), "gibuu") >= 0)


def test_target_labels_are_hidden_unless_given(tmp_path, files):
    found = splits(tmp_path)
    assert not found.train.labelled[found.train.domain == 1].any()
    assert splits(tmp_path, target_labels=True).train.labelled.all()
    assert found.test.labelled.all()


def test_files_without_labels_are_read_in_file_order(tmp_path, files):
    found = splits(tmp_path)
    with h5py.File(files[0], "a") as file:
        del file[caf.TRUTH]
        key = [file[f"{caf.MAPS}/{name}"][:, 0] for name in caf.KEY]
    new = NOvA().read(files[0], tmp_path / "cache")
    assert np.array_equal(new.keys["evt"], key[3])
    place = {k: i for i, k in enumerate(zip(*(column.tolist() for column in key), strict=True))}
    part = found.test.select(found.test.domain == 0)
    rows = torch.tensor([place[k] for k in zip(*(part.keys[n].tolist() for n in caf.KEY), strict=True)])
    device = torch.device("cpu")
    assert torch.equal(new.inputs.fetch(rows, device), part.inputs.fetch(torch.from_numpy(part.rows), device))


def test_simulation_happens_only_without_files_and_under_the_cache(tmp_path, files):
    assert not splits(tmp_path).notes
    root = tmp_path / "empty"
    found = NOvA(events=60, class_mix=[1.0, 1.0, 1.0]).splits(root, tmp_path / "c", 0)
    assert "simulated events are used" in found.notes[0]
    assert not root.exists()
    again = NOvA(events=60, class_mix=[1.0, 1.0, 1.0]).splits(root, tmp_path / "c", 0)
    assert again.fingerprint == found.fingerprint
    other = NOvA(events=60, class_mix=[1.0, 1.0, 1.0], simulation_seed=1).splits(root, tmp_path / "c", 0)
    assert other.fingerprint != found.fingerprint


def test_weights_are_ones_or_the_files(tmp_path, files):
    assert (splits(tmp_path).train.weight == 1).all()
    found = splits(tmp_path, weights="file")
    weight, domain = (
        np.concatenate([getattr(part, name) for part in (found.train, found.val, found.test)])
        for name in ("weight", "domain")
    )
    assert (weight[domain == 0] == 1).all()
    assert np.unique(weight[domain == 1]).size > 10
    assert weight[domain == 1].mean() == pytest.approx(1), "relative to their mean"


def edit(path, column, values=None, row=None, value=None):
    with h5py.File(path, "a") as file:
        if values is None and row is None:
            del file[column]
        elif row is not None:
            file[column][row] = value
        else:
            del file[column]
            file[column] = values


@pytest.mark.parametrize(("change", "why"), [
    (lambda p: edit(p, caf.TRUTH), r"no rec\.mc\.nu/run; the branch is not in the file"),
    (lambda p: edit(p, f"{caf.TRUTH}/pdg"), r"no rec\.mc\.nu/pdg"),
    (lambda p: edit(p, caf.MAPS), "these files carry no pixel maps"),
    (lambda p: edit(p, f"{caf.MAPS}/cvnmap", np.zeros((60, 99), np.uint8)), "maps of 16000 bytes"),
    (lambda p: p.write_bytes(p.read_bytes()[:20_000]), r"genie.*truncated, damaged or not HDF5"),
    (lambda p: [edit(p, f"{caf.TRUTH}/genweight", row=slice(None), value=np.nan)], r"genweight is nan in row \d+"),
    (lambda p: [edit(p, f"{caf.MAPS}/{n}", row=1, value=h5py.File(p)[f"{caf.MAPS}/{n}"][0]) for n in caf.KEY], "1 keys stand twice"),
    (lambda p: edit(p, f"{caf.MAPS}/cvnmap", np.zeros((50, 16_000), np.uint8)), "has 50 maps, but 60 rows"),
    (lambda p: p.unlink(), "no genie events; source=genie and target=gibuu need them"),
    (lambda p: edit(p, f"{caf.TRUTH}/iscc", row=slice(None), value=1), "no genie event of class 'nc'"),
])  # fmt: skip
def test_a_bad_file_is_named_and_nothing_half_written_is_left(tmp_path, files, change, why):
    change(files[0])
    with pytest.raises(UserError, match=why):
        splits(tmp_path)
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_tau_neutrinos_are_left_out_and_counted(tmp_path, files):
    with h5py.File(files[0], "a") as file:
        truth = {name: file[f"{caf.TRUTH}/{name}"] for name in ("pdg", "iscc")}
        for row in np.flatnonzero((np.abs(truth["pdg"][:, 0]) == 12) & (truth["iscc"][:, 0] == 1))[:10]:
            truth["pdg"][row] = 16
    found = splits(tmp_path)
    keys, _ = everything(found)
    left_out = 120 - len(keys["run"])
    assert 0 < left_out <= 10
    assert f"{left_out} maps left out" in found.notes[0]


def test_an_unwritable_cache_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write the cache"):
        NOvA(events=60).splits(tmp_path / "data", tmp_path / "file", 0)


def test_the_fingerprint_knows_the_domains(tmp_path, files):
    before = splits(tmp_path).fingerprint
    files[0].rename(files[0].with_name("a_gibuu.h5"))
    files[1].rename(files[1].with_name("b_genie_.h5"))
    assert splits(tmp_path).fingerprint != before


# --- the detector ---


@pytest.fixture
def real(tmp_path):
    return make_nova(tmp_path, "genie", **EVEN), make_nova(tmp_path, "detector", **EVEN)


def test_the_detector_s_truth_is_read_by_the_last_evaluation_only(tmp_path, real, monkeypatch):
    read = []
    opened = caf.opened
    monkeypatch.setattr(caf, "opened", lambda path: (read.append(path.name), opened(path))[1])
    found = splits(tmp_path, target="detector")
    assert found.domain_names == ("genie", "detector")
    for part in (found.train, found.val, found.test):
        there = part.domain == 1
        assert there.any()
        assert (part.clean[there] == -1).all()
        assert not part.labelled[there].any()
        assert part.labelled[~there].all()
    assert not [name for name in read if "truth" in name]
    test = found.open_truth(found.test)
    assert [name for name in read if "truth" in name]
    assert test.labelled.all()
    assert set(test.clean[test.domain == 1]) == {0, 1, 2}
    assert np.array_equal(test.clean[test.domain == 0], found.test.clean[found.test.domain == 0])


def test_a_detector_without_truth_is_left_out_of_the_test(tmp_path, real):
    real[1].with_suffix(".truth.h5").unlink()
    found = splits(tmp_path, target="detector")
    assert found.open_truth is None
    assert "no truth of the detector's events" in found.notes[-1]
    assert (found.test.labelled == (found.test.domain == 0)).all()


def test_source_and_target_are_chosen(tmp_path, files):
    make_nova(tmp_path, "detector", **EVEN)
    turned = splits(tmp_path, source="gibuu", target="genie").test
    assert np.array_equal(turned.domain == 0, np.char.find(turned.keys["file"].astype(str), "gibuu") >= 0)
    both = splits(tmp_path, source="both", target="detector")
    assert both.domain_names == ("genie+gibuu", "detector")
    assert {name.split("_")[1] for name in both.train.keys["file"][both.train.domain == 0]} == {"genie", "gibuu"}


@pytest.mark.parametrize(("options", "why"), [
    ({"target": "genie"}, "must not share events"),
    ({"source": "both"}, "must not share events"),
    ({"target": "detector", "target_labels": True}, "target=detector has no labels"),
    ({"weighting": "accept"}, "needs weights"),
    ({"weights": "event_list"}, "give the list"),
    ({"balance": "study"}, "set target_labels=true"),
])  # fmt: skip
def test_contradictions_are_refused(options, why):
    with pytest.raises(ValueError, match=why):
        NOvA(**options)


# --- the event list ---


def test_the_list_s_weights_replace_the_files_and_other_gibuu_events_are_left_out(tmp_path, files):
    path = tmp_path / "nova" / "gibuu_events.txt"
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, *lines[5:]]))
    found = splits(tmp_path, event_list="gibuu_events.txt", weights="event_list")
    keys, parts = everything(found)
    assert len(keys["run"]) == 115
    assert sum((part.domain == 1).sum() for part in parts) == 55
    by_hand = {tuple(map(int, line.split()[:5])): float(line.split()[5]) for line in lines}
    mean = np.mean([float(line.split()[5]) for line in lines[5:]])
    for part in parts:
        there = part.domain == 1
        named = zip(
            *(part.keys[name][there].tolist() for name in ("run", "subrun", "cycle", "evt", "subevt")), strict=True
        )
        assert part.weight[there].tolist() == pytest.approx([by_hand[key] / mean for key in named])
        assert (part.weight[~there] == 1).all()
    assert any("5" in note and "list" in note for note in found.notes), found.notes
    assert found.fingerprint != splits(tmp_path).fingerprint


def test_a_list_that_is_not_there_is_a_sentence(tmp_path, files):
    with pytest.raises(UserError, match=r"event_list=other\.txt: no such file in .*nova"):
        splits(tmp_path, event_list="other.txt")


# --- selection, balance, files ---


def test_the_selection_leaves_an_index_that_is_used_again(tmp_path, files, monkeypatch):
    cuts = {"nue": {"front_planes": {"above": 40}}}
    found = splits(tmp_path, selection=cuts)
    (index,) = (tmp_path / "cache" / "selected").glob("*/events.parquet")
    table = pd.read_parquet(index)
    columns = {"run", "subrun", "evt", "subevt", "cycle", "weight", "train_index", "label", "domain", "file"}
    assert set(table.columns) == columns
    keys, _ = everything(found)
    assert len(table) == len(keys["run"]) < 120
    assert "front_planes" in found.notes[0]
    monkeypatch.setattr("src.datasets.nova_selection.select", None)
    again = splits(tmp_path, selection=cuts)
    assert again.fingerprint == found.fingerprint
    assert again.notes == found.notes
    assert np.array_equal(again.train.rows, found.train.rows)


def test_parts_by_file_share_no_file(tmp_path):
    found = NOvA(events=90, file_events=15, class_mix=[1.0, 1.0, 1.0], split_by="file").splits(
        tmp_path, tmp_path / "c", 0
    )
    names = [set(part.keys["file"]) for part in (found.train, found.val, found.test)]
    assert not (names[0] & names[1] | names[0] & names[2] | names[1] & names[2])
    assert all({0, 1} == set(part.domain) for part in (found.train, found.val, found.test))
    with pytest.raises(UserError, match="at least 3 files of a generator, and there are 2"):
        NOvA(events=90, file_events=45, split_by="file").splits(tmp_path, tmp_path / "c", 0)


def test_balance_is_of_labels_that_may_be_seen(tmp_path):
    options = {"events": 400, "class_mix": [2.0, 1.0, 3.0], "balance": "joint"}
    found = NOvA(**options).splits(tmp_path, tmp_path / "c", 0)
    source = found.train.domain == 0
    assert len(set(np.bincount(found.train.clean[source]))) == 1
    assert len(set(np.bincount(found.train.clean[~source]))) > 1
    both = found.test.clean * 2 + found.test.domain
    assert len(set(np.bincount(both))) == 1
    labelled = NOvA(**options, target_labels=True).splits(tmp_path, tmp_path / "c", 0).train
    assert len(set(np.bincount(labelled.clean * 2 + labelled.domain))) == 1


def test_what_is_listed_and_not_selected_is_told_apart_from_what_is_not_there(tmp_path, files):
    path = tmp_path / "nova" / "gibuu_events.txt"
    path.write_text(path.read_text() + "99999 0 0 1 1 2.0\n")
    found = splits(tmp_path, event_list="gibuu_events.txt", selection={"nue": {"front_planes": {"above": 40}}})
    note = next(note for note in found.notes if "events selected here are listed" in note)
    assert "listed but not selected here" in note
    assert "1 listed but not found here" in note or "1 events listed but not found here" in note, note


def test_files_of_one_name_are_refused(tmp_path, files):
    folder = tmp_path / "nova" / "again"
    folder.mkdir()
    (folder / files[0].name).write_bytes(files[0].read_bytes())
    with pytest.raises(UserError, match=f"several files are called {files[0].name}"):
        splits(tmp_path)


# --- what is kept in the cache is of these files, these cuts, this source ---


def test_one_cache_serves_both_directions(tmp_path, files):
    for source, target in (("genie", "gibuu"), ("gibuu", "genie"), ("genie", "gibuu")):
        found = splits(tmp_path, source=source, target=target)
        for part in (found.train, found.val, found.test):
            names = np.where(part.domain == 0, source, target)
            assert all(name in file for name, file in zip(names, part.keys["file"], strict=True))


def test_a_renamed_file_is_another_one(tmp_path, files):
    before = splits(tmp_path).fingerprint
    other = files[0].rename(files[0].with_name("neardet_genie_other.h5"))
    found = splits(tmp_path)
    assert found.fingerprint != before
    assert other.name in set(found.train.keys["file"])


def test_an_event_in_two_files_is_refused(tmp_path, files):
    files[0].with_name("neardet_genie_copy.h5").write_bytes(files[0].read_bytes())
    with pytest.raises(UserError, match=r"the files of genie's events .*: 60 keys stand twice"):
        splits(tmp_path)
    assert not list((tmp_path / "cache").rglob("events.parquet"))


def test_a_selection_that_nothing_passes_is_a_sentence(tmp_path, files):
    with pytest.raises(UserError, match=r"no event passes it; see .*cut_flow"):
        splits(tmp_path, selection={"nue": {"front_planes": {"above": 9999}}})


def test_maps_without_any_truth_are_left_out(tmp_path, files):
    with h5py.File(files[0], "a") as file:
        for name in list(file[caf.TRUTH]):
            edit_dtype = file[f"{caf.TRUTH}/{name}"].dtype
            del file[f"{caf.TRUTH}/{name}"]
            file[f"{caf.TRUTH}/{name}"] = np.zeros((0, 1), edit_dtype)
    with pytest.raises(UserError, match="no genie event of class 'nc'"):
        splits(tmp_path)


def test_one_generator_alone_is_one_domain(tmp_path):
    make_nova(tmp_path, "genie", **EVEN)
    found = splits(tmp_path, target="none", balance="class")
    assert found.domain_names == ("genie",)
    assert NOvA(target="none").domains == 1
    assert (found.train.domain == 0).all()
    with pytest.raises(UserError, match="no gibuu events"):
        splits(tmp_path)


def test_only_gibuu_is_thinned_by_weights_whatever_its_domain(tmp_path, files):
    make_nova(tmp_path, "detector", **EVEN)
    for options in ({"source": "both", "target": "detector"}, {"source": "gibuu", "target": "genie"}):
        found = splits(tmp_path, **options, event_list="gibuu_events.txt", weights="event_list", weighting="accept")
        names = np.concatenate([part.keys["file"] for part in (found.train, found.val, found.test)]).astype(str)
        counts = {
            who: int((np.char.find(names, sign) >= 0).sum())
            for who, sign in (("genie", "_genie_"), ("gibuu", "gibuu"), ("detector", "_data_"))
        }
        assert counts["genie"] == 60
        assert 0 < counts["gibuu"] < 60
        assert counts["detector"] == (60 if options["target"] == "detector" else 0)
