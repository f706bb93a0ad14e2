import sys
from types import SimpleNamespace

import numpy as np
import pytest

from src.errors import UserError
from src.evaluation.embedding import reduced


def clusters(n=60):
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    return (10 * np.eye(3, 8)[labels] + rng.normal(size=(n, 8))).reshape(n, 2, 4).astype(np.float32), labels


@pytest.mark.parametrize(
    "method", ["tsne", pytest.param("umap", marks=pytest.mark.slow)]
)  # compiled anew in each process
def test_clusters_stay_apart_and_the_seed_decides(method):
    if method == "umap":
        pytest.importorskip("umap")
    x, labels = clusters()
    points = reduced(x, method, seed=0)
    assert points.shape == (60, 2)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(60)
    assert (labels[distance.argmin(axis=1)] == labels).all()
    np.testing.assert_array_equal(points, reduced(x, method, seed=0))


def test_umap_that_is_not_installed_and_too_few_examples_are_sentences(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UserError, match=r"pip install 'kilter\[umap\]'"):
        reduced(clusters()[0], "umap", seed=0)
    with pytest.raises(UserError, match="3 examples cannot be drawn by tsne; give at least 4"):
        reduced(clusters()[0][:3], "tsne", seed=0)


def test_umap_gets_the_exact_neighbours(monkeypatch):
    given = {}

    def fake(**options):
        given.update(options)
        return SimpleNamespace(fit_transform=lambda points: points[:, :2])

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=fake))
    points = reduced(x := clusters()[0], "umap", seed=0)
    assert points.shape == (60, 2)
    nearest, distances = given["precomputed_knn"]
    flat = x.reshape(60, -1).astype(np.float64)
    between = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    np.testing.assert_array_equal(nearest, between.argsort(axis=1)[:, :15])
    np.testing.assert_allclose(distances, np.sort(between, axis=1)[:, :15], atol=1e-4)
