"""Probabilities for training examples from models that have not seen them."""

from __future__ import annotations

import copy
import shutil
from typing import TYPE_CHECKING

import numpy as np

from src.inference import probabilities
from src.models.base import Model
from src.noise_models.estimators import LEAST, enough
from src.strategies.erm import ERM
from src.task import FloatArray, Task

if TYPE_CHECKING:
    from src.training import Trainer


def out_of_fold(task: Task, model: Model, trainer: Trainer, folds: int) -> FloatArray:
    """P(observed label | x) for every training example, (n, C): each fold by a copy of the model trained on the others.

    Trained as the run trains, but without balancing, so that the class mix stays the observed one. Raises UserError if
    a class has fewer than LEAST examples for each fold.
    """
    from sklearn.model_selection import StratifiedKFold

    split = trainer.train
    enough(split.labels, task.class_names, LEAST * folds, f"{folds} folds")
    p = np.empty((len(split), task.num_classes))
    cut = StratifiedKFold(folds, shuffle=True, random_state=trainer.seed % 2**32).split(split.labels, split.labels)
    for number, (learn, rest) in enumerate(cut):
        part = trainer.on(learn, f"fold-{number}", balanced=False)
        fresh, plain = copy.deepcopy(model), ERM()
        plain.setup(task, fresh, part.balance.criterion)
        predictor = part.minimise(fresh, plain)
        p[rest] = probabilities(predictor, split.inputs, split.rows[rest], trainer.device)
    for number in range(folds):
        shutil.rmtree(trainer.folder / f"fold-{number}", ignore_errors=True)
    return p
