"""The average of finished runs, judged like one of them: `python -m src.average runs=[runs/a,runs/b]`.

An ensemble (Lakshminarayanan 2017): its probabilities are the mean of its members', of any model and strategy, on
validation and test examples that all of them share. It costs as much as its members together; their own mean and spread
stand beside each of its numbers, as members/<metric>.mean and .std. What heads beside the class say (of hits, of where
something was) is not averaged: a run does not keep it. Record and command name those heads.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from src import finished, provenance, runs
from src.arguments import options as arguments_of
from src.component import Component, NonNegativeInt
from src.errors import UserError
from src.evaluation import plots, predictions
from src.evaluation.heads import HEADS
from src.evaluation.metrics import OBSERVED_LOSS
from src.evaluation.predictions import ARRAYS, Predictions
from src.evaluation.statistics import summary
from src.judging import Judge
from src.studies.overview import find_study

USAGE = """python -m src.average runs=[<folder, name or key of a finished run>,...]
python -m src.average study=<name> [trial=<number>]
  study=...          the seeds of one configuration: of this trial; default: the best one's
  runs_root=runs     where runs are looked up by name or key, and ensemble-<key> is written
  studies_root=studies
  figures=true       draw the figures of a run"""
MUST_AGREE = ("predicts", "class_names", "domain_names", "natural_prior", "recall", "score", "data_fingerprint")
COST = "cost/parameters"
SHOWN = ("balanced_accuracy", "accuracy", "loss")


class Options(Component):
    """The command's arguments."""

    def __init__(
        self,
        *,
        runs: list[str] | None = None,
        study: str | None = None,
        trial: NonNegativeInt | None = None,
        runs_root: str = "runs",
        studies_root: str = "studies",
        figures: bool = True,
    ) -> None:
        if (runs is None) == (study is None):
            raise ValueError("give runs=[...] or study=<name>, one of them")
        if trial is not None and study is None:
            raise ValueError(f"trial={trial}: of which study? Add study=<name>")
        self.runs, self.study, self.trial = runs, study, trial
        self.runs_root, self.studies_root, self.figures = Path(runs_root), Path(studies_root), figures


def average(options: Options) -> Path:
    """Write the record of the average, or find it there; returns its folder.

    Raises UserError if the runs were not judged on the same terms and examples, or are scored by a head beside the class.
    """
    folders = members(options)
    finished.agree(folders, MUST_AGREE)
    score = _score_of(folders[0])
    task = finished.common_task(folders)
    found = averaged({folder: predictions.load(folder / "predictions.npz") for folder in folders})
    run = _open(folders, sorted(found), folders[0].parent if options.study else options.runs_root)
    if not run.finished:
        with run:
            run.write_json("task.json", task)
            predictions.save(run.folder / "predictions.npz", **found)
            scores = measured(found, task, folders)
            run.write_json("metrics.json", {"score": scores[score], **scores})
            if options.figures:
                plots.draw(run.folder)
    return run.folder


def members(options: Options) -> list[Path]:
    """The folders of the runs to average, by name. Raises UserError for one that is missing, unfinished or named twice."""
    if options.study is not None:
        folders = finished.seeds_of(find_study(options.study, options.studies_root), options.trial)
    else:
        folders = [finished.named(name, options.runs_root) for name in options.runs or ()]
    folders.sort(key=lambda folder: (folder.name, folder))
    if not folders:
        raise UserError("runs=[]: no run to average")
    for one, other in pairwise(folders):
        if one.resolve() == other.resolve():
            raise UserError(f"runs: {one.name} is named twice")
    return folders


def _score_of(folder: Path) -> str:
    """The metric that is a run's score. Raises UserError for that of a head beside the class."""
    score: str = finished.known(folder)["score"]
    for head in HEADS:
        if score.startswith(f"val/{head}/"):
            raise UserError(
                f"{folder.name} cannot be averaged: its score is {score}, and what the head '{head}' says is not kept; "
                "give runs whose score is a metric of the class (score=val/balanced_accuracy)"
            )
    if score == f"val/{OBSERVED_LOSS}":
        raise UserError(
            f"{folder.name} cannot be averaged: its score is {score}, which an average does not have; give runs whose score is "
            "a metric of the class (score=val/loss)"
        )
    return score


def averaged(said: Mapping[Path, Mapping[str, Predictions]]) -> dict[str, Predictions]:
    """The mean of what the runs say of each split that all of them have.

    Raises UserError if they were judged on different examples.
    """
    shared = [split for split in next(iter(said.values())) if all(split in found for found in said.values())]
    return {split: _mean(split, {folder: found[split] for folder, found in said.items()}) for split in shared}


def _mean(split: str, said: Mapping[Path, Predictions]) -> Predictions:
    (one, first), *others = said.items()
    for other, theirs in others:
        for column in ARRAYS:
            if column != "probabilities" and not np.array_equal(getattr(first, column), getattr(theirs, column)):
                raise UserError(
                    f"{one.name} and {other.name} cannot be averaged: the {column} of their {split} examples differ; runs "
                    "share their examples where the data set comes split, or under protocol=repeats"
                )
    p = np.stack([found.probabilities for found in said.values()]).mean(axis=0, dtype=np.float64)
    return replace(first, probabilities=p.astype(np.float32))


def measured(found: Mapping[str, Predictions], task: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, float]:
    """All metrics of the average, and mean and standard deviation of those that its members report too."""
    scores = Judge.of_record(task).all_scores(found)
    theirs = [runs.read_json(folder / "metrics.json") for folder in folders]
    scores |= {COST: sum(one[COST] for one in theirs)}
    beside = {"members/count": float(len(folders))}
    for name in scores:
        if all(name in one for one in theirs):
            spread = summary([one[name] for one in theirs])
            beside |= {f"members/{name}.mean": spread["mean"], f"members/{name}.std": spread["sd"]}
    return scores | beside


def other_heads(folders: Sequence[Path]) -> list[str]:
    """The heads beside the class that any member has: they are not averaged."""
    names = [name for folder in folders for name in runs.read_json(folder / "metrics.json")]
    return [head for head in HEADS if any(name.startswith(f"val/{head}/") for name in names)]


def _open(folders: Sequence[Path], splits: Sequence[str], root: Path) -> runs.Run:
    """The folder ensemble-<key>: the key follows from the members, the splits they share and the code."""
    known = [finished.known(folder) for folder in folders]
    config = {"members": [one["id"] for one in known], "splits": list(splits), "score": known[0]["score"]}
    fingerprint, code = known[0]["data_fingerprint"], provenance.code_hash("strict")
    key = provenance.run_key(config, fingerprint, code)
    record = provenance.describe(key, "ensemble", known[0]["seed"], fingerprint, code)
    record |= {"seed": [one["seed"] for one in known], "members": [os.path.relpath(folder, root) for folder in folders]}
    record |= {"not_averaged": heads} if (heads := other_heads(folders)) else {}
    return runs.open_run(root, "ensemble", key, config, record, resume=False, force=False)


# --- the command ---


def table(scores: Mapping[str, float]) -> str:
    """The average beside its members, for a terminal."""
    lines = [f"{'':26}average   mean of {int(scores['members/count'])} ± standard deviation"]
    for name in (f"{split}/{metric}" for split in ("val", "test") for metric in SHOWN):
        if name in scores:
            mean, std = (scores[f"members/{name}.{what}"] for what in ("mean", "std"))
            lines.append(f"{name:26}{scores[name]:<10.4f}{mean:.4f} ± {std:.4f}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    import yaml

    if not arguments or {"-h", "--help"} & set(arguments):
        print(USAGE)
        return 0
    try:
        read = {"runs": finished.listed, "trial": yaml.safe_load, "figures": yaml.safe_load}
        options = arguments_of(Options, arguments, USAGE, read)
        folder = average(options)
        print(table(runs.read_json(folder / "metrics.json")))
        if heads := runs.read_json(folder / "record.json").get("not_averaged"):
            print(f"not averaged: {', '.join(heads)} (heads beside the class)")
        print(f"\nrun folder: {folder}")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
