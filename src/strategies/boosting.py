"""How ensembles of trees grow, round by round; each round yields its trees and their votes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from src.errors import UserError
from src.seeding import stream_seed
from src.strategies.trees import Vote
from src.task import FloatArray, IntArray

LARGEST_RESPONSE = 4.0
"""Where LogitBoost's working response is cut off; Friedman 2000 (section 4) finds 2 to 4 good."""


@dataclass(frozen=True)
class Examples:
    """What the trees learn from."""

    x: npt.NDArray[np.float32]
    """(n, d)."""
    y: IntArray
    weight: FloatArray
    """(n,), mean 1."""
    classes: int


@dataclass(frozen=True)
class Growth:
    """How the trees grow; which kind reads what says the strategy."""

    rounds: int
    depth: int | None
    learning_rate: float
    kappa: float
    gamma: float
    seed: int

    def random_state(self, *counters: int) -> int:
        return stream_seed(self.seed, "trees", *counters) % 2**32


def bagging(data: Examples, how: Growth) -> Iterator[list[Vote]]:
    """The mean of the leaves' class shares in trees on bootstrap samples (Breiman 1996)."""
    from sklearn.ensemble import BaggingClassifier
    from sklearn.tree import DecisionTreeClassifier

    forest = BaggingClassifier(DecisionTreeClassifier(max_depth=how.depth), how.rounds, random_state=how.random_state())
    forest.fit(data.x, data.y, sample_weight=data.weight)
    yield from _shares(forest, forest.estimators_, data)


def balanced_bagging(data: Examples, how: Growth) -> Iterator[list[Vote]]:
    """Bagging on balanced bootstraps: as many draws with replacement of each class as the rarest has examples.

    So does Chen 2004's balanced random forest, whose features are drawn as well. imbalanced-learn's default would draw
    a bootstrap first, in which the rarest class may be missing.
    """
    from imblearn.ensemble import BalancedBaggingClassifier
    from sklearn.tree import DecisionTreeClassifier

    if _one_class(data):
        yield from bagging(data, how)
        return
    forest = BalancedBaggingClassifier(
        DecisionTreeClassifier(max_depth=how.depth), how.rounds, bootstrap=False,
        sampling_strategy="all", replacement=True, random_state=how.random_state(),
    )  # fmt: skip
    forest.fit(data.x, data.y)
    yield from _shares(forest, [pipeline[-1] for pipeline in forest.estimators_], data)


def _shares(forest: Any, trees: Iterable[Any], data: Examples) -> Iterator[list[Vote]]:
    for tree in trees:
        shares = tree.tree_.value[:, 0, :] / tree.tree_.value[:, 0, :].sum(axis=1, keepdims=True)
        values = np.zeros((tree.tree_.node_count, data.classes))
        values[:, forest.classes_[tree.classes_.astype(np.int64)]] = shares
        yield [Vote(tree.tree_, values, np.ones(data.classes))]


def adaboost(data: Examples, how: Growth) -> Iterator[list[Vote]]:
    """SAMME (Zhu 2009): weights of mistaken examples grow exponentially; votes as scikit-learn scales them."""
    from sklearn.ensemble import AdaBoostClassifier

    yield from _samme(AdaBoostClassifier, "adaboost", data, how)


def rusboost(data: Examples, how: Growth) -> Iterator[list[Vote]]:
    """SAMME whose every tree learns from as many examples of each class as the rarest has (Seiffert 2010).

    A tree is weighed by its error on all examples; the first that is no better than chance there ends the growth.
    """
    from imblearn.ensemble import RUSBoostClassifier

    if _one_class(data):
        yield from adaboost(data, how)
    else:
        yield from _samme(RUSBoostClassifier, "rusboost", data, how)


def _samme(classifier: Any, kind: str, data: Examples, how: Growth) -> Iterator[list[Vote]]:
    from sklearn.tree import DecisionTreeClassifier

    boosted = classifier(
        DecisionTreeClassifier(max_depth=how.depth),
        n_estimators=how.rounds, learning_rate=how.learning_rate, random_state=how.random_state(),
    )  # fmt: skip
    try:
        boosted.fit(data.x, data.y, sample_weight=data.weight)
    except ValueError as error:
        if "worse than random" not in str(error):
            raise
        raise UserError(
            f"strategy.kind={kind}: the first tree is no better than chance on the training labels, and nothing can be built "
            "on it; try strategy.kind=bagging or balanced_bagging, or a larger strategy.max_depth"
        ) from None
    others = data.classes - 1
    for tree, weight in zip(boosted.estimators_, boosted.estimator_weights_, strict=False):
        chosen = tree.classes_[tree.tree_.value[:, 0, :].argmax(axis=1)]
        values = np.where(np.eye(data.classes, dtype=bool)[chosen], 1, -1 / others) / others
        yield [Vote(tree.tree_, weight * values, np.full(data.classes, weight))]


def _one_class(data: Examples) -> bool:
    return len(np.unique(data.y)) == 1


def logitboost(data: Examples, how: Growth) -> Iterator[list[Vote]]:
    """Newton steps on the symmetric logistic likelihood (Friedman 2000, algorithm 6; with two classes algorithm 3)."""
    from sklearn.tree import DecisionTreeRegressor

    F = np.zeros((len(data.y), data.classes))
    for number in range(how.rounds):
        p = np.exp(F - F.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        votes = []
        for c in _fitted(data.classes):
            w, z = working_response(data.y == c, p[:, c])
            tree = DecisionTreeRegressor(max_depth=how.depth, random_state=how.random_state(number, c))
            tree.fit(data.x, z, sample_weight=data.weight * w)
            step = how.learning_rate * tree.tree_.value[:, 0, :]
            votes.append(Vote(tree.tree_, step * _symmetric(c, data.classes), np.zeros(data.classes)))
        F += sum(vote.values[vote.tree.apply(data.x)] for vote in votes)
        yield votes


def working_response(is_class: npt.NDArray[np.bool_], p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Newton's weights p(1 - p) and responses (y - p)/w, cut off; both (n,)."""
    w = np.maximum(p * (1 - p), 2 * np.finfo(np.float64).eps)
    return w, np.clip((is_class - p) / w, -LARGEST_RESPONSE, LARGEST_RESPONSE)


def smoothboost(data: Examples, how: Growth) -> Iterator[list[Vote]]:
    """Boosting whose weights stay within 1/kappa of their mean (Servedio 2003, figure 1), one class against the rest.

    The paper has two classes. A class is done when its mean weight falls below kappa. The hypotheses are the leaves'
    means of the signs, in [-1, 1]; a class scores (1 + their mean)/2.
    """
    from sklearn.tree import DecisionTreeRegressor

    theta = how.gamma / (2 + how.gamma)
    margin = {c: np.zeros(len(data.y)) for c in _fitted(data.classes)}
    for number in range(how.rounds):
        votes = []
        for c, N in margin.items():
            measure = smooth_measure(N, how.gamma)
            if np.average(measure, weights=data.weight) < how.kappa:
                continue
            sign = np.where(data.y == c, 1.0, -1.0)
            tree = DecisionTreeRegressor(max_depth=how.depth, random_state=how.random_state(number, c))
            tree.fit(data.x, sign, sample_weight=data.weight * measure)
            h = tree.tree_.value[:, 0, :].clip(-1, 1)
            N += sign * h[tree.tree_.apply(data.x), 0] - theta
            mine = np.eye(data.classes)[c]
            if data.classes == 2:
                votes.append(Vote(tree.tree_, (1 + h * [-1, 1]) / 2, np.ones(2)))
            else:
                votes.append(Vote(tree.tree_, (1 + h) / 2 * mine, mine))
        if not votes:
            return
        yield votes


def smooth_measure(margin: FloatArray, gamma: float) -> FloatArray:
    """An example's weight by its margin so far: 1 where that is negative, then falling as (1 - gamma)^(margin/2)."""
    return (1 - gamma) ** (margin.clip(0) / 2)


def _fitted(classes: int) -> list[int]:
    """The classes that get a tree of their own; of two the other's would be its mirror image."""
    return [1] if classes == 2 else list(range(classes))


def _symmetric(c: int, classes: int) -> FloatArray:
    """What the tree of class c adds to each class so that all of them sum to 0."""
    if classes == 2:
        return np.array([-0.5, 0.5])
    return (classes - 1) / classes * (np.eye(classes)[c] - 1 / classes)
