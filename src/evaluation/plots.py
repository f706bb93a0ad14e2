"""A run folder's numbers drawn into its figures/ folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src.errors import UserError
from src.evaluation import predictions
from src.evaluation.metrics import higher_is_better, metric_names
from src.evaluation.predictions import Predictions
from src.task import HIDDEN
from src.transition_matrix import TransitionMatrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(folder: Path) -> list[Path]:
    """Write figures/<name>.png from the files of a run's folder; returns their paths.

    The figures of predictions show the test split with its true labels, or validation where the test was not read; outputs,
    purity and efficiency are drawn for each of two domains too, as <name>_<domain>. What is not there yet (no epoch, no
    predictions) is not drawn. Raises UserError if task.json is missing or damaged.
    """
    try:
        task = json.loads((folder / "task.json").read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / 'task.json'}: cannot be read ({error}); give the folder of a run") from None
    (folder / "figures").mkdir(exist_ok=True)
    written = []
    for name, figure in _figures(folder, task):
        path = folder / "figures" / f"{name}.png"
        write(path, figure)
        written.append(path)
    return written


def _figures(folder: Path, task: dict[str, Any]) -> Iterator[tuple[str, Figure]]:
    from src.evaluation import figures

    epochs, curves = read_history(folder / "history.jsonl")
    if epochs:
        best = best_epoch(epochs, curves, task["monitor"])
        yield "history", figures.history(epochs, curves, task["monitor"], best)
    yield from _label_noise(folder, task)
    if not (folder / "predictions.npz").exists():
        return
    said = predictions.load(folder / "predictions.npz")
    test = _drawable(said["test" if "test" in said else "val"])
    if not len(test):
        return
    p, labels, weight, domain = test.probabilities, test.clean, test.weight, test.domain
    domain_names = tuple(task["domain_names"])
    predicts_domain = task["predicts"] == "domain"
    names = domain_names if predicts_domain else tuple(task["class_names"])
    if predicts_domain:
        domain, domain_names = np.zeros_like(domain), ("all",)
    yield "confusion", figures.confusion(p, labels, weight, names)
    yield from _heads(folder)
    yield from _by_output(test, names, task["natural_prior"])
    yield "roc", figures.roc(p, labels, weight, domain, names, domain_names)
    yield "precision_recall", figures.precision_recall(p, labels, weight, names)
    yield "reliability", figures.reliability(p, labels, weight)
    present = np.unique(domain)
    if len(present) == 2:
        for d in present:
            here = test.select(domain == d)
            yield from _by_output(here, names, task["natural_prior"], f"_{metric_names(domain_names)[d]}")


def _by_output(
    said: Predictions, names: Sequence[str], natural_prior: Sequence[float] | None, ending: str = ""
) -> Iterator[tuple[str, Figure]]:
    from src.evaluation import figures

    given = said.probabilities, said.clean, said.weight, names
    yield f"outputs{ending}", figures.outputs(*given)
    yield f"purity_efficiency{ending}", figures.cuts(*given, natural_prior)


def _heads(folder: Path) -> Iterator[tuple[str, Figure]]:
    """What the model's other heads confuse, in the test split where it was read."""
    from src.evaluation import figures

    path = folder / "heads.json"
    if path.exists():
        splits = json.loads(path.read_text())
        for head, found in splits["test" if "test" in splits else "val"].items():
            counts = np.array(found["counts"], dtype=np.float64)
            yield f"confusion_{head}", figures.confusion_counts(counts, counts, found["names"])


def _label_noise(folder: Path, task: dict[str, Any]) -> Iterator[tuple[str, Figure]]:
    from src.evaluation import label_noise_figures
    from src.evaluation.style import display

    if (folder / "transition.json").exists():
        record = json.loads((folder / "transition.json").read_text())
        used = TransitionMatrix(record["matrix"])
        true = TransitionMatrix(record["true"]) if "true" in record else None
        title = f"Used ({display(record['source'])})"
        yield "transition", label_noise_figures.matrices(used, true=true, class_names=task["class_names"], title=title)
    if (folder / "suspects.npz").exists():
        with np.load(folder / "suspects.npz", allow_pickle=False) as worst:
            wrong = worst.get("wrong")
            texts = worst["observed"].tolist(), worst["suggested"].tolist()
            yield "suspects", label_noise_figures.suspects(worst["pictures"], *texts, wrong, task["views"])


def read_history(path: Path) -> tuple[list[int], dict[str, list[float]]]:
    """Epochs and, by metric, one value for each of them (NaN where missing); a torn last line is left out."""
    lines = path.read_text().splitlines() if path.exists() else []
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    names = dict.fromkeys(name for record in records for name in record["metrics"])
    curves = {name: [_number(record["metrics"].get(name)) for record in records] for name in names}
    return [record["epoch"] for record in records], curves


def best_epoch(epochs: list[int], curves: dict[str, list[float]], monitor: str) -> int | None:
    """The first epoch with the best value of the monitored metric; None if there is none."""
    values = np.array(curves.get(monitor, []))
    if not len(values) or np.isnan(values).all():
        return None
    return epochs[int(np.nanargmax(values) if higher_is_better(monitor) else np.nanargmin(values))]


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _drawable(test: Predictions) -> Predictions:
    """The events that count."""
    return test.select((test.clean != HIDDEN) & (test.weight != 0))


def write(path: Path, figure: Figure) -> None:
    """The whole picture or none."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        figure.savefig(partial, format="png")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
