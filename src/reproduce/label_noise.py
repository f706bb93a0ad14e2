"""The label-noise study from first file to last table.

    python -m src.reproduce.label_noise [level=full|quick|smoke] [data_root=data] [runs_root=runs] [studies_root=studies]

Runs its sweeps (a sweep that is done is not repeated, one that was interrupted goes on), chooses each network's learning
rate on validation labels as wrong as those learned from, repeats the methods at their rates, and writes the study's
Tables 1 to 3 beside its own numbers, with figures. smoke runs on scikit-learn's digits: it shows that everything works.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from src import report, runs
from src.errors import UserError
from src.evaluation.statistics import paired, summary
from src.studies.overview import find_study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SWEEPS = Path(__file__).parents[2] / "sweeps"
NOISE = {"mnist05": "T₀.₅", "mnist06": "T₀.₆"}
WITHOUT = "strategy=erm,forward,backward"
LEVELS: dict[str, dict[str, list[str]]] = {
    "full": {"linear": [], "upper": [], "lenet": [], "cnn": [], "lenet repeats": [], "cnn repeats": []},
    "quick": {
        "linear": ["hydra.sweeper.seeds=[0,1,2]", "trainer.max_steps=250", "strategy.decode=transpose,inverse"],
        "upper": ["trainer.epochs=15"],
        "lenet": [WITHOUT, "noise_model=mnist06", "optimizer.lr=0.003,0.01,0.03,0.1,0.3", "trainer.epochs=2", "dataset.train_size=6000"],
        "lenet repeats": ["dataset.train_size=6000"],
    },
    "smoke": {
        "linear": ["hydra.sweeper.seeds=[0,1]", "noise_model=mnist05", "trainer.max_steps=20", "strategy.decode=transpose"],
        "lenet": [WITHOUT, "noise_model=mnist06", "optimizer.lr=0.01,0.1", "trainer.epochs=1"],
        "lenet repeats": [],
    },
}  # fmt: skip
REPEATS = {"full": ([0, 1, 2], 10), "quick": ([0, 1, 2], 4), "smoke": ([0, 1], 1)}
"""Seeds and epochs of the networks' repeats."""
DIGITS = ["dataset=digits", "~dataset.train_size"]

STUDY_TABLE_2 = {"MLR": "0.955 (0.0140)", "CNN": "0.953 (0.0092)"}
STUDY_TABLE_3 = {
    ("MLR", "mnist05"): "0.764 (0.0183)", ("MLR", "mnist06"): "0.598 (0.044)",
    ("MLR, flipped", "mnist05"): "0.834 (0.0166)", ("MLR, flipped", "mnist06"): "0.604 (0.048)",
    ("rMLR", "mnist05"): "0.891 (0.0024)", ("rMLR", "mnist06"): "0.812 (0.002)",
    ("CNN, 2 epochs", "mnist05"): "0.863 (0.044)", ("CNN, 2 epochs", "mnist06"): "0.842 (0.0315)",
    ("CNN, 7 epochs", "mnist05"): "0.931 (0.0049)", ("CNN, 7 epochs", "mnist06"): "0.878 (0.0099)",
    ("CNN, 30 epochs", "mnist05"): "0.6211 (0.0315)", ("CNN, 30 epochs", "mnist06"): "0.482 (0.1024)",
    ("CNN corrected, 2 epochs", "mnist05"): "0.726 (0.1993)", ("CNN corrected, 2 epochs", "mnist06"): "0.5733 (0.0976)",
    ("CNN corrected, 7 epochs", "mnist05"): "0.914 (0.0123)", ("CNN corrected, 7 epochs", "mnist06"): "0.775 (0.0295)",
    ("CNN corrected, 30 epochs", "mnist05"): "0.9029 (0.0146)", ("CNN corrected, 30 epochs", "mnist06"): "0.808 (0.0153)",
}  # fmt: skip
"""Mean (standard deviation) as printed there; its rNN rows named "flipped" are the loss-corrected network."""


@dataclass(frozen=True)
class Places:
    """Where data are read and results are kept."""

    data_root: str
    runs_root: str
    studies_root: str

    def overrides(self) -> list[str]:
        return [
            f"data_root={self.data_root}",
            f"runs_root={self.runs_root}",
            f"hydra.sweeper.studies_root={self.studies_root}",
        ]

    def study(self, name: str) -> Path:
        return find_study(name, Path(self.studies_root))


def sweep(folder: Path, name: str, *overrides: str) -> None:
    """Run or go on with a sweep, as the command that a person would type. Raises UserError if it fails."""
    command = [sys.executable, "-m", "src.run", "--config-dir", str(folder), "-cn", name, *overrides]
    print("$", " ".join(["python", *command[1:]]), flush=True)
    if code := subprocess.run(command).returncode:
        raise UserError(f"{name}: the sweep ended with exit status {code}; the same command goes on with it")


# --- learning rates ---


@dataclass(frozen=True)
class Tuned:
    """A method's best learning rate under one noise model, by noisy validation accuracy."""

    noise: str
    strategy: str
    rate: float
    tried: tuple[float, ...]
    value: float

    @property
    def at_the_edge(self) -> bool:
        return len(self.tried) > 1 and self.rate in (min(self.tried), max(self.tried))


def tuned(folder: Path, noise: str) -> list[Tuned]:
    """The best rate of every method in a finished sweep over rates; `noise`: its noise model where that is not varied."""
    findings = report.read(folder)
    groups: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in findings.rows:
        params = row["params"]
        key = params.get("noise_model", noise), params["strategy"]
        value = row["values"].get(findings.objective, -np.inf)
        groups.setdefault(key, []).append((value, params["optimizer.lr"]))
    found = []
    for (kind, strategy), tries in groups.items():
        value, rate = max(tries)
        found.append(Tuned(kind, strategy, rate, tuple(sorted(r for _, r in tries)), value))
    return found


def write_repeats(
    base: str, study: str, chosen: Sequence[Tuned], seeds: Sequence[int], epochs: int, folder: Path
) -> None:
    """A sweep's file: the base sweep with every method at its own rate, repeated."""
    question: dict[str, Any] = yaml.safe_load((SWEEPS / f"{base}.yaml").read_text())
    question["trainer"] |= {"epochs": epochs, "select": "last", "watch": ["test"]}
    question["hydra"]["sweeper"] |= {
        "study": study,
        "seeds": list(seeds),
        "space": {"noise_model, strategy, optimizer.lr": [[one.noise, one.strategy, one.rate] for one in chosen]},
    }
    folder.mkdir(parents=True, exist_ok=True)
    head = f"# Written by src.reproduce.label_noise: the methods of {base}, each at the rate that was its best there.\n"
    runs.write_text(folder / f"{study}.yaml", head + yaml.safe_dump(question, sort_keys=False))


# --- what the runs measured ---


def by_seed(folder: Path, metric: str) -> list[tuple[dict[str, Any], dict[str, float]]]:
    """(parameters, seed → value) of every configuration of a finished study."""
    findings = report.read(folder, [metric])
    return [(row["params"], findings.metrics[row["number"]][metric]) for row in findings.rows if row["values"]]


def curves(folder: Path, metric: str = "test/accuracy") -> list[tuple[dict[str, Any], np.ndarray]]:
    """(parameters, values (repeats, epochs)) of a watched metric."""
    findings = report.read(folder)
    root = Path(findings.overview.manifest["runs_root"])
    found = []
    for row in findings.rows:
        lines = [runs.history(root / one["run"]) for one in row["seeds"].values()]
        values = [[line["metrics"][metric] for line in history] for history in lines]
        shortest = min(map(len, values))
        found.append((row["params"], np.array([one[:shortest] for one in values])))
    return found


def spread(values: Iterable[float]) -> str:
    """mean (standard deviation), as the study prints them."""
    found = summary(list(values))
    return f"{found['mean']:.3f} ({found['sd']:.4f})" if found["n"] > 1 else f"{found['mean']:.3f}"


# --- tables ---

SIGNS = str.maketrans({"₀": "$_0$", "₅": "$_5$", "₆": "$_6$", "ỹ": r"$\tilde{y}$", "⁻": "$^{-}$", "¹": "$^1$"})
Row = dict[str, str]


def priors(folder: Path) -> list[Row]:
    """Table 1: class shares of the clean test set and of the corrupted training set."""
    findings = report.read(folder)
    root = Path(findings.overview.manifest["runs_root"])
    rows, seen = [], set()
    for row in findings.rows:
        noise = row["params"].get("noise_model", "mnist05")
        if noise in seen or not row["values"]:
            continue
        seen.add(noise)
        metrics = runs.read_json(root / next(one["run"] for one in row["seeds"].values()) / "metrics.json")
        cells: Row = {"data": NOISE[noise]}
        for c in range(3):
            cells[f"P(y = {c + 1})"] = f"{metrics[f'data/test/clean.{c}']:.4f}"
        for c in range(3):
            cells[f"P(ỹ = {c + 1})"] = f"{metrics[f'data/train/observed.{c}']:.4f}"
        cells["wrong labels"] = f"{metrics['data/train/flip_rate']:.4f}"
        rows.append({**cells, "study": "0.33 each"})
    return sorted(rows, key=lambda cells: cells["data"])


def upper(folder: Path) -> list[Row]:
    """Table 2: five folds of the clean test set."""
    rows = []
    for params, values in by_seed(folder, "test/accuracy"):
        name = {"mlr": "MLR", "cnn": "CNN"}[params["model"]]
        how = "to its optimum (L-BFGS, L2)" if params["optimizer"] == "lbfgs" else "SGD"
        rows.append(
            {
                "method": f"{name}, {how}",
                "here": spread(values.values()),
                "n": str(len(values)),
                "study": STUDY_TABLE_2[name],
            }
        )
    return sorted(rows, key=lambda cells: cells["method"])


def linear(folder: Path) -> dict[tuple[str, str], dict[str, float]]:
    """(method, noise) → seed → test accuracy of the linear classifiers."""
    found = {}
    for params, values in by_seed(folder, "test/accuracy"):
        method = {"erm": "MLR", "flipped": "MLR, flipped", "rmlr": "rMLR"}[params["strategy"]]
        if params["strategy"] == "flipped":
            method += {"transpose": "", "bayes": " by Bayes", "inverse": " by T⁻¹"}[params["strategy.decode"]]
        if params.get("strategy.transition") == "learned":
            method += ", T learned"
        solver = "L-BFGS" if params["optimizer"] == "lbfgs" else f"SGD, {params['trainer.max_steps']} steps"
        found[f"{method} ({solver})", params["noise_model"]] = values
    return found


def networks(folder: Path, name: str, noise: str) -> dict[tuple[str, str], dict[str, float]]:
    """(method, noise) → seed → test accuracy of a network after 2, 7 and the last epoch of its repeats."""
    findings = report.read(folder)
    found = {}
    for (params, values), row in zip(curves(folder), (r for r in findings.rows if r["values"]), strict=True):
        last = values.shape[1]
        for epoch in sorted({epoch for epoch in (2, 7, last) if epoch <= last}):
            column = dict(zip(row["seeds"], values[:, epoch - 1].tolist(), strict=True))
            found[f"{name}, {params['strategy']}, {epoch} epochs", params.get("noise_model", noise)] = column
    return found


def studys(method: str, noise: str) -> str:
    """The number that the study printed for a method, '' if none."""
    base = method.partition(" (")[0]
    if method.startswith("CNN, "):
        _, strategy, epochs = method.split(", ")
        base = f"CNN, {epochs}" if strategy == "erm" else f"CNN corrected, {epochs}"
        if strategy not in ("erm", "forward", "backward"):
            return ""
    return STUDY_TABLE_3.get((base, noise), "")


def table_3(found: dict[tuple[str, str], dict[str, float]]) -> list[Row]:
    rows = []
    for method in dict.fromkeys(method for method, _ in found):
        cells: Row = {"method": method}
        for noise, label in NOISE.items():
            values = found.get((method, noise), {})
            cells |= {
                label: spread(values.values()) if values else "",
                f"n ({label})": str(len(values)),
                f"study ({label})": studys(method, noise),
            }
        rows.append(cells)
    return sorted(rows, key=lambda cells: cells["method"])


def differences(found: dict[tuple[str, str], dict[str, float]], name: str) -> list[Row]:
    """Every corrected network less the uncorrected one at its own rate, paired by repeat, after the last epoch."""
    rows = []
    for (method, noise), values in found.items():
        if not method.startswith(f"{name}, ") or ", erm, " in method:
            continue
        _, strategy, epochs = method.split(", ")
        plain = found.get((f"{name}, erm, {epochs}", noise), {})
        common = sorted(set(values) & set(plain))
        if common:
            one = paired([values[seed] - plain[seed] for seed in common])
            interval = f"{one['low']:+.4f} to {one['high']:+.4f}" if len(common) > 1 else "-"
            rows.append({"network": name, "method": strategy, "noise": NOISE[noise], "epochs": epochs.split()[0],
                         "difference": f"{one['mean']:+.4f}", "95 % interval": interval, "p": f"{one['p']:.3g}", "n": str(len(common))})  # fmt: skip
    return rows


def markdown(rows: Sequence[Row]) -> str:
    header = list(rows[0])
    lines = [
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(f"| {' | '.join(row.values())} |" for row in rows),
    ]
    return "\n".join(lines)


def latex(rows: Sequence[Row]) -> str:
    """For a paper; needs booktabs."""
    escape = lambda text: text.translate(report.ESCAPES | SIGNS)  # noqa: E731
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(rows[0]) - 1)}}}", r"\toprule"]
    lines += [" & ".join(map(escape, cells)) + r" \\" for cells in (list(rows[0]), *(row.values() for row in rows))]
    lines.insert(3, r"\midrule")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


# --- the page ---


def figures(
    places: Places, found: dict[tuple[str, str], dict[str, float]], studies: Sequence[tuple[str, str]]
) -> Iterable[tuple[str, Figure]]:
    from src.evaluation import label_noise_figures as draw

    rows = []
    for (method, noise), values in found.items():
        one, printed = summary(list(values.values())), studys(method, noise)
        rows.append(
            {"method": method, "noise": NOISE[noise], **one, "study": float(printed.split()[0]) if printed else None}
        )
    yield "accuracy", draw.bars(rows)
    for study, noise in studies:
        try:
            folder = places.study(study)
        except UserError:
            continue
        for kind in dict.fromkeys(params.get("noise_model", noise) for params, _ in curves(folder)):
            named = {p["strategy"]: values for p, values in curves(folder) if p.get("noise_model", noise) == kind}
            yield f"{study}-{kind}", draw.accuracy_by_epoch(named)


def page(places: Places, level: str, out: Path) -> Path:
    """Write tables and figures of what has been run; returns the page."""
    sections: list[tuple[str, str, list[Row]]] = []
    linear_study = places.study("label_noise_linear")
    sections.append(("table1", "Table 1: class shares without and with wrong labels", priors(linear_study)))
    if "upper" in LEVELS[level]:
        sections.append(
            (
                "table2",
                "Table 2: five folds of the clean test set, an upper bound from 2,400 pictures",
                upper(places.study("label_noise_upper")),
            )
        )
    found = linear(linear_study)
    compared: list[Row] = []
    rates: list[Row] = []
    for base, study, name in (
        ("label_noise", "label_noise_repeats", "LeNet"),
        ("label_noise_cnn", "label_noise_cnn_repeats", "CNN"),
    ):
        if ("lenet repeats" if name == "LeNet" else "cnn repeats") not in LEVELS[level]:
            continue
        here = networks(places.study(study), name, "mnist06")
        found |= here
        compared += differences(here, name)
        rates += [
            {"network": name, "noise": NOISE[one.noise], "method": one.strategy, "rate": f"{one.rate:g}",
             "tried": " ".join(f"{rate:g}" for rate in one.tried), "noisy validation accuracy": f"{one.value:.4f}",
             "": "at the edge of those tried" if one.at_the_edge else ""}
            for one in tuned(places.study(base), "mnist06")
        ]  # fmt: skip
    sections.append(
        (
            "table3",
            "Table 3: accuracy on the clean test set after training on wrong labels, mean (sd) over repeats",
            table_3(found),
        )
    )
    if compared:
        sections.append(("differences", "Corrected less uncorrected, each at its own rate, paired by repeat", compared))
    if rates:
        sections.append(("rates", "Learning rates, chosen on validation labels as wrong as those learned from", rates))
    (out / "figures").mkdir(parents=True, exist_ok=True)
    text = ["# The label-noise study", "", f"`python -m src.reproduce.label_noise level={level}`", ""]
    for name, title, rows in sections:
        import pandas as pd

        text += [f"## {title}", "", markdown(rows), ""]
        runs.write_text(out / f"{name}.csv", pd.DataFrame(rows).to_csv(index=False))
        runs.write_text(out / f"{name}.tex", latex(rows))
    for name, figure in figures(
        places, found, (("label_noise_repeats", "mnist06"), ("label_noise_cnn_repeats", "mnist06"))
    ):
        figure.savefig(out / "figures" / f"{name}.png", dpi=150)
        text += [f"![{name}](figures/{name}.png)", ""]
    runs.write_text(out / "label_noise.md", "\n".join(text))
    return out / "label_noise.md"


def reproduce(places: Places, level: str) -> Path:
    """Run what the level asks for, in order; returns the page."""
    parts, more = LEVELS[level], [*places.overrides(), *(DIGITS if level == "smoke" else [])]
    own = Path(places.studies_root) / "label_noise_page"
    seeds, epochs = REPEATS[level]
    for part, name in (
        ("linear", "label_noise_linear"),
        ("upper", "label_noise_upper"),
        ("lenet", "label_noise"),
        ("cnn", "label_noise_cnn"),
    ):
        if part in parts:
            sweep(SWEEPS, name, *more, *parts[part])
    for part, base in (("lenet repeats", "label_noise"), ("cnn repeats", "label_noise_cnn")):
        if part in parts:
            write_repeats(base, f"{base}_repeats", tuned(places.study(base), "mnist06"), seeds, epochs, own / "sweeps")
            sweep(own / "sweeps", f"{base}_repeats", *more, *parts[part])
    return page(places, level, own)


def main(arguments: list[str]) -> int:
    given = dict(argument.partition("=")[::2] for argument in arguments)
    if {"-h", "--help"} & set(given):
        print(__doc__)
        return 0
    try:
        unknown = set(given) - {"level", "data_root", "runs_root", "studies_root"}
        level = given.get("level", "full")
        if unknown or level not in LEVELS:
            raise UserError(f"{unknown.pop() if unknown else f'level={level}'}: unknown\n{__doc__}")
        places = Places(
            given.get("data_root", "data"), given.get("runs_root", "runs"), given.get("studies_root", "studies")
        )
        written = reproduce(places, level)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(written.read_text().split("\n![")[0])
    print(f"\npage: {written}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
