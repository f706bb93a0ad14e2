"""The toy draws what the study describes, deterministically; its former method is as good as the study's."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from src.simulators.emulsion import CHUNK, COLUMNS, IMAGES, PARTS, PREVALENCE, SHEETS, chunk, chunks, simulate
from src.simulators.emulsion_objects import ALPHA, FIELD, KINDS, LEAST_ANGLE, THIN, draw_scene
from src.simulators.emulsion_optics import Sheet, micrographs
from src.simulators.emulsion_tracks import MEASURED, measured
from src.strategies.cuts import Selections, inside, peeled

STUDY = ((15_885, 906), (4_028, 214), (46_948, 255))


def scene(n=200, share=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return draw_scene(rng, rng.random(n) < share)


def test_an_alpha_decay_has_four_or_five_bold_tracks_of_25_to_50_um_from_one_point():
    found = scene(400, 1.0)
    tracks = found.tracks
    for crop, kind in enumerate(found.kind):
        mine = tracks.attached & (tracks.crop == crop)
        assert mine.sum() == {"uranium": 4, "thorium": 5}[KINDS[kind]]
        assert (tracks.bold[mine] == ALPHA).all()
        assert np.ptp(tracks.x[mine]) == np.ptp(tracks.y[mine]) == 0
        assert np.hypot(tracks.x[mine], tracks.y[mine]).max() < FIELD / 10
        between = np.diff(
            np.sort(tracks.angle[mine] % (2 * np.pi)), append=tracks.angle[mine].min() % (2 * np.pi) + 2 * np.pi
        )
        assert between.min() > 0.99 * LEAST_ANGLE
    length = tracks.length[tracks.attached]
    assert length.min() >= 25
    assert length.max() <= 50


def test_alpha_tracks_are_that_long_on_the_picture():
    """Along the axis of a track of a lone star on an empty sheet, the dark pixels are its length in µm."""
    found = scene(30, 1.0)
    own = found.tracks.attached
    found.tracks = type(found.tracks)(*(getattr(found.tracks, name)[own] for name in vars(found.tracks)))
    found.tracks.dip[:] = found.tracks.bend[:] = 0
    found.blobs = type(found.blobs)(*(getattr(found.blobs, name)[:0] for name in vars(found.blobs)))
    clear = Sheet((200, 200, 200), grain=0.9, fog=0, blur=0.5, uneven=0, noise=0)
    images = micrographs(np.random.default_rng(0), found, [clear], np.zeros(30, int), 224)
    pixel = FIELD / 224
    tracks, checked = found.tracks, 0
    for i in range(len(tracks)):
        along = np.arange(2, tracks.length[i] + 6, pixel / 2)
        x = (tracks.x[i] + along * np.cos(tracks.angle[i]) + FIELD / 2) / pixel
        y = (tracks.y[i] + along * np.sin(tracks.angle[i]) + FIELD / 2) / pixel
        seen = (x > 0) & (x < 223) & (y > 0) & (y < 223)
        if not seen.all():
            continue
        grey = images[tracks.crop[i], 1, y.astype(int), x.astype(int)].astype(float)
        end = along[np.flatnonzero(grey < 0.6 * grey.max())[-1]]
        assert end == pytest.approx(tracks.length[i], abs=2.5)
        checked += 1
    assert (tracks.length / pixel).min() > 64
    assert (tracks.length / pixel).max() < 129
    assert checked > 50


def test_other_objects_have_thin_and_bold_tracks_and_dark_spots():
    found = scene(600, 0.0)
    kinds = [KINDS[k] for k in found.kind]
    assert set(kinds) == {"interaction", "capture", "crossing", "spot"}
    tracks = found.tracks
    interaction = np.isin(tracks.crop, np.flatnonzero(np.array(kinds) == "interaction")) & tracks.attached
    assert (tracks.bold[interaction] == THIN).mean() > 0.2
    assert not (tracks.bold == ALPHA).any()


@pytest.mark.parametrize(("part", "n", "alphas"), [(p, *counts) for p, counts in enumerate(STUDY)])
def test_the_prevalence_gives_the_studys_counts(part, n, alphas):
    assert int(PREVALENCE[part] * n + 0.5) == alphas


def test_a_chunk_depends_on_seed_part_and_number_alone():
    options = {"size": 16, "shift": 1.0, "seed": 3}
    one = list(chunks(0, 2 * CHUNK, 0.1, **options))
    more = list(chunks(0, 3 * CHUNK, 0.1, **options))
    alphas = int(one[1].columns["label"].sum())
    alone = chunk(0, 1, CHUNK, alphas, **options)
    for other in (more[1], alone):
        assert np.array_equal(one[1].images, other.images)
        assert all(np.array_equal(one[1].columns[name], other.columns[name]) for name in one[1].columns)
    changed = [chunk(1, 1, CHUNK, alphas, **options), chunk(0, 1, CHUNK, alphas, **{**options, "seed": 4}), one[0]]
    assert not any(np.array_equal(one[1].images, c.images) for c in changed)


def test_objects_and_tracks_do_not_depend_on_size_and_shift():
    a, b = (chunk(2, 0, 40, 4, size=size, shift=shift, seed=0) for size, shift in ((16, 0.0), (24, 1.0)))
    assert all(np.array_equal(a.columns[name], b.columns[name]) for name in a.columns)


def test_files_hold_all_parts_with_their_alphas_and_sheets(tmp_path):
    told = []
    simulate(tmp_path, crops=(200, 60, 100), prevalence=(0.1, 0.1, 0.05), size=16, progress=told.append)
    images = np.load(tmp_path / IMAGES, mmap_mode="r")
    columns = dict(np.load(tmp_path / COLUMNS))
    assert images.shape == (360, 3, 16, 16)
    assert images.dtype == np.uint8
    assert sum(told) == 360
    assert np.bincount(columns["part"]).tolist() == [200, 60, 100]
    assert np.bincount(columns["part"], columns["label"]).tolist() == [20, 6, 5]
    assert set(columns["sheet"][columns["part"] < 2]) == {"A", "B"}
    assert set(columns["sheet"][columns["part"] == 2]) == {"C"}
    assert np.array_equal(np.isin(columns["kind"], ["uranium", "thorium"]), columns["label"] == 1)


def test_the_shift_is_in_the_looks_and_vanishes_at_zero():
    def mean(part, shift):
        return chunk(part, 0, 128, 8, size=24, shift=shift, seed=0).images.mean(axis=(0, 2, 3))

    train, same, other = mean(0, 1.0), mean(2, 0.0), mean(2, 1.0)
    assert np.abs(train - same).max() < 5
    assert np.abs(train - other).max() > 20
    half = SHEETS["A"].towards(SHEETS["C"], 0.5)
    assert half.blur == pytest.approx((SHEETS["A"].blur + SHEETS["C"].blur) / 2)


def test_the_resolution_does_not_change_what_is_shown():
    """A crop at twice the size, averaged over 2 × 2 pixels, is the smaller one but for noise."""
    found = scene(20)
    quiet = Sheet((200, 190, 150), grain=0.9, fog=0.03, blur=0.7, uneven=0.05, noise=0)
    small, large = (
        micrographs(np.random.default_rng(0), found, [quiet], np.zeros(20, int), size).astype(float)
        for size in (48, 96)
    )
    folded = large.reshape(20, 3, 48, 2, 48, 2).mean(axis=(3, 5))
    assert np.abs(folded - small).mean() < 4


def tracks(n, alphas, seed):
    rng = np.random.default_rng(seed)
    label = np.arange(n) < alphas
    found = measured(rng, draw_scene(rng, label))
    return np.stack([found[name] for name in MEASURED], axis=1).astype(np.float32), label


def test_measured_tracks_are_about_the_true_ones():
    found = measured(np.random.default_rng(0), scene(2000, 1.0))
    assert 3.8 < found["multiplicity"].mean() < 4.8
    assert np.median(found["longest"]) == pytest.approx(41, abs=5)
    assert (found["shortest"] <= found["mean_length"] + 1e-9).all()
    assert (found["mean_length"] <= found["longest"] + 1e-9).all()


def test_the_former_selection_is_about_as_good_as_the_studys():
    """The study: precision 0.081 ± 0.006 at recall 0.788 ± 0.056. Trained and tested with its numbers, the test five times."""
    recall, precision = [], []
    for seed in range(3):
        x, y = tracks(*STUDY[0], seed)
        chain = peeled(x, y, 0.788, 0.05)
        (bounds,) = Selections.of([chain], [(int(y.sum()), int((~y).sum()))], 0.788).used()
        new, truth = tracks(5 * STUDY[2][0], 5 * STUDY[2][1], seed + 100)
        kept = inside(new, bounds)
        recall.append(kept[truth].mean())
        precision.append(truth[kept].mean())
    assert np.mean(recall) == pytest.approx(0.788, abs=0.03)
    assert np.mean(precision) == pytest.approx(0.081, abs=0.012)


def test_brightness_alone_does_not_tell():
    """Histograms of 16 grey levels, logistic regression, test at the training's prevalence to have enough alphas."""

    def drawn(part, number):
        made = [chunk(part, c, 128, 8, size=32, shift=1.0, seed=0) for c in range(number)]
        grey = np.concatenate([m.images.mean(axis=1) for m in made])
        levels = (grey // 16).astype(int)
        histogram = (levels[..., None] == np.arange(16)).mean(axis=(1, 2))
        return histogram, np.concatenate([m.columns["label"] for m in made])

    x, y = drawn(PARTS.index("train"), 12)
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)).fit(x, y)
    for part in ("valid", "test"):
        new, truth = drawn(PARTS.index(part), 8)
        assert average_precision_score(truth, model.decision_function(new)) < 0.35
