"""The order of one run, and the argument against leakage.

split → corrupt training and validation labels → balance the training split → task → model → strategy → fit →
evaluate (validation on observed labels; sealed oracles on clean ones) → score, always a validation metric.
"""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from src import domains, explain, provenance, runs, tracking
from src.config import Experiment
from src.decoupled import retrain_head
from src.errors import UserError, did_you_mean
from src.evaluation import plots, predictions
from src.evaluation.heads import HeadOutput, head_scores, save_confusions
from src.evaluation.metrics import OBSERVED_LOSS, log_loss, metric_names
from src.evaluation.predictions import Predictions
from src.inference import said
from src.judging import Judge, judge, natural_prior
from src.noise_models.sampling import realised
from src.seeding import numpy_stream, seed_torch
from src.strategies.base import Predictor, Strategy
from src.task import Split, Splits, Task, class_counts
from src.training import OnEpoch, Trainer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("src")


@dataclass(frozen=True)
class Prepared:
    """The data of a run after corruption, and the task they pose."""

    splits: Splits
    train: Split
    """The labelled training examples; those of the source domain only, if the strategy reads a target batch too."""
    target: Split | None
    """Training examples of the other domains, their labels hidden unless they are labelled."""
    task: Task
    facts: dict[str, float]
    """What the data turned out to be: sizes, realised noise."""


def run(
    experiment: Experiment,
    on_epoch: OnEpoch | None = None,
    *,
    opened: Callable[[Path], None] = lambda folder: None,
    mirror: bool = True,
) -> float:
    """One run from data to record; returns the score. A finished run of the same key is not repeated.

    `on_epoch` sees every epoch, those of a run found finished or continued too. `opened` is told the run's folder.
    Without `mirror` MLflow is left to the caller.
    """
    settings = experiment.settings
    if not mirror:
        experiment = replace(experiment, tracking=tracking.Tracking(enabled=False, uri=None, experiment="-"))
    with _console():
        experiment.trainer.apply()
        tracking.prepare(experiment.tracking, settings.runs_root)
        splits = read(experiment)
        for note in splits.notes:
            log.info("%s", note)
        code = provenance.code_hash(settings.code)
        fingerprint = splits.fingerprint + experiment.noise_model.fingerprint() + experiment.model.fingerprint()
        of_runs = experiment.strategy.fingerprint(settings.runs_root, settings.seed)
        key = provenance.run_key(experiment.config, fingerprint + of_runs, code)
        record = provenance.describe(key, experiment.name, settings.seed, fingerprint, code)
        record |= {
            "config_key": provenance.config_key(experiment.config),
            "figures": settings.figures,
            "of_runs": of_runs,
        }
        run = runs.open_run(
            settings.runs_root, experiment.name, key, experiment.config, record,
            resume=experiment.trainer.resume, force=settings.force,
        )  # fmt: skip
        opened(run.folder)
        if run.finished:
            _tell_again(run.folder, on_epoch)
            score = run.score()
            log.info("already finished: %s  %s = %.4f  (force=true repeats it)", run.folder, settings.score, score)
            return score
        try:
            with run, _log_file(run.folder / "log.txt"):
                if not settings.force:
                    _take_over(experiment, run, fingerprint + of_runs, code)
                _tell_again(run.folder, on_epoch)
                score = _execute(experiment, prepare(experiment, splits), run, on_epoch)
        finally:
            tracking.sync(run.folder, experiment.tracking)
        log.info("%s = %.4f", settings.score, score)
        log.info("run folder: %s", run.folder)
        if settings.figures:
            log.info("figures:    %s", run.folder / "figures")
        return score


def _take_over(experiment: Experiment, run: runs.Run, fingerprint: str, code: str) -> None:
    """Do not repeat the epochs of a finished run that differs only in what is done with them.

    For select=clean that is select=last, which it is in trainings beside the run's own.
    """
    if type(experiment.strategy).loss is Strategy.loss:
        return
    config, options = experiment.config, experiment.trainer
    after = itertools.product(
        ("clean", "last") if options.select == "clean" else (options.select,),
        (0, options.finetune_steps),
        (None, options.finetune_lr),
    )
    others = [
        {**config, "trainer": {**config["trainer"], "select": select, "finetune_steps": steps, "finetune_lr": lr}}
        for select, steps, lr in after
    ]
    keys = dict.fromkeys(provenance.run_key(other, fingerprint, code) for other in others if other != config)
    if source := runs.continue_from(run, experiment.settings.runs_root, [*keys]):
        log.info("the epochs are those of %s", source)


def _tell_again(folder: Path, on_epoch: OnEpoch | None) -> None:
    """Earlier epochs of a run that is found finished or continued."""
    for line in runs.history(folder) if on_epoch else ():
        if on_epoch:
            on_epoch(line["epoch"], line["metrics"])


def read(experiment: Experiment) -> Splits:
    """The data set's own splits, labels as they are."""
    settings = experiment.settings
    seed = experiment.protocol.data_seed(settings.seed)
    return experiment.dataset.splits(settings.data_root, settings.cache_root, seed)


def prepare(experiment: Experiment, splits: Splits) -> Prepared:
    """Corrupt the labels of training and validation, each with its own stream; divide by the protocol; pose the task."""
    num_classes, protocol = len(splits.class_names), experiment.protocol
    seed = protocol.data_seed(experiment.settings.seed)
    noisy: dict[str, Any] = {}
    for name, split in (("train", splits.train), ("val", splits.val)):
        observed = experiment.noise_model.corrupt(split, num_classes, numpy_stream(seed, f"noise/{name}"))
        noisy[name] = split.with_labels(observed)
    splits = protocol.apply(replace(splits, **noisy), experiment.settings.seed)
    facts: dict[str, float] = {}
    for name, split in (("train", splits.train), ("val", splits.val)):
        matrix, rate = realised(split.clean, split.labels, num_classes)
        facts[f"data/{name}/flip_rate"] = rate
        if rate:
            facts |= matrix.entries(f"data/{name}")
    train, target = pools(splits.train, experiment.strategy.uses_target)
    if not len(train):
        raise UserError("the training split has no labelled example: set dataset.target_labels=true or add source data")
    task = Task(
        class_names=splits.class_names,
        domain_names=splits.domain_names,
        input_kind=train.inputs.kind,
        input_shape=train.inputs.shape,
        views=splits.views,
        class_counts=tuple(class_counts(train.labels, num_classes).tolist()),
        transition=experiment.noise_model.transition(num_classes) if splits.right else None,
        graph=getattr(train.inputs, "schema", None),
    )
    parts = {"train": splits.train, "val": splits.val, "test": splits.test, "clean": splits.clean}
    for name, part in parts.items():
        if part is None:
            continue
        facts[f"data/{name}/size"] = len(part)
        for kind, labels in (("clean", part.clean), ("observed", part.labels)):
            shares = class_counts(labels, num_classes) / max(1, len(part))
            facts |= {f"data/{name}/{kind}.{c}": float(share) for c, share in enumerate(shares)}
        for d, domain in enumerate(metric_names(splits.domain_names) if len(splits.domain_names) > 1 else ()):
            known = class_counts(part.clean[part.domain == d], num_classes)
            facts[f"data/{name}.{domain}/size"] = float((part.domain == d).sum())
            facts |= {
                f"data/{name}.{domain}/clean.{c}": n / known.sum() for c, n in enumerate(known.tolist()) if known.any()
            }
    return Prepared(splits, train, target, task, facts)


def pools(train: Split, uses_target: bool) -> tuple[Split, Split | None]:
    """The labelled examples to learn from and, for strategies that read a target batch, the other domains' examples."""
    if not uses_target:
        return train.select(train.labelled), None
    return train.select(train.labelled & (train.domain == 0)), train.select(train.domain != 0)


def seen_by(strategy_predicts: str, split: Split) -> Split:
    """The split as the strategy is judged on it: labelled examples, or for domain predictors all, labelled by domain."""
    if strategy_predicts == "domain":
        return replace(split, labels=split.domain, clean=split.domain, labelled=np.ones(len(split), dtype=bool))
    return split.select(split.labelled)


def judged_test(experiment: Experiment, splits: Splits) -> Split:
    """The test split as the last evaluation sees it, with truth that nobody has read before."""
    test = splits.test if splits.open_truth is None else splits.open_truth(splits.test)
    return seen_by(experiment.strategy.predicts, test)


def _set_up(experiment: Experiment, prepared: Prepared) -> tuple[Split, Task]:
    """Extend the training examples by new ones, and make balance, augmentation, model and strategy ready for them."""
    settings, strategy, balance = experiment.settings, experiment.strategy, experiment.imbalance_strategy
    train = prepared.train
    if not balance.embeds:
        train = balance.extend(train, numpy_stream(settings.seed, "synthetic"))
    task = replace(prepared.task, synthetic=len(train) - len(prepared.train))
    balance.setup(train.labels, task.num_classes)
    experiment.augmentation.setup(task.class_names)
    seed_torch(settings.seed, "model")
    experiment.model.setup(task)
    strategy.setup(task, experiment.model, balance.criterion)
    if (offset := balance.score_offset()) is not None:
        strategy.score_offset.copy_(torch.from_numpy(offset))
    return train, task


def _execute(experiment: Experiment, prepared: Prepared, run: runs.Run, on_epoch: OnEpoch | None) -> float:
    settings, strategy, balance = experiment.settings, experiment.strategy, experiment.imbalance_strategy
    train, task = _set_up(experiment, prepared)
    splits = prepared.splits
    predicted = task.domain_names if strategy.predicts == "domain" else task.class_names

    def each_epoch(epoch: int, metrics: dict[str, float]) -> bool:
        if settings.score not in metrics:
            raise UserError(
                f"score={settings.score}: this run does not report it{did_you_mean(settings.score, metrics)}"
            )
        run.record_epoch(epoch, metrics, watched())
        tracking.sync(run.folder, experiment.tracking)
        return bool(on_epoch and on_epoch(epoch, metrics))

    def watched() -> dict[str, float]:
        """Metrics on true labels after an epoch: for history.jsonl alone, which keeps them apart."""
        now = Predictor(experiment.model, strategy)
        found: dict[str, float] = {}
        for name in experiment.trainer.watch:
            seen = predict(
                now, {"test": seen_by(strategy.predicts, splits.test), "val_clean": val}[name], trainer.device
            )
            found |= Judge(predicted, task.domain_names).scores(name, seen, "clean")
        return found

    if splits.open_truth is not None and "test" in experiment.trainer.watch:
        raise UserError(
            "trainer.watch=[test] reads the test split after every epoch, and part of its truth is sealed: leave it out"
        )
    val = seen_by(strategy.predicts, splits.val)
    trainer = Trainer(
        experiment.trainer,
        train=train,
        target=prepared.target,
        val=val,
        class_names=predicted,
        balance=balance,
        augmentation=experiment.augmentation,
        make_optimizer=experiment.optimizer,
        make_schedule=experiment.schedule,
        seed=settings.seed,
        folder=run.folder,
        on_epoch=each_epoch,
        resume=run.resuming,
        clean=splits.clean if strategy.predicts == "class" else None,
    )
    natural, recall = natural_prior(experiment, splits), settings.recall or splits.working_recall
    predictor = strategy.fit(task, experiment.model, trainer)
    synthetic = retrain_head(task, predictor, trainer) if balance.embeds else task.synthetic
    judged = judge(experiment, task, natural, recall)
    run.write_json("task.json", _described(experiment, task, judged))
    read_now = {"val": val}
    if settings.test == "always":
        read_now["test"] = judged_test(experiment, splits)
    found, heads = {}, {}
    for name, split in read_now.items():
        found[name], heads[name] = look(predictor, split, trainer.device)
    scores = judged.all_scores(found) | head_scores(heads)
    observed = predictor.strategy.observed(found["val"].probabilities)
    scores[f"val/{OBSERVED_LOSS}"] = log_loss(observed, found["val"].labels, found["val"].weight)
    parts = {name: getattr(splits, name) for name in found}
    scores |= domains.distances(predictor, parts, trainer.device, settings.seed)
    parameters = itertools.chain(experiment.model.parameters(), strategy.parameters())
    scores |= {**prepared.facts, **strategy.facts(train, run.folder)}
    scores |= {"data/train/synthetic": float(synthetic)} if balance.synthesises else {}
    scores |= {"cost/parameters": float(sum(parameter.numel() for parameter in parameters))}
    predictions.save(run.folder / "predictions.npz", **found)
    save_confusions(run.folder, heads)
    epochs = {"best_epoch": trainer.progress.best_epoch, "selected_epoch": trainer.selected_epoch}
    run.write_json("metrics.json", {"score": scores[settings.score], **epochs, **scores})
    if settings.figures:
        plots.draw(run.folder)
        last = "test" if "test" in found else "val"
        for name, figure in examples(experiment, task, predictor, read_now[last], found[last]).items():
            plots.write(run.folder / "figures" / f"{name}.png", figure)
        tracking.log_model(run.folder, predictor, val, experiment.tracking)
    return scores[settings.score]


def _described(experiment: Experiment, task: Task, judged: Judge) -> dict[str, Any]:
    """What task.json holds: the task, and what else must be known to use the model."""
    return {
        "class_names": task.class_names, "domain_names": task.domain_names, "input_kind": task.input_kind,
        "input_shape": task.input_shape, "views": task.views, "class_counts": task.class_counts, "synthetic": task.synthetic,
        "natural_prior": judged.natural, "recall": judged.recall, "predicts": experiment.strategy.predicts, "monitor": experiment.trainer.picks,
        "training_prior": None if judged.mixes is None else judged.mixes[0].tolist(),
        "deployed_prior": None if judged.mixes is None else judged.mixes[1].tolist(), "learned": experiment.dataset.learned,
        "graph": None if task.graph is None else asdict(task.graph),
    }  # fmt: skip


def examples(
    experiment: Experiment, task: Task, predictor: Predictor, split: Split, found: Predictions
) -> dict[str, Figure]:
    """Figures of what the model made of single examples of the split, by name, as far as there is something to show."""
    device = experiment.trainer.device
    names = task.domain_names if experiment.strategy.predicts == "domain" else task.class_names
    drawn = {
        "saliency": explain.saliency(predictor, split, found, names, task.views, device),
        "hits": explain.hits(predictor, split, found, names, device),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}


def look(predictor: Predictor, split: Split, device: torch.device) -> tuple[Predictions, dict[str, HeadOutput]]:
    """What it says of a split, beside what is known of that; and what its other heads say."""
    now = said(predictor, split.inputs, split.rows, device)
    return Predictions(
        probabilities=now.probabilities, labels=split.labels, clean=split.clean, domain=split.domain,
        weight=split.weight, rows=split.rows, keys=split.keys,
    ), now.heads  # fmt: skip


def predict(predictor: Predictor, split: Split, device: torch.device) -> Predictions:
    """What it says of a split, beside what is known of that."""
    return look(predictor, split, device)[0]


@contextmanager
def _console() -> Iterator[None]:
    """Log lines on the terminal while a run lasts, below a progress bar if there is one."""
    from tqdm.contrib.logging import logging_redirect_tqdm

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    level, propagate = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        with logging_redirect_tqdm([log]):
            yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagate


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
