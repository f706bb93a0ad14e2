"""Two dimensions in which neighbours stay neighbours, to look at."""

from __future__ import annotations

import importlib
import warnings
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from src.errors import UserError
from src.task import FloatArray

DIMENSIONS = 50
"""Principal components that are kept before the reduction proper, which is slow in more."""
PERPLEXITY = 30
NEIGHBOURS = 15
"""Of UMAP, each point itself counted."""


def reduced(x: npt.NDArray[np.float32] | FloatArray, method: Literal["tsne", "umap"], seed: int) -> FloatArray:
    """(n, 2) from features (n, ...): t-SNE (van der Maaten 2008) or UMAP (McInnes 2018) of the principal components.

    Distances between groups, and their sizes, mean nothing in either. Raises UserError if there are too few examples,
    or if UMAP is not installed.
    """
    from sklearn.decomposition import PCA

    flat = x.reshape(len(x), -1)
    if len(flat) < 4:
        raise UserError(f"{len(flat)} examples cannot be drawn by {method}; give at least 4")
    few = min(DIMENSIONS, *flat.shape)
    points = PCA(few, random_state=seed).fit_transform(flat)
    found = _tsne(points, seed) if method == "tsne" else _umap(points, seed)
    return np.asarray(found, dtype=np.float64)


def _tsne(points: FloatArray, seed: int) -> Any:
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(points)


def _umap(points: FloatArray, seed: int) -> Any:
    """UMAP of exact neighbours: its own search is approximate, and compiling it takes as long as all the rest."""
    from sklearn.neighbors import NearestNeighbors

    neighbours = min(NEIGHBOURS, len(points) - 1)
    with warnings.catch_warnings(action="ignore"):  # that new points could not be placed, and about progress bars
        try:
            umap = importlib.import_module("umap")
        except ImportError:
            raise UserError("method=umap needs the package umap-learn: pip install 'kilter[umap]'") from None
        distances, nearest = NearestNeighbors(n_neighbors=neighbours).fit(points).kneighbors(points)
        reducer = umap.UMAP(n_neighbors=neighbours, precomputed_knn=(nearest, distances), random_state=seed, n_jobs=1)
        return reducer.fit_transform(points)
