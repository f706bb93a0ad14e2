"""How a study stands, from its folder alone: works while it runs, and from any machine that sees the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from src import runs
from src.errors import UserError, did_you_mean
from src.lease import alive, owner_of
from src.studies.plan import duration


def find_study(name: str | Path, root: Path) -> Path:
    """A study's folder by path or name. Raises UserError naming near ones."""
    for path in (Path(name), root / name):
        if (path / "manifest.json").exists():
            return path
    known = [path.parent.name for path in root.glob("*/manifest.json")]
    raise UserError(f"study={name}: no such study in {root}{did_you_mean(str(name), known)}")


class Overview:
    """The state of a study; results are read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ended: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        self.refresh()

    def refresh(self) -> None:
        self.manifest = runs.read_json(self.folder / "manifest.json")
        self.running: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.interrupted: list[dict[str, Any]] = []
        number = 0
        while (self.folder / "trials" / f"{number:05d}" / "trial.json").exists():
            if number not in self._ended:
                self._look(number)
            number += 1
        self.begun = number

    def _look(self, number: int) -> None:
        folder = self.folder / "trials" / f"{number:05d}"
        try:
            trial = json.loads((folder / "trial.json").read_text())
            if (folder / "result.json").exists():
                self._ended[number] = trial, json.loads((folder / "result.json").read_text())
                return
        except (OSError, ValueError):
            trial = {"number": number, "label": "(damaged)"}
        if alive(folder):
            self.running.append((trial, {**owner_of(folder / "LEASE"), **_progress(folder)}))
        else:
            self.interrupted.append(trial)

    @property
    def results(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """(trial, result) of all that ended, by number."""
        return [self._ended[number] for number in sorted(self._ended)]

    def count(self, status: str) -> int:
        return sum(result["status"] == status for _, result in self._ended.values())

    @property
    def complete(self) -> bool:
        return len(self._ended) >= self.manifest["total"]

    @property
    def state(self) -> str:
        return "complete" if self.complete else "running" if self.running else "interrupted" if self.begun else "new"

    def best(self, many: int = 1) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The best feasible trials by the first objective, or all of the Pareto front if there are several."""
        objectives = self.manifest["objectives"]
        found = [
            (trial, result) for trial, result in self.results if result["status"] == "finished" and result["feasible"]
        ]
        if len(objectives) > 1:
            return [one for one in found if not any(_dominates(other[1], one[1], objectives) for other in found)]
        name, direction = next(iter(objectives.items()))
        sign = -1 if direction == "maximize" else 1
        return sorted(found, key=lambda one: sign * one[1]["values"][name])[:many]

    def seconds_left(self) -> float | None:
        """Expected time to the end, if the workers that are there stay."""
        times = [sum(one["seconds"] for one in result["seeds"].values()) for _, result in self._ended.values()]
        if not times or not self.running:
            return None
        return sum(times) / len(times) * (self.manifest["total"] - len(self._ended)) / len(self.running)

    def lines(self) -> list[str]:
        """The state as a table for a terminal."""
        counts = [f"{self.count(status)} {status}" for status in ("finished", "pruned", "failed")]
        left = self.seconds_left()
        eta = f", about {duration(left)} left" if left is not None else ""
        found = [
            f"{self.manifest['name']}: {self.state}, {len(self._ended)} of {self.manifest['total']} configurations "
            f"({', '.join(counts)}, {len(self.interrupted)} interrupted{eta})"
        ]
        oracle = " (ORACLE)" if self.manifest["oracle"] else ""
        for trial, result in self.best(3):
            values = "  ".join(f"{name} {value:.4f}" for name, value in result["values"].items())
            found.append(f"  best{oracle}  #{trial['number']}  {values}  {trial['label'] or 'defaults'}")
        for trial, at in self.running:
            where = f"{at.get('host', '?')}:{at.get('pid', '?')}"
            found.append(
                f"  running  #{trial['number']}  seed {at['seed']}, epoch {at['epoch']}  {where}  {trial['label'] or 'defaults'}"
            )
        for trial, result in self.results:
            if result["status"] == "failed":
                found.append(
                    f"  failed  #{trial['number']}  {result['reason'].splitlines()[0][:150]}  {trial['label'] or 'defaults'}"
                )
        for trial in self.interrupted:
            found.append(f"  interrupted  #{trial['number']}  {trial['label'] or 'defaults'}")
        return found


def _progress(folder: Path) -> dict[str, Any]:
    """Seed and epoch of a trial that is being worked on."""
    links = sorted(folder.glob("seed-*"), key=lambda path: path.lstat().st_mtime)
    if not links:
        return {"seed": "-", "epoch": 0}
    epochs = runs.history(links[-1]) if links[-1].exists() else []
    return {"seed": links[-1].name.removeprefix("seed-"), "epoch": epochs[-1]["epoch"] if epochs else 0}


def _dominates(a: dict[str, Any], b: dict[str, Any], objectives: dict[str, str]) -> bool:
    signs = {name: 1 if direction == "maximize" else -1 for name, direction in objectives.items()}
    gains = [signs[name] * (a["values"][name] - b["values"][name]) for name in objectives]
    return min(gains) >= 0 and max(gains) > 0
