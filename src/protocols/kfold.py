"""Cross-validation: each run is judged on another fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from src.component import NonNegativeInt, OpenFraction
from src.errors import UserError
from src.protocols.base import Protocol
from src.seeding import stream_seed
from src.task import Splits


class KFold(Protocol):
    """Seed s is fold s mod `folds` of the (s // folds)-th shuffle, stratified by the true class.

    pool=train divides the training split: the fold is judged on its true labels, validation stays as it is. pool=test
    divides the data set's clean test split, as the label-noise study's Table 2 does: an upper bound from little data,
    not a test of generalisation; validation is `val_fraction` of the other folds.
    """

    def __init__(
        self,
        *,
        folds: Annotated[int, Ge(2)] = 5,
        pool: Literal["train", "test"] = "train",
        val_fraction: OpenFraction = 0.1,
        split_seed: NonNegativeInt = 0,
    ) -> None:
        self.folds, self.pool, self.val_fraction, self.split_seed = folds, pool, val_fraction, split_seed
        self.clean = pool == "test"

    def data_seed(self, seed: int) -> int:
        return self.split_seed

    def gap(self, seeds: Sequence[int]) -> str | None:
        shuffles = len({seed // self.folds for seed in seeds})
        if len(seeds) == shuffles * self.folds:
            return None
        cut = f"{self.folds} folds" if shuffles == 1 else f"{shuffles} × {self.folds} folds"
        return (
            f"protocol=kfold: the seeds judge {len(seeds)} of {cut}; hydra.sweeper.seeds={self.folds} judges each once"
        )

    def apply(self, splits: Splits, seed: int) -> Splits:
        from sklearn.model_selection import StratifiedKFold, train_test_split

        examples = splits.train if self.pool == "train" else splits.test
        if unknown := int((examples.clean < 0).sum()):
            raise UserError(
                f"protocol=kfold: the right labels of {unknown} examples of the {self.pool} split are not known, and folds are "
                "stratified by them; use protocol=repeats"
            )
        counts = np.bincount(examples.clean, minlength=len(splits.class_names))
        least = self.folds if self.pool == "train" else 2 * self.folds
        if counts.min() < least:
            name = splits.class_names[int(counts.argmin())]
            raise UserError(
                f"protocol=kfold: {counts.min()} examples of class '{name}' in the {self.pool} split; {self.folds} folds need "
                f"{least} of each class"
            )
        shuffle, fold = divmod(seed, self.folds)
        random_state = stream_seed(self.split_seed, "protocol", shuffle) % 2**32
        cut = StratifiedKFold(self.folds, shuffle=True, random_state=random_state).split(examples.clean, examples.clean)
        learn, judged = list(cut)[fold]
        if self.pool == "train":
            return replace(splits, train=examples.select(learn), test=examples.select(judged))
        learn, val = train_test_split(
            learn, test_size=self.val_fraction, stratify=examples.clean[learn], random_state=random_state
        )
        return replace(
            splits,
            train=examples.select(np.sort(learn)),
            val=examples.select(np.sort(val)),
            test=examples.select(judged),
            right=True,
        )
