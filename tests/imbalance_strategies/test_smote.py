import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from src import checkpoint
from src.datasets.inputs import ArrayInputs
from src.errors import UserError
from src.evaluation.predictions import load
from src.imbalance_strategies.smote import SMOTE, smote
from src.imbalance_strategies.synthetic import Mixtures
from src.predict import Options, predict
from src.runs import read_json
from src.showcase import showcase
from src.task import Split
from src.tracking import Tracking
from tests.test_training import only_run

CPU = torch.device("cpu")
LABELS = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [120, 40, 9]))


def pictures(labels=LABELS, side=4):
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 256, (len(labels) + 5, 1, side, side)).astype(np.uint8)
    zeros, ones = np.zeros(len(labels), dtype=np.int64), np.ones(len(labels))
    rows = rng.permutation(len(stored))[: len(labels)]
    keys = {"run": rows * 10}
    return Split(ArrayInputs(stored, "unit"), rows, labels, (labels + 1) % 3, zeros, ones, ones.astype(bool), keys)


def extended(split=None, **options):
    return SMOTE(**options).extend(split or pictures(), np.random.default_rng(0))


def floats(split):
    return split.inputs.fetch(torch.from_numpy(split.rows), CPU)


# --- the mathematics ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("ratio", "k"), [(1.0, 5), (1.0, 3), (0.5, 5)])
def test_it_is_imbalanced_learns_to_the_bit(dtype, ratio, k):
    sampling = pytest.importorskip("imblearn.over_sampling")
    x = np.random.default_rng(0).normal(size=(len(LABELS), 7)).astype(dtype)
    wanted = {c: max(int(ratio * 120), n) for c, n in enumerate(np.bincount(LABELS))}
    oracle = sampling.SMOTE(k_neighbors=k, sampling_strategy=wanted, random_state=np.random.RandomState(3))
    theirs_x, theirs_y = oracle.fit_resample(x, LABELS)
    ours = smote(x, LABELS, ratio, k, np.random.RandomState(3))
    assert np.array_equal(theirs_x[: len(x)], x)
    assert np.array_equal(theirs_x[len(x) :], ours.of(x))
    assert np.array_equal(theirs_y[len(x) :], LABELS[ours.i])
    assert ours.of(x).dtype == dtype


def test_parents_are_near_neighbours_of_one_class():
    x = np.random.default_rng(0).normal(size=(len(LABELS), 7))
    made = smote(x, LABELS, 1.0, 5, np.random.RandomState(0))
    assert np.bincount(LABELS[made.i]).tolist() == [0, 80, 111]
    assert np.array_equal(LABELS[made.i], LABELS[made.j])
    for i, j in zip(made.i[:50], made.j[:50], strict=True):
        others = np.flatnonzero((LABELS[i] == LABELS) & (np.arange(len(x)) != i))
        nearest = others[np.argsort(np.linalg.norm(x[others] - x[i], axis=1))[:5]]
        assert j in nearest
    assert ((made.u >= 0) & (made.u < 1)).all()


def test_a_small_class_has_fewer_neighbours_and_a_single_example_is_duplicated():
    labels = np.repeat([0, 1, 2], [20, 3, 1])
    x = np.random.default_rng(0).normal(size=(24, 2))
    made = smote(x, labels, 1.0, 5, np.random.RandomState(0))
    assert set(made.j[labels[made.i] == 1]) == {20, 21, 22}
    alone = labels[made.i] == 2
    assert alone.sum() == 19
    assert (made.of(x)[alone] == x[23]).all()


def test_a_mixture_lies_on_the_segment():
    x = np.array([[0.0, 0], [4, 8]])
    np.testing.assert_allclose(Mixtures(np.array([0]), np.array([1]), np.array([0.25])).of(x), [[1, 2]])


# --- the split ---


@pytest.mark.parametrize("space", ["pixel", "pca"])
def test_new_pictures_are_floats_behind_the_old_ones_and_say_where_they_come_from(space):
    split = pictures()
    longer = extended(split, space=space, components=3)
    x, old = floats(longer), floats(split)
    assert len(longer) == 360
    assert torch.equal(x[:169], old)
    assert split.inputs.storage.dtype == torch.uint8
    assert np.bincount(longer.labels).tolist() == [120, 120, 120]
    new = np.arange(169, 360)
    assert np.array_equal(longer.keys["is_synthetic"], np.arange(360) >= 169)
    i, j, u = (longer.keys[name][new] for name in ("parent_i", "parent_j", "u"))
    mixed = old[i] + torch.from_numpy(u)[:, None, None, None] * (old[j] - old[i])
    torch.testing.assert_close(x[169:], mixed.float())
    assert np.array_equal(longer.labels[new], split.labels[i])
    assert np.array_equal(longer.clean[new], longer.labels[new])
    assert np.array_equal(longer.clean[:169], split.clean)
    assert np.array_equal(longer.keys["run"][new], split.keys["run"][i])
    assert (longer.keys["parent_i"][:169] == -1).all()


def test_integers_are_not_mixed():
    x, y = np.zeros((12, 3), np.uint8), np.repeat([0, 1], [8, 4])
    with pytest.raises(TypeError, match="mixtures are of floats, not uint8"):
        smote(x, y, 1.0, 3, np.random.RandomState(0)).of(x)


def test_bytes_do_not_wrap():
    """As they do in imbalanced-learn, whose differences of uint8 are modulo 256."""
    x = floats(extended())
    assert x.min() >= 0
    assert x.max() <= 1


def test_any_mixture_of_rows_is_fetched_from_where_it_is_and_selected():
    longer = extended()
    x = floats(longer)
    which = np.array([300, 2, 169, 168, 359])
    assert torch.equal(floats(longer.select(which)), x[which])
    assert torch.equal(floats(longer.select(which[[1, 3]])), x[which[[1, 3]]])
    assert len(longer.inputs) == len(pictures().inputs) + 191


def test_neighbours_among_principal_components_are_others_than_among_pixels():
    near, far = (extended(space=space, components=2).keys["parent_j"] for space in ("pixel", "pca"))
    assert not np.array_equal(near, far)


def test_graphs_are_refused_in_a_sentence():
    split = pictures()
    graphs = replace(split, inputs=ArrayInputs(np.zeros((200, 3), np.float32), kind="graph"))
    with pytest.raises(UserError, match="mixes vectors and images, not graphs"):
        extended(graphs)


def test_undersampling_draws_anew_down_to_the_ratio():
    strategy = SMOTE(ratio=0.25, undersample=0.5)
    longer = strategy.extend(pictures(), np.random.default_rng(0))
    strategy.setup(longer.labels, 3)
    first, second = (strategy.order(np.random.default_rng(seed)) for seed in (0, 1))
    assert np.bincount(longer.labels).tolist() == [120, 40, 30]
    assert np.bincount(longer.labels[first]).tolist() == [60, 40, 30]
    assert len(set(first)) == 130
    assert set(first) != set(second)
    np.testing.assert_allclose(strategy.effective_prior(), np.array([60, 40, 30]) / 130)


# --- a run ---

RUN = ["dataset=digits", "dataset.classes=[3,8,9]", "dataset.imbalance_ratio=20", "figures=false", "imbalance_strategy=smote",
       "trainer.epochs=2"]  # fmt: skip


def test_nothing_synthetic_is_ever_validated_or_tested_on(train, tmp_path):
    train(*RUN, "model=mlr", "noise_model=uniform")
    folder = only_run(tmp_path / "runs_root")
    found = read_json(folder / "metrics.json")
    assert found["data/train/synthetic"] > 0
    for part in load(folder / "predictions.npz").values():
        assert not {"is_synthetic", "parent_i"} & set(part.keys)
    described = json.loads((folder / "task.json").read_text())
    assert sum(described["class_counts"]) == found["data/train/size"]  # counts are the data's
    np.testing.assert_allclose(described["training_prior"], [1 / 3] * 3)


EMBEDDED = [*RUN, "model=lenet", "imbalance_strategy.space=embedding", "optimizer=adam", "schedule=none"]


@pytest.mark.parametrize("select", ["best", "last"])
def test_among_embeddings_the_last_layer_alone_is_trained_anew_and_prediction_uses_it(train, tmp_path, select):
    same = [f"trainer.select={select}", "optimizer.lr=0.005"]
    train(*EMBEDDED, *same, "imbalance_strategy=none", "~imbalance_strategy.space", f"runs_root={tmp_path / 'plain'}")
    train(*EMBEDDED, *same, f"runs_root={tmp_path / 'smote'}")
    plain, folder = (only_run(tmp_path / name) for name in ("plain", "smote"))
    before, after = (checkpoint.load(path / f"{select}.pt")["model"] for path in (plain, folder))
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"head.weight", "head.bias"}
    assert not (folder / "head").exists()
    assert read_json(folder / "metrics.json")["data/train/synthetic"] > 0
    np.testing.assert_allclose(json.loads((folder / "task.json").read_text())["training_prior"], [1 / 3] * 3)
    scored = load(folder / "predictions.npz")["test"]
    np.savez(tmp_path / "new.npz", X=np.zeros((2, 8, 8)))
    ours = predict(Options(run=str(folder), data=str(tmp_path / "new.npz")))
    theirs = predict(Options(run=str(plain), data=str(tmp_path / "new.npz")))
    assert not np.allclose(ours[["p_3"]], theirs[["p_3"]])
    assert np.isfinite(scored.probabilities).all()


def test_an_interruption_while_the_last_layer_is_trained_changes_nothing(train, tmp_path, monkeypatch):
    from src import decoupled

    whole = train(*EMBEDDED, f"runs_root={tmp_path / 'whole'}")
    save, calls = checkpoint.save, []

    def interrupt(path, state):
        calls.append(path)
        if path.parent.name == "head" and len(calls) > 1:
            raise KeyboardInterrupt
        save(path, state)

    with monkeypatch.context() as patched:
        patched.setattr(decoupled.checkpoint, "save", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(*EMBEDDED, f"runs_root={tmp_path / 'broken'}")
    resumed = train(*EMBEDDED, f"runs_root={tmp_path / 'broken'}", "trainer.resume=true")
    a, b = (checkpoint.load(only_run(tmp_path / name) / "best.pt")["model"] for name in ("whole", "broken"))
    assert whole == resumed
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_the_weights_of_new_examples_are_recorded_and_the_run_is_loaded_again(train, tmp_path):
    train(*RUN, "model=lenet", "strategy=random_weights")
    folder = only_run(tmp_path / "runs_root")
    given = checkpoint.load(folder / "best.pt")["strategy"]["given"]
    assert len(given) == sum(read_json(folder / "metrics.json")[f"data/train/{part}"] for part in ("size", "synthetic"))
    np.savez(tmp_path / "new.npz", X=np.zeros((2, 8, 8)))
    assert len(predict(Options(run=str(folder), data=str(tmp_path / "new.npz")))) == 2
    showcase(folder, Tracking(enabled=False, uri=None, experiment="-"))
    assert (folder / "SHOWN").exists()
