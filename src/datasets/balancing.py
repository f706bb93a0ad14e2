"""Thinning of examples to a wanted mix of classes and domains: each kept example is another one, none is repeated."""

from __future__ import annotations

from typing import Literal

import numpy as np

from src.errors import UserError
from src.task import FloatArray, IntArray, Split

By = Literal["none", "class", "domain", "joint", "study"]
"""What is made equal: the numbers of classes, of domains, of each class in each domain; or as in the NOvA study."""

STUDY = np.array([[3761, 2107], [3397, 2505], [1645, 4243]])
"""Events of the NOvA study's "equal" test sample by class (NC, νe, νμ) and generator (GENIE, GiBUU): each is a third of
the classes and half of the domains, but the class mixes of the two domains are not alike."""


def balanced(split: Split, by: By, num_classes: int, rng: np.random.Generator) -> Split:
    """The split, thinned at random until its parts have the wanted mix.

    Where a domain's labels must not be seen, its class mix stays, and no more of it is kept than of the first domain. Raises
    UserError if a class or a domain that is to be made equal is absent.
    """
    if by == "none":
        return split
    if by == "domain":
        return split.select(thinned(split.domain, np.ones(2), rng))
    seen = np.flatnonzero(split.labelled)
    label, domain = split.clean[seen], split.domain[seen]
    if by == "class":
        kept = seen[thinned(label, np.ones(num_classes), rng)]
    else:
        share = (STUDY if by == "study" else np.ones((num_classes, 2)))[:, np.unique(domain)]
        place = np.searchsorted(np.unique(domain), domain)
        kept = seen[thinned(label * share.shape[1] + place, share.ravel().astype(np.float64), rng)]
    hidden = rng.permutation(np.flatnonzero(~split.labelled))
    most = int((split.domain[kept] == 0).sum()) if by != "class" else len(hidden)
    return split.select(np.sort(np.concatenate([kept, hidden[:most]])))


def thinned(cell: IntArray, share: FloatArray, rng: np.random.Generator) -> IntArray:
    """Rising positions of as many as possible, such that the numbers in the cells (n,) are as the shares (K,).

    Raises UserError if a cell is empty.
    """
    have = np.bincount(cell, minlength=len(share))
    if not have.all():
        raise UserError(
            f"dataset.balance: there are {have.tolist()} events in the parts that are to be balanced; none is too few"
        )
    want = np.floor((have / share).min() * share + 1e-9).astype(np.int64)
    kept = [rng.permutation(np.flatnonzero(cell == c))[: want[c]] for c in range(len(share))]
    return np.sort(np.concatenate(kept))
