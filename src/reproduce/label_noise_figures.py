"""The label-noise study's figures, from its runs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from src import runs
from src.errors import UserError
from src.evaluation import embedding
from src.evaluation import label_noise_figures as draw
from src.evaluation.statistics import summary
from src.reproduce.label_noise_tables import CLASSES, EPOCHS, NOISE, PIXELS, Accuracies, Method, entries, order, studys
from src.reproduce.sweeps import Configuration, splits_of
from src.task import Split
from src.transition_matrix import TransitionMatrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("src")

SHORTEST = "2 epochs", *(f"2 epochs{pixels}" for pixels in PIXELS.values())
Named = Iterator[tuple[str, "Figure"]]
"""(file's name, figure)."""


def accuracies(found: Accuracies) -> Named:
    """Bars of Table 3, a figure for the linear methods and one for each network; the shortest trainings are left out."""
    figures: dict[str, list[dict[str, Any]]] = {}
    for method, noise in sorted(found, key=lambda key: (*order(key[0]), key[1])):
        if method.trained not in SHORTEST:
            network = method.name.partition(",")[0]
            name = "linear" if network in ("MLR", "rMLR") else network
            figures.setdefault(name, []).append(_bar(method, noise, found[method, noise]))
    for name, rows in figures.items():
        yield f"accuracy-{name.lower()}", draw.bars(rows, order=[*NOISE.values()])


def _bar(method: Method, noise: str, values: dict[str, float]) -> dict[str, Any]:
    printed = studys(method, noise)
    return {
        "method": f"{method.name} ({method.trained})", "noise": NOISE[noise],
        "summary": summary(list(values.values())), "study": float(printed.split()[0]) if printed else None,
    }  # fmt: skip


def by_epoch(name: str, found: Iterable[Configuration], network: str = "") -> Named:
    """Accuracy as the networks of a study are trained, a figure for each noise model and input scale.

    `network`: trained as the publication's of that name, whose numbers are shown too.
    """
    curves: dict[tuple[str, str], dict[str, Any]] = {}
    for one in found:
        noise, scale = one.choices["noise_model"], one.choices.get("dataset.scale", "")
        curves.setdefault((noise, scale), {})[one.choices["strategy"]] = np.array(
            list(one.curve("test/accuracy").values())
        )
    for (noise, scale), methods in curves.items():
        order = sorted(methods, key=lambda method: (method != "erm", method))
        shown = {method: methods[method] for method in order}
        printed = {method: _printed(f"{network}, {method}", noise, values.shape[1]) for method, values in shown.items()}
        figure = draw.accuracy_by_epoch(shown, chance=1 / CLASSES, printed=printed)
        yield f"{name}-{noise}{PIXELS.get(scale, '').replace(', ', '-').replace(' ', '_')}", figure


def _printed(name: str, noise: str, longest: int) -> dict[int, float]:
    """Epoch → accuracy that the study printed for a network at a constant rate."""
    found = {epoch: studys(Method(name, f"{epoch} epochs"), noise) for epoch in EPOCHS if epoch <= longest}
    return {epoch: float(number.split()[0]) for epoch, number in found.items() if number}


def estimates(found: Iterable[Configuration]) -> Named:
    """Anchor-point estimates of T, mean (sd) over the repeats, beside the true matrix."""
    for one in found:
        choices = one.choices
        if choices["strategy.estimator"] != "anchor":
            continue
        every = entries(one)
        record = runs.read_json(next(iter(one.runs.values())) / "transition.json")
        title = f"{choices['model']}, anchors at quantile {choices['strategy.quantile']}"
        spread = every.std(axis=0, ddof=1) if len(every) > 1 else None
        figure = draw.matrices(
            TransitionMatrix(every.mean(axis=0)), spread, TransitionMatrix(record["true"]), title=title
        )
        yield f"estimate-{choices['noise_model']}-{choices['model']}-{choices['strategy.quantile']}", figure


def samples(run: Path, name: str) -> Named:
    """The first training pictures of a run with the labels it learned from."""
    splits = splits_of(run)
    part = splits.train.select(np.arange(min(draw.SHOWN, len(splits.train))))
    yield f"samples-{name}", draw.samples(_inputs(part), part.labels, splits.class_names, part.clean, splits.views)


def embeddings(run: Path, name: str) -> Named:
    """The clean test set of a run in two dimensions; UMAP only where it is installed."""
    splits = splits_of(run)
    methods: dict[Literal["tsne", "umap"], str] = {"tsne": "t-SNE", "umap": "UMAP"}
    for method, title in methods.items():
        try:
            points = embedding.reduced(_inputs(splits.test), method, seed=0)
        except UserError as error:
            log.warning("%s is not drawn: %s", title, error)
            continue
        figure = draw.embedding(points, splits.test.clean, splits.class_names, f"{title} of the clean test set")
        yield f"{method}-{name}", figure


def _inputs(part: Split) -> npt.NDArray[np.float32]:
    x: Any = part.inputs.fetch(torch.from_numpy(part.rows), torch.device("cpu"))
    return np.asarray(x.float().numpy())
