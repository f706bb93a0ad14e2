"""Confident learning (Northcutt 2021): suspicious labels are found, then left out or corrected before the training."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from src.errors import UserError
from src.models.base import Model
from src.noise_models.label_issues import By, label_issues, own
from src.strategies.base import Predictor
from src.strategies.corrected import Folds
from src.strategies.erm import ERM
from src.strategies.out_of_fold import out_of_fold
from src.task import FloatArray, Split, Task, class_counts

if TYPE_CHECKING:
    import pandas as pd

    from src.training import Trainer

log = logging.getLogger("src")

RECORD, PICTURES, DRAWN = "suspects.csv", "suspects.npz", 20


class ConfidentLearning(ERM):
    """Plain training on what is left when suspicious labels are pruned, or relabelled as the most probable class.

    Suspicion comes from probabilities out of fold (see `label_issues` for `by`). The imbalance strategy is set up anew:
    its class weights and samplers are those of the labels that are trained on. The run's folder keeps suspects.csv,
    worst first, where a resumed run finds it.
    """

    def __init__(
        self, *, by: By = "noise_rate", action: Literal["prune", "relabel"] = "prune", folds: Folds = 3
    ) -> None:
        super().__init__()
        self.by, self.action, self.folds = by, action, folds

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        table = self.find(task, model, trainer)
        labels, keep = trainer.train.labels.copy(), np.ones(len(trainer.train), dtype=bool)
        if self.action == "prune":
            keep[table["position"]] = False
        else:
            labels[table["position"]] = [task.class_names.index(name) for name in table["suggested"]]
        before, after = (class_counts(some, task.num_classes) for some in (trainer.train.labels, labels[keep]))
        for c in np.flatnonzero((before > 0) & (after == 0)):
            raise UserError(
                f"strategy=confident_learning: all {before[c]} labels '{task.class_names[c]}' are suspicious, so that "
                "none would be left; train longer, or try strategy.by=both"
            )
        what = {"prune": "left out", "relabel": "changed"}[self.action]
        log.info("confident learning: %d of %d labels are suspicious and %s", len(table), len(labels), what)
        trainer.restrict(keep, labels)
        return trainer.minimise(model, self)

    def find(self, task: Task, model: Model, trainer: Trainer) -> pd.DataFrame:
        """The table of suspects: made out of fold and recorded, or read back."""
        path = trainer.folder / RECORD
        if not path.exists():
            p = out_of_fold(task, model, trainer, self.folds)
            write(path, suspects(trainer.train, p, self.by, task.class_names))
        return read(path)

    def facts(self, train: Split, folder: Path) -> dict[str, float]:
        """How much of the suspicion is right, where the true labels are known; the worst ones' pictures are kept."""
        table = read(folder / RECORD)
        found = {"suspects/n": float(len(table))}
        wrong = train.labels != train.clean
        if wrong.any():
            table["wrong"] = wrong[table["position"]]
            write(folder / RECORD, table)
            hits = float(table["wrong"].sum())
            found["suspects/precision"] = hits / len(table) if len(table) else float("nan")
            found["suspects/recall"] = hits / float(wrong.sum())
        worst = table.iloc[:DRAWN]
        if train.inputs.kind == "image" and len(worst):
            x = train.inputs.fetch(torch.from_numpy(worst["row"].to_numpy(copy=True)), torch.device("cpu"))
            texts = {name: worst[name].to_numpy(dtype=str) for name in ("observed", "suggested")}
            known = {"wrong": worst["wrong"].to_numpy(dtype=bool)} if "wrong" in worst else {}
            np.savez_compressed(folder / PICTURES, allow_pickle=False, pictures=x.numpy(), **texts, **known)
        return found


def suspects(train: Split, p: FloatArray, by: By, class_names: tuple[str, ...]) -> pd.DataFrame:
    """One line a suspicious label, the largest margin p(suggested) - p(observed) first.

    position: in the training split; row: in the data set; key.<name>: the event's own names; `probability` is that of the
    suggested (most probable) class, `self_confidence` that of the observed one.
    """
    import pandas as pd

    at = np.flatnonzero(label_issues(p, train.labels, by))
    best, mine = p[at].max(axis=1), own(p, train.labels)[at]
    order = np.argsort(mine - best, kind="stable")
    at, best, mine = at[order], best[order], mine[order]
    names = np.array(class_names)
    return pd.DataFrame({
        "position": at, "row": train.rows[at], **{f"key.{name}": column[at] for name, column in train.keys.items()},
        "observed": names[train.labels[at]], "suggested": names[p[at].argmax(axis=1)],
        "probability": best, "self_confidence": mine,
    })  # fmt: skip


def write(path: Path, table: pd.DataFrame) -> None:
    partial = path.with_suffix(".part")
    table.to_csv(partial, index=False)
    partial.replace(path)


def read(path: Path) -> pd.DataFrame:
    """A recorded table. Raises UserError if the file is damaged."""
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype={"observed": str, "suggested": str}, keep_default_na=False)
        return table.astype({"position": np.int64, "row": np.int64})
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not a table of suspects ({error}); force=true repeats the run") from None
