"""Which examples each class has, and ways of drawing from them."""

from __future__ import annotations

import numpy as np

from src.task import FloatArray, IntArray


class Members:
    """Positions of the examples of every class that has any; a class is named by its place among those, 0 to len - 1."""

    def __init__(self, labels: IntArray) -> None:
        self.by_class = np.argsort(labels, kind="stable")
        self.classes, self.first, self.counts = np.unique(labels[self.by_class], return_index=True, return_counts=True)

    def __len__(self) -> int:
        return len(self.classes)

    def of(self, c: int) -> IntArray:
        """The positions of a class, rising."""
        mine: IntArray = self.by_class[self.first[c] : self.first[c] + self.counts[c]]
        return mine

    def any_of(self, drawn: IntArray, rng: np.random.Generator) -> IntArray:
        """One position for each class in `drawn`, with replacement."""
        member = (rng.random(len(drawn)) * self.counts[drawn]).astype(np.int64)
        positions: IntArray = self.by_class[self.first[drawn] + member]
        return positions

    def by_share(self, share: FloatArray, size: int, rng: np.random.Generator) -> IntArray:
        """`size` positions with replacement, classes drawn by their share (up to a factor), members alike."""
        drawn = np.searchsorted(np.cumsum(share / share.sum())[:-1], rng.random(size), side="right")
        return self.any_of(drawn, rng)

    def in_sizes(self, sizes: IntArray, rng: np.random.Generator) -> IntArray:
        """So many positions of each class, all classes mixed; none again until all of its class have been drawn."""
        return rng.permutation(np.concatenate([self.in_turn(c, int(size), rng) for c, size in enumerate(sizes)]))

    def mix(self, amounts: FloatArray | IntArray, num_classes: int) -> FloatArray:
        """The amounts of the classes that have examples, as shares of all classes, (num_classes,)."""
        shares = np.zeros(num_classes)
        shares[self.classes] = amounts / amounts.sum()
        return shares

    def in_turn(self, c: int, size: int, rng: np.random.Generator) -> IntArray:
        """`size` positions of a class, none again until all of it have been drawn."""
        rounds = -(-size // int(self.counts[c]))
        return rng.permuted(np.tile(self.of(c), (rounds, 1)), axis=1).ravel()[:size]
