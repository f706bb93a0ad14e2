"""Rules between components: which choices do not go together, and why. One row of RULES is one rule."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from src.augmentations.none import NoAugmentation
from src.noise_models.none import NoNoise
from src.strategies.base import Strategy

CONF = Path(__file__).resolve().parents[1] / "conf"


@dataclass(frozen=True)
class Choice:
    """The parts of one experiment, constructed; `str.format` finds their names and options in a rule's sentence."""

    parts: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.parts[name]

    # --- what rules ask ---

    @property
    def full_batch(self) -> bool:
        """Whether one step takes all examples, by a search along lines."""
        return bool(self.optimizer.full_batch)

    @property
    def wants_clean(self) -> str:
        """What needs a clean set, '' if nothing does."""
        if self.strategy.uses_clean:
            return self.named("strategy")
        if self.trainer.finetune_steps:
            return "trainer.finetune_steps"
        return "trainer.select=clean" if self.trainer.select == "clean" else ""

    @property
    def transition(self) -> object:
        return getattr(self.strategy, "transition", None)

    @property
    def holds_out(self) -> bool:
        """Whether the strategy scores examples by models that have not seen them."""
        estimated = getattr(self.strategy, "transition", "estimated") == "estimated"
        return hasattr(self.strategy, "folds") and estimated and getattr(self.strategy, "estimator", "") != "em"

    @property
    def plain(self) -> bool:
        """Whether what is trained and what scores is the model alone."""
        strategy = self.strategy
        more = strategy.uses_target or strategy.uses_clean or strategy.weighs or hasattr(strategy, "lr_factor")
        own = type(strategy).scores is not Strategy.scores or type(strategy).logits is not Strategy.logits
        return not own and not more

    # --- how they are named ---

    def named(self, group: str) -> str:
        return f"{group}={self.option(group)}"

    def option(self, group: str) -> str:
        part = self.parts[group]
        cls = part.cls if group in ("optimizer", "schedule") else type(part)
        name: str = cls.__module__.rpartition(".")[2]
        return name

    def sentence(self, text: str) -> str:
        groups = (
            "strategy",
            "imbalance_strategy",
            "noise_model",
            "dataset",
            "model",
            "protocol",
            "optimizer",
            "augmentation",
        )
        names = {group: self.named(group) for group in groups}
        return text.format(
            **names,
            wants_clean=self.wants_clean,
            kind=getattr(self.strategy, "kind", ""),
            precision=self.trainer.precision,
            two_domains=_Late(two_domain_datasets),
            weighing=_Late(weighing_strategies),
        )


class _Late:
    """Text that is made only if it is printed."""

    def __init__(self, text: Callable[[], str]) -> None:
        self.text = text

    def __format__(self, spec: str) -> str:
        return self.text()


Rule = tuple[Callable[[Choice], bool], str]
"""(whether it refuses, the reason and what to do)."""

RULES: tuple[Rule, ...] = (
    # data and strategy
    (
        lambda c: c.strategy.uses_target and c.dataset.domains == 1,
        "{strategy} needs a dataset with two domains; {dataset} has one. Datasets with two: {two_domains}",
    ),
    (
        lambda c: c.strategy.adapts_late and c.trainer.select != "last",
        "{strategy} turns to the target late in the training, and the best epoch on the source is one from before; use "
        "trainer.select=last",
    ),
    (
        lambda c: c.strategy.adapts_late and (c.trainer.patience is not None or c.trainer.stop == "ewma"),
        "{strategy} turns to the target late in the training, which may end before if it watches the source; use "
        "trainer.stop=patience with trainer.patience=null",
    ),
    (
        lambda c: getattr(c.dataset, "weighting", None) == "loss" and not c.strategy.uses_weight,
        "{dataset} dataset.weighting=loss weighs events in the loss, which {strategy} does not take; use strategy={weighing}",
    ),
    (
        lambda c: c.protocol.clean and not isinstance(c.noise_model, NoNoise),
        "{protocol} protocol.pool=test learns from the clean test split, which {noise_model} does not reach; use "
        "protocol.pool=train, or noise_model=none",
    ),
    (
        lambda c: getattr(c.strategy, "begins_with", None) == "known" and not c.noise_model.class_conditional,
        "{strategy} strategy.transition=known: {noise_model} states no transition matrix; use estimated, or give one",
    ),
    (
        lambda c: c.settings.test == "chosen" and "test" in c.trainer.watch,
        "trainer.watch=[test] reads the test split after every epoch, and test=chosen only after the choice; use one of them",
    ),
    (
        lambda c: c.imbalance_strategy.by_size and not (c.dataset.ragged or c.strategy.ignores_balance),
        "{imbalance_strategy} balances the sizes of graphs, and examples of {dataset} are all of one size; use another "
        "imbalance_strategy",
    ),
    (
        lambda c: c.dataset.ragged and not isinstance(c.augmentation, NoAugmentation),
        "{augmentation} changes pictures, and {dataset} has graphs; use augmentation=none",
    ),
    (
        lambda c: c.dataset.ragged and c.trainer.compile,
        "trainer.compile=true is for examples of one size, and the graphs of {dataset} differ; leave it out",
    ),
    (
        lambda c: c.trainer.select == "average" and (c.full_batch or type(c.strategy).loss is Strategy.loss),
        "trainer.select=average is the mean of weights that steps on batches have left, and {strategy} with {optimizer} takes "
        "none; use trainer.select=last",
    ),
    (
        lambda c: c.strategy.predicts == "domain" and getattr(c.model, "heads", ["event"]) != ["event"],
        "{strategy} learns the domain, whether or not there are classes, and {model} would learn those of hits beside it; "
        "add model.heads=[event]",
    ),
    (
        lambda c: c.strategy.unbounded and c.model.tempers,
        "the loss of {strategy} may fall below 0, and the temperature that {model} learns would then grow without end; use "
        "strategy.floor=0, or model.temperatures=false",
    ),
    (
        lambda c: c.strategy.predicts == "class"
        and not c.model.classifies
        and not ("/" in c.trainer.monitor.removeprefix("val/") and "/" in c.settings.score.removeprefix("val/")),
        "{model} has no head that says anything of the class; set trainer.monitor and score to metrics of those that it has, e.g. "
        "val/semantic/macro_f1",
    ),
    # the clean set
    (
        lambda c: bool(c.wants_clean) and not c.dataset.thinning.has_clean_set,
        "{wants_clean} needs examples with right labels: set dataset.clean.per_class (or dataset.clean.size)",
    ),
    (
        lambda c: c.trainer.learns_from_clean and c.strategy.predicts == "domain",
        "{wants_clean} is about classes, and {strategy} predicts the domain; use trainer.select=best or last, and no "
        "trainer.finetune_steps",
    ),
    (
        lambda c: c.trainer.finetune_steps > 0 and type(c.strategy).loss is Strategy.loss,
        "trainer.finetune_steps follows gradients, and {strategy} does not; use trainer.finetune_steps=0",
    ),
    # an optimizer that takes all examples at once
    (
        lambda c: c.full_batch and (c.strategy.uses_clean or c.trainer.finetune_steps > 0),
        "{wants_clean} takes steps of batches, which {optimizer} does not; add optimizer=adam or optimizer=sgd",
    ),
    (
        lambda c: c.full_batch and c.schedule.cls is not None,
        "{optimizer} takes no schedule: schedule=none",
    ),
    (
        lambda c: c.full_batch and c.trainer.clip_norm is not None,
        "{optimizer} searches along its own directions, for which trainer.clip_norm has no meaning; leave it out",
    ),
    (
        lambda c: c.full_batch and c.trainer.precision != "fp32",
        "{optimizer} searches along lines, which needs trainer.precision=fp32, not {precision}",
    ),
    (
        lambda c: c.full_batch and hasattr(c.strategy, "lr_factor"),
        "{strategy} has parameters with a learning rate of their own, strategy.lr_factor, and {optimizer} has none; add "
        "optimizer=adam or optimizer=sgd",
    ),
    (
        lambda c: c.full_batch and c.imbalance_strategy.changes,
        "{imbalance_strategy} changes as the training goes on, and {optimizer} stops at the minimum of what it began with; add "
        "optimizer=adam or optimizer=sgd",
    ),
    (
        lambda c: c.full_batch and c.strategy.changes,
        "{strategy} changes what it minimises as the training goes on, and {optimizer} stops at the minimum of what it began "
        "with; add optimizer=adam or optimizer=sgd",
    ),
    (
        lambda c: c.trainer.compile and c.strategy.uses_clean and c.strategy.weighs,
        "{strategy} differentiates the model twice, which compiled layers do not allow; use trainer.compile=false",
    ),
    # imbalance and strategy
    (
        lambda c: c.imbalance_strategy.cosine_head and c.model.last != "cosine",
        "{imbalance_strategy} has margins between cosines, and {model} ends in a linear layer; add model.head=cosine",
    ),
    (
        lambda c: c.strategy.ignores_balance and c.option("imbalance_strategy") != "none",
        "{strategy} weighs and draws no training examples, so that {imbalance_strategy} has no effect; use "
        "imbalance_strategy=none",
    ),
    (
        lambda c: c.strategy.balances and c.imbalance_strategy.balances,
        "{strategy} strategy.kind={kind} balances the classes itself, and {imbalance_strategy} would correct them twice; use "
        "imbalance_strategy=none, or strategy.kind=bagging or adaboost",
    ),
    (
        lambda c: c.imbalance_strategy.reshapes and c.strategy.own_loss,
        "{strategy} has a loss of its own, in which that of {imbalance_strategy} has no place; use one that draws or weighs "
        "classes",
    ),
    (
        lambda c: c.imbalance_strategy.batchwise and c.strategy.asks_every_label,
        "{strategy} asks for the loss of every label, and that of {imbalance_strategy} depends on the batch's own; use "
        "strategy=forward",
    ),
    (
        lambda c: c.imbalance_strategy.adjusts_scores
        and (c.transition is not None or c.holds_out or c.strategy.predicts != "class"),
        "{imbalance_strategy} takes the mix of the observed classes out of the scores, and those of {strategy} are of "
        "something else; use an imbalance_strategy that acts in training, or strategy=erm",
    ),
    (
        lambda c: c.imbalance_strategy.adjusts_scores and c.strategy.chooses and not c.strategy.ignores_balance,
        "{imbalance_strategy} takes the mix of the observed classes out of the scores, and {strategy} chooses itself what "
        "counts, so that its scores are of another mix; use an imbalance_strategy that acts in training, or strategy=erm",
    ),
    # new examples
    (
        lambda c: c.imbalance_strategy.synthesises and not c.imbalance_strategy.embeds and c.holds_out,
        "{strategy} holds examples out, and {imbalance_strategy} mixes them with others; use space=embedding, or an "
        "imbalance_strategy that makes no new examples",
    ),
    (
        lambda c: c.imbalance_strategy.synthesises and c.strategy.uses_target,
        "{strategy} tells domains apart, and the new examples of {imbalance_strategy} would be of one only; use an "
        "imbalance_strategy that makes none",
    ),
    (
        lambda c: c.imbalance_strategy.embeds and not c.plain and not c.strategy.uses_target,
        "{imbalance_strategy} trains the last layer of a plain model anew, and {strategy} is more than the model and its loss; "
        "use space=pixel",
    ),
    (
        lambda c: c.imbalance_strategy.embeds and c.trainer.learns_from_clean,
        "{imbalance_strategy} trains the last layer anew, and trainer.select=clean or trainer.finetune_steps an earlier one; "
        "use space=pixel",
    ),
)  # fmt: skip


def broken(parts: dict[str, Any]) -> Iterator[str]:
    """The sentences of all rules that the parts of an experiment break."""
    choice = Choice(parts)
    return (choice.sentence(text) for refuses, text in RULES if refuses(choice))


def two_domain_datasets() -> str:
    """The options of `dataset` that have two domains, or may have."""
    domains = {name: cls.domains for name, cls in _options("dataset")}
    return ", ".join(
        name if two else f"{name} (if its file or its options say so)" for name, two in domains.items() if two != 1
    )


def weighing_strategies() -> str:
    """The options of `strategy` whose loss counts an event's weight."""
    return ", ".join(name for name, cls in _options("strategy") if cls.uses_weight)


def _options(group: str) -> Iterator[tuple[str, Any]]:
    """The options of a group and their classes."""
    for path in sorted((CONF / group).glob("*.yaml")):
        module, _, name = yaml.safe_load(path.read_text())["_target_"].rpartition(".")
        yield path.stem, getattr(importlib.import_module(module), name)
