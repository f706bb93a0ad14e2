"""A study's sweeps: run as the commands that a person would type, and what their runs measured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from src import report, runs
from src.errors import UserError
from src.studies.overview import find_study
from src.task import FloatArray, Splits

SWEEPS = Path(__file__).parents[2] / "sweeps"


@dataclass(frozen=True)
class Places:
    """Where data are read and results are kept."""

    data_root: str = "data"
    runs_root: str = "runs"
    studies_root: str = "studies"

    def overrides(self) -> list[str]:
        studies = f"hydra.sweeper.studies_root={self.studies_root}"
        return [f"data_root={self.data_root}", f"runs_root={self.runs_root}", studies]

    def study(self, name: str) -> Path:
        """Its folder. Raises UserError if there is none."""
        return find_study(name, Path(self.studies_root))


def sweep(folder: Path, name: str, *overrides: str) -> None:
    """Run or go on with folder/name.yaml; one that is done is not repeated. Raises UserError if it fails."""
    arguments = ["-m", "src.run", "--config-dir", str(folder), "-cn", name, *overrides]
    print("$", " ".join(["python", *arguments]), flush=True)
    if code := subprocess.run([sys.executable, *arguments]).returncode:
        raise UserError(
            f"{name}: the sweep ended with exit status {code}, and what is said above tells why; the same command goes on with "
            "what has not run, and does not repeat what has failed: for that, give another studies_root"
        )


def conditions(base: str) -> dict[str, Any]:
    """What sweeps/base.yaml varies or fixes for some choices only."""
    space = question(base)["hydra"]["sweeper"]["space"]
    return {key: given for key, given in space.items() if isinstance(given, dict)}


def question(base: str) -> dict[str, Any]:
    """What sweeps/base.yaml says."""
    read: dict[str, Any] = yaml.safe_load((SWEEPS / f"{base}.yaml").read_text())
    return read


def write_sweep(
    folder: Path, base: str, name: str, *, trainer: Mapping[str, Any] = {}, sweeper: Mapping[str, Any] = {}
) -> None:
    """folder/name.yaml: sweeps/base.yaml as another study, with other values in two of its sections."""
    asked = question(base)
    asked["trainer"] |= trainer
    asked["hydra"]["sweeper"] |= {"study": name, **sweeper}
    folder.mkdir(parents=True, exist_ok=True)
    head = f"# Made from sweeps/{base}.yaml by its reproduce command.\n"
    runs.write_text(folder / f"{name}.yaml", head + yaml.safe_dump(asked, sort_keys=False))


@dataclass(frozen=True)
class Configuration:
    """A configuration that finished."""

    choices: dict[str, str]
    """Key → value of what varied, or was fixed."""
    runs: dict[str, Path]
    """Seed → run folder."""
    value: float
    """Of the objective, aggregated over the seeds."""
    folder: Path
    """In the study, with a link to every seed's run."""

    def metric(self, name: str) -> dict[str, float]:
        """Seed → value of a metric of the finished run; seeds without it are left out."""
        found = {seed: runs.read_json(run / "metrics.json") for seed, run in self.runs.items()}
        return {seed: metrics[name] for seed, metrics in found.items() if name in metrics}

    def curve(self, name: str) -> dict[str, FloatArray]:
        """Seed → value after every epoch, of a metric or of a watched one."""
        return {
            seed: np.array([(line["metrics"] | line.get("sealed", {}))[name] for line in runs.history(run)])
            for seed, run in self.runs.items()
        }


def configurations(folder: Path, fixed: Mapping[str, str] = {}) -> list[Configuration]:
    """Those of a study that finished; `fixed`: choices that the study does not vary. Raises UserError if none has."""
    findings = report.read(folder)
    root = Path(findings.overview.manifest["runs_root"])
    return [
        Configuration(
            choices={**fixed, **dict(override.split("=", 1) for override in row["overrides"])},
            runs={seed: root / one["run"] for seed, one in row["seeds"].items()},
            value=row["values"][findings.objective],
            folder=findings.overview.folder / "trials" / f"{row['number']:05d}",
        )
        for row in findings.rows
        if row["values"]
    ]


def splits_of(run: Path) -> Splits:
    """The data of a run, as it saw them."""
    from omegaconf import OmegaConf

    from src.config import check
    from src.experiment import prepare, read

    config: Any = OmegaConf.load(run / "config.yaml")
    experiment = check(config)
    return prepare(experiment, read(experiment)).splits
