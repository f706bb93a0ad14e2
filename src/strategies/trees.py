"""Decision trees as tensors: scored on any device, saved without pickle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from src.task import FloatArray


class Vote(NamedTuple):
    """What one tree adds to an ensemble."""

    tree: Any
    """scikit-learn's `tree_`."""
    values: FloatArray
    """What an example adds to each class in each node, (nodes, C)."""
    mass: FloatArray
    """What the sum over all trees is divided by is the sum of these, (C,); 1 where that is 0."""


@dataclass(frozen=True)
class Trees:
    """The nodes of all trees, one after the other; a leaf is its own child."""

    root: Tensor
    """Where each tree starts, (T,)."""
    feature: Tensor
    """(N,)."""
    threshold: Tensor
    """(N,) float32; an example goes to the first child if its feature is not above it."""
    child: Tensor
    """(N, 2)."""
    value: Tensor
    """(N, C) float32."""
    depth: int

    @classmethod
    def of(cls, votes: Sequence[Vote], num_classes: int) -> Trees:
        sizes = np.array([vote.tree.node_count for vote in votes], dtype=np.int64)
        root = np.cumsum(sizes) - sizes
        total = sum((vote.mass for vote in votes), np.zeros(num_classes))
        trees = [vote.tree for vote in votes]
        return cls(
            root=torch.from_numpy(root),
            feature=torch.from_numpy(_all(np.where(_leaf(t), 0, t.feature) for t in trees)),
            threshold=torch.from_numpy(float32_below(_all(t.threshold for t in trees))),
            child=torch.from_numpy(_all(_children(t) + first for t, first in zip(trees, root, strict=True))),
            value=torch.from_numpy(_all(v.values for v in votes) / np.where(total == 0, 1, total)).float(),
            depth=max(tree.max_depth for tree in trees),
        )

    @classmethod
    def none(cls, num_classes: int) -> Trees:
        empty = torch.zeros(0, dtype=torch.int64)
        return cls(empty, empty, torch.zeros(0), empty.reshape(0, 2), torch.zeros(0, num_classes), 0)

    def to(self, device: torch.device) -> Trees:
        moved: Any = {name: v.to(device) for name, v in vars(self).items() if isinstance(v, Tensor)}
        return replace(self, **moved)

    def leaves(self, x: Tensor) -> Tensor:
        """The node in which each example ends, (B, T), from float32 features (B, d)."""
        node = self.root.expand(x.shape[0], -1)  # not len(x), which an export would take for a constant
        for _ in range(self.depth):
            above = x.gather(1, self.feature[node]) > self.threshold[node]
            node = self.child[node, above.long()]
        return node

    def votes(self, x: Tensor) -> Tensor:
        """The sum of what the trees say, (B, C)."""
        return self.value[self.leaves(x)].sum(dim=1)


def float32_below(threshold: FloatArray) -> npt.NDArray[np.float32]:
    """The largest float32 not above each number: scikit-learn compares float32 features with float64 thresholds."""
    rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _leaf(tree: Any) -> npt.NDArray[np.bool_]:
    return tree.children_left < 0


def _children(tree: Any) -> npt.NDArray[np.int64]:
    itself = np.arange(tree.node_count)
    return np.stack([np.where(_leaf(tree), itself, side) for side in (tree.children_left, tree.children_right)], axis=1)


def _all(parts: Any) -> Any:
    return np.concatenate(list(parts))
