"""Folders, HDF5 files and simulated crops become the same splits, or a sentence."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from src.datasets.emulsion import Emulsion
from src.datasets.emulsion_files import has_tracks
from src.errors import UserError
from src.simulators.emulsion_tracks import MEASURED

CPU = torch.device("cpu")
TINY = {"crops": [60, 30, 40], "prevalence": [0.3, 0.3, 0.1], "image_size": 16}
SIZES = {"train": 6, "valid": 4, "test": 5}


def x(part):
    return part.inputs.fetch(torch.from_numpy(part.rows), CPU)


def make_folder(root, parts=("train", "valid", "test"), tracks=False):
    """Pictures whose red says the part and green the class."""
    folder, places = root / "emulsion", []
    for p, part in enumerate(parts):
        for c, name in enumerate(("other", "alpha")):
            (folder / part / name).mkdir(parents=True)
            for k in range(SIZES[part]):
                suffix = ("png", "tif")[k % 2]
                Image.new("RGB", (12, 12), (50 * p, 200 * c, k)).save(folder / part / name / f"{k}.{suffix}")
                places.append(f"{part}/{name}/{k}.{suffix}")
    if tracks:
        table = pd.DataFrame({"file": places[::-1], **{name: np.arange(len(places)) + 0.5 for name in MEASURED}})
        table.to_csv(folder / "tracks.csv", index=False)
    return folder


def make_hdf5(root, n=30, text=False, tracks=True, **changes):
    """Shuffled parts; red says the row."""
    part = np.arange(n) % 3
    labels = np.arange(n) // 3 % 2
    columns = {
        "images": np.zeros((n, 12, 12, 3), np.uint8) + np.arange(n, dtype=np.uint8)[:, None, None, None],
        "labels": np.array(["other", "alpha"])[labels].astype(object) if text else labels,
        "split": np.array(["train", "valid", "test"])[part].astype(object) if text else part,
        "sheet": np.where(part == 2, 7, part),
    }
    columns |= {name: np.arange(n) + 0.5 for name in MEASURED} if tracks else {}
    path = root / "crops.h5"
    with h5py.File(path, "w") as file:
        for name, values in (columns | changes).items():
            if values is not None:
                file[name] = values
    return path


def test_a_folder_keeps_its_parts_and_its_test_is_another_domain(tmp_path):
    make_folder(tmp_path)
    found = Emulsion(image_size=8).splits(tmp_path, tmp_path / "c", 0)
    assert found.class_names == ("other", "alpha")
    for p, part in enumerate((found.train, found.val, found.test)):
        pictures = (x(part) * 255).round()
        assert pictures.shape[1:] == (3, 8, 8)
        assert (pictures[:, 0] == 50 * p).all()
        assert np.array_equal((pictures[:, 1, 0, 0] == 200).numpy(), part.labels == 1)
        assert (part.domain == (p == 2)).all()
        assert part.labelled.all()
    assert not found.notes
    assert found.train.official_train == 20


def test_validation_is_taken_from_training_where_none_is_given(tmp_path):
    make_folder(tmp_path, parts=("train", "test"))
    found = Emulsion(val_fraction=0.34).splits(tmp_path, tmp_path / "c", 0)
    assert (len(found.train), len(found.val), len(found.test)) == (8, 4, 10)
    assert all(name.startswith("train/") for name in found.val.keys["file"])


def test_drawn_validation_depends_on_the_seed_and_keeps_the_counts(tmp_path):
    make_folder(tmp_path)
    given, a, b = (
        Emulsion(valid=valid).splits(tmp_path, tmp_path / "c", seed)
        for valid, seed in (("given", 0), ("drawn", 0), ("drawn", 1))
    )
    for one in (a, b):
        assert np.bincount(one.val.labels).tolist() == np.bincount(given.val.labels).tolist()
        assert np.bincount(one.train.labels).tolist() == np.bincount(given.train.labels).tolist()
        assert np.array_equal(one.test.rows, given.test.rows)
    assert not np.array_equal(a.val.rows, b.val.rows)


@pytest.mark.parametrize("text", [True, False])
def test_an_hdf5_file_is_read_by_split_and_sheet(tmp_path, text):
    make_hdf5(tmp_path, text=text)
    found = Emulsion(path="crops.h5", image_size=None).splits(tmp_path, tmp_path / "c", 0)
    for p, part in enumerate((found.train, found.val, found.test)):
        assert np.array_equal(part.keys["row"] % 3, np.full(len(part), p))
        assert np.array_equal((x(part)[:, 0, 0, 0] * 255).round().numpy(), part.keys["row"])
        assert np.array_equal(part.labels, part.keys["row"] // 3 % 2)
        assert (part.domain == (p == 2)).all()
        assert np.array_equal(part.keys["multiplicity"], part.keys["row"] + 0.5)
    assert x(found.train).shape[1:] == (3, 12, 12)


def test_a_known_sheet_in_the_test_is_no_other_domain(tmp_path):
    make_hdf5(tmp_path, sheet=np.zeros(30))
    assert not Emulsion(path="crops.h5").splits(tmp_path, tmp_path / "c", 0).test.domain.any()
    make_hdf5(tmp_path, sheet=None, tracks=False)
    assert Emulsion(path="crops.h5").splits(tmp_path, tmp_path / "c", 0).test.domain.all()


@pytest.mark.parametrize("source", ["folder", "hdf5", "simulated"])
def test_measured_tracks_are_keys_and_on_demand_the_inputs(tmp_path, source):
    if source == "folder":
        make_folder(tmp_path, tracks=True)
    path = make_hdf5(tmp_path).name if source == "hdf5" else "emulsion"
    options = {**TINY, "path": path}
    images, tracks = (Emulsion(**options, inputs=i).splits(tmp_path, tmp_path / "c", 0) for i in ("images", "tracks"))
    assert tracks.train.inputs.kind == "vector"
    assert tracks.train.inputs.names == MEASURED
    for a, b in zip((images.train, images.val, images.test), (tracks.train, tracks.val, tracks.test), strict=True):
        assert np.array_equal(a.rows, b.rows)
        keys = np.stack([a.keys[name] for name in MEASURED], axis=1)
        np.testing.assert_allclose(x(b).numpy(), keys, rtol=1e-6)
    assert images.fingerprint == tracks.fingerprint


def test_tracks_of_a_folder_are_matched_by_file(tmp_path):
    make_folder(tmp_path, tracks=True)
    found = Emulsion().splits(tmp_path, tmp_path / "c", 0)
    table = pd.read_csv(tmp_path / "emulsion" / "tracks.csv").set_index("file")
    expected = table.loc[found.test.keys["file"], "longest"]
    assert found.test.keys["longest"].tolist() == expected.tolist()


def test_simulated_crops_are_drawn_once_as_a_memory_map(tmp_path, monkeypatch):
    found = Emulsion(**TINY).splits(tmp_path / "none", tmp_path / "c", 0)
    assert "simulated ones are used" in found.notes[0]
    assert not (tmp_path / "none").exists()
    assert found.train.inputs.mapped
    assert (len(found.train), len(found.val), len(found.test)) == (60, 30, 40)
    assert [int(part.labels.sum()) for part in (found.train, found.val, found.test)] == [18, 9, 4]
    assert found.test.domain.all()
    assert found.natural_prior[1] == 0.1  # of the simulated test
    monkeypatch.setattr("src.simulators.emulsion.simulate", None)
    again = Emulsion(**TINY).splits(tmp_path / "none", tmp_path / "c", 1)
    assert again.fingerprint == found.fingerprint
    assert torch.equal(x(again.test), x(found.test))


def test_other_parameters_are_other_data(tmp_path):
    prints = {
        Emulsion(**{**TINY, **change}).splits(tmp_path, tmp_path / "c", 0).fingerprint
        for change in ({}, {"simulation_seed": 1}, {"shift": 0.5}, {"image_size": 20}, {"crops": [60, 30, 41]})
    }
    assert len(prints) == 5


def test_new_crops_are_read_without_labels(tmp_path):
    folder, path = make_folder(tmp_path, tracks=True), make_hdf5(tmp_path, labels=None, split=None)
    new = Emulsion(image_size=8).read(path, tmp_path / "c")
    assert new.inputs.shape == (3, 8, 8)
    assert new.keys["row"].tolist() == list(range(30))
    assert Emulsion(inputs="tracks").read(path, tmp_path / "c").inputs.shape == (4,)
    new = Emulsion(image_size=8).read(folder / "test" / "alpha", tmp_path / "c")
    assert new.keys["file"].tolist() == ["0.png", "1.tif", "2.png", "3.tif", "4.png"]
    assert Emulsion().read(folder / "test" / "alpha" / "0.png", tmp_path / "c").inputs.shape == (3, 64, 64)


@pytest.mark.parametrize(("changes", "why"), [
    ({"images": None}, "has no dataset 'images'"),
    ({"labels": None}, "has no dataset 'labels'"),
    ({"images": np.zeros((30, 12, 12), np.uint8)}, r"images are uint8 \(30, 12, 12\); uint8 \(n, h, w, 3\) is needed"),
    ({"labels": np.zeros(29)}, r"labels has the shape \(29,\), but there are 30 images"),
    ({"labels": np.arange(30) % 3}, "labels is 2 in row 2; give other, alpha, 0, 1"),
    ({"split": np.array(["tset"] * 30, dtype=object)}, "split is 'tset' in row 0"),
    ({"labels": np.zeros(30, int)}, "the train part has no crop of class 'alpha'"),
    ({"longest": None}, "has 'multiplicity', but no 'longest'"),
    ({"longest": np.full(30, np.nan)}, "longest must hold finite numbers"),
])  # fmt: skip
def test_a_bad_hdf5_file_is_a_sentence(tmp_path, changes, why):
    make_hdf5(tmp_path, **changes)
    with pytest.raises(UserError, match=f"crops.h5: {why}"):
        Emulsion(path="crops.h5").splits(tmp_path, tmp_path / "c", 0)


def test_other_mistakes_are_sentences(tmp_path):
    with pytest.raises(ValueError, match=r"give \[18, 9, 0\] alpha decays"):
        Emulsion(**{**TINY, "prevalence": [0.3, 0.3, 0.01]})
    with pytest.raises(UserError, match=r"gone\.h5: no such HDF5 file"):
        Emulsion(path="gone.h5").splits(tmp_path, tmp_path / "c", 0)
    (tmp_path / "bad.h5").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"bad\.h5: truncated, damaged or not HDF5"):
        Emulsion(path="bad.h5").splits(tmp_path, tmp_path / "c", 0)
    folder = make_folder(tmp_path, parts=("train",))
    with pytest.raises(UserError, match="has no folder 'test'"):
        Emulsion().splits(tmp_path, tmp_path / "c", 0)
    (folder / "test" / "alpha").mkdir(parents=True)
    with pytest.raises(UserError, match=r"other: no pictures; both classes are needed in every part"):
        Emulsion().splits(tmp_path, tmp_path / "c", 0)


def test_missing_tracks_are_a_sentence(tmp_path):
    folder = make_folder(tmp_path)
    with pytest.raises(UserError, match=r"dataset\.inputs=tracks needs measured tracks \(multiplicity"):
        Emulsion(inputs="tracks").splits(tmp_path, tmp_path / "c", 0)
    (folder / "tracks.csv").write_text("file,multiplicity\na,1\n")
    with pytest.raises(UserError, match="not a table with the columns file, multiplicity"):
        Emulsion().splits(tmp_path, tmp_path / "c", 0)
    pd.DataFrame({"file": ["x.png"], **{name: [1.0] for name in MEASURED}}).to_csv(folder / "tracks.csv", index=False)
    with pytest.raises(UserError, match=r"says nothing, or not all, of 'train/other/0\.png' \(30 such pictures\)"):
        Emulsion().splits(tmp_path, tmp_path / "c", 0)


def test_a_file_named_as_the_folder_would_be_is_found_and_tracks_are_known_or_not(tmp_path):
    assert has_tracks(tmp_path / "emulsion"), "simulated crops have some"
    path = make_hdf5(tmp_path).rename(tmp_path / "emulsion.h5")
    assert len(Emulsion().splits(tmp_path, tmp_path / "c", 0).train) == 10
    assert has_tracks(tmp_path / "emulsion")
    path.unlink()
    make_hdf5(tmp_path, tracks=False).rename(path)
    assert not has_tracks(tmp_path / "emulsion")
    path.unlink()
    folder = make_folder(tmp_path)
    assert not has_tracks(folder)
    (folder / "tracks.csv").touch()
    assert has_tracks(folder)


def test_the_deployments_mix_is_that_of_the_simulated_test_or_the_studys(tmp_path):
    simulated = Emulsion(**TINY).splits(tmp_path, tmp_path / "c", 0)
    assert simulated.natural_prior == pytest.approx((0.9, 0.1))
    make_folder(tmp_path)
    assert Emulsion().splits(tmp_path, tmp_path / "c", 0).natural_prior == pytest.approx((46693 / 46948, 255 / 46948))
