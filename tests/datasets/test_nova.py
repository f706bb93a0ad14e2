"""NOvA files become splits: by key, with both domains, or with a sentence."""

import h5py
import numpy as np
import pytest
import torch

from src.datasets import caf
from src.datasets.nova import NOvA, classes, domain_of
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
    found = splits(tmp_path, weights="file").train
    assert (found.weight[found.domain == 0] == 1).all()
    assert np.unique(found.weight[found.domain == 1]).size > 10


def test_classes_never_carry_over():
    iscc, pdg = np.array([1, 1, 0, 1, 1, 1, 2]), np.array([14, 16, 16, -12, -14, 11, 14])
    assert classes(iscc, pdg).tolist() == [2, -1, 0, 1, 2, -1, -1]


@pytest.mark.parametrize("name", ["neardet_other.h5", "neardet_genie_gibuu.h5", "genie.h5"])
def test_an_unknown_generator_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="must contain '_genie_' or 'gibuu'"):
        domain_of(tmp_path / name)


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
    (lambda p: p.unlink(), "no genie events; both domains are needed"),
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
