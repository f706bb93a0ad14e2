"""Who wrote a file, which class an event has, and the truth of given events by their full key."""

import h5py
import numpy as np
import pytest

from src.datasets import caf
from src.datasets.nova_files import classes, event_files, labelled_rows, origin, truth, truth_file
from src.errors import UserError
from tests.datasets.files import make_nova


def test_classes_never_carry_over():
    iscc, pdg = np.array([1, 1, 0, 1, 1, 1, 2]), np.array([14, 16, 16, -12, -14, 11, 14])
    assert classes(iscc, pdg).tolist() == [2, -1, 0, 1, 2, -1, -1]


@pytest.mark.parametrize("name", ["neardet_other.h5", "neardet_genie_gibuu.h5", "genie.h5", "gibuu_data_.h5"])
def test_an_unknown_origin_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="must contain one of '_genie_'"):
        origin(tmp_path / name)


def test_the_detector_s_files_have_no_truth_and_truth_files_are_no_events(tmp_path):
    path = make_nova(tmp_path, "detector")
    assert event_files(tmp_path) == [path]
    with h5py.File(path) as file:
        assert not {"rec.mc.nu", "rec.training.trainingdata"} & set(file)
    found = labelled_rows(path)
    assert (found.label == -1).all()
    assert (len(found.label), found.dropped) == (60, 0)
    assert truth_file(path).name == path.stem + ".truth.h5"


@pytest.mark.parametrize("domain", ["genie", "detector"])
def test_truth_is_joined_by_the_full_key(tmp_path, domain):
    path = make_nova(tmp_path, domain, class_mix=(1, 1, 1))
    found = labelled_rows(path)
    keys = {name: column[::-1].astype(np.int64) for name, column in found.key.items()} | {
        "file": np.repeat(path.name, 60)
    }
    got = truth([path], keys, ("visE", "nhitslc", "iscc", "pdg"))
    with h5py.File(truth_file(path)) as file:
        columns = [file[f"{caf.TRUTH}/{name}"][:, 0].tolist() for name in (*caf.KEY, "visE")]
    by_hand = {tuple(key): energy for *key, energy in zip(*columns, strict=True)}
    expected = [by_hand[key] for key in zip(*(keys[name].tolist() for name in caf.KEY), strict=True)]
    assert got["visE"].tolist() == expected
    if domain == "genie":
        assert np.array_equal(classes(got["iscc"], got["pdg"]), found.label[::-1])
    with pytest.raises(UserError, match="60 events are said to be from this file"):
        truth([], keys, ("visE",))
    keys["run"][3] += 1
    with pytest.raises(UserError, match="has no row for 1 of 60 events"):
        truth([path], keys, ("visE",))
