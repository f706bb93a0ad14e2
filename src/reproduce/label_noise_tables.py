"""The label-noise study's tables, from what its sweeps measured, beside its own numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from src import runs
from src.evaluation.statistics import summary
from src.reproduce.sweeps import Configuration
from src.reproduce.tables import Row, spread
from src.reproduce.tuning import Tuned

NOISE = {"mnist05": "T₀.₅", "mnist06": "T₀.₆", "cifar3": "CIFAR"}
CLASSES = 3
EPOCHS = (2, 7, 30)
"""After which the study's Table 3 shows networks, at a constant rate."""

STUDY_TABLE_2 = {
    ("MLR", "Fashion-MNIST"): "0.955 (0.0140)", ("CNN", "Fashion-MNIST"): "0.953 (0.0092)",
    ("MLR", "CIFAR"): "0.746 (0.047)", ("CNN", "CIFAR"): "0.745",
}  # fmt: skip
STUDY_TABLE_3 = {
    ("MLR", "", "mnist05"): "0.764 (0.0183)", ("MLR", "", "mnist06"): "0.598 (0.044)",
    ("MLR, flipped", "", "mnist05"): "0.834 (0.0166)", ("MLR, flipped", "", "mnist06"): "0.604 (0.048)",
    ("rMLR", "", "mnist05"): "0.891 (0.0024)", ("rMLR", "", "mnist06"): "0.812 (0.002)",
    ("CNN", "2 epochs", "mnist05"): "0.863 (0.044)", ("CNN", "2 epochs", "mnist06"): "0.842 (0.0315)",
    ("CNN", "7 epochs", "mnist05"): "0.931 (0.0049)", ("CNN", "7 epochs", "mnist06"): "0.878 (0.0099)",
    ("CNN", "30 epochs", "mnist05"): "0.6211 (0.0315)", ("CNN", "30 epochs", "mnist06"): "0.482 (0.1024)",
    ("CNN corrected", "2 epochs", "mnist05"): "0.726 (0.1993)", ("CNN corrected", "2 epochs", "mnist06"): "0.5733 (0.0976)",
    ("CNN corrected", "7 epochs", "mnist05"): "0.914 (0.0123)", ("CNN corrected", "7 epochs", "mnist06"): "0.775 (0.0295)",
    ("CNN corrected", "30 epochs", "mnist05"): "0.9029 (0.0146)", ("CNN corrected", "30 epochs", "mnist06"): "0.808 (0.0153)",
    ("MLR", "", "cifar3"): "0.353 (0.0685)", ("MLR, flipped", "", "cifar3"): "0.377 (0.0438)",
    ("rMLR", "", "cifar3"): "0.477 (0.0074)", ("rMLR, T learned", "", "cifar3"): "0.36 (0.0571)",
    ("CNN", "2 epochs", "cifar3"): "0.385 (0.0606)", ("CNN corrected", "2 epochs", "cifar3"): "0.377 (0.0259)",
    ("CNN", "7 epochs", "cifar3"): "0.470 (0.0751)", ("CNN corrected", "7 epochs", "cifar3"): "0.376 (0.0335)",
    ("CNN", "30 epochs", "cifar3"): "0.381 (0.0040)", ("CNN corrected", "30 epochs", "cifar3"): "0.409 (0.0754)",
}  # fmt: skip
"""Mean (standard deviation) as printed there. Its rows "rNN" are the plain network; those named flipped are the
loss-corrected one, as its text says (and as decoding cannot change any choice at T₀.₆, where the rows differ by 0.3).
Of its two numbers for rMLR on CIFAR the larger is taken for the one with a given T, which its text says did better."""


class Method(NamedTuple):
    """A row of Table 3."""

    name: str
    trained: str


Accuracies = dict[tuple[Method, str], dict[str, float]]
"""(method, noise model) → seed → accuracy on the clean test set."""


def studys(method: Method, noise: str) -> str:
    """The number that the study printed for a method, '' if none."""
    network, _, strategy = method.name.partition(", ")
    if network == "CNN":
        name = {"erm": "CNN", "forward": "CNN corrected", "backward": "CNN corrected"}.get(strategy, "")
        return STUDY_TABLE_3.get((name, method.trained, noise), "")
    return STUDY_TABLE_3.get((method.name, "", noise), "")


def shares(found: Iterable[Configuration]) -> list[Row]:
    """Table 1: class shares of the clean test set and of the corrupted training set, of the first repeat."""
    rows: dict[str, Row] = {}
    for one in found:
        noise = one.choices["noise_model"]
        metrics = runs.read_json(next(iter(one.runs.values())) / "metrics.json")
        cells = {"data": NOISE[noise]}
        cells |= {f"P(y = {c + 1})": f"{metrics[f'data/test/clean.{c}']:.4f}" for c in range(CLASSES)}
        cells |= {f"P(ỹ = {c + 1})": f"{metrics[f'data/train/observed.{c}']:.4f}" for c in range(CLASSES)}
        rows[noise] = cells | {"wrong labels": f"{metrics['data/train/flip_rate']:.4f}"}
    return [rows[noise] for noise in NOISE if noise in rows]


def upper_bound(found: Iterable[Configuration]) -> list[Row]:
    """Table 2: five folds of the clean test set."""
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
        curves = one.curve("test/accuracy")
        for epoch in (epoch for epoch in EPOCHS if epoch <= min(map(len, curves.values()))):
            method = Method(f"{network}, {one.choices['strategy']}", f"{epoch} epochs")
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
    rows = []
    for method in sorted({method for method, _ in found}, key=order):
        cells = {"method": method.name, "trained": method.trained}
        for noise in (noise for noise in NOISE if any(noise == kind for _, kind in found)):
            values, label = found.get((method, noise), {}), NOISE[noise]
            cells |= {label: spread(values.values()), f"n, {label}": str(len(values) or "")}
            cells |= {f"study, {label}": studys(method, noise)}
        rows.append(cells)
    return rows


def differences(found: Accuracies) -> list[Row]:
    """Every network's correction less the same network uncorrected, each at its own rate, paired by repeat."""
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
    """Network → its methods' learning rates."""
    return [
        {"network": network, "noise": NOISE[one.noise], "method": one.strategy, "rate": f"{one.rate:g}",
         "tried": " ".join(f"{rate:g}" for rate in one.tried), "noisy validation accuracy": f"{one.value:.4f}",
         "at the edge of those tried": "yes" if one.at_the_edge else "no"}
        for network, tuned in chosen.items() for one in tuned
    ]  # fmt: skip


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
