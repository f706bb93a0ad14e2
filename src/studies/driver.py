"""From the command to a finished study: check every combination, start workers, choose.

Any number of drivers may work on one study at once; each comes back when all of it is done.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src import provenance, runs, tracking
from src.errors import UserError
from src.lease import locked
from src.showcase import showcase
from src.studies import plan, worker
from src.studies.live import Live
from src.studies.overview import Overview
from src.studies.question import Question, understand
from src.studies.samplers import NUMBERED, Numbered
from src.studies.study import Study, open_study

log = logging.getLogger("src")

LOOK = 0.5  # seconds between looks at trials that other drivers work on
HERE = {"joblib", "local"}  # launchers whose workers are processes of this machine
FRUITLESS = 3  # launches without a finished trial before giving up


def sweep(given: dict[str, Any], arguments: list[str], composer: Any) -> int:
    """Run a study from a command; returns the exit status. Mistakes are sentences on stderr, with status 2."""
    try:
        with _console():
            question = understand(given, arguments, composer)
            configurations = _configurations(question, composer)
            _tell_gap(question, plan.validate(configurations))
            if question.options.plan:
                _print_plan(question, configurations, composer)
                return 0
            return _run(question, composer)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130


@contextlib.contextmanager
def _console() -> Iterator[None]:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)


def _configurations(question: Question, composer: Any) -> plan.Configurations:
    is_group = functools.cache(lambda key: bool(composer.options(key)))
    return plan.Configurations(question.space, question.fixed, composer.compose, is_group)


def _tell_gap(question: Question, parts: dict[str, Any]) -> None:
    """Say if the protocol has parts that none of the seeds judges; one that varies is not looked at."""
    gap = parts["protocol"].gap(question.seeds)
    if gap and not any(key.split(".")[0] == "protocol" for key in question.space.keys):
        log.warning("%s", gap)


def _foretell(question: Question, composer: Any) -> None:
    """Say what of a new study is done already, and why the rest is not."""
    found = _plan(question, _configurations(question, composer))
    for line in found.lines(_workers(question, composer))[1:] if found.cached or len(found.misses) > 1 else ():
        log.info("%s", line)


def _print_plan(question: Question, configurations: plan.Configurations, composer: Any) -> None:
    found = _plan(question, configurations)
    for dimension in question.space.dimensions:
        log.info("  %s", describe_dimension(dimension.described()))
    for line in found.lines(_workers(question, composer)):
        log.info("%s", line)


def _plan(question: Question, configurations: plan.Configurations) -> plan.Plan:
    done, count, sampler = plan.Done.read(Path(question.base.runs_root)), question.trials, question.options.sampler
    known: Iterator[dict[str, Any]] = (configurations.of(entry["overrides"]) for entry in question.first)
    if sampler.name not in NUMBERED:
        trials = sorted((question.options.studies_root / question.name / "trials").glob("[0-9]*/trial.json"))
        chosen = [runs.read_json(path)["overrides"] for path in trials]
        known = (configurations.of(overrides) for overrides in chosen or [e["overrides"] for e in question.first])
    else:
        numbered = Numbered(sampler, question.space, [tuple(entry["overrides"]) for entry in question.first])
        rest = (configurations.at(numbered.point(number)) for number in range(count - len(question.first)))
        known = itertools.chain(known, rest)
    return plan.make_plan(known, count, question.seeds, done, provenance.code_hash(question.base.code))


def describe_dimension(described: dict[str, Any]) -> str:
    """A dimension of a manifest in one line."""
    when = "".join(
        f" where {key} is {' or '.join(map(str, values))}" for key, values in (described["when"] or {}).items()
    )
    if described["kind"] == "interval":
        scale = ", logarithmic" * described["log"] + ", integers" * described["integer"]
        return f"{described['key']}: {described['low']} to {described['high']}{scale}{when}"
    values = described["values"]
    shown = ", ".join(map(str, values if len(values) <= 12 else [*values[:10], "...", values[-1]]))
    return f"{described['key']}: {shown}{when}"


def _run(question: Question, composer: Any) -> int:
    options, root = question.options, Path(question.base.runs_root)
    mirror = tracking.Tracking(**question.base.tracking)
    study = open_study(
        options.studies_root, question.name, question.identity(), question.facts(), question.space, options.storage,
        seeds=question.seeds, first=question.first, trials=options.budget.trials, adopt=options.adopt,
    )  # fmt: skip
    log.info("study %s: %d configurations × %s = %d runs, sampler %s (%s)", study.name, study.total,
             plan.counted(len(question.seeds), "seed"), study.total * len(question.seeds), options.sampler.name,
             study.folder)  # fmt: skip
    if not study.complete():
        if not study.begun:
            _foretell(question, composer)
        tracking.prepare(mirror, root)
        try:
            with worker.ending_on_term(), Live(study.folder):
                _train(study, question, composer, mirror, root)
        finally:
            close_orphans(study.folder, mirror, root)
    overview = Overview(study.folder)
    for trial, result in overview.best(options.winners)[: options.winners] if overview.complete else ():
        _showcase(study.folder, result, mirror, root)
        oracle = " by an ORACLE" if study.manifest["oracle"] else ""
        log.info("chosen%s: %s", oracle, worker.told(trial, result))
    log.info("%s\nreport: python -m src.report %s", overview.lines()[0], study.folder)
    return 0 if overview.count("finished") or not overview.complete else 1


def _train(study: Study, question: Question, composer: Any, mirror: tracking.Tracking, root: Path) -> None:
    """Launch workers until the study is complete or its time is up."""
    options = question.options
    deadline = time.time() + options.budget.hours * 3600 if options.budget.hours else None
    params = {key: str(value) for key, value in study.manifest["question"].items() if not key.startswith("config.")}
    params["oracle"] = str(study.manifest["oracle"])
    with locked(study.folder / ".mlflow.lock"):  # one run of the study, however many drivers
        parent = tracking.open_group(
            study.folder, mirror, root, study.name, study.manifest["id"], params, parent=None, fresh=False
        )
    workers = _workers(question, composer)
    assignment = worker.Assignment(
        study, tuple(question.fixed), tuple(options.constraints), options.pruner, options.retries, options.halve_batch,
        deadline, options.workers_per_gpu, _gpus(question, composer), parent, os.getpid(),
    )  # fmt: skip
    fruitless = 0
    while not study.complete() and not (deadline and time.time() > deadline):
        before = len(Overview(study.folder).results)
        _launch(composer, assignment, question, min(workers, study.total * len(question.seeds)))
        while study.busy() and not study.free():
            time.sleep(LOOK)
        fruitless = fruitless + 1 if len(Overview(study.folder).results) == before else 0
        if fruitless >= FRUITLESS:
            raise UserError(
                f"{study.folder}: the workers end without finishing a trial; see {study.folder / 'workers'}"
            )


def _launch(composer: Any, assignment: worker.Assignment, question: Question, workers: int) -> None:
    try:
        composer.launch(assignment, question.fixed, workers)
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as error:  # what a launcher raises for a worker that died
        reason = provenance.mask(f"{type(error).__name__}: {error}".splitlines()[0])
        log.warning("a worker died (%s); its trial is taken up again", reason)


def _workers(question: Question, composer: Any) -> int:
    options, threads = question.options, int(question.base.trainer.num_threads or 1)
    if composer.launcher == "basic":
        if (options.workers or 1) > 1:
            log.info("hydra/launcher=basic has one worker; hydra/launcher=joblib starts %d", options.workers)
        return 1
    if options.workers is not None:
        return options.workers
    if composer.launcher not in HERE:
        raise UserError(
            f"hydra/launcher={composer.launcher}: say how many workers to submit, hydra.sweeper.workers=..."
        )
    gpus = _gpus(question, composer)
    return len(gpus) * options.workers_per_gpu if gpus else max(1, len(os.sched_getaffinity(0)) // threads)


def _gpus(question: Question, composer: Any) -> tuple[str, ...]:
    """What CUDA_VISIBLE_DEVICES may name, if the study runs on this machine's GPUs and names none itself."""
    if composer.launcher not in {"basic", *HERE} or question.base.trainer.device not in {"auto", "cuda"}:
        return ()
    import torch

    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return tuple(named or map(str, range(torch.cuda.device_count())))[: torch.cuda.device_count()]


def _showcase(folder: Path, result: dict[str, Any], mirror: tracking.Tracking, root: Path) -> None:
    """Figures, a model in MLflow and the test split for the runs of a chosen configuration."""
    with locked(folder / ".showcase.lock"):
        for one in result["seeds"].values():
            showcase(root / one["run"], mirror)


def close_orphans(folder: Path, mirror: tracking.Tracking, root: Path) -> None:
    """Bring MLflow in step with a study whose workers may have died: its runs, its configurations, itself."""
    overview = Overview(folder)
    trials = folder / "trials"
    if mirror.enabled:
        with tracking.tolerant(root, "the mirror of ended runs"):
            tracking.reap(root, mirror)
    for link in folder.glob("trials.*/[0-9]*/mlflow.json"):
        _close(link.parent, mirror, root, "killed", "interrupted; the study went on with another question")
    for trial in overview.interrupted:
        for link in (trials / f"{trial['number']:05d}").glob("seed-*"):
            if link.exists():
                tracking.sync(link, mirror)
        _close(trials / f"{trial['number']:05d}", mirror, root, "killed", "worker died")
    for trial, result in overview.results:
        _close(
            trials / f"{trial['number']:05d}", mirror, root, result["status"], result["reason"], worker.logged(result)
        )
    if overview.running and not overview.complete:
        return
    counts = {f"configurations/{status}": float(overview.count(status)) for status in ("finished", "pruned", "failed")}
    best = overview.best()
    values = {f"best/{name}": value for name, value in best[0][1]["values"].items()} if best else {}
    status = "finished" if overview.complete else "killed"
    _close(folder, mirror, root, status, "" if overview.complete else "interrupted", {**counts, **values})


def _close(
    folder: Path,
    mirror: tracking.Tracking,
    root: Path,
    status: str,
    reason: str,
    metrics: dict[str, float] | None = None,
) -> None:
    path = folder / "mlflow.json"
    if path.exists() and runs.read_json(path)["status"] != tracking.STATUS[status]:
        tracking.close_group(folder, mirror, root, status, metrics or {}, reason)
