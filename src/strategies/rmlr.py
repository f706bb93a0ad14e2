"""Robust multinomial logistic regression (Bootkrajang 2012): flipping probabilities as parameters of the model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from src.component import OpenFraction
from src.inference import probabilities
from src.models.base import Model
from src.models.mlr import MLR
from src.noise_models.estimators import LEAST, em_step, enough
from src.optimizers.lbfgs import LBFGS
from src.strategies.base import Predictor
from src.strategies.corrected import RECORD, Estimator, Folds, Quantile, Source, write
from src.strategies.forward import Forward
from src.task import FloatArray, Task
from src.transition_matrix import TransitionMatrix

if TYPE_CHECKING:
    from src.training import Trainer


EM_STEPS = 30


class RMLR(Forward):
    """Likelihood of the observed labels, as in forward correction, with T fixed, or learned by EM (gamma there is T transposed).

    Learned, T starts at (1 - spread) · I + spread / C, since zeros stay zero, and is updated after every epoch by the
    multiplicative rule, which is the M-step. On flexible models it barely moves: they absorb the noise. With
    model=mlr it is the paper's; optimizer.l1 adds its sparse prior.
    """

    def __init__(
        self,
        *,
        transition: Literal["learned"] | Source = "known",
        spread: OpenFraction = 0.3,
        estimator: Estimator = "anchor",
        quantile: Quantile = 0.97,
        folds: Folds = 3,
    ) -> None:
        source: Source = "known" if transition == "learned" else transition
        super().__init__(transition=source, estimator=estimator, quantile=quantile, folds=folds)
        self.learned, self.spread = transition == "learned", spread
        self.begins_with = None if self.learned else source

    def true_mix(self, observed: FloatArray) -> FloatArray | None:
        return None if self.learned else super().true_mix(observed)

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        if not self.learned:
            return super().fit(task, model, trainer)
        classes = task.num_classes
        self.use(TransitionMatrix((1 - self.spread) * np.eye(classes) + self.spread / classes))
        split = trainer.train.select(np.arange(len(trainer.train) - task.synthetic))  # T is that of real labels

        def update() -> None:
            p = probabilities(Predictor(model, self), split.inputs, split.rows, trainer.device)
            step = em_step(self.now(), p.astype(np.float64), split.labels)
            self.use(step.reweighted(self.factor.cpu().double().numpy()))

        predictor = trainer.minimise(model, self, after_epoch=update)
        write(trainer.folder / RECORD, self.of_all(self.now()), "learned: em", task)
        return predictor


def linear_em(task: Task, trainer: Trainer) -> TransitionMatrix:
    """T as a linear rMLR has learned it from all of the training examples after EM_STEPS updates, whatever the run's model is.

    Raises UserError if there are too few examples of a class.
    """
    real = np.arange(len(trainer.train) - task.synthetic)
    enough(trainer.train.labels[real], task.class_names, LEAST, "EM's updates")
    part = trainer.on(real, "em", balanced=False)
    part.make_optimizer, part.make_schedule = LBFGS, lambda optimizer, total_steps: None
    part.options.epochs, part.options.select, part.options.stop = EM_STEPS, "last", "patience"
    part.options.max_steps = part.options.patience = None
    model, strategy, task = MLR(), RMLR(transition="learned"), replace(task, synthetic=0)
    model.setup(task)
    strategy.setup(task, model, part.balance.criterion)
    strategy.fit(task, model.to(trainer.device), part)
    shutil.rmtree(part.folder, ignore_errors=True)
    return strategy.now()
