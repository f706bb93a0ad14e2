"""Rare classes get new examples, between their own ones."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from annotated_types import Gt, Le

from src.component import PositiveInt
from src.errors import UserError
from src.imbalance_strategies.base import ImbalanceStrategy
from src.imbalance_strategies.members import Members
from src.imbalance_strategies.synthetic import Floats, Mixtures, extended, flat
from src.task import FloatArray, IntArray, Split

Share = Annotated[float, Gt(0), Le(1)]


class SMOTE(ImbalanceStrategy):
    """x_i + u (x_j - x_i), u uniform in [0, 1], j one of the k nearest neighbours of i in its class (Chawla 2002).

    Every class gets as many as it lacks to `ratio` times the most frequent one's count. With `undersample` the others
    are cut down: an epoch draws of no class more than the rarest one's (new) count over that ratio, anew each time.

    pixel: neighbours by distance of the inputs as the model sees them, floats. pca: by distance in the first
    `components` principal components; the mixtures are of the inputs all the same. embedding: the model is trained
    without new examples, then its last layer alone, from scratch, on mixtures of what it sees (decoupled training,
    Kang 2020). A class of n examples has min(k, n - 1) neighbours; a single one is duplicated. Distances are
    scikit-learn's, draws imbalanced-learn's to the bit.
    """

    balances = synthesises = True

    def __init__(
        self,
        *,
        space: Literal["pixel", "pca", "embedding"] = "pixel",
        k_neighbors: PositiveInt = 5,
        ratio: Share = 1.0,
        undersample: Share | None = None,
        components: PositiveInt = 50,
    ) -> None:
        if space == "embedding" and undersample is not None:
            raise ValueError("undersample is not for space=embedding, whose network learns from all examples first")
        self.space, self.k, self.components = space, k_neighbors, components
        self.ratio, self.undersample = ratio, undersample
        self.embeds = space == "embedding"

    def extend(self, train: Split, rng: np.random.Generator) -> Split:
        if train.inputs.kind == "graph":
            raise UserError("imbalance_strategy=smote mixes vectors and images, not graphs; space=embedding takes any")
        x = flat(train)
        mixtures = smote(
            self._place(x, rng), train.labels, self.ratio, self.k, np.random.RandomState(rng.bit_generator)
        )
        return extended(train, mixtures, mixtures.of(x))

    def _place(self, x: Floats, rng: np.random.Generator) -> Floats:
        """Where neighbours are looked for."""
        if self.space != "pca":
            return x
        from sklearn.decomposition import PCA

        components = min(self.components, *x.shape)
        return np.asarray(PCA(components, random_state=int(rng.integers(2**32))).fit_transform(x))

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        self.members = Members(labels)
        self.sizes = self.members.counts
        if self.undersample is not None:
            self.sizes = np.minimum(self.sizes, math.floor(self.sizes.min() / self.undersample))

    def order(self, rng: np.random.Generator) -> IntArray:
        if self.undersample is None:
            return super().order(rng)
        return self.members.in_sizes(self.sizes, rng)

    def drawn_prior(self) -> FloatArray:
        return self.members.mix(self.sizes, self.num_classes)


def smote(x: Floats, labels: IntArray, ratio: float, k: int, random: np.random.RandomState) -> Mixtures:
    """What every class lacks to `ratio` times the largest, class by class; neighbours by distance of the rows of x (n, d)."""
    members = Members(labels)
    lacking = np.maximum(np.floor(ratio * members.counts.max()).astype(np.int64) - members.counts, 0)
    made = [mixtures(x, members.of(c), int(lacking[c]), k, random) for c in np.flatnonzero(lacking).tolist()]
    return Mixtures.joined(made)


def mixtures(x: Floats, members: IntArray, size: int, k: int, random: np.random.RandomState) -> Mixtures:
    """`size` mixtures of a class whose positions are `members`."""
    from sklearn.neighbors import NearestNeighbors

    k = min(k, len(members) - 1)
    if k == 0:
        return Mixtures(np.repeat(members, size), np.repeat(members, size), np.zeros(size))
    near = NearestNeighbors(n_neighbors=k + 1).fit(x[members]).kneighbors(x[members], return_distance=False)[:, 1:]
    drawn, u = random.randint(near.size, size=size), random.uniform(size=size)
    return Mixtures(members[drawn // k], members[near.ravel()[drawn]], u)
