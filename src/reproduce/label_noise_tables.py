"""The label-noise study's tables, from what its sweeps measured, beside its own numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from src import runs
from src.evaluation.statistics import summary
from src.reproduce.sweeps import Configuration
from src.reproduce.tables import Row, spread
from src.reproduce.tuning import Tuned, criterion

NOISE = {"mnist05": "T₀.₅", "mnist06": "T₀.₆", "cifar3": "CIFAR"}
CLASSES = 3
EPOCHS = (2, 7, 30)
"""After which the study's Table 3 shows networks, at a constant rate."""
PIXELS = {"none": ", pixels to 255"}
"""What is said of an input scale that is not the usual one."""


class Method(NamedTuple):
    """A row of Table 3."""

    name: str
    trained: str


STUDY_SHARE = "0.33"
"""Of each class, right or observed, in all three rows of the study's Table 1."""
STUDY_TABLE_2 = {
    ("MLR", "Fashion-MNIST"): "0.955 (0.0140)", ("CNN", "Fashion-MNIST"): "0.953 (0.0092)",
    ("MLR", "CIFAR"): "0.746 (0.0468)", ("CNN", "CIFAR"): "0.745 (0.0560)",
}  # fmt: skip
STUDY_TABLE_3 = {
    Method("MLR", "SGD, 1000 steps"): ("0.764 (0.0183)", "0.598 (0.044)", "0.353 (0.0685)"),
    Method("MLR, flipped", "SGD, 1000 steps"): ("0.834 (0.0166)", "0.604 (0.048)", "0.377 (0.0438)"),
    Method("rMLR", "SGD, 250 steps"): ("0.891 (0.0024)", "0.812 (0.002)", "0.477 (0.0074)"),
    Method("rMLR, T learned", "SGD, 250 steps"): ("", "", "0.36 (0.0571)"),
    Method("CNN, erm", "2 epochs"): ("0.863 (0.044)", "0.842 (0.0315)", "0.385 (0.0606)"),
    Method("CNN, backward", "2 epochs"): ("0.726 (0.1993)", "0.5733 (0.0976)", "0.377 (0.0259)"),
    Method("CNN, erm", "7 epochs"): ("0.931 (0.0049)", "0.878 (0.0099)", "0.470 (0.0751)"),
    Method("CNN, backward", "7 epochs"): ("0.914 (0.0123)", "0.775 (0.0295)", "0.376 (0.0335)"),
    Method("CNN, erm", "30 epochs"): ("0.6211 (0.0315)", "0.482 (0.1024)", "0.381 (0.0040)"),
    Method("CNN, backward", "30 epochs"): ("0.9029 (0.0146)", "0.808 (0.0153)", "0.409 (0.0754)"),
}
"""Mean (standard deviation) as printed there, of the columns in NOISE; read as READING says."""
READING = (
    "The study's numbers stand in the rows that they are of, trained as it says: MLR by 1,000 steps of SGD, rMLR by 250, networks at a "
    "constant rate. Its rows rNN are taken for the plain network and those named flipped for the one with its corrected loss (its "
    "equation 30, here backward), as its text says and T₀.₆ shows, where decoding changes no choice and the rows differ by up to 0.3. "
    "A learned T is updated after every epoch here, on the whole training set twice in 250 steps. Of its two numbers for rMLR on "
    "CIFAR the larger is taken for the one with a given T, which its text says did better. Rows without numbers from here were not run."
)


Accuracies = dict[tuple[Method, str], dict[str, float]]
"""(method, noise model) → seed → accuracy on the clean test set."""


def studys(method: Method, noise: str) -> str:
    """The number that the study printed for a method, '' if none."""
    return dict(zip(NOISE, STUDY_TABLE_3.get(method, ()), strict=False)).get(noise, "")


def shares(found: Iterable[Configuration]) -> list[Row]:
    """Table 1: class shares of the clean test set and of the corrupted training set, of the first repeat."""
    rows: dict[str, Row] = {}
    for one in found:
        noise = one.choices["noise_model"]
        metrics = runs.read_json(next(iter(one.runs.values())) / "metrics.json")
        cells = {"data": NOISE[noise]}
        cells |= {f"P(y = {c + 1})": f"{metrics[f'data/test/clean.{c}']:.4f}" for c in range(CLASSES)}
        cells |= {f"P(ỹ = {c + 1})": f"{metrics[f'data/train/observed.{c}']:.4f}" for c in range(CLASSES)}
        cells |= {"study, each share": STUDY_SHARE, "wrong labels": f"{metrics['data/train/flip_rate']:.4f}"}
        rows[noise] = cells
    return [rows[noise] for noise in NOISE if noise in rows]


def upper_bound(found: Iterable[Configuration]) -> list[Row]:
    """Table 2: folds of the clean test set."""
    rows = []
    for one in found:
        name, how = {"mlr": ("MLR", "SGD, 1,000 steps"), "cnn": ("CNN", "SGD, to a plateau")}[one.choices["model"]]
        data = "CIFAR" if one.choices.get("dataset") == "cifar10" else "Fashion-MNIST"
        values = one.metric("test/accuracy")
        cells = {"data": data, "method": name, "trained": how, "here": spread(values.values()), "n": str(len(values))}
        rows.append(cells | {"study": STUDY_TABLE_2[name, data]})
    return sorted(rows, key=lambda cells: (cells["data"] == "CIFAR", cells["method"] != "MLR", cells["trained"]))


def linear(found: Iterable[Configuration]) -> Accuracies:
    """Table 3, linear classifiers."""
    accuracies = {}
    for one in found:
        choices = one.choices
        name = {"erm": "MLR", "rmlr": "rMLR"}.get(choices["strategy"], f"MLR, {choices['strategy'].replace('_', ' ')}")
        name += {"bayes": " by Bayes' rule", "inverse": " by T⁻¹"}.get(choices.get("strategy.decode", ""), "")
        name += {"prune": ", pruned", "relabel": ", relabelled"}.get(choices.get("strategy.action", ""), "")
        source = choices.get("strategy.transition", "known")
        name += {"known": "", "learned": ", T learned"}.get(source, ", T as LeNet estimates it")
        trained = f"SGD, {choices['trainer.max_steps']} steps" if choices.get("optimizer") == "sgd" else "L-BFGS, L2"
        accuracies[Method(name, trained), choices["noise_model"]] = one.metric("test/accuracy")
    return accuracies


def annealed(found: Iterable[Configuration], network: str) -> Accuracies:
    """Table 3, networks at the end of a training at their own, annealed rate."""
    accuracies = {}
    for one in found:
        epochs = len(next(iter(one.curve("test/accuracy").values())))
        method = Method(f"{network}, {one.choices['strategy']}", f"{epochs} epochs, annealed")
        accuracies[method, one.choices["noise_model"]] = one.metric("test/accuracy")
    return accuracies


def by_epoch(found: Iterable[Configuration], network: str) -> Accuracies:
    """Table 3, networks after some epochs at a constant rate, as the study trains them."""
    accuracies = {}
    for one in found:
        curves, pixels = one.curve("test/accuracy"), PIXELS.get(one.choices.get("dataset.scale", ""), "")
        for epoch in (epoch for epoch in EPOCHS if epoch <= min(map(len, curves.values()))):
            method = Method(f"{network}, {one.choices['strategy']}", f"{epoch} epochs{pixels}")
            values = {seed: float(curve[epoch - 1]) for seed, curve in curves.items()}
            accuracies[method, one.choices["noise_model"]] = values
    return accuracies


def order(method: Method) -> tuple[str, bool, str, int, str]:
    """Linear methods first, the uncorrected network before its corrections, epochs as numbers."""
    kind, _, remedy = method.name.partition(", ")
    epochs = method.trained.split()[0]
    place = {"MLR": "0", "rMLR": "1"}.get(kind, kind)
    return place, remedy not in ("", "erm"), remedy, int(epochs) if epochs.isdigit() else 0, method.trained


def table_3(found: Accuracies) -> list[Row]:
    """Every method of ours, and of the study's, under each noise model that was met."""
    rows = []
    shown = [noise for noise in NOISE if any(noise == kind for _, kind in found)]
    printed = {method for method in STUDY_TABLE_3 if any(studys(method, noise) for noise in shown)}
    for method in sorted(printed.union(method for method, _ in found), key=order):
        cells = {"method": method.name, "trained": method.trained}
        for noise in shown:
            values, label = found.get((method, noise), {}), NOISE[noise]
            cells |= {label: spread(values.values()), f"n, {label}": str(len(values) or "")}
            cells |= {f"study, {label}": studys(method, noise)}
        rows.append(cells)
    return rows


def differences(found: Accuracies) -> list[Row]:
    """Every network's correction less the same network uncorrected, trained alike but for the rate, paired by repeat."""
    rows = []
    for (method, noise), values in found.items():
        network, _, strategy = method.name.partition(", ")
        plain = found.get((Method(f"{network}, erm", method.trained), noise), {})
        common = sorted(set(values) & set(plain))
        if strategy == "erm" or not common:
            continue
        one = summary([values[seed] - plain[seed] for seed in common])
        interval = f"{one['low']:+.4f} to {one['high']:+.4f}" if len(common) > 1 else ""
        cells = {"network": network, "method": strategy, "noise": NOISE[noise], "trained": method.trained}
        rows.append(cells | {"difference": f"{one['mean']:+.4f}", "95 % t interval": interval, "n": str(len(common))})
    return rows


def rates(chosen: Mapping[str, Sequence[Tuned]]) -> list[Row]:
    """Network → its methods' learning rates, and what the best one in hindsight would have been."""
    rows = []
    for network, tuned in chosen.items():
        for one in tuned:
            best = int(np.argmax(one.clean))
            rows.append({
                "network": network, "noise": NOISE[one.noise], "method": one.strategy, "rate": f"{one.rate:g}",
                "tried": " ".join(f"{rate:g}" for rate in one.tried), "chosen by": criterion(one.strategy), "value": f"{one.value:.4f}",
                "at the edge of those tried": "yes" if one.at_the_edge else "no",
                "its clean accuracy": f"{one.clean[one.tried.index(one.rate)]:.3f}",
                "best in hindsight": f"{one.tried[best]:g}", "the clean accuracy of that": f"{one.clean[best]:.3f}",
            })  # fmt: skip
    return rows


def entries(one: Configuration) -> np.ndarray:
    """The estimates of T of a configuration's repeats, (repeats, C, C)."""
    cells = [[one.metric(f"transition/T.{i}.{j}") for j in range(CLASSES)] for i in range(CLASSES)]
    return np.array([[[cell[seed] for cell in row] for row in cells] for seed in cells[0][0]])


def estimates(found: Iterable[Configuration]) -> list[Row]:
    """Equations 45 and 46: every entry of the estimated T as mean (standard deviation) over the repeats, and its error."""
    rows = []
    for one in found:
        every = entries(one)
        cells = {"noise": NOISE[one.choices["noise_model"]], "posterior of": one.choices["model"].upper()}
        cells |= {"estimator": one.choices["strategy.estimator"].replace("_", " ")}
        if one.choices.get("strategy.quantile") == "1.0":
            cells["estimator"] += ", largest"
        cells |= {f"T{i + 1}{j + 1}": spread(every[:, i, j]) for i in range(CLASSES) for j in range(CLASSES)}
        error = one.metric("transition/error")
        rows.append(cells | {"error of a column": spread(error.values()), "n": str(len(error))})
    return sorted(rows, key=lambda cells: list(cells.values())[:3])
