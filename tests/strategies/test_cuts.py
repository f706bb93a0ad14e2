import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, precision_recall_curve

from src.datasets.inputs import ArrayInputs
from src.errors import UserError
from src.evaluation.predictions import load
from src.strategies.cuts import Cuts, Selections, inside, peeled
from tests.strategies import fitting
from tests.test_training import only_run


def boxed(n=3000, seed=0, share=0.1):
    """Positives around (0, 0, ·), negatives all over three features; the first is whole numbers."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < share
    x = rng.uniform(-4, 4, (n, 3))
    x[y, :2] = rng.normal(0, 0.7, (y.sum(), 2))
    x[:, 0] = np.rint(2 * x[:, 0])
    return x.astype(np.float32), y


def chain_of(x, y, recall=0.8, peel=0.05):
    chain = peeled(x, y, recall, peel)
    return chain, Selections.of([chain], [(int(y.sum()), int((~y).sum()))], recall)


def test_cuts_are_nested_and_count_what_they_keep():
    x, y = boxed()
    keep, before = np.ones(len(y), dtype=bool), len(y) + 1
    chain, _ = chain_of(x, y)
    for cut in chain:
        keep &= x[:, cut.feature] * cut.side >= np.float32(cut.value)
        assert (keep & y).sum() == cut.positives
        assert (keep & ~y).sum() == cut.negatives
        assert cut.positives + cut.negatives < before
        before = cut.positives + cut.negatives
    assert len(chain) > 20


@pytest.mark.parametrize("recall", [0.5, 0.788, 0.95, 1.0])
def test_the_used_selection_keeps_the_recall_and_is_nearly_the_purest_box(recall):
    """By brute force over all boxes of deciles on the two features that matter."""
    x, y = boxed()
    _, selections = chain_of(x, y, recall)
    kept = inside(x, selections.used()[0])
    assert kept[y].mean() >= recall
    grids = [np.quantile(x[:, f], np.linspace(0, 1, 13)) for f in (0, 1)]
    best = 0.0
    for (a, b), (c, d) in itertools.product(*(itertools.combinations(grid, 2) for grid in grids)):
        box = (x[:, 0] >= a) & (x[:, 0] <= b) & (x[:, 1] >= c) & (x[:, 1] <= d)
        if box[y].mean() >= recall:
            best = max(best, y[box].mean())
    assert y[kept].mean() > 0.97 * best


def test_a_box_without_noise_is_found():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (4000, 2)).astype(np.float32)
    y = (x[:, 0] > 0.3) & (x[:, 0] < 0.6) & (x[:, 1] > 0.5)
    _, selections = chain_of(x, y, 1.0)
    (bounds,) = selections.used()
    assert (inside(x, bounds) == y).mean() > 0.98
    found = [bounds[0, 1], bounds[0, -1], bounds[1, 1]]
    np.testing.assert_allclose(found, [0.3, 0.6, 0.5], atol=0.03)


def test_odds_are_the_shares_in_the_tightest_selection_and_one_half_begins_at_the_used_one():
    x, y = boxed()
    chain, selections = chain_of(x, y)
    odds = selections.odds(torch.from_numpy(x))[:, 0].numpy()
    np.testing.assert_array_equal(odds > 1, inside(x, selections.used()[0]))
    depth = np.zeros(len(x), dtype=int)
    alive = np.ones(len(x), dtype=bool)
    for cut in chain:
        alive &= x[:, cut.feature] * cut.side >= np.float32(cut.value)
        depth += alive
    kept = np.array([(y.sum(), (~y).sum()), *((c.positives, c.negatives) for c in chain)])
    expected = np.maximum.accumulate((kept[:, 0] + 0.5) / (kept[:, 1] + 0.5))[depth]
    np.testing.assert_allclose(odds * float(selections.scale[0]), expected, rtol=1e-5)


def test_scores_draw_a_precision_recall_curve_through_the_used_selection(tmp_path):
    x, y = boxed()
    strategy = Cuts(recall=0.7)
    predictor = fitting.fitted(strategy, fitting.trainer_on(tmp_path, fitting.split_of(x, y.astype(int)), classes=2))
    new, truth = boxed(seed=1)
    p = fitting.scores(predictor, new)[:, 1].numpy()
    assert len(np.unique(p)) > 15
    assert average_precision_score(truth, p) > 3 * truth.mean()
    precision, recall, threshold = precision_recall_curve(truth, p)
    at = np.searchsorted(threshold, 0.5)
    assert recall[at] == pytest.approx((p > 0.5)[truth].mean())
    assert precision[at] == pytest.approx(truth[p > 0.5].mean())
    assert recall[at] == pytest.approx(0.7, abs=0.08)


@pytest.mark.parametrize("rare", [0, 1])
def test_of_two_classes_the_rarer_is_selected_and_the_mix_undoes_the_scale(rare, tmp_path):
    x, y = boxed()
    labels = y.astype(int) if rare == 1 else 1 - y.astype(int)
    strategy = Cuts()
    predictor = fitting.fitted(strategy, fitting.trainer_on(tmp_path, fitting.split_of(x, labels), classes=2))
    p = fitting.scores(predictor, x)
    assert strategy.selected == (rare,)
    assert (p.argmax(dim=1).numpy() == rare)[y].mean() >= 0.788
    seen = np.bincount(labels) / len(labels)
    mix = strategy.class_mix(seen)
    odds = p.numpy() / (mix / seen)
    share = odds[:, rare] / odds.sum(axis=1)
    assert share.max() == pytest.approx(float(1 - 1 / (1 + strategy.selections.ratio[0, -1])), rel=1e-4)


def test_few_or_no_positives_are_survived(tmp_path):
    x, y = boxed()
    for few in (0, 1, 4):
        label = np.zeros(len(y), dtype=int)
        label[np.flatnonzero(y)[:few]] = 1
        split = fitting.split_of(x, label)
        p = fitting.scores(fitting.fitted(Cuts(), fitting.trainer_on(tmp_path, split, classes=2)), x)
        assert torch.isfinite(p).all()
        assert (p.argmax(dim=1).numpy() == 1)[label == 1].sum() >= 0.788 * few


def test_bounds_are_recorded_by_the_names_of_the_features(tmp_path):
    x, y = boxed()
    split = fitting.split_of(x, y.astype(int))
    split = replace(split, inputs=ArrayInputs(x, names=("count", "length", "idle")))
    strategy = Cuts(recall=0.9)
    fitting.fitted(strategy, fitting.trainer_on(tmp_path, split, classes=2))
    found = strategy.facts(split, tmp_path)
    assert found["cuts/b.recall"] >= 0.9
    assert found["cuts/b.length.lower"] < 0 < found["cuts/b.length.upper"]
    assert found["cuts/b.precision"] == pytest.approx(y[inside(x, strategy.selections.used()[0])].mean())


def test_pictures_are_refused_in_a_sentence(tmp_path):
    split = fitting.split_of(np.zeros((20, 1, 4, 4)), np.arange(20) % 2)
    with pytest.raises(UserError, match=r"these examples are images; use .* dataset\.inputs=tracks"):
        fitting.fitted(Cuts(), fitting.trainer_on(tmp_path, split, classes=2))


def test_the_command_leaves_a_run_with_the_selections_precision_and_recall(train, tmp_path):
    train("dataset=emulsion", "dataset.inputs=tracks", "dataset.image_size=16", "dataset.crops=[1000,300,1000]",
          "dataset.prevalence=[0.1,0.1,0.1]", "strategy=cuts", "model=mlr", "figures=false")  # fmt: skip
    folder = only_run(tmp_path / "runs_root")
    metrics = json.loads((folder / "metrics.json").read_text())
    test = load(folder / "predictions.npz")["test"]
    chosen, truth = test.probabilities.argmax(axis=1) == 1, test.clean == 1
    assert metrics["test/recall.alpha"] == pytest.approx(chosen[truth].mean())
    assert metrics["test/precision.alpha"] == pytest.approx(truth[chosen].mean())
    assert 0.6 < metrics["test/recall.alpha"] < 0.95
    assert metrics["cuts/alpha.recall"] >= 0.788
    assert any(name.startswith("cuts/alpha.multiplicity") for name in metrics)
    assert {"key.multiplicity", "key.kind"} <= {f"key.{name}" for name in test.keys}
