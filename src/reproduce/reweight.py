"""Learning to reweight's experiments from first file to last figure.

    python -m src.reproduce.reweight [level=full|study|quick|smoke] [data_root=data] [runs_root=runs] [studies_root=studies]

Runs its sweeps (one that is done is not repeated, one that was interrupted goes on): MNIST's 4 against 9 at a shrinking
share of 4s, the size of the clean set, the level of background flips, and high loss against low loss under imbalance,
wrong labels and both; UniformFlip and BackgroundFlip on CIFAR-10 and CIFAR-100 too, where their files are in data_root
and there is a GPU. Writes tables and figures. study is the size of the clean set and the level of noise in full, on all
of Fashion-MNIST and likewise of CIFAR-10, a GPU's work; quick is a reduced version of full; smoke runs on scikit-learn's
digits and shows only that all works.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.reproduce import reweight_tables as tables
from src.reproduce.page import Section, main, write_page
from src.reproduce.reweight_levels import (
    CROSSED,
    LEVELS,
    MNIST,
    NOISE,
    NOISE_CIFAR,
    SIZES,
    SIZES_CIFAR,
    Level,
    Reduced,
    possible,
    write_reduced,
)
from src.reproduce.reweight_published import PUBLISHED
from src.reproduce.sweeps import SWEEPS, Configuration, Places, configurations, sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "reweight_page"


def run(places: Places, level: Level) -> Path:
    """Everything that the level asks for and this machine can do; returns the page."""
    import torch

    asked, left = possible(level.sweeps, Path(places.data_root), gpu=torch.cuda.is_available())
    if left:
        print(f"left out, for want of a GPU: {', '.join(left)}", flush=True)
    for name, reduced in asked.items():
        _sweep(places, name, reduced)
    found = {name: configurations(places.study(name)) for name in asked}
    title = "Learning to reweight examples"
    return write_page(Path(places.studies_root) / PAGE, "reweight", title, level.note, sections(found), drawn(found))


def _sweep(places: Places, name: str, reduced: Reduced) -> None:
    folder, base = SWEEPS, reduced.base or name
    if reduced.space:
        folder, base = Path(places.studies_root) / PAGE / "sweeps", name
        write_reduced(folder, name, reduced)
    sweep(folder, base, *places.overrides(), f"hydra.sweeper.study={name}", *reduced.changes)


# --- the page ---


def share(x: float) -> str:
    return f"{100 * x:g} %"


def error(accuracy: float) -> float:
    """In per cent."""
    return 100 * (1 - accuracy)


def pictures(x: float) -> str:
    return f"{x:g} clean a class"


@dataclass(frozen=True)
class Varied:
    """A quantity against which methods are shown."""

    what: str
    x: Callable[[tables.Choices], float]
    heading: Callable[[float], str]
    axis: str
    log: bool


def sizes(what: str) -> Varied:
    x = tables.number("dataset.clean.per_class")
    return Varied(f"{what}40 % uniform flips", x, pictures, "clean pictures of each class", log=True)


def levels(what: str) -> Varied:
    x = tables.number("noise_model.rate")
    return Varied(f"{what}background flips", x, share, "labels flipped to the background class", log=False)


VARIED = {SIZES: sizes(""), NOISE: levels(""), SIZES_CIFAR: sizes("CIFAR-10, "), NOISE_CIFAR: levels("CIFAR-10, ")}


def sections(found: dict[str, list[Configuration]]) -> Iterator[Section]:
    """(file's name, title, rows) of every table."""
    if one := found.get(MNIST):
        errors = tables.measured(one, tables.minority_share, "test/accuracy", error)
        yield (
            "mnist",
            "MNIST 4 against 9: test error in % against the share of 4s, mean (sd)",
            tables.against(errors, share),
        )
        yield (
            "mnist_differences", "MNIST: test error in % less that of plain training, paired by seed",
            tables.less_plain(errors, share),
        )  # fmt: skip
        yield "mnist_weights", "MNIST: where the weight went", tables.weights(one, tables.minority_share, share)
    for name, varied in VARIED.items():
        if one := found.get(name):
            what, heading = varied.what[0].upper() + varied.what[1:], varied.heading
            values = tables.measured(one, varied.x, "test/accuracy")
            yield name, f"{what}: test accuracy, mean (sd)", tables.against(values, heading)
            yield (
                f"{name}_differences",
                f"{what}: test accuracy less that of plain training, paired by seed",
                (tables.less_plain(values, heading)),
            )
            yield f"{name}_weights", f"{what}: where the weight went", tables.weights(one, varied.x, heading)
    if one := found.get(CROSSED):
        what, values = "High loss or low loss", tables.measured(one, tables.condition, "test/balanced_accuracy")
        yield "crossed", f"{what}: test balanced accuracy, mean (sd)", tables.crossed(values)
        yield (
            "crossed_differences", f"{what}: test balanced accuracy less that of plain training, paired by seed",
            tables.less_plain(values, tables.named),
        )  # fmt: skip
    for name, published in PUBLISHED.items():
        by_noise: dict[str, list[Configuration]] = {}
        for each in found.get(name, ()):
            by_noise.setdefault(each.choices.get("noise_model", published.noise), []).append(each)
        for noise, here in sorted(by_noise.items()):
            title = f"{published.title} at 40 % (noise_model={noise}): test accuracy, mean (sd)"
            rows = tables.against(tables.measured(here, lambda choices: 0.4, "test/accuracy"), share)
            printed = published.accuracies if noise == published.noise else {}
            yield f"{name}_{noise}", title, tables.beside(rows, printed)


def drawn(found: dict[str, list[Configuration]]) -> Iterator[tuple[str, Figure]]:
    """(file's name, figure) of everything there is to show."""
    from src.evaluation.reweight_figures import against
    from src.evaluation.study_figures import ranked

    def curves(name: str, *how: Any) -> dict[str, dict[float, list[float]]]:
        values = tables.measured(found[name], *how)
        return {method: {x: [*seeds.values()] for x, seeds in points.items()} for method, points in values.items()}

    if MNIST in found:
        errors = curves(MNIST, tables.minority_share, "test/accuracy", error)
        yield (
            "mnist",
            against(errors, x="share of 4s in training", y="test error in %", log=True, percent=True, best="lowest"),
        )
        values = tables.measured(found[MNIST], tables.minority_share, "test/accuracy", error)
        rarest = min(x for points in values.values() for x in points)
        metric = f"test error in %, 4 against 9, {share(rarest)} of the training pictures are 4s"
        rows = tables.ranking(values, rarest, metric)
        yield (
            "mnist_rarest",
            ranked(rows, [row["label"] for row in rows], metric, min(len(row["seeds"]) for row in rows)),
        )
    for name, varied in VARIED.items():
        if name in found:
            yield (
                name,
                against(
                    curves(name, varied.x, "test/accuracy"),
                    x=varied.axis, y="test accuracy", log=varied.log, percent=not varied.log, best="highest",
                ),
            )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], str(__doc__), LEVELS, run))
