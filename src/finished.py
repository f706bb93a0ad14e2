"""Finished runs, by name or as the seeds of a study's trial, and what several of them have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from src import runs
from src.errors import UserError
from src.studies.overview import Overview

MIXES = {"training_prior", "deployed_prior"}


def listed(text: str) -> list[str]:
    """The names in '[a,b]' or 'a,b'; a key of digits alone is a name, too."""
    return [name.strip() for name in text.strip().removeprefix("[").removesuffix("]").split(",") if name.strip()]


def named(name: str, root: Path) -> Path:
    """The folder of a run. Raises UserError if there is none, or it has not finished."""
    folder = runs.load_run(name, root)
    if (status := runs.status(folder)) != "finished":
        raise UserError(f"run={name}: {folder} is {status}; only a finished run can score")
    return folder


def seeds_of(study: Path, number: int | None) -> list[Path]:
    """The folders of a trial's seeds that have finished; of the best one's by default. Raises UserError if there are none."""
    overview = Overview(study)
    name, best = overview.manifest["name"], overview.best()
    if number is None and len(best) != 1:
        why = f"{len(best)} configurations are best" if best else "no configuration has finished"
        raise UserError(f"study={name}: {why}; say which: trial=<number>")
    wanted = best[0][0]["number"] if number is None else number
    seeds = next((result["seeds"].values() for trial, result in overview.results if trial["number"] == wanted), ())
    root = Path(overview.manifest["runs_root"])
    folders = [named(seed["run"], root) for seed in seeds if seed["status"] == "finished"]
    if not folders:
        raise UserError(f"trial={wanted}: study={name} has no finished run of it")
    return folders


def known(folder: Path) -> dict[str, Any]:
    """What a run's task.json and record.json say, and the metric that is its score."""
    config: Any = OmegaConf.load(folder / "config.yaml")
    return {
        "score": config.get("score"), **runs.read_json(folder / "task.json"), **runs.read_json(folder / "record.json")
    }  # fmt: skip


def agree(folders: Sequence[Path], keys: Sequence[str]) -> None:
    """Raises UserError unless all runs say the same under these keys."""
    first, *others = (known(folder) for folder in folders)
    for folder, other in zip(folders[1:], others, strict=True):
        for key in keys:
            if first[key] != other[key]:
                raise UserError(
                    f"{folders[0].name} and {folder.name} cannot be averaged: their {key} differ "
                    f"({first[key]} and {other[key]})"
                )


def common_task(folders: Sequence[Path]) -> dict[str, Any]:
    """What the task.json of all say alike; the class mixes only if all are of the same two."""
    first, *others = (runs.read_json(folder / "task.json") for folder in folders)
    task = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    return task if task.keys() >= MIXES else {**task, **dict.fromkeys(MIXES)}
