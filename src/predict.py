"""Use a trained model: `python -m src.predict run=<folder or id> data=<folder or file> out=scores.csv`.

Scores new files without labels with the checkpoint that the run was evaluated with; several runs, or an average of some
(`src.average`), with the mean of their scores. The table carries the key columns of the data, one column `p_<class>`
each, and `predicted`. With `prior=[...]` the scores are mapped from the class mix that the training saw to a stated one
(Bayes): p'(c) ∝ p(c) · prior(c) / training_prior(c).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from src.arguments import options as arguments_of
from src.component import Component, PositiveFloat
from src.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import torch

Scores = tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.float64]]
"""Key columns of the data, and class probabilities (n, C)."""

USAGE = """python -m src.predict run=<folder, name or key of a finished run> data=<file or folder> [out=scores.csv]
  run=[a,b]             the mean of several runs' scores
  prior=[0.6,0.1,0.3]   map the scores to this class mix, in class order
  device=auto           auto | cpu | cuda
  runs_root=runs        where runs are looked up by name or key"""


class Options(Component):
    """The command's arguments; `run` names one run or, as [a,b], several."""

    def __init__(
        self,
        *,
        run: str,
        data: str,
        out: str = "scores.csv",
        prior: list[PositiveFloat] | None = None,
        device: str = "auto",
        runs_root: str = "runs",
    ) -> None:
        self.run, self.data, self.out = run, Path(data), Path(out)
        self.prior, self.device, self.runs_root = prior, device, Path(runs_root)


def predict(options: Options) -> pd.DataFrame:
    """The table of scores, in file order. Raises UserError if runs, data and prior do not fit together."""
    import pandas as pd

    from src import finished
    from src.training import find_device

    folders = [finished.named(name, options.runs_root) for name in finished.listed(options.run)]
    if not folders:
        raise UserError("run: no run is named")
    finished.agree(folders, ("predicts", "class_names", "domain_names"))
    described = finished.common_task(folders)
    names = described[f"{described['predicts']}_names"]
    if not options.data.exists():
        raise UserError(f"data={options.data}: no such file or folder")
    try:
        device = find_device(options.device)
    except ValueError as error:
        raise UserError(str(error)) from None
    keys, p = mean_scores(folders, options.data, device)
    if options.prior is not None:
        if described["training_prior"] is None:
            raise UserError("prior: what class mix these scores are of is not known; leave prior out")
        p = with_prior(p, described["training_prior"], options.prior, names)
    table = pd.DataFrame({**keys, **{f"p_{name}": p[:, i] for i, name in enumerate(names)}})
    return table.assign(predicted=np.asarray(names)[p.argmax(axis=1)])


def mean_scores(folders: Sequence[Path], data: Path, device: torch.device) -> Scores:
    """Of the runs' probabilities; an average of runs counts as one of them."""
    from src import runs

    found = []
    for folder in folders:
        members = runs.read_json(folder / "record.json").get("members", [])
        inner = [folder.parent / name for name in members]
        found.append(mean_scores(inner, data, device) if inner else scores(folder, data, device))
    return found[0][0], np.mean([p for _, p in found], axis=0)


def scores(folder: Path, data: Path, device: torch.device) -> Scores:
    """Of one run. Raises UserError if the data are not of the kind that it was trained on."""
    from omegaconf import OmegaConf

    from src import config
    from src.inference import probabilities
    from src.strategies.base import Predictor
    from src.task import Task
    from src.training import load_weights

    cfg: Any = OmegaConf.load(folder / "config.yaml")
    cfg.trainer.device = "cpu"  # of the training; another machine may not have it
    experiment = config.check(cfg)
    if not experiment.model.classifies:
        raise UserError(f"{folder}: the model of this run has no head that says anything of the class")
    described = json.loads((folder / "task.json").read_text())
    task = Task.of_record(described)
    experiment.dataset.learned = described["learned"]
    new = experiment.dataset.read(data, experiment.settings.cache_root)
    if new.inputs.kind != task.input_kind or new.inputs.shape != task.input_shape:
        raise UserError(
            f"{data}: examples are {new.inputs.kind}s of shape {new.inputs.shape}, "
            f"but the run was trained on {task.input_kind}s of shape {task.input_shape}"
        )
    experiment.model.restored = True
    experiment.model.setup(task)
    experiment.strategy.setup(task, experiment.model, experiment.imbalance_strategy.criterion)
    load_weights(folder / experiment.trainer.weights, experiment.model, experiment.strategy, device)
    predictor = Predictor(experiment.model.to(device), experiment.strategy.to(device))
    rows = np.arange(len(new.inputs), dtype=np.int64)
    p = probabilities(predictor, new.inputs.resident(device), rows, device).astype(np.float64)
    return new.keys, p


def with_prior(
    p: npt.NDArray[np.float64], training: list[float], prior: list[float], names: list[str]
) -> npt.NDArray[np.float64]:
    """Probabilities (n, C) under another class mix. Raises UserError for one that does not fit."""
    from src.evaluation.predictions import under_prior

    if len(prior) != p.shape[1]:
        raise UserError(f"prior has {len(prior)} entries, but the run has {p.shape[1]} classes: {', '.join(names)}")
    if not min(training) > 0:
        raise UserError(
            f"prior: the training saw no example of class '{names[int(np.argmin(training))]}'; leave prior out"
        )
    return under_prior(p, training, prior)


def write(table: pd.DataFrame, out: Path) -> None:
    """The table as CSV, whole or not at all. Raises UserError if it cannot be written."""
    partial = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        table.to_csv(partial, index=False)
        os.replace(partial, out)
    except OSError as error:
        raise UserError(f"out={out}: cannot write ({error})") from None
    finally:
        partial.unlink(missing_ok=True)


def main(arguments: list[str]) -> int:
    import yaml

    if not arguments or {"-h", "--help"} & set(arguments):
        print(USAGE)
        return 0
    try:
        options = arguments_of(Options, arguments, USAGE, {"prior": yaml.safe_load})
        table = predict(options)
        write(table, options.out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(table)} examples scored: {options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
