"""The toy writes the experiment's schema, deterministically, with the physics that the study shows."""

import h5py
import numpy as np
import pytest

from src.simulators.nova import NATURAL_MIX, SEALED, TRUTH_SUFFIX, simulate

INDEX = {"run", "subrun", "cycle", "evt", "subevt"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nova")
    return {domain: simulate(folder, domain, 1500)[0] for domain in ("genie", "gibuu")}


def column(path, branch, name):
    with h5py.File(path) as file:
        return file[f"{branch}/{name}"][:, 0]


def test_the_schema_is_the_experiments(files):
    with h5py.File(files["genie"]) as file:
        branches = set(file)
        assert branches >= {"rec.mc.nu", "rec.training.cvnmaps", "rec.training.trainingdata", "rec.vtx.elastic",
                            "rec.vtx.elastic.fuzzyk.png.shwlid", "rec.sel.contain", "rec.sel.remid", "rec.energy.numu",
                            "rec.slc", "rec.trk.cosmic", "rec.trk.kalman", "rec.trk.kalman.tracks", "spill"}  # fmt: skip
        assert all(set(file[branch]) >= INDEX for branch in branches - {"spill"})
        assert len(set(file["rec.mc.nu"])) == 53
        maps = file["rec.training.cvnmaps/cvnmap"]
        assert (maps.shape, maps.dtype, maps.chunks) == ((1500, 16_000), np.uint8, (128, 16_000))
        assert (maps.compression, maps.compression_opts) == ("gzip", 6)
        dtypes = {"E": "f4", "pdg": "i2", "iscc": "u2", "nhitslc": "u4", "mode": "i4", "cycle": "i4", "subevt": "u2"}
        assert all(file[f"rec.mc.nu/{name}"].dtype == dtype for name, dtype in dtypes.items())


def test_tables_differ_in_length_and_order(files):
    mapped, truth = (column(files["genie"], b, "evt") for b in ("rec.training.cvnmaps", "rec.mc.nu"))
    assert len(mapped) / len(truth) == pytest.approx(0.72, abs=0.03)
    assert not np.array_equal(mapped, truth[: len(mapped)])
    tracks = column(files["genie"], "rec.trk.kalman.tracks", "len")
    vertices = column(files["genie"], "rec.vtx.elastic", "vtx.z")
    assert len(tracks) > len(truth) > len(vertices)


def test_the_same_seed_gives_the_same_content_and_another_another(tmp_path):
    def content(name, seed):
        (tmp_path / name).mkdir()
        (path,) = simulate(tmp_path / name, "gibuu", 80, seed=seed)
        with h5py.File(path) as file:
            return {f"{b}/{c}": file[b][c][:] for b in file for c in file[b]}

    a, b, c = content("a", 0), content("b", 0), content("c", 1)
    assert all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)
    assert not np.array_equal(a["rec.training.cvnmaps/cvnmap"], c["rec.training.cvnmaps/cvnmap"])


def labels(path):
    iscc, pdg = column(path, "rec.mc.nu", "iscc"), np.abs(column(path, "rec.mc.nu", "pdg"))
    return np.select([iscc == 0, pdg == 12], [0, 1], 2)


def test_the_class_mix_holds_for_the_events_with_a_map(tmp_path):
    (path,) = simulate(tmp_path, "genie", 300, class_mix=(1, 1, 2))
    interaction = column(path, "rec.training.trainingdata", "interaction")
    share = [(interaction == 13).mean(), ((interaction >= 4) & (interaction < 8)).mean(), (interaction < 4).mean()]
    assert share == pytest.approx([0.25, 0.25, 0.5])


def test_hits_and_energies_are_about_the_studys(files):
    hits, energy = (column(files["genie"], "rec.mc.nu", name) for name in ("nhitslc", "visE"))
    seen = hits >= 10
    assert 0.2 < (hits[seen] < 30).mean() < 0.38
    assert 0.22 < ((hits[seen] >= 30) & (hits[seen] < 53)).mean() < 0.36
    assert 0.4 < (energy[seen] < 0.53).mean() < 0.6
    hot = column(files["gibuu"], "rec.mc.nu", "nhitslc") > 120
    assert 0.15 < hot.mean() < 0.35
    assert (labels(files["gibuu"])[hot] == 2).mean() < 0.4


def test_classes_look_as_they_should():
    """Muons are long and thin, electron showers shorter and broader: mean number of columns and of cells a column."""
    found = {}
    for number, mix in enumerate(np.eye(3)):
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            from pathlib import Path

            (path,) = simulate(Path(folder), "genie", 250, class_mix=mix, seed=number)
            with h5py.File(path) as file:
                lit = file["rec.training.cvnmaps/cvnmap"][:].reshape(-1, 2, 100, 80) > 0
        columns = lit.any(axis=3).sum(axis=2).mean(axis=1)
        found[number] = columns.mean(), (lit.sum(axis=(1, 2, 3)) / 2 / np.maximum(columns, 1)).mean()
    assert found[2][0] > 1.3 * found[0][0], "muons reach further than hadrons"
    assert found[1][1] > 1.3 * found[2][1], "showers are broader than muons"


def test_without_shift_the_generators_agree_and_with_it_they_do_not(tmp_path):
    def hits(domain, shift, seed):
        folder = tmp_path / f"{domain}{shift}{seed}"
        folder.mkdir()
        (path,) = simulate(folder, domain, 800, shift=shift, seed=seed)
        return column(path, "rec.mc.nu", "nhitslc")

    genie = hits("genie", 0.0, 0)
    assert distance(genie, hits("gibuu", 0.0, 0)) < 1
    assert distance(genie, hits("gibuu", 1.0, 0)) > 2


def distance(a, b):
    """Kolmogorov and Smirnov's, in units of what samples of one distribution exceed in 0.1 % of the cases."""
    grid = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(each), grid, "right") / len(each) for each in (a, b)]
    return np.abs(below[0] - below[1]).max() / (1.95 * np.sqrt(1 / len(a) + 1 / len(b)))


def test_without_shift_the_detector_answers_as_simulated_and_with_it_it_does_not(tmp_path):
    def seen(domain, shift):
        folder = tmp_path / f"{domain}{shift}"
        folder.mkdir()
        (path,) = simulate(folder, domain, 2500, shift=shift, class_mix=(1, 1, 1))
        with h5py.File(path) as file:
            maps = file["rec.training.cvnmaps/cvnmap"][:]
        hits, charge = np.count_nonzero(maps, axis=1), maps.sum(axis=1, dtype=np.int64)
        return hits, charge, charge / hits, column(path, "rec.slc", "nhit")

    genie, same, other = seen("genie", 0.0), seen("detector", 0.0), seen("detector", 1.0)
    assert max(map(distance, genie, same)) < 1
    assert min(map(distance, genie, other)) > 1
    assert distance(genie[2], other[2]) > 4, "a hit has less charge"
    assert other[2].mean() < 0.95 * genie[2].mean()


def keys(file, branch):
    return list(zip(*(file[f"{branch}/{name}"][:, 0].tolist() for name in sorted(INDEX)), strict=True))


def test_the_detector_s_file_has_no_truth_and_the_truth_s_has_every_event(files, tmp_path):
    paths = simulate(tmp_path, "detector", 300, file_events=200)
    assert [path.name for path in paths] == ["neardet_data_toy_000.h5", "neardet_data_toy_001.h5"]
    for path in paths:
        with (
            h5py.File(path) as data,
            h5py.File(path.with_suffix(TRUTH_SUFFIX)) as truth,
            h5py.File(files["genie"]) as mc,
        ):
            assert set(truth) == set(SEALED)
            assert set(data) == set(mc) - set(truth)
            told, seen = ({name for branch in file for name in file[branch]} for file in (truth, data))
            assert told & seen == INDEX | {"E", "vtx.x", "vtx.y", "vtx.z"}, "which are reconstructed, too"
            events = keys(truth, "rec.mc.nu")
            assert len(set(events)) == len(events)
            for branch in set(data) - {"spill"}:
                assert set(keys(data, branch)) <= set(events), branch
            assert set(keys(data, "rec.slc")) == set(events)
            assert sorted(keys(data, "rec.training.cvnmaps")) == sorted(keys(truth, "rec.training.trainingdata"))


def test_natural_is_the_studys_mix():
    assert np.allclose(np.array([119_366, 11_564, 239_932]) / 370_864, NATURAL_MIX, atol=2e-4)
