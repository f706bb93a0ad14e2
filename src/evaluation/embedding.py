"""Two dimensions in which neighbours stay neighbours, to look at."""

from __future__ import annotations

import importlib
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from src.errors import UserError
from src.task import FloatArray

DIMENSIONS = 50
"""Principal components that are kept before the reduction proper, which is slow in more."""
PERPLEXITY = 30


def reduced(x: npt.NDArray[np.float32] | FloatArray, method: Literal["tsne", "umap"], seed: int) -> FloatArray:
    """(n, 2) from features (n, ...): t-SNE (van der Maaten 2008) or UMAP (McInnes 2018) of the principal components.

    Distances between groups, and their sizes, mean nothing in either. Raises UserError if there are too few examples,
    or if UMAP is not installed.
    """
    from sklearn.decomposition import PCA

    flat = x.reshape(len(x), -1)
    if len(flat) < 4:
        raise UserError(f"{len(flat)} examples cannot be drawn by {method}; give at least 4")
    reducer = _tsne(len(flat), seed) if method == "tsne" else _umap(len(flat), seed)
    few = min(DIMENSIONS, *flat.shape)
    points = PCA(few, random_state=seed).fit_transform(flat)
    return np.asarray(reducer.fit_transform(points), dtype=np.float64)


def _tsne(n: int, seed: int) -> Any:
    from sklearn.manifold import TSNE

    return TSNE(perplexity=min(PERPLEXITY, (n - 1) / 3), init="pca", random_state=seed)


def _umap(n: int, seed: int) -> Any:
    try:
        umap = importlib.import_module("umap")
    except ImportError:
        raise UserError("method=umap needs the package umap-learn: pip install 'kilter[umap]'") from None
    return umap.UMAP(n_neighbors=min(15, n - 1), random_state=seed, n_jobs=1)
