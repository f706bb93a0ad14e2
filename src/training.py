"""The loop: epochs, steps, stopping rules, checkpoint and resume."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import itertools
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor, nn
from tqdm import tqdm

from src import checkpoint
from src.augmentations.base import Augmentation
from src.component import Component, NonNegativeInt, PositiveFloat, PositiveInt
from src.errors import UserError, did_you_mean
from src.evaluation.heads import head_metrics, known_metric
from src.evaluation.metrics import METRICS, OBSERVED_LOSS, higher_is_better, log_loss, metrics
from src.imbalance_strategies.base import ImbalanceStrategy
from src.inference import said
from src.loading import Loader, chunks, endless, num_chunks
from src.models.base import Model
from src.seeding import numpy_stream, seed_torch, torch_stream
from src.stopping import Ewma, exceeds, smoothed
from src.strategies.base import ParameterGroups, Predictor, Strategy
from src.task import Batch, BoolArray, IntArray, Split

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

log = logging.getLogger(__name__)

FULL_BATCH = 4096
"""Examples at a time when an optimizer takes all of them in one step; only memory depends on it."""

Batches = tuple[Batch, Batch | None, Batch | None]
"""Of the source, of the target domain, of the clean set."""

OnEpoch = Callable[[int, dict[str, float]], bool | None]
"""Called with (epoch, metrics) after each epoch; returning True stops the training."""


class TrainerOptions(Component):
    """How to train, whatever is trained: the `trainer` section of the configuration."""

    def __init__(
        self,
        *,
        epochs: PositiveInt,
        max_steps: PositiveInt | None,
        batch_size: Annotated[int, Ge(2)],
        clip_norm: PositiveFloat | None,
        monitor: str,
        stop: Literal["patience", "ewma"],
        patience: PositiveInt | None,
        ewma: Ewma,
        select: Literal["best", "last", "clean", "average"],
        average: PositiveInt | None,
        finetune_steps: NonNegativeInt,
        finetune_lr: PositiveFloat | None,
        watch: list[Literal["test", "val_clean"]],
        device: str,
        precision: Literal["fp32", "bf16"],
        compile: bool,
        deterministic: bool,
        tf32: bool,
        num_threads: PositiveInt,
        resume: bool,
        progress: Literal["auto", "bar", "lines", "none"],
    ) -> None:
        if not monitor.startswith("val/"):
            raise ValueError(f"monitor={monitor}: give a validation metric (val/...)")
        if not known_metric(monitor.removeprefix("val/")):
            known = [f"val/{metric}" for metric in (*METRICS, OBSERVED_LOSS)]
            raise ValueError(f"monitor={monitor}: runs do not report it{did_you_mean(monitor, known)}")
        if stop == "ewma" and higher_is_better(monitor):
            raise ValueError(f"stop=ewma watches a loss, and monitor={monitor} is none: set trainer.monitor=val/loss")
        if stop == "ewma" and patience is not None:
            raise ValueError("patience is another rule than stop=ewma: give one of them")
        if (select == "average") != (average is not None):
            raise ValueError("select=average and average=<last epochs> go together: give both or neither")
        if average is not None and (stop == "ewma" or patience is not None):
            raise ValueError(
                "select=average is about the last epochs, which an early stop leaves out: set patience=null"
            )
        self.average = average
        self.epochs, self.max_steps, self.batch_size = epochs, max_steps, batch_size
        self.clip_norm = clip_norm
        self.monitor, self.select = monitor, select
        self.stop, self.patience, self.ewma = stop, patience, ewma
        self.watch, self.finetune_steps, self.finetune_lr = watch, finetune_steps, finetune_lr
        self.device = find_device(device)
        self.precision, self.compile = precision, compile
        self.deterministic, self.tf32, self.num_threads = deterministic, tf32, num_threads
        self.resume, self.progress = resume, progress

    @property
    def picks(self) -> str:
        """The metric whose best value makes an epoch the best."""
        smooth = self.stop == "ewma" and self.ewma["best_by"] == "smoothed"
        return f"{self.monitor}.smoothed" if smooth else self.monitor

    @property
    def learns_from_clean(self) -> bool:
        """Whether the clean set chooses the epoch, or the training ends on it."""
        return self.select == "clean" or self.finetune_steps > 0

    @property
    def weights(self) -> str:
        """The file of the run's folder that holds the weights it is judged by."""
        return "finetuned.pt" if self.finetune_steps else f"{self.select}.pt"

    def apply(self) -> None:
        """Set torch's process-wide switches. Checkpoints move between devices; bits agree only on the same one."""
        torch.set_num_threads(self.num_threads)
        if self.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS refuses without it
        torch.use_deterministic_algorithms(self.deterministic)
        torch.backends.cuda.matmul.allow_tf32 = self.tf32
        torch.backends.cudnn.allow_tf32 = self.tf32
        torch.backends.cudnn.benchmark = not self.deterministic
        if self.device.type == "cpu":
            keep_freed_memory()


def keep_freed_memory() -> None:
    """Tell glibc to keep freed blocks, however large, for the next step.

    By default every activation above 32 MB is unmapped and mapped anew, whose page faults cost 15 to 20 % of a step of
    256 two-view events. Elsewhere than on Linux nothing is done.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL("libc.so.6")
            libc.mallopt(-4, 0)  # M_MMAP_MAX
            libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def find_device(name: str) -> torch.device:
    """The named device, or for 'auto' the best there is. Raises ValueError if there is no such device."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device={name}: not a device; give auto, cpu, cuda, cuda:<number> or mps") from None
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device.type, False) or (
        device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    ):
        raise ValueError(f"device={name}: this machine has no such device; give auto or cpu")
    return device


@dataclass
class Progress:
    """Where a training stands; all of it is in the checkpoint."""

    epoch: int = 0
    step: int = 0
    best: float = math.nan
    best_epoch: int = 0
    smoothed: float = math.nan
    """The mean that stop=ewma watches, and its lowest value so far."""
    lowest: float = math.inf
    best_clean: tuple[float, float] = (-math.inf, -math.inf)
    """On the clean set: the monitored metric, the larger the better, and minus the loss, which decides between equals."""
    best_clean_epoch: int = 0
    converged: bool = False
    stalled: bool = False


class Trainer:
    """Minimises a strategy's loss on one device; holds the data of one run.

    Every epoch draws from streams named by (seed, purpose, epoch), so resuming needs no generator state: a resumed run
    repeats the interrupted epoch from its start and ends, on the CPU, with the same bits.
    """

    def __init__(
        self,
        options: TrainerOptions,
        *,
        train: Split,
        target: Split | None,
        val: Split,
        class_names: tuple[str, ...],
        balance: ImbalanceStrategy,
        augmentation: Augmentation,
        make_optimizer: Callable[[ParameterGroups], Optimizer],
        make_schedule: Callable[[Optimizer, int], LRScheduler | None],
        seed: int,
        folder: Path,
        on_epoch: OnEpoch,
        resume: bool = False,
        clean: Split | None = None,
    ) -> None:
        self.options, self.device = options, options.device
        self.train = train
        self.source = Loader(train, self.device)
        self.target = Loader(target, self.device) if target is not None and len(target) else None
        self.clean = clean
        self.clean_source: Loader | None = None
        self.val, self.val_inputs = val, val.inputs.resident(self.device)
        self.class_names = class_names
        self.balance, self.augmentation = balance, augmentation
        self.make_optimizer, self.make_schedule = make_optimizer, make_schedule
        self.seed, self.folder, self.on_epoch, self.resume = seed, folder, on_epoch, resume
        self.networks: list[Model] = []
        self.progress = Progress()
        balance.meet(train, options.batch_size)
        self._plan(full_batch=False)

    def _plan(self, *, full_batch: bool) -> None:
        """How many steps there will be: one an epoch for an optimizer that takes all examples at once."""
        self.batch_size = FULL_BATCH if full_batch else self.options.batch_size
        epoch_length = len(self.balance.order(numpy_stream(self.seed, "batches", 0)))
        self.steps_per_epoch = 1 if full_batch else num_chunks(epoch_length, self.batch_size)
        self.total_steps = self.options.epochs * self.steps_per_epoch
        if self.options.max_steps is not None:
            self.total_steps = min(self.total_steps, self.options.max_steps)

    def on(
        self, which: IntArray | BoolArray, name: str, *, labels: IntArray | None = None, balanced: bool = True
    ) -> Trainer:
        """A trainer for an auxiliary model on some of the training examples, with other labels if given.

        Its epochs are not reported, the target domain is left out, and its checkpoints are in a folder `name` of the
        run's; a resumed run finds them. Unless `balanced`, every example is drawn once an epoch and weighs alike.
        """
        train = self._chosen(which, labels)
        balance = copy.deepcopy(self.balance) if balanced else ImbalanceStrategy()
        balance.setup(train.labels, len(self.class_names))
        options = copy.copy(self.options)
        options.progress = "none"
        options.select = "last" if options.select == "clean" else options.select
        options.finetune_steps = 0
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return Trainer(
            options, train=train, target=None, val=self.val, class_names=self.class_names, balance=balance,
            augmentation=self.augmentation, make_optimizer=self.make_optimizer, make_schedule=self.make_schedule,
            seed=self.seed, folder=folder, on_epoch=lambda epoch, found: None, resume=self.resume,
        )  # fmt: skip

    def restrict(self, which: IntArray | BoolArray, labels: IntArray | None = None) -> None:
        """Train on some of the examples only, from now on, with other labels if given (n,); balanced by those."""
        self.train = self._chosen(which, labels)
        self.source = Loader(self.train, self.device)
        self.balance.setup(self.train.labels, len(self.class_names))
        self.balance.meet(self.train, self.options.batch_size)
        self._plan(full_batch=False)

    def _chosen(self, which: IntArray | BoolArray, labels: IntArray | None) -> Split:
        return (self.train if labels is None else self.train.with_labels(labels)).select(which)

    def minimise(self, model: Model, strategy: Strategy, after_epoch: Callable[[], None] | None = None) -> Predictor:
        """The shared loop over `strategy.loss`; returns the predictor of the selected epoch.

        `after_epoch` is called before an epoch is validated and remembered: what it changes must be in a state_dict.
        """
        for module in (model, strategy):  # convolutions take their inputs' layout from their weights: the faster one
            module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.options.compile:
            model.features = torch.compile(model.features)  # type: ignore[method-assign]
        self.networks = [
            part
            for part in nn.ModuleList([model, strategy]).modules()
            if isinstance(part, Model) and any(parameter.requires_grad for parameter in part.parameters())
        ]
        self.clean_source = Loader(self.clean, self.device) if self.clean is not None and strategy.uses_clean else None
        optimizer = self.make_optimizer(strategy.parameter_groups(model))
        obey_factors(optimizer)
        self._plan(full_batch=getattr(optimizer, "full_batch", False))
        schedule = self.make_schedule(optimizer, self.total_steps)
        predictor = Predictor(model, strategy)
        if self.resume and (self.folder / "last.pt").exists():
            self._restore(model, strategy, optimizer, schedule)
        while not self._finished():
            self.progress.epoch += 1
            started = time.perf_counter()
            seen, found = self._epoch(model, strategy, optimizer, schedule)
            found["train/events_per_second"] = seen / (time.perf_counter() - started)
            if after_epoch is not None:
                after_epoch()
            self.progress.converged = after_epoch is None and getattr(optimizer, "converged", False)
            self.progress.stalled = after_epoch is None and getattr(optimizer, "stalled", False)
            rest = {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict() if schedule else {}}
            if self._end_epoch(found, predictor, rest):
                break
        return self._selected(predictor)

    def follow(self, predictor: Predictor, epochs: Iterable[dict[str, float]]) -> Predictor:
        """Validate, report, remember, stop and select as `minimise` does, for a strategy that is not a loss.

        Each item says what the strategy recorded of an epoch (train/...) that its state already holds; there are at most
        `trainer.epochs`. No optimizer's state is kept: an interrupted training starts anew.
        """
        predictor.model.to(self.device)
        predictor.strategy.to(self.device)
        for found in epochs:
            self.progress.epoch += 1
            if self._end_epoch(found, predictor, {}) or self._finished():
                break
        return self._selected(predictor)

    def _end_epoch(self, found: dict[str, float], predictor: Predictor, rest: dict[str, Any]) -> bool:
        """Validate, report and remember an epoch; returns whether someone says that it was the last."""
        found |= self.validate(predictor)
        monitor = self.options.monitor
        if monitor not in found:
            raise UserError(f"trainer.monitor={monitor}: this run does not report it{did_you_mean(monitor, found)}")
        if self.options.stop == "ewma":
            found[f"{monitor}.smoothed"] = self._smoothed(found[monitor])
        stop = bool(self.on_epoch(self.progress.epoch, found))  # before the checkpoint: repeated, it is recorded anew
        self._remember(found, predictor, rest)
        self._report(found)
        if stop:
            log.info("stopped after epoch %d as told", self.progress.epoch)
        return stop

    def _smoothed(self, value: float) -> float:
        """The mean that stop=ewma watches, with this epoch's value."""
        now = self.progress
        now.smoothed = smoothed(now.smoothed, value, now.epoch, self.options.ewma)
        now.lowest = min(now.lowest, now.smoothed)
        return now.smoothed

    def _selected(self, predictor: Predictor) -> Predictor:
        """The predictor with the weights of the epoch that `trainer.select` names, then tuned on the clean set if asked."""
        select = self.options.select
        if select != "last":
            load_weights(self.folder / f"{select}.pt", predictor.model, predictor.strategy, self.device)
        if self.options.finetune_steps:
            self._finetune(predictor)
            checkpoint.save(self.folder / self.options.weights, _weights(predictor, self.selected_epoch))
        return predictor

    @property
    def selected_epoch(self) -> int:
        now = self.progress
        return {"best": now.best_epoch, "clean": now.best_clean_epoch}.get(self.options.select, now.epoch)

    def _finetune(self, predictor: Predictor) -> None:
        """Steps on the clean set's scores at a constant rate; batch norm and dropout as in use, so few examples do."""
        assert self.clean is not None
        loader, steps = Loader(self.clean, self.device), self.options.finetune_steps
        optimizer = self.make_optimizer(predictor.strategy.parameter_groups(predictor.model))
        for group in optimizer.param_groups:
            group["lr"] = self.options.finetune_lr or group["lr"]
        obey_factors(optimizer)
        generator = torch_stream(self.seed, "augment finetune", device=self.device)
        sizes = [min(loader.size, self.batch_size)] * steps
        predictor.eval()
        for batch in loader.batches(endless(loader.size, iter(sizes), self.seed, "finetune batches", 0)):
            optimizer.zero_grad(set_to_none=True)
            p = predictor.scores(self.augmentation(batch.x, generator, batch.y))
            loss = -p.gather(1, batch.y[:, None]).clamp_min(torch.finfo(p.dtype).tiny).log().mean()
            self._penalised(loss).backward()
            if self.options.clip_norm is not None:
                clip(optimizer, self.options.clip_norm)
            optimizer.step()
        log.info("fine-tuned on %d clean examples: %d steps, loss %.4f", loader.size, steps, loss.item())

    def validate(self, predictor: Predictor) -> dict[str, float]:
        """Validation metrics on observed labels, named val/...; `val/loss` is the mean -log p of the label.

        `val/observed_loss` is that of P(observed | x), which differs where the strategy knows how labels go wrong.
        """
        found = self._measured("val", predictor, self.val)
        if self.clean is not None:
            found |= self._measured("clean", predictor, self.clean)
        return found

    def _measured(self, name: str, predictor: Predictor, split: Split) -> dict[str, float]:
        inputs = self.val_inputs if split.inputs is self.val.inputs else split.inputs
        now = said(predictor, inputs, split.rows, self.device)
        if not np.isfinite(now.probabilities).all():
            raise UserError(self._diverged("the validation scores are not finite"))
        found = metrics(now.probabilities, split.labels, split.weight, self.class_names) | head_metrics(now.heads)
        if name == "val":
            observed = predictor.strategy.observed(now.probabilities)
            found[OBSERVED_LOSS] = log_loss(observed, split.labels, split.weight)
        return {f"{name}/{metric}": value for metric, value in found.items()}

    def _finished(self) -> bool:
        now, options = self.progress, self.options
        if now.epoch >= options.epochs or now.step >= self.total_steps:
            return True
        if now.converged:
            log.info("converged: no component of the gradient is above the optimizer's tolerance")
            return True
        if now.stalled:
            log.info("stopping: the loss falls no further, though the gradient is above the optimizer's tolerance")
            return True
        if options.patience is not None and now.epoch - now.best_epoch >= options.patience and now.epoch:
            log.info("%s has not improved for %d epochs: stopping", options.monitor, options.patience)
            return True
        if options.stop == "ewma" and exceeds(now.smoothed, now.lowest, options.ewma["ratio"]):
            log.info("the smoothed %s exceeds %g times its minimum: stopping", options.monitor, options.ewma["ratio"])
            return True
        return False

    def _epoch(
        self, model: Model, strategy: Strategy, optimizer: Optimizer, schedule: LRScheduler | None
    ) -> tuple[int, dict[str, float]]:
        """One pass; returns how many events it saw and the mean of each named loss."""
        seed_torch(self.seed, "dropout", self.progress.epoch)
        model.train()
        strategy.train()
        if getattr(optimizer, "full_batch", False):
            seen, means = self._all_at_once(model, strategy, optimizer)
        else:
            seen, means = self._step_by_step(model, strategy, optimizer, schedule)
        if not math.isfinite(means["train/total"]):
            raise UserError(self._diverged("the training loss is not finite"))
        return seen, means

    def _step_by_step(
        self, model: Model, strategy: Strategy, optimizer: Optimizer, schedule: LRScheduler | None
    ) -> tuple[int, dict[str, float]]:
        """A step a batch; returns what `_epoch` does."""
        sums: dict[str, Tensor] = {}
        counts: dict[str, int] = {}
        seen = 0
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.precision == "bf16")
        with self._bar() as bar:
            for source, target, clean in self._augmented(strategy):
                optimizer.zero_grad(set_to_none=True)
                progress = self._told()
                with autocast:
                    losses = self._losses(model, strategy, (source, target, clean), progress)
                losses["total"].backward()
                if self.options.clip_norm is not None:
                    losses["gradient_norm"] = clip(optimizer, self.options.clip_norm)
                optimizer.step()
                if schedule is not None:
                    schedule.step()
                for name, value in losses.items():
                    value = value.detach()
                    sums[name] = sums[name] + value if name in sums else value
                    counts[name] = counts.get(name, 0) + 1
                self.progress.step += 1
                seen += len(source) + (len(target) if target is not None else 0)
                if bar.update():
                    bar.set_postfix(
                        loss=f"{losses['total'].item():.4f}", events_s=f"{seen / bar.format_dict['elapsed']:.0f}"
                    )
        return seen, {f"train/{name}": float(value) / counts[name] for name, value in sums.items()}

    def _all_at_once(self, model: Model, strategy: Strategy, optimizer: Optimizer) -> tuple[int, dict[str, float]]:
        """One step on all examples, in full precision; returns what `_epoch` does, counting every evaluation's events."""
        batches = list(self._augmented(strategy))
        size = sum(len(source) for source, _, _ in batches)
        weights = [float(source.weight.sum()) for source, _, _ in batches]
        shares = [weight / sum(weights) for weight in weights]
        means: dict[str, float] = {}
        evaluations = 0
        progress = self._told()

        def closure() -> float:
            nonlocal evaluations
            evaluations += 1
            means.clear()
            seed_torch(self.seed, "dropout", self.progress.epoch)  # the same function at every evaluation
            optimizer.zero_grad(set_to_none=True)
            for (source, target, _), share in zip(batches, shares, strict=True):
                losses = self._losses(model, strategy, (source, target, None), progress)
                (losses["total"] * share).backward()
                for name, value in losses.items():
                    means[f"train/{name}"] = means.get(f"train/{name}", 0.0) + float(value.detach()) * share
            return means["train/total"]

        optimizer.step(closure)
        self.progress.step += 1
        return evaluations * size, {**means, "train/iterations": float(getattr(optimizer, "iterations", evaluations))}

    def _losses(self, model: Model, strategy: Strategy, batches: Batches, progress: float) -> dict[str, Tensor]:
        """The strategy's named losses and those of the networks' other heads; the total holds them, and the penalties."""
        losses = strategy.loss(model, *batches, progress)
        total = self._penalised(model.tempered(losses["total"]))
        for network in self.networks:
            beside = network.side_losses(batches[0].x)
            total = sum(beside.values(), start=total)
            losses |= beside
        return {**losses, "total": total}

    def _penalised(self, loss: Tensor) -> Tensor:
        """The loss, and what the weights of the networks that learn add to it."""
        penalties = [network.penalty() for network in self.networks]
        return sum((penalty for penalty in penalties if penalty is not None), start=loss)

    def _augmented(self, strategy: Strategy) -> Iterator[Batches]:
        """The batches of the present epoch, varied by the augmentation."""
        epoch = self.progress.epoch
        varied = torch_stream(self.seed, "augment", epoch, device=self.device)
        varied_clean = torch_stream(self.seed, "augment clean", epoch, device=self.device)
        for source, target, clean in self._batches(epoch, strategy):
            for batch, generator in ((source, varied), (target, varied), (clean, varied_clean)):
                if batch is not None:
                    batch.x = self.augmentation(batch.x, generator, batch.y)
            yield source, target, clean

    def _batches(self, epoch: int, strategy: Strategy) -> Iterator[Batches]:
        self._told()
        order = self.balance.order(numpy_stream(self.seed, "batches", epoch))
        strategy.sees(self.balance.drawn_prior(), self.balance.effective_prior())
        left = None if self.steps_per_epoch == 1 else self.total_steps - self.progress.step
        pieces = list(itertools.islice(chunks(order, self.batch_size), left))
        sizes = [len(piece) for piece in pieces]
        target = self._beside(self.target, "target batches", sizes, (epoch - 1) * len(order))
        size = min(self.clean_source.size if self.clean_source else 0, self.batch_size)
        steps = (epoch - 1) * self.steps_per_epoch
        clean = self._beside(self.clean_source, "clean batches", [size] * len(pieces), steps * size)
        return zip(self.source.batches(iter(pieces)), target, clean, strict=False)

    def _beside(self, loader: Loader | None, name: str, sizes: list[int], start: int) -> Iterator[Batch | None]:
        """Batches of these sizes from an endless sequence of the loader's examples."""
        if loader is None:
            return itertools.repeat(None)
        return loader.batches(endless(loader.size, iter(sizes), self.seed, name, start))

    def _told(self) -> float:
        """The progress from 0 to 1, which the imbalance strategy is told."""
        progress = self.progress.step / self.total_steps
        self.balance.at(progress)
        return progress

    def _bar(self) -> Any:
        shown = self.options.progress == "bar" or (self.options.progress == "auto" and sys.stderr.isatty())
        best = "" if math.isnan(self.progress.best) else f" (best {self.progress.best:.3f})"
        total = min(self.steps_per_epoch, self.total_steps - self.progress.step)
        label = f"epoch {self.progress.epoch}/{self.options.epochs}{best}"
        return tqdm(total=total, desc=label, disable=not shown, leave=False, mininterval=0.5, unit="step")

    def _report(self, found: dict[str, float]) -> None:
        if self.options.progress == "none":
            return
        monitor = self.options.monitor
        star = " *" if self.progress.best_epoch == self.progress.epoch else ""
        loss = f"  loss {found['train/total']:.4f}" if "train/total" in found else ""
        speed = f"  {found['train/events_per_second']:.0f} events/s" if "train/events_per_second" in found else ""
        log.info(
            "epoch %d/%d%s  %s %.4f%s%s",
            self.progress.epoch, self.options.epochs, loss, monitor, found[monitor], star, speed,
        )  # fmt: skip

    def _remember(self, found: dict[str, float], predictor: Predictor, rest: dict[str, Any]) -> None:
        """Write last.pt, with the rest of what a resumed training needs; before it best.pt and clean.pt, if it is the best."""
        monitor, now = self.options.monitor, self.progress
        value = found[self.options.picks]
        sign = 1 if higher_is_better(monitor) else -1
        weights = _weights(predictor, now.epoch)
        if math.isnan(now.best) or sign * value > sign * now.best:
            now.best, now.best_epoch = value, now.epoch
            checkpoint.save(self.folder / "best.pt", weights)
        if self.clean is not None:
            measured = sign * found["clean/" + monitor.removeprefix("val/")]
            on_clean = (-math.inf if math.isnan(measured) else measured), -found["clean/loss"]
            if on_clean > now.best_clean:
                now.best_clean, now.best_clean_epoch = on_clean, now.epoch
                checkpoint.save(self.folder / "clean.pt", weights)
        if now.epoch > math.ceil(self.total_steps / self.steps_per_epoch) - (self.options.average or 0):
            self._average(weights)
        state = {"balance": self.balance.state_dict(), "progress": vars(now).copy()}
        checkpoint.save(self.folder / "last.pt", {**weights, **rest, **state})

    def _average(self, weights: dict[str, Any]) -> None:
        """Take an epoch's weights into the mean of the last ones, average.pt (Izmailov 2018); one that is repeated counts once."""
        path, count = self.folder / "average.pt", 1
        if path.exists():
            old = checkpoint.load(path, self.device)
            if old["epoch"] >= weights["epoch"]:
                return
            count = old["count"] + 1
            weights = weights | {part: _nearer(old[part], weights[part], 1 / count) for part in ("model", "strategy")}
        checkpoint.save(path, {**weights, "count": count})

    def _restore(self, model: Model, strategy: Strategy, optimizer: Optimizer, schedule: LRScheduler | None) -> None:
        state = load_weights(self.folder / "last.pt", model, strategy, self.device)
        optimizer.load_state_dict(state["optimizer"])
        if schedule is not None:
            schedule.load_state_dict(state["schedule"])
        self.progress = Progress(**state["progress"])
        if state.get("balance"):
            self.balance.load_state_dict(state["balance"])
        log.info("resuming after epoch %d", self.progress.epoch)

    def _diverged(self, what: str) -> str:
        where = f"epoch {self.progress.epoch}, step {self.progress.step}"
        return f"training diverged at {where}: {what}; try a smaller optimizer.lr"


def _weights(predictor: Predictor, epoch: int) -> dict[str, Any]:
    return {"model": predictor.model.state_dict(), "strategy": predictor.strategy.state_dict(), "epoch": epoch}


def _nearer(old: dict[str, Any], new: dict[str, Any], share: float) -> dict[str, Any]:
    """The old state, moved so far towards the new; what is no floating-point number is the new one's."""
    mixes = {name: isinstance(value, Tensor) and value.is_floating_point() for name, value in new.items()}
    return {name: old[name].lerp(value, share) if mixes[name] else value for name, value in new.items()}


def clip(optimizer: Optimizer, norm: float) -> Tensor:
    """Scale all gradients by one factor so that their common norm is at most `norm`; returns what it was, a scalar."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return nn.utils.clip_grad_norm_(parameters, norm)


def obey_factors(optimizer: Optimizer) -> None:
    """Multiply the learning rate of parameter groups that have an `lr_factor`, during each step only.

    Schedules see, and set, the rate without the factor: one that starts from the present rate (cosine) or from its own
    (onecycle) cannot lose or compound it. Raises UserError for an optimizer that has no learning rate.
    """
    if all("lr_factor" not in group for group in optimizer.param_groups):
        return
    if any("lr" not in group for group in optimizer.param_groups):
        raise UserError("strategy.lr_factor: this optimizer has no learning rate; add optimizer=adam or optimizer=sgd")
    rates: list[float] = []

    def multiply(optimizer: Optimizer, *_: Any) -> None:
        rates[:] = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * group.get("lr_factor", 1.0)

    def restore(optimizer: Optimizer, *_: Any) -> None:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    optimizer.register_step_pre_hook(multiply)
    optimizer.register_step_post_hook(restore)


def load_weights(path: Path, model: Model, strategy: Strategy, device: torch.device) -> dict[str, Any]:
    """Put a checkpoint's weights into model and strategy; returns all of its state."""
    state = checkpoint.load(path, device)
    try:
        model.load_state_dict(state["model"])
        strategy.load_state_dict(state["strategy"])
    except RuntimeError as error:
        raise UserError(f"{path}: the weights do not fit this configuration ({str(error).splitlines()[0]})") from None
    return state
