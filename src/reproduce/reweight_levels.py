"""How much of learning to reweight's experiments to run: the levels of its reproduce command."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from src.datasets.cifar10 import CIFAR10
from src.datasets.cifar100 import CIFAR100
from src.reproduce.sweeps import question, write_sweep

MNIST, SIZES, NOISE, CROSSED = "reweight_mnist", "clean_size", "noise_level", "noise_x_imbalance"
UNIFORM, BACKGROUND = "reweight_cifar_uniform", "reweight_cifar_background"
UNIFORM_100, BACKGROUND_100 = "reweight_cifar100_uniform", "reweight_cifar100_background"
SIZES_CIFAR, NOISE_CIFAR = "clean_size_cifar10", "noise_level_cifar10"


@dataclass(frozen=True)
class Reduced:
    """What of a sweep to run: dimensions of its space with other values (None: without it), trainer options, and changes."""

    space: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    base: str = ""
    """The sweep, where the study has another name."""
    needs: type[CIFAR10] | None = None
    """The data set whose files decide whether it is run, on a GPU."""


@dataclass(frozen=True)
class Level:
    """How much of the experiments to run."""

    sweeps: dict[str, Reduced]
    """By the names of their studies."""
    note: str = ""


METHODS = "strategy, imbalance_strategy"
TWICE = "strategy=reweight,meta_weight_net"
"""The condition under which a step passes twice, and half as many are made."""
AFTER = "trainer.select, trainer.finetune_steps"
FEW = [["erm", "none"], ["reweight", "none"], ["random_weights", "none"], ["erm", "class_weights"]]
FIGURES = [["erm", "none"], ["forward", "none"], ["reweight", "none"], ["random_weights", "none"]]
"""What Figures 4 and 5 compare."""
PER_CLASS = [1, 3, 10, 30, 100, 300, 500]
RATES = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
ENDS = [["last", 0], ["clean", 0], ["last", 500]]
WHOLE = "dataset.train_size=null"
LEVELS = {
    "full": Level(
        {
            MNIST: Reduced(), SIZES: Reduced(), NOISE: Reduced(), CROSSED: Reduced(),
            UNIFORM: Reduced(needs=CIFAR10),
            BACKGROUND: Reduced(needs=CIFAR10),
            UNIFORM_100: Reduced(
                base=UNIFORM, needs=CIFAR100, changes=("dataset=cifar100", "dataset.clean.per_class=10")
            ),
            BACKGROUND_100: Reduced(base=BACKGROUND, needs=CIFAR100, changes=("dataset=cifar100",)),
        }
    ),
    "study": Level(
        {
            SIZES: Reduced({"dataset.clean.per_class": PER_CLASS}, changes=(WHOLE,)),
            NOISE: Reduced({"noise_model.rate": RATES}, changes=(WHOLE,)),
            SIZES_CIFAR: Reduced(
                {AFTER: ENDS, METHODS: FIGURES, "dataset.clean.per_class": PER_CLASS},
                base=BACKGROUND, needs=CIFAR10, changes=("noise_model=uniform",),
            ),
            NOISE_CIFAR: Reduced(
                {AFTER: ENDS, METHODS: FIGURES, "noise_model.rate": RATES}, base=BACKGROUND, needs=CIFAR10
            ),
        },
        note="The size of the clean set and the level of noise in full: all training pictures.",
    ),
    "quick": Level(
        {
            MNIST: Reduced(
                {"dataset.class_counts": [[25, 4975], [250, 4750]], METHODS: FEW, TWICE: None},
                {"max_steps": 300},
                ("hydra.sweeper.seeds=[0,1,2]",),
            ),
            SIZES: Reduced(
                {"dataset.clean.per_class": [1, 10], "strategy": ["erm", "reweight"], AFTER: [["last", 0], ["last", 100]]},
                {"epochs": 3},
                ("hydra.sweeper.seeds=[0,1]",),
            ),
        },
        note="Reduced: few remedies, 300 steps of 8,000 and three epochs of 40, three and two seeds.",
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


def possible(sweeps: dict[str, Reduced], data_root: Path, *, gpu: bool) -> tuple[dict[str, Reduced], list[str]]:
    """(those that can be run, those whose files are there, but no GPU)."""
    there = {name: one for name, one in sweeps.items() if one.needs is None or _has(data_root, one.needs)}
    left = [name for name, one in there.items() if one.needs is not None and not gpu]
    return {name: one for name, one in there.items() if name not in left}, left


def _has(data_root: Path, dataset: type[CIFAR10]) -> bool:
    return any((data_root / name).exists() for name in (dataset.batches, dataset.folder))


def write_reduced(folder: Path, name: str, reduced: Reduced) -> None:
    """The study's sweep as folder/name.yaml, with what is changed in its space and in the trainer's options."""
    base = reduced.base or name
    space = question(base)["hydra"]["sweeper"]["space"] | reduced.space
    kept = reachable({key: values for key, values in space.items() if values is not None})
    write_sweep(folder, base, name, trainer=reduced.trainer, sweeper={"space": kept, "baseline": False, "claims": []})


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
