import json

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from src import config
from src.errors import UserError
from src.evaluation.predictions import load
from src.imbalance_strategies.class_weights import ClassWeights
from src.strategies.boosting import (
    Examples,
    Growth,
    adaboost,
    bagging,
    balanced_bagging,
    logitboost,
    rusboost,
    smooth_measure,
    smoothboost,
)
from src.strategies.ensemble import Ensemble
from src.strategies.trees import Trees, Vote, float32_below
from tests.strategies import fitting
from tests.test_training import Interrupted, only_run, same, weights

KINDS = ["bagging", "adaboost", "logitboost", "smoothboost"]
BALANCING = ["balanced_bagging", "rusboost"]


def problem(classes=3, n=600, seed=0, noise=0.0):
    """Overlapping classes; the last third is for tests. Labels of the rest are flipped to another class."""
    X, y = make_classification(n, 10, n_informative=6, n_classes=classes, class_sep=1.5, random_state=seed)
    rng = np.random.default_rng(seed)
    flipped = np.where(rng.random(n) < noise, (y + rng.integers(1, classes, n)) % classes, y)
    cut = n * 2 // 3
    return X[:cut].astype(np.float32), flipped[:cut].astype(np.int64), X[cut:].astype(np.float32), y[cut:]


def growth(rounds=20, depth=3, learning_rate=1.0, kappa=0.1, gamma=0.05):
    return Growth(rounds, depth, learning_rate, kappa, gamma, seed=0)


def examples(x, y, classes):
    return Examples(x, y, np.ones(len(y)), classes)


def tree_of(votes, classes):
    return Trees.of([vote for new in votes for vote in new], classes)


# --- trees as tensors ---


def test_every_example_ends_in_scikit_learns_leaf_at_thresholds_too():
    x = np.random.default_rng(0).integers(0, 6, (500, 3)).astype(np.float32) / 5  # many ties with the thresholds
    tree = DecisionTreeClassifier(max_depth=6, random_state=0).fit(x, (x.sum(axis=1) * 5).astype(int) % 3).tree_
    stump = DecisionTreeClassifier(max_depth=1, random_state=0).fit(x, x[:, 0] > 0.5).tree_
    trees = Trees.of([Vote(t, np.zeros((t.node_count, 3)), np.ones(3)) for t in (tree, stump)], 3)
    edges = np.concatenate([t.threshold[t.children_left >= 0] for t in (tree, stump)])
    near = np.concatenate([float32_below(edges), np.nextafter(float32_below(edges), np.float32(np.inf))])
    x = np.concatenate([x, np.repeat(near[:, None], 3, axis=1)])
    expected = np.stack([tree.apply(x), stump.apply(x) + tree.node_count], axis=1)
    np.testing.assert_array_equal(trees.leaves(torch.from_numpy(x)).numpy(), expected)


def test_a_threshold_between_two_float32_divides_as_in_double_precision():
    low = np.float32(0.1)
    high = np.nextafter(low, np.float32(1))
    thresholds = np.array([low, (2.0 * low + high) / 3, (low + 2.0 * high) / 3, high], dtype=np.float64)
    for x in (low, high):
        np.testing.assert_array_equal(x <= float32_below(thresholds), np.float64(x) <= thresholds)


@pytest.mark.parametrize("classes", [2, 3])
def test_bagging_and_adaboost_score_as_scikit_learn(classes):
    x, y, new, _ = problem(classes, noise=0.2)
    how = growth()
    tree = DecisionTreeClassifier(max_depth=3)
    forest = BaggingClassifier(tree, 20, random_state=how.random_state())
    forest.fit(x, y, sample_weight=np.ones(len(y)))  # scikit-learn draws otherwise without
    trees = tree_of(bagging(examples(x, y, classes), how), classes)
    np.testing.assert_allclose(trees.votes(torch.from_numpy(new)), forest.predict_proba(new), atol=1e-6)
    boosted = AdaBoostClassifier(tree, n_estimators=20, random_state=how.random_state()).fit(x, y)
    trees = tree_of(adaboost(examples(x, y, classes), how), classes)
    p = trees.votes(torch.from_numpy(new)).softmax(dim=1)
    np.testing.assert_allclose(p, boosted.predict_proba(new), atol=1e-6)


# --- balancing kinds ---


def rare(classes, share=0.1, n=900):
    """The problem above, of whose classes but the first a share is kept."""
    x, y, new, truth = problem(classes, n)
    keep = (y == 0) | (np.random.default_rng(0).random(len(y)) < share)
    return x[keep], y[keep], new, truth


@pytest.mark.parametrize("classes", [2, 3])
def test_balanced_bagging_and_rusboost_score_as_imbalanced_learn(classes):
    from imblearn.ensemble import BalancedBaggingClassifier, RUSBoostClassifier

    x, y, new, _ = rare(classes)
    how = growth(learning_rate=0.3)
    tree = DecisionTreeClassifier(max_depth=3)
    forest = BalancedBaggingClassifier(
        tree, 20, bootstrap=False, sampling_strategy="all", replacement=True, random_state=how.random_state()
    ).fit(x, y)
    votes = tree_of(balanced_bagging(examples(x, y, classes), how), classes).votes(torch.from_numpy(new))
    np.testing.assert_allclose(votes, forest.predict_proba(new), atol=1e-6)
    np.testing.assert_array_equal(votes.argmax(dim=1), forest.predict(new))
    boosted = RUSBoostClassifier(tree, n_estimators=20, learning_rate=0.3, random_state=how.random_state()).fit(x, y)
    assert len(boosted.estimators_) > 5
    p = tree_of(rusboost(examples(x, y, classes), how), classes).votes(torch.from_numpy(new)).softmax(dim=1)
    np.testing.assert_allclose(p, boosted.predict_proba(new), atol=1e-6)
    np.testing.assert_array_equal(p.argmax(dim=1), boosted.predict(new))


@pytest.mark.parametrize("grow", [balanced_bagging, rusboost])
def test_each_tree_sees_as_many_of_each_class_as_the_rarest_has(grow):
    x, y, _, _ = rare(3)
    fewest = np.bincount(y).min()
    for (vote,) in grow(examples(x, y, 3), growth(rounds=5)):
        assert vote.tree.n_node_samples[0] == 3 * fewest


@pytest.mark.parametrize("balancing", BALANCING)
def test_rare_classes_are_found_more_often_than_by_the_kind_that_does_not_balance(balancing, tmp_path):
    x, y, new, truth = rare(3, share=0.05)
    recall = []
    for kind in (balancing, "bagging" if balancing == "balanced_bagging" else "adaboost"):
        trainer = fitting.trainer_on(tmp_path, fitting.split_of(x, y), epochs=1)
        p = fitting.scores(fitting.fitted(Ensemble(kind=kind, n_estimators=30, learning_rate=0.3), trainer), new)
        torch.testing.assert_close(p.sum(dim=1), torch.ones(len(p)))
        recall.append((p.argmax(dim=1).numpy() == truth)[truth > 0].mean())
    assert recall[0] > recall[1] + 0.1


@pytest.mark.parametrize("kind", BALANCING)
def test_one_example_of_a_class_and_one_class_are_survived(kind, tmp_path):
    x, y = fitting.blobs()
    x = x[:, :2]  # either axis tells the two classes apart
    once = (y == 0) | (np.arange(len(y)) == 1)
    for which, classes in ((once, 2), (y == 0, 1)):
        trainer = fitting.trainer_on(tmp_path, fitting.split_of(x[which], y[which]))
        p = fitting.scores(fitting.fitted(Ensemble(kind=kind, n_estimators=5), trainer), x[y < classes])
        assert (p.argmax(dim=1).numpy() == y[y < classes]).mean() > 0.95


@pytest.mark.parametrize("kind", BALANCING)
@pytest.mark.parametrize("balance", ["class_weights", "oversample"])
def test_balancing_on_top_is_refused_in_a_sentence(kind, balance, compose):
    given = ["dataset=digits", "strategy=ensemble", f"strategy.kind={kind}", f"imbalance_strategy={balance}"]
    with pytest.raises(UserError, match=f"kind={kind} balances the classes itself.*imbalance_strategy=none"):
        config.check(compose(*given))


# --- boosting ---


def test_two_rounds_of_logitboost_are_those_of_the_paper():
    """Friedman 2000, algorithm 3, by hand: F += f/2, p = 1/(1 + exp(-2F)), log-odds 2F."""
    x, y, _, _ = problem(2, noise=0.1)
    votes = tree_of(logitboost(examples(x, y, 2), growth(rounds=2, depth=1)), 2).votes(torch.from_numpy(x))
    F = np.zeros(len(y))
    for number in range(2):
        p = 1 / (1 + np.exp(-2 * F))
        z = np.clip((y - p) / (p * (1 - p)), -4, 4)
        state = growth().random_state(number, 1)
        tree = DecisionTreeRegressor(max_depth=1, random_state=state).fit(x, z, sample_weight=p * (1 - p))
        F += tree.predict(x) / 2
    np.testing.assert_allclose((votes[:, 1] - votes[:, 0]).numpy(), 2 * F, atol=1e-6)


def test_logitboost_of_more_classes_is_symmetric_and_a_newton_step_where_nothing_is_cut_off():
    """At F = 0 with one leaf an example group, z is the mean of (y - 1/J)/w; all of F sums to 0."""
    y = np.repeat(np.arange(3), [5, 3, 2]).astype(np.int64)
    x = np.zeros((10, 1), dtype=np.float32)
    (votes,) = logitboost(examples(x, y, 3), growth(rounds=1, learning_rate=0.5))
    F = tree_of([votes], 3).votes(torch.from_numpy(x[:1]))[0].numpy()
    f = (np.array([0.5, 0.3, 0.2]) - 1 / 3) / (2 / 9)
    np.testing.assert_allclose(F, 0.5 * 2 / 3 * (f - f.mean()), atol=1e-6)


def seen_weights(monkeypatch, data, how):
    """What smoothboost weighs the examples with, tree by tree, and its rounds."""
    seen, fit = [], DecisionTreeRegressor.fit

    def spy(self, x, y, sample_weight):
        seen.append(sample_weight)
        return fit(self, x, y, sample_weight=sample_weight)

    monkeypatch.setattr(DecisionTreeRegressor, "fit", spy)
    return seen, list(smoothboost(data, how))


def test_smoothboosts_weights_are_bounded_and_it_stops_at_kappa(monkeypatch):
    x, y, _, _ = problem(2)
    how = growth(rounds=2000, kappa=0.25, gamma=0.2)
    seen, rounds = seen_weights(monkeypatch, examples(x, y, 2), how)
    assert 2 < len(rounds) == len(seen) < 2000
    assert (seen[0] == 1).all()
    assert max(w.max() / w.mean() for w in seen) <= 1 / how.kappa
    margin = np.zeros(len(y))
    theta, sign = 0.2 / 2.2, np.where(y == 1, 1, -1)
    for (vote,), weight in zip(rounds, seen, strict=True):
        np.testing.assert_allclose(weight, np.where(margin < 0, 1, 0.8 ** (margin.clip(0) / 2)), atol=1e-9)
        h = 2 * vote.values[vote.tree.apply(x), 1] - 1
        assert (np.abs(h) <= 1).all()
        margin += sign * h - theta
    assert smooth_measure(margin, 0.2).mean() < how.kappa


def test_classes_of_smoothboost_stop_one_by_one_and_keep_their_mean():
    x, y, _, _ = problem(3)
    rounds = list(smoothboost(examples(x, y, 3), growth(rounds=2000, kappa=0.3, gamma=0.2)))
    assert len(rounds[-1]) < 3 == len(rounds[0])
    votes = tree_of(rounds, 3).votes(torch.from_numpy(x))
    assert 0 <= votes.min() <= votes.max() <= 1


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_many_trees_are_better_than_one_of_the_same_depth(kind, classes, tmp_path):
    """The class is the largest of sums of features, which no shallow tree can say."""
    x = np.random.default_rng(0).normal(size=(1200, 2 * classes)).astype(np.float32)
    y = (x[:, :classes] + x[:, classes:]).argmax(axis=1)
    x, y, new, truth = x[:600], y[:600], x[600:], y[600:]
    depth = None if kind == "bagging" else 1
    single = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(x, y).score(new, truth)
    trainer = fitting.trainer_on(tmp_path, fitting.split_of(x, y), classes=classes, epochs=1)
    strategy = Ensemble(kind=kind, n_estimators=50, max_depth=depth, gamma=0.2)
    p = fitting.scores(fitting.fitted(strategy, trainer), new)
    torch.testing.assert_close(p.sum(dim=1), torch.ones(len(p)))
    assert (p.argmax(dim=1).numpy() == truth).mean() > single + 0.03


def test_adaboost_on_features_that_say_nothing_is_a_sentence(tmp_path):
    y = np.arange(64, dtype=np.int64) % 2
    trainer = fitting.trainer_on(tmp_path, fitting.split_of(np.ones((64, 3)), y), classes=2, epochs=1)
    with pytest.raises(
        UserError, match=r"kind=adaboost: the first tree is no better than chance .* strategy.kind=bagging"
    ):
        fitting.fitted(Ensemble(kind="adaboost"), trainer)


def test_bounded_weights_and_bagging_stand_noise_better_than_newton_steps_and_adaboost(tmp_path):
    x, y, new, truth = problem(2, n=1800, noise=0.3)
    found = {}
    for kind in KINDS:
        trainer = fitting.trainer_on(tmp_path, fitting.split_of(x, y), classes=2, epochs=1)
        p = fitting.scores(fitting.fitted(Ensemble(kind=kind, n_estimators=50), trainer), new)
        found[kind] = (p.argmax(dim=1).numpy() == truth).mean()
    assert min(found["smoothboost"], found["bagging"]) > max(found["logitboost"], found["adaboost"]) + 0.03, found


@pytest.mark.parametrize("kind", KINDS)
def test_class_weights_move_the_scores_to_the_rare_class(kind, tmp_path):
    x, y, new, _ = problem(2)
    keep = np.flatnonzero((y == 0) | (np.arange(len(y)) % 10 == 0))
    shares = []
    for balance in (None, ClassWeights(weights=[1.0, 20.0])):
        train = fitting.split_of(x[keep], y[keep])
        trainer = fitting.trainer_on(tmp_path, train, classes=2, balance=balance, epochs=1)
        p = fitting.scores(fitting.fitted(Ensemble(kind=kind, n_estimators=10, max_depth=1), trainer), new)
        shares.append(p.argmax(dim=1).float().mean())
    assert shares[1] > shares[0] + 0.1


# --- a run ---


@pytest.mark.parametrize("kind", [*KINDS, *BALANCING])
def test_the_command_leaves_a_run_that_scores_again(kind, train, command, tmp_path):
    arguments = ["dataset=digits", "dataset.classes=[0,1,2]", "model=mlr", "strategy=ensemble", f"strategy.kind={kind}",
                 "strategy.n_estimators=10"]  # fmt: skip
    if kind == "adaboost":
        quiet = ["trainer.num_threads=1", "tracking.enabled=false", "figures=false"]
        done = command("src.run", *arguments, *quiet, f"runs_root={tmp_path / 'runs_root'}")
        assert done.returncode == 0, done.stderr
        assert "warn" not in (done.stdout + done.stderr).lower()
    else:
        train(*arguments, "figures=false")
    folder = only_run(tmp_path / "runs_root")
    test = load(folder / "predictions.npz")["test"]
    assert (test.probabilities.argmax(axis=1) == test.clean).mean() > 0.85
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert [line["metrics"]["train/trees"] for line in history][-1] == (30 if kind in KINDS[2:] else 10)
    assert [line["epoch"] for line in history] == [1, 2, 3, 4, 5]

    from sklearn.datasets import load_digits

    from src.predict import Options, predict

    images, labels = load_digits(return_X_y=True)
    images = images[labels < 3].reshape(-1, 8, 8)[test.rows]
    np.savez(tmp_path / "new.npz", X=images)
    table = predict(Options(run=str(folder), data=str(tmp_path / "new.npz")))
    np.testing.assert_allclose(table[["p_0", "p_1", "p_2"]].to_numpy(), test.probabilities, atol=1e-6)


def test_an_interrupted_fit_starts_anew_and_ends_with_the_same_bits(train, tmp_path):
    arguments = ["dataset=digits", "model=mlr", "strategy=ensemble", "strategy.n_estimators=9", "trainer.epochs=3",
                 "trainer.select=last", "figures=false"]  # fmt: skip

    def interrupt(epoch, metrics):
        if epoch == 2:
            raise Interrupted

    whole = train(*arguments, f"runs_root={tmp_path / 'whole'}")
    broken = f"runs_root={tmp_path / 'broken'}"
    with pytest.raises(Interrupted):
        train(*arguments, broken, on_epoch=interrupt)
    assert train(*arguments, broken, "trainer.resume=true") == whole
    a, b = only_run(tmp_path / "whole"), only_run(tmp_path / "broken")
    assert same(weights(a), weights(b))
    assert [json.loads(line)["epoch"] for line in (b / "history.jsonl").read_text().splitlines()] == [1, 2, 3]


def test_patience_ends_the_growth_and_the_best_epoch_is_used(tmp_path):
    x, y = fitting.blobs(spread=0.1)
    trainer = fitting.trainer_on(tmp_path, fitting.split_of(x, y), epochs=10, patience=2)
    strategy = Ensemble(n_estimators=20)
    fitting.fitted(strategy, trainer)
    assert (trainer.progress.best_epoch, trainer.progress.epoch, len(strategy.trees.root)) == (1, 3, 2)
