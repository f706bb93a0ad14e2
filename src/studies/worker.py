"""One long-lived worker: pulls trials from the study until none is left, and trains each with every seed.

A trial is a configuration; its seeds are replicates, run one after the other, each in a process of its own. The worker
holds the trial, tells Optuna of the epochs, mirrors the runs in MLflow and writes the result. One that finds no trial any
more trains seeds of those that others hold, from the last on: their worker finds these runs finished.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from src import runs, tracking
from src.errors import UserError, did_you_mean
from src.evaluation.statistics import aggregate, summary
from src.lease import alive
from src.provenance import mask
from src.studies.isolation import Answer, Ending, OnEpoch, Told, run_isolated, start_server
from src.studies.options import Constraint, Pruner, epochwise
from src.studies.samplers import make_pruner
from src.studies.study import Claim, Study

if TYPE_CHECKING:
    import optuna
    from omegaconf import DictConfig

log = logging.getLogger("kilter.worker")

MIRROR = 2.0  # seconds between looks of MLflow at a running training
BUSY = 1.0  # seconds between looks at a run that another process is training


@dataclass(frozen=True)
class Assignment:
    """What a worker is to do; goes through pickle to wherever the launcher runs it."""

    study: Study
    fixed: tuple[str, ...]
    """Overrides that every configuration shares."""
    constraints: tuple[Constraint, ...]
    pruner: Pruner
    retries: int
    halve_batch: bool
    deadline: float | None
    """Time (of the clock) after which nothing is begun and what runs is stopped, to be continued some day."""
    per_gpu: int
    gpus: tuple[str, ...]
    """Names of the GPUs of this machine, shared out among its workers; none where a cluster shares them out."""
    parent: str | None
    """MLflow run of the study."""
    driver: int
    """Process that starts the workers; its children end when it does."""


@dataclass
class SeedRun:
    """What came of one seed."""

    status: str
    run: str = ""
    values: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    seconds: float = 0.0
    reason: str = ""


class Interrupted(Exception):
    """The trial goes back unfinished."""


class Worker:
    """Works on an assignment with a way to compose configurations and one to run them (a test may give its own)."""

    def __init__(
        self,
        assignment: Assignment,
        compose: Callable[[list[str]], tuple[DictConfig, Any]],
        run: Callable[[dict[str, Any], OnEpoch, Told], Ending] = run_isolated,
    ) -> None:
        self.assignment, self.study, self.compose, self.run = assignment, assignment.study, compose, run
        self.objectives = list(self.study.manifest["objectives"])
        self._pruner: optuna.pruners.BasePruner | None = None
        self._lent: set[tuple[int, int]] = set()

    def work(self) -> None:
        """Until every run has begun or the time is up."""
        while not self._late():
            claim = self.study.claim()
            if claim is None:
                if self._lend_a_hand():
                    continue
                return
            try:
                self._trial(claim)
            except Interrupted:
                self.study.release(claim)
            except BaseException:
                self.study.release(claim)
                raise

    def _late(self) -> bool:
        return self.assignment.deadline is not None and time.time() > self.assignment.deadline

    # --- one trial ---

    def _trial(self, claim: Claim) -> None:
        described = runs.read_json(claim.folder / "trial.json")
        try:
            config, _ = self.compose([*self.assignment.fixed, *claim.overrides])
        except ValueError as error:
            self._record(claim, None, {}, "failed", str(error))
            return
        mirror, root = tracking.Tracking(**config.tracking), Path(config.runs_root)
        parent = tracking.open_group(
            claim.folder, mirror, root, described["label"] or "baseline", self.study.identity(claim.number),
            described["params"], parent=self.assignment.parent, fresh=claim.fresh,
        )  # fmt: skip
        try:
            self._seeds(claim, config, mirror, root, parent)
        except BaseException:
            if not (claim.folder / "result.json").exists():
                tracking.close_group(claim.folder, mirror, root, "killed", {}, "interrupted; to be continued")
            raise

    def _seeds(
        self, claim: Claim, config: DictConfig, mirror: tracking.Tracking, root: Path, parent: str | None
    ) -> None:
        found: dict[int, SeedRun] = {}
        for position, seed in enumerate(self.study.manifest["seeds"]):
            if self._late():
                raise Interrupted
            config.seed = seed
            found[seed] = self._seed(claim, config, mirror, parent, watch=position == 0)
            ended = found[seed]
            if ended.status != "finished":
                self._record(claim, (mirror, root), found, ended.status, f"seed {seed}: {ended.reason}")
                return
            if self._hopeless(claim, position, ended):
                self._record(claim, (mirror, root), found, "pruned", f"after {position + 1} seeds")
                return
        self._record(claim, (mirror, root), found, "finished", "")

    def _lend_a_hand(self) -> bool:
        """Train one seed that nobody has begun of a trial that another worker holds and no pruner may end; False: there is none.

        What comes of it is in the run folder alone, and the other worker's to judge, to repeat or to report.
        """
        for claim in self.study.held_by_others():
            if self.assignment.pruner.name != "none" and not self._is_baseline(claim):
                continue
            for seed in reversed(self.study.manifest["seeds"]):
                if (claim.number, seed) not in self._lent and not (claim.folder / f"seed-{seed}").is_symlink():
                    self._lent.add((claim.number, seed))
                    self._lend(claim, seed)
                    return True
        return False

    def _lend(self, claim: Claim, seed: int) -> None:
        try:
            config, _ = self.compose([*self.assignment.fixed, *claim.overrides])
        except ValueError:
            return

        def told(folder: Path | None, ended: bool) -> None:
            if folder is not None:
                self.study.link(claim, seed, folder)

        config.seed = seed
        self.run(_settled(config), lambda *_: "stop" if self._late() else "go", told)

    def _record(
        self, claim: Claim, mirror: tuple[tracking.Tracking, Path] | None, found: Mapping[int, SeedRun], status: str,
        reason: str,
    ) -> None:  # fmt: skip
        measured = [one.values for one in found.values() if one.status == "finished"]
        names = dict.fromkeys([*self.objectives, *(c.metric for c in self.assignment.constraints)])
        summaries = {name: summary([values[name] for values in measured]) for name in names} if measured else {}
        values: dict[str, float] = {}
        excess: list[float] = []
        if status == "finished":
            how = self.study.manifest["aggregate"]
            middle = {name: aggregate([values[name] for values in measured], how) for name in names}
            values = {name: middle[name] for name in self.objectives}
            excess = [constraint.excess(middle[constraint.metric]) for constraint in self.assignment.constraints]
            if not all(math.isfinite(value) for value in values.values()):
                status, reason, values = "failed", f"not a number: {values}", {}
        result = {
            "status": status, "reason": reason, "seeds": {str(seed): vars(one) for seed, one in found.items()},
            "values": values, "summary": summaries, "excess": excess, "feasible": all(x <= 0 for x in excess),
        }  # fmt: skip
        self.study.record(claim, result)
        if mirror is not None:
            tracking.close_group(claim.folder, *mirror, status, logged(result), reason)
        log.info("%s", told(runs.read_json(claim.folder / "trial.json"), result))

    # --- one seed ---

    def _seed(
        self, claim: Claim, config: DictConfig, mirror: tracking.Tracking, parent: str | None, watch: bool
    ) -> SeedRun:
        resolved = _settled(config)
        started = time.time()
        tries = _attempts(claim.folder, config.seed)
        last = 0.0

        def on_epoch(folder: Path, epoch: int, metrics: dict[str, float]) -> Answer:
            self._refuse_missing(folder, metrics)
            if self._late():
                return "stop"
            return "prune" if watch and self._unpromising(claim, epoch, metrics) else "go"

        def told(folder: Path | None, ended: bool) -> None:
            nonlocal last
            self.study.beat()
            if folder is not None and (ended or time.monotonic() - last > MIRROR):
                self.study.link(claim, config.seed, folder)
                tracking.sync(folder, mirror, parent)
                last = time.monotonic()

        while True:
            while alive(claim.folder / f"seed-{config.seed}"):
                self._pause()
            ending = self.run(resolved, on_epoch, told)
            if ending.kind == "busy":
                self._pause()
                continue
            if ending.kind == "stopped":
                raise Interrupted
            run, seconds = ending.folder.name if ending.folder else "", time.time() - started
            epochs = len(runs.history(ending.folder)) if ending.folder else 0
            if ending.kind == "finished":
                assert ending.folder is not None
                return SeedRun("finished", run, self._values(ending.folder), epochs, seconds)
            if ending.kind == "pruned":
                return SeedRun("pruned", run, {}, epochs, seconds, ending.reason)
            tries = _note_attempt(claim.folder, config.seed, tries, ending)
            size = resolved["trainer"]["batch_size"]
            if ending.kind == "memory" and self.assignment.halve_batch and size >= 4:
                resolved["trainer"]["batch_size"] = size // 2
                log.warning("out of memory: trial %d goes on with batches of %d", claim.number, size // 2)
            elif ending.kind in {"mistake", "memory"} or tries > self.assignment.retries:
                return SeedRun("failed", run, {}, epochs, seconds, mask(f"{ending.kind}: {ending.reason}"))
            else:
                log.warning("trial %d, seed %d: %s; trying again", claim.number, config.seed, ending.reason)

    def _pause(self) -> None:
        """While another process trains what is wanted. Raises Interrupted once the time is up."""
        time.sleep(BUSY)
        self.study.beat()
        if self._late():
            raise Interrupted

    def _values(self, folder: Path) -> dict[str, float]:
        """Objectives and constraints of a finished run. Raises UserError for one that it does not report."""
        metrics = runs.read_json(folder / "metrics.json")
        wanted = [*self.objectives, *(constraint.metric for constraint in self.assignment.constraints)]
        for name in wanted:
            if name not in metrics:
                raise UserError(_missing(name, folder, metrics))
        return {name: float(metrics[name]) for name in wanted}

    def _refuse_missing(self, folder: Path, metrics: Mapping[str, float]) -> None:
        """Raises UserError after the first epoch, not the last, if an objective that epochs report is not there."""
        for name in self.objectives:
            if epochwise(name) and name not in metrics:
                raise UserError(_missing(name, folder, metrics))

    # --- pruning ---

    def _judge(self) -> optuna.pruners.BasePruner:
        if self._pruner is None:
            self._pruner = make_pruner(self.assignment.pruner, int(self.study.manifest["epochs"]))
        return self._pruner

    def _unpromising(self, claim: Claim, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Whether a pruner that watches epochs gives the trial up."""
        if self.assignment.pruner.name in {"none", "wilcoxon"} or self._is_baseline(claim):
            return False
        return self._reported(claim, epoch, metrics[self.objectives[0]])

    def _hopeless(self, claim: Claim, position: int, ended: SeedRun) -> bool:
        """Whether wilcoxon gives the trial up after this seed."""
        if self.assignment.pruner.name != "wilcoxon" or self._is_baseline(claim):
            return False
        last = position + 1 == len(self.study.manifest["seeds"])
        return self._reported(claim, position, ended.values[self.objectives[0]]) and not last

    def _is_baseline(self, claim: Claim) -> bool:
        """The baseline is what the others are compared with: it is never given up."""
        return claim.number == self.study.manifest["baseline"]

    def _reported(self, claim: Claim, step: int, value: float) -> bool:
        import warnings

        import optuna

        study = self.study.optuna_study()
        study.pruner = self._judge()
        with warnings.catch_warnings(action="ignore"):
            trial = optuna.Trial(study, self.study.optuna_id(claim.number))
            frozen = study._storage.get_trial(trial._trial_id)
            if frozen.state.is_finished():
                return False
            if step not in frozen.intermediate_values:
                trial.report(value, step)
            return trial.should_prune()


def _settled(config: DictConfig) -> dict[str, Any]:
    """The configuration of a run in a study: it goes on where it was, and draws no figures."""
    from omegaconf import OmegaConf

    resolved: Any = OmegaConf.to_container(config, resolve=True)
    resolved["trainer"]["resume"], resolved["figures"] = True, False
    return dict(resolved)


def _missing(name: str, folder: Path, metrics: Mapping[str, float]) -> str:
    known = [metric for metric in metrics if metric.startswith(name.partition("/")[0])]
    return f"objective {name}: {folder} does not report it{did_you_mean(name, known)} (it reports: {', '.join(known)})"


def told(described: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """A finished trial in one line."""
    label = described["label"] or "baseline"
    if result["status"] != "finished":
        return f"trial {described['number']}: {result['status']} ({result['reason']})  {label}"
    parts = []
    for name, value in result["values"].items():
        found = result["summary"][name]
        spread = f" ± {(found['high'] - found['low']) / 2:.4f}" if found["n"] > 1 else ""
        parts.append(f"{name} = {value:.4f}{spread}")
    n = len(result["seeds"])
    return f"trial {described['number']}: {'  '.join(parts)}  ({n} seed{'s' * (n > 1)})  {label}"


def logged(result: Mapping[str, Any]) -> dict[str, float]:
    """A configuration's summary as MLflow metrics: <metric>/mean, /sd, /ci_low, /ci_high, n_seeds, and the objective."""
    summaries, values = result["summary"], result["values"]
    names = {"mean": "mean", "sd": "sd", "low": "ci_low", "high": "ci_high"}
    found = {f"{metric}/{names[key]}": s[key] for metric, s in summaries.items() for key in names}
    n = {"n_seeds": float(next(iter(summaries.values()))["n"])} if summaries else {}
    return {**found, **n, **values}


def _attempts(folder: Path, seed: int) -> int:
    path = folder / "attempts.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    count = 0
    for line in lines:
        with contextlib.suppress(ValueError):
            count += json.loads(line)["seed"] == seed
    return count


def _note_attempt(folder: Path, seed: int, before: int, ending: Ending) -> int:
    """Record a failed attempt; returns how many there were."""
    entry = {"seed": seed, "kind": ending.kind, "reason": mask(ending.reason), "time": time.time(), **ending.facts}
    with (folder / "attempts.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")
    return before + 1


# --- a worker's process ---


def work(assignment: Assignment, compose: Callable[[list[str]], tuple[DictConfig, Any]], index: int) -> None:
    """Run worker number `index`; called by the launcher, wherever that is."""
    if assignment.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = assignment.gpus[index // assignment.per_gpu % len(assignment.gpus)]
    start_server()
    ended = threading.Event()
    if os.getppid() == assignment.driver:
        threading.Thread(target=_end_with_driver, args=(assignment.driver, ended), daemon=True).start()
    try:
        with ending_on_term(), _heard(assignment.study):
            Worker(assignment, compose).work()
    finally:
        ended.set()


def _end_with_driver(driver: int, ended: threading.Event) -> None:
    """A worker whose driver was killed would train on, past the next command's end."""
    while os.getppid() == driver:
        if ended.wait(1):
            return
    os.kill(os.getpid(), signal.SIGTERM)
    ended.wait()
    os._exit(1)  # joblib would wait for the next task of a driver that is no more


@contextlib.contextmanager
def _heard(study: Study) -> Iterator[None]:
    """Log lines into the worker's own file as well."""
    import socket

    folder = study.folder / "workers"
    folder.mkdir(exist_ok=True)
    handler = logging.FileHandler(folder / f"{socket.gethostname()}-{os.getpid()}.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def ending_on_term() -> Iterator[None]:
    """TERM and HUP end a worker or driver in order: its run says how it ended, its trial is free again."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
