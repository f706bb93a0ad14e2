"""Learning to reweight's experiments from first file to last figure.

    python -m src.reproduce.reweight [level=full|quick|smoke] [data_root=data] [runs_root=runs] [studies_root=studies]

Runs its sweeps (one that is done is not repeated, one that was interrupted goes on): MNIST's 4 against 9 at a shrinking
share of 4s, the size of the clean set, the level of background flips, and high loss against low loss under imbalance,
wrong labels and both; UniformFlip and BackgroundFlip on CIFAR-10 too, if its files are in data_root, which takes a GPU.
Writes tables and figures. quick is a reduced version; smoke runs on scikit-learn's digits and shows only that all works.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.reproduce import reweight_tables as tables
from src.reproduce.page import Section, main, write_page
from src.reproduce.sweeps import SWEEPS, Configuration, Places, configurations, question, sweep, write_sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MNIST, SIZES, NOISE, CROSSED = "reweight_mnist", "clean_size", "noise_level", "noise_x_imbalance"
CIFAR = {"reweight_cifar_uniform": "UniformFlip", "reweight_cifar_background": "BackgroundFlip"}
PUBLISHED = {
    "reweight_cifar_uniform": {
        "plain": "0.6797 (0.0062)", "bootstrap": "0.6966", "noise adaptation": "0.7064", "random weights": "0.8606",
        "plain +FT": "0.7866", "random weights +FT": "0.8655", "reweight": "0.8692 (0.0019)",
    },
    "reweight_cifar_background": {
        "plain": "0.5954", "bootstrap +ES": "0.6522", "noise adaptation +ES": "0.7924", "plain +FT": "0.8282",
        "plain +ES +FT": "0.8519", "reweight": "0.8673 (0.0048)",
    },
}  # fmt: skip
"""What the paper's tables say (Ren 2018, tables 1 and 2; its bootstrap is the hard one)."""
CIFAR_FILES = ("cifar-10-batches-py", "cifar10")
PAGE = "reweight_page"


@dataclass(frozen=True)
class Reduced:
    """What of a sweep to run: dimensions of its space with other values (None: without it), trainer options, and changes."""

    space: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Level:
    """How much of the experiments to run."""

    sweeps: dict[str, Reduced]
    note: str = ""


METHODS = "strategy, imbalance_strategy"
TWICE = "strategy=reweight,meta_weight_net"
"""The condition under which a step passes twice, and half as many are made."""
AFTER = "trainer.select, trainer.finetune_steps"
FEW = [["erm", "none"], ["reweight", "none"], ["random_weights", "none"], ["erm", "class_weights"]]
LEVELS = {
    "full": Level({MNIST: Reduced(), SIZES: Reduced(), NOISE: Reduced(), CROSSED: Reduced()}),
    "quick": Level(
        {
            MNIST: Reduced(
                {"dataset.class_counts": [[25, 4975], [250, 4750]], METHODS: FEW, TWICE: None},
                {"max_steps": 500},
                ("hydra.sweeper.seeds=[0,1,2]",),
            ),
            SIZES: Reduced(
                {"dataset.clean.per_class": [1, 10], "strategy": ["erm", "reweight"], AFTER: [["last", 0], ["last", 100]]},
                {"epochs": 4},
                ("hydra.sweeper.seeds=[0,1]",),
            ),
        },
        note="Reduced: few remedies, 500 steps of 8,000, three and two seeds.",
    ),
    "smoke": Level(
        {
            MNIST: Reduced(
                {"dataset.class_counts": [[10, 90], [50, 50]], METHODS: FEW[:3], TWICE: None},
                {"max_steps": 10},
                ("dataset=digits", "hydra.sweeper.seeds=[0,1]"),
            ),
            NOISE: Reduced(
                {"noise_model.rate": [0.0, 0.5], "strategy": ["erm", "reweight"]},
                {"epochs": 2},
                ("dataset=digits", "dataset.train_size=200", "hydra.sweeper.seeds=[0]"),
            ),
        },
        note="On handwritten digits: this shows that everything works, and nothing else.",
    ),
}  # fmt: skip


def run(places: Places, level: Level) -> Path:
    """Everything that the level asks for; returns the page."""
    if level == LEVELS["full"] and any((Path(places.data_root) / files).exists() for files in CIFAR_FILES):
        level = replace(level, sweeps=level.sweeps | dict.fromkeys(CIFAR, Reduced()))
    written = Path(places.studies_root) / PAGE / "sweeps"
    for name, reduced in level.sweeps.items():
        folder = SWEEPS
        if reduced.space:
            write_reduced(folder := written, name, reduced)
        sweep(folder, name, *places.overrides(), *reduced.changes)
    found = {name: configurations(places.study(name)) for name in level.sweeps}
    title = "Learning to reweight examples"
    return write_page(Path(places.studies_root) / PAGE, "reweight", title, level.note, sections(found), drawn(found))


def write_reduced(folder: Path, name: str, reduced: Reduced) -> None:
    """The sweep as folder/name.yaml, with what is changed in its space and in the trainer's options."""
    space = question(name)["hydra"]["sweeper"]["space"] | reduced.space
    kept = reachable({key: values for key, values in space.items() if values is not None})
    write_sweep(folder, name, name, trainer=reduced.trainer, sweeper={"space": kept, "baseline": False, "claims": []})


def reachable(space: dict[str, Any]) -> dict[str, Any]:
    """A space without the conditions under which nothing is left: `strategy=a,b: {...}` where no strategy is a or b."""
    taken: dict[str, set[str]] = {}
    for names, values in space.items():
        keys = [key.strip() for key in names.split(",")]
        rows = values if isinstance(values, list) else str(values).split(",")
        for place, key in enumerate(keys if "=" not in names else ()):
            taken[key] = {str(row[place] if len(keys) > 1 else row) for row in rows}
    found: dict[str, Any] = {}
    for names, values in space.items():
        key, condition, wanted = names.partition("=")
        left = [value for value in wanted.split(",") if value in taken.get(key, ())]
        if left or not condition:
            found[f"{key}={','.join(left)}" if condition else names] = values
    return found


# --- the page ---


def share(x: float) -> str:
    return f"{100 * x:g} %"


def error(accuracy: float) -> float:
    """In per cent."""
    return 100 * (1 - accuracy)


def pictures(x: float) -> str:
    return f"{x:g} clean a class"


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
    for name, x, heading, what in VARIED:
        if one := found.get(name):
            values = tables.measured(one, x, "test/accuracy")
            yield name, f"{what}: test accuracy, mean (sd)", tables.against(values, heading)
            yield (
                f"{name}_differences",
                f"{what}: test accuracy less that of plain training, paired by seed",
                (tables.less_plain(values, heading)),
            )
            yield f"{name}_weights", f"{what}: where the weight went", tables.weights(one, x, heading)
    if one := found.get(CROSSED):
        title = "High loss or low loss: test balanced accuracy, mean (sd)"
        yield "crossed", title, tables.crossed(one)
    for name, title in CIFAR.items():
        if one := found.get(name):
            for noise in sorted({each.choices.get("noise_model", "background") for each in one}):
                here = [each for each in one if each.choices.get("noise_model", "background") == noise]
                values = tables.measured(here, lambda choices: 0.4, "test/accuracy")
                title_here = f"CIFAR-10, {title} at 40 % (noise_model={noise}): test accuracy, mean (sd)"
                yield f"{name}_{noise}", title_here, tables.beside(tables.against(values, share), PUBLISHED[name])


VARIED = (
    (SIZES, tables.number("dataset.clean.per_class"), pictures, "40 % uniform flips"),
    (NOISE, tables.number("noise_model.rate"), share, "Background flips"),
)


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
    for name, x, _, _ in VARIED:
        if name in found:
            label = "clean pictures of each class" if name == SIZES else "labels flipped to the background class"
            accuracies = curves(name, x, "test/accuracy")
            yield (
                name,
                against(
                    accuracies, x=label, y="test accuracy", log=name == SIZES, percent=name == NOISE, best="highest"
                ),
            )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], str(__doc__), LEVELS, run))
