"""How good a model is at what it predicts beside the class: of hits, or of where something was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from src.evaluation.metrics import METRICS, OBSERVED_LOSS, confusion_matrix, metrics
from src.task import FloatArray

POSITION = ("resolution", "resolution_x", "resolution_y", "resolution_z")
HEADS: dict[str, tuple[str, ...]] = {"semantic": METRICS, "filter": METRICS, "vertex": POSITION}
"""Metrics of each head; those of classes also per class, as `src.evaluation.metrics` has them."""


@dataclass(frozen=True)
class HeadOutput:
    """What a head says of n things, and what is true of them."""

    kind: Literal["classes", "binary", "position"]
    scores: npt.NDArray[np.float32]
    """(n, C) probabilities, (n,) probability of yes, or (n, 3) cm."""
    truth: npt.NDArray[Any]
    """(n,) class, -1: none; (n,) 0 or 1; or (n, 3) cm."""
    names: tuple[str, ...] = ()

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """(m, C) of the things that have a class."""
        if self.kind == "binary":
            return np.stack([1 - self.scores, self.scores], axis=1)
        return self.scores[self.truth >= 0]

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(m,) of the things that have a class."""
        truth: npt.NDArray[np.int64] = self.truth.astype(np.int64)
        return truth if self.kind == "binary" else truth[truth >= 0]


def known_metric(name: str) -> bool:
    """Whether runs can report it: `accuracy`, `recall.cat`, `semantic/recall.shower`, `vertex/resolution`."""
    head, _, metric = name.rpartition("/")
    return metric.partition(".")[0] in (HEADS.get(head, ()) if head else (*METRICS, OBSERVED_LOSS))


def head_metrics(outputs: Mapping[str, HeadOutput]) -> dict[str, float]:
    """`<head>/<metric>`; every thing counts once. A head whose truth is nowhere known has none."""
    found: dict[str, float] = {}
    for head, output in outputs.items():
        here = _resolution(output) if output.kind == "position" else _classes(output)
        found |= {f"{head}/{metric}": value for metric, value in here.items()}
    return found


def _classes(output: HeadOutput) -> dict[str, float]:
    labels = output.labels
    if not len(labels):
        return {}
    return metrics(output.probabilities, labels, np.ones(len(labels)), output.names)


def _resolution(output: HeadOutput) -> dict[str, float]:
    """Mean distance from the truth, in all and along each axis, in cm."""
    off = np.abs(output.scores.astype(np.float64) - output.truth)
    means = [float(np.linalg.norm(off, axis=1).mean()), *off.mean(axis=0).tolist()]
    return dict(zip(POSITION, means, strict=True))


def head_scores(splits: Mapping[str, Mapping[str, HeadOutput]]) -> dict[str, float]:
    """`<split>/<head>/<metric>` of all splits."""
    return {
        f"{split}/{name}": value for split, outputs in splits.items() for name, value in head_metrics(outputs).items()
    }


def save_confusions(folder: Path, splits: Mapping[str, Mapping[str, HeadOutput]]) -> None:
    """Add to heads.json, for each split and head of classes, its `confusions` and class names."""
    path = folder / "heads.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for split, outputs in splits.items():
        for head, (counts, names) in confusions(outputs).items():
            known.setdefault(split, {})[head] = {"counts": counts.astype(int).tolist(), "names": list(names)}
    if known:
        path.write_text(json.dumps(known))


def confusions(outputs: Mapping[str, HeadOutput]) -> dict[str, tuple[FloatArray, Sequence[str]]]:
    """For each head of classes the number of things of true class i called j, at [i, j], and the classes' names."""
    counted = {head: output for head, output in outputs.items() if output.kind != "position" and len(output.labels)}
    return {
        head: (confusion_matrix(output.probabilities, output.labels, np.ones(len(output.labels))), output.names)
        for head, output in counted.items()
    }
