import logging
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from src.errors import UserError
from src.evaluation.predictions import load
from src.strategies.cluster_then_label import ClusterThenLabel
from tests.strategies import fitting
from tests.test_training import only_run


def noisy(y, rate=0.4, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(y)) < rate, (y + 1) % 3, y)


def accuracy(strategy, folder, train):
    x, y = fitting.blobs(seed=1)
    p = fitting.scores(fitting.fitted(strategy, fitting.trainer_on(folder, train)), x)
    return (p.argmax(dim=1).numpy() == y).mean()


@pytest.mark.parametrize("reduce", ["none", "pca"])
@pytest.mark.parametrize("labels", ["bought", "observed"])
def test_separable_clusters_are_named_rightly_whatever_the_noise(reduce, labels, tmp_path):
    x, y = fitting.blobs(300)
    assert accuracy(ClusterThenLabel(reduce=reduce, labels=labels), tmp_path, fitting.split_of(x, noisy(y), y)) == 1


def test_bought_labels_are_clean_counted_and_nothing_else_of_the_clean_is_read(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("src"), "propagate", True)
    x, y = fitting.blobs(300)
    observed = fitting.split_of(x, noisy(y), y)
    found = []
    trainer = fitting.trainer_on(tmp_path, observed, on_epoch=lambda epoch, metrics: found.append(metrics))
    with caplog.at_level(logging.INFO, logger="src"):
        fitting.fitted(ClusterThenLabel(labelled_per_cluster=7, clusters=4), trainer)
    assert found[0]["train/clean_labels_bought"] == 28
    assert "28 clean labels bought" in caplog.text
    sealed = replace(observed, clean=np.full(300, 2))
    assert accuracy(ClusterThenLabel(labels="observed"), tmp_path, sealed) == 1
    assert accuracy(ClusterThenLabel(labels="bought"), tmp_path, sealed) == pytest.approx(1 / 3)


def test_scores_are_the_shares_of_the_vote_with_one_more_for_each_class(tmp_path):
    x = np.repeat([[0.0, 0.0], [10.0, 0.0]], [6, 4], axis=0)
    y = np.array([0, 0, 0, 0, 1, 2, 1, 1, 1, 1])
    strategy = ClusterThenLabel(reduce="none", clusters=2, labels="observed")
    p = fitting.scores(
        fitting.fitted(strategy, fitting.trainer_on(tmp_path, fitting.split_of(x, y))), [[1.0, 1.0], [8.0, 0.0]]
    )
    torch.testing.assert_close(p, torch.tensor([[5 / 9, 2 / 9, 2 / 9], [1 / 7, 5 / 7, 1 / 7]]))


def test_more_clusters_than_classes_find_a_class_that_has_two(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("src"), "propagate", True)
    x, y = fitting.blobs(400, classes=4)
    train = fitting.split_of(x, np.minimum(y, 2))
    trainer = fitting.trainer_on(tmp_path, train, val=train)
    p = fitting.scores(fitting.fitted(ClusterThenLabel(clusters=4, components=3), trainer), x)
    assert (p.argmax(dim=1).numpy() == train.labels).all()
    fitting.fitted(ClusterThenLabel(clusters=2), fitting.trainer_on(tmp_path, train))
    assert "1 of 3 classes won no cluster" in caplog.text


def test_pca_is_scikit_learns_and_the_nearest_centroid_k_means(tmp_path):
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    x, y = fitting.blobs(300, spread=3.0)
    strategy = ClusterThenLabel(clusters=5)
    fitting.fitted(strategy, fitting.trainer_on(tmp_path, fitting.split_of(x, y)))
    map2 = PCA(2).fit(x)
    ours = (x - strategy.mean.numpy()) @ strategy.axes.numpy().T
    np.testing.assert_allclose(np.abs(ours), np.abs(map2.transform(x)), atol=1e-4)
    kmeans = KMeans(5, init=strategy.reference.numpy(), n_init=1).fit(ours)
    np.testing.assert_allclose(kmeans.cluster_centers_, strategy.reference.numpy(), atol=1e-3)


@pytest.mark.parametrize(("options", "why"), [
    ({"clusters": 61}, r"strategy\.clusters=61: there are only 60 training examples"),
    ({"components": 5}, r"strategy\.components=5: at most 4 here"),
])  # fmt: skip
def test_what_does_not_fit_the_data_is_a_sentence(options, why, tmp_path):
    x, y = fitting.blobs(60)
    with pytest.raises(UserError, match=why):
        fitting.ready(ClusterThenLabel(**options), fitting.trainer_on(tmp_path, fitting.split_of(x, y)))


def test_without_umap_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    x, y = fitting.blobs(60)
    with pytest.raises(UserError, match=r"strategy\.reduce=umap needs umap-learn: pip install 'kilter\[umap\]'"):
        fitting.fitted(ClusterThenLabel(reduce="umap"), fitting.trainer_on(tmp_path, fitting.split_of(x, y)))


def test_a_run_on_digits_scores_again(train, tmp_path):
    train("dataset=digits", "dataset.classes=[0,1,4,6]", "model=mlr", "strategy=cluster_then_label", "noise_model=uniform",
          "noise_model.rate=0.4", "strategy.components=10", "strategy.clusters=8", "figures=false")  # fmt: skip
    folder = only_run(tmp_path / "runs_root")
    test = load(folder / "predictions.npz")["test"]
    assert (test.probabilities.argmax(axis=1) == test.clean).mean() > 0.9

    from sklearn.datasets import load_digits

    from src.predict import Options, predict

    images, labels = load_digits(return_X_y=True)
    np.savez(tmp_path / "new.npz", X=images[np.isin(labels, [0, 1, 4, 6])].reshape(-1, 8, 8)[test.rows])
    table = predict(Options(run=str(folder), data=str(tmp_path / "new.npz")))
    np.testing.assert_allclose(table[["p_0", "p_1", "p_4", "p_6"]].to_numpy(), test.probabilities, atol=1e-6)


@pytest.mark.slow
def test_umap_follows_the_nearest_stored_example(tmp_path):
    pytest.importorskip("umap")
    x, y = fitting.blobs(300)
    train = fitting.split_of(x, noisy(y), y)
    strategy = ClusterThenLabel(reduce="umap", references=100)
    assert accuracy(strategy, tmp_path, train) > 0.95
    assert strategy.reference.shape == (100, 4)
    nearest = np.linalg.norm(x[:, None] - strategy.reference.numpy(), axis=2).argmin(axis=1)
    np.testing.assert_allclose(strategy.scores(None, torch.from_numpy(x)).numpy(), strategy.share.numpy()[nearest])
