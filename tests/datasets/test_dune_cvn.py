import zlib

import numpy as np
import pytest
import torch

from src.datasets.dune_cvn import DuneCVN, pooled
from src.errors import UserError
from tests.datasets.files import make_dune


def test_pooling_keeps_the_largest_or_the_mean_of_each_block():
    maps = np.zeros((3, 500, 500), np.uint8)
    maps[1, 7, 13] = 200
    for size, cell in ((125, (1, 3)), (250, (3, 6)), (500, (7, 13)), (100, (1, 2))):
        small = pooled(maps, size, "max")
        assert small[1][cell] == 200
        assert (small > 0).sum() == 1
    assert pooled(maps, 250, "mean")[1, 3, 6] == 50


def test_the_real_events_agree_with_their_records(real_data, tmp_path):
    found = DuneCVN().splits(real_data, tmp_path, 0)
    parts = (found.train, found.val, found.test)
    assert sum(len(part) for part in parts) == 600
    assert np.bincount(np.concatenate([part.clean for part in parts])).tolist() == [150] * 4
    energy = np.concatenate([part.keys["energy"] for part in parts])
    assert energy.min() > 0.4
    assert energy.max() < 65
    x = found.train.inputs.fetch(torch.from_numpy(found.train.rows), torch.device("cpu"))
    assert x.shape[1:] == (3, 125, 125)
    assert 0.01 < (x > 0).float().mean() < 0.1


def test_tau_neutrinos_can_be_made_rare(tmp_path):
    make_dune(tmp_path)
    found = DuneCVN(class_counts=[6, 6, 6, 2]).splits(tmp_path, tmp_path, 0)
    assert np.bincount(found.train.labels).tolist() == [6, 6, 6, 2]


def test_new_events_need_no_record(tmp_path):
    make_dune(tmp_path)
    folder = tmp_path / "dune-cvn" / "nue"
    for path in folder.glob("*.info"):
        path.unlink()
    new = DuneCVN().read(folder, tmp_path)
    assert new.keys["event"].tolist() == list(range(12))


@pytest.mark.parametrize(("name", "content", "why"), [
    ("event3.gz", b"not zlib", r"event3\.gz: not a readable pixel map"),
    ("event3.gz", zlib.compress(b"short"), r"event3\.gz: 5 pixels"),
    ("event3.info", b"1\n2\n", r"event3\.info: not a readable event record"),
    ("event3.info", b"\n".join(b"16" for _ in range(12)), r"event3\.info: neutrino PDG code 16 in folder 'nue'"),
])  # fmt: skip
def test_a_bad_file_is_named(tmp_path, name, content, why):
    make_dune(tmp_path)
    (tmp_path / "dune-cvn" / "nue" / name).write_bytes(content)
    with pytest.raises(UserError, match=why):
        DuneCVN().splits(tmp_path, tmp_path / "cache", 0)
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"dune-cvn/nc: no event<N>\.gz files"):
        DuneCVN().splits(tmp_path, tmp_path, 0)
