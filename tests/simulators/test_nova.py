"""The toy writes the experiment's schema, deterministically, with the physics that the study shows."""

import h5py
import numpy as np
import pytest

from src.simulators.nova import NATURAL_MIX, simulate

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
        return np.sort(column(path, "rec.mc.nu", "nhitslc"))

    def distance(a, b):  # Kolmogorov-Smirnov
        grid = np.concatenate([a, b])
        return np.abs(np.searchsorted(a, grid, "right") / len(a) - np.searchsorted(b, grid, "right") / len(b)).max()

    genie = hits("genie", 0.0, 0)
    critical = 1.95 * np.sqrt(2 / len(genie))  # 0.1 %
    assert distance(genie, hits("gibuu", 0.0, 0)) < critical
    assert distance(genie, hits("gibuu", 1.0, 0)) > 2 * critical


def test_natural_is_the_studys_mix():
    assert np.allclose(np.array([119_366, 11_564, 239_932]) / 370_864, NATURAL_MIX, atol=2e-4)
