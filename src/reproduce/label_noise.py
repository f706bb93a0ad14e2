"""The label-noise study from first file to last table.

    python -m src.reproduce.label_noise [level=full|study|quick|smoke] [data_root=data] [runs_root=runs] [studies_root=studies]

Runs its sweeps (one that is done is not repeated, one that was interrupted goes on), chooses each network's learning
rate on validation labels as wrong as those learned from, repeats the methods at their rates, and writes the study's
Tables 1 to 3 beside its own numbers, with figures; for three classes of CIFAR-10 too, if its files are in data_root.
study is full with more seeds and the study's network under both matrices, for a GPU; quick is a reduced version; smoke runs
on scikit-learn's digits and shows only that all works.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.datasets.fashion_mnist import FashionMNIST
from src.reproduce import label_noise_figures as figures
from src.reproduce import label_noise_tables as tables
from src.reproduce.label_noise_tables import Accuracies
from src.reproduce.page import Section, main, write_page
from src.reproduce.sweeps import SWEEPS, Configuration, Places, conditions, configurations, sweep, write_sweep
from src.reproduce.tuning import Tuned, space, tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "label_noise_page"
LINEAR, UPPER, ESTIMATES = "label_noise_linear", "label_noise_upper", "label_noise_estimates"
EPOCHS, SHARED, CONFIDENT = "label_noise_cnn_epochs", "label_noise_shared", "confident_learning"


@dataclass(frozen=True)
class Network:
    """A network whose methods are compared each at its own rate."""

    title: str
    sweep: str
    """Over the rates."""
    noise: str
    """The noise model where the sweep does not vary it."""
    changes: tuple[str, ...] = ()

    @property
    def repeats(self) -> str:
        """The study of its methods at their rates."""
        return f"{self.sweep}_repeats"


LENET = Network("LeNet", "label_noise", "mnist05")
CNN = Network("CNN", "label_noise_cnn", "mnist06")


@dataclass(frozen=True)
class Level:
    """How much of the study to run."""

    sweeps: dict[str, list[str]]
    """Study (its file in sweeps/, and `_cifar` if it is on CIFAR) → changes."""
    networks: tuple[Network, ...]
    seeds: list[int]
    epochs: int
    """Of the networks' repeats."""
    common: tuple[str, ...] = ()
    """Changes of all."""
    note: str = ""


THREE = "strategy=erm,forward,backward"
SHORT = ["trainer.max_steps=20", "trainer.epochs=2"]
LEVELS = {
    "full": Level(
        {LINEAR: [], CONFIDENT: [], UPPER: [], ESTIMATES: [], LENET.sweep: [], CNN.sweep: [], EPOCHS: []},
        (LENET, CNN), seeds=[0, 1, 2, 3, 4], epochs=10,
    ),
    "study": Level(
        {
            LINEAR: [], CONFIDENT: [], UPPER: [], ESTIMATES: [], LENET.sweep: [],
            CNN.sweep: ["noise_model=mnist05,mnist06", "hydra.sweeper.seeds=[0,1,2]", "trainer.epochs=10"],
            EPOCHS: ["hydra.sweeper.seeds=[0,1,2]"],
        },
        (LENET, CNN), seeds=[*range(10)], epochs=10, common=("hydra.sweeper.workers_per_gpu=12",),
        note="On a GPU: ten repeats, the study's network under both matrices and tuned at the length of its repeats.",
    ),
    "quick": Level(
        {
            LINEAR: ["hydra.sweeper.seeds=[0,1,2]", "trainer.max_steps=250", "strategy.decode=transpose,inverse"],
            UPPER: ["hydra.sweeper.seeds=[0,1,2]"],
            LENET.sweep: [THREE, "noise_model=mnist06", "optimizer.lr=0.0003,0.001,0.003,0.01,0.03", "trainer.epochs=2"],
        },
        (LENET,), seeds=[0, 1, 2], epochs=4, common=("dataset.train_size=6000",),
        note="Reduced: 6,000 pictures, three repeats and folds, two and four epochs.",
    ),
    "smoke": Level(
        {
            LINEAR: ["hydra.sweeper.seeds=[0,1]", "noise_model=mnist05", "strategy.decode=transpose", *SHORT],
            LENET.sweep: [THREE, "noise_model=mnist06", "optimizer.lr=0.001,0.003", "trainer.epochs=1"],
        },
        (LENET,), seeds=[0, 1], epochs=2, common=("dataset=digits",),
        note="On 410 handwritten digits: this shows that everything works, and nothing else.",
    ),
}  # fmt: skip


CIFAR, CIFAR_DATA = "_cifar", "cifar10"
CIFAR_FILES = ("cifar-10-batches-py", "cifar10")


def with_cifar(level: Level) -> Level:
    """Linear methods, estimates, upper bound and the study's own network on planes, cars and cats of CIFAR-10 as well."""
    noise, data = ["noise_model=cifar3"], [f"dataset={CIFAR_DATA}"]
    own = [*data, "~dataset.image_size", "~dataset.channels"]  # they are 32 × 32 × 3 anyway
    sweeps = {LINEAR: noise + data, ESTIMATES: noise + data, UPPER: own, CNN.sweep: noise + own, EPOCHS: noise + own}
    more = {name + CIFAR: [*_without(level.sweeps[name]), *sweeps[name]] for name in sweeps if name in level.sweeps}
    network = [Network(CNN.title, CNN.sweep + CIFAR, "cifar3", tuple(own))] if CNN in level.networks else []
    return replace(level, sweeps=level.sweeps | more, networks=(*level.networks, *network))


def _without(changes: list[str]) -> list[str]:
    return [change for change in changes if not change.startswith(("dataset=", "noise_model="))]


def reproduce(places: Places, level: Level) -> None:
    """Run what the level asks for, in order."""
    for name, changes in level.sweeps.items():
        base = name.removesuffix(CIFAR)
        study = [f"hydra.sweeper.study={name}"] if name != base else []
        sweep(SWEEPS, base, *places.overrides(), *_common(name, level), *changes, *study)
    written = Path(places.studies_root) / PAGE / "sweeps"
    for suffix in _suffixes(ESTIMATES, level):
        asked = shared(of_sweep(places, level, ESTIMATES + suffix))
        write_sweep(written, LINEAR, SHARED + suffix, sweeper={**asked, "baseline": False, "claims": []})
        data = [f"dataset={CIFAR_DATA}"] if suffix else []
        sweep(written, SHARED + suffix, *places.overrides(), *_common(SHARED + suffix, level), *data)
    for network in level.networks:
        base = network.sweep.removesuffix(CIFAR)
        rates = rates_of(network, places, level)
        for one in rates:
            if one.at_the_edge:
                print(
                    f"{network.title}, {one.strategy}, {one.noise}: the best rate, {one.rate:g}, is at the edge of those tried",
                    flush=True,
                )
        chosen = space(rates) | conditions(base)
        trainer = {"epochs": level.epochs, "watch": ["test"]}
        write_sweep(written, base, network.repeats, trainer=trainer, sweeper={"space": chosen, "seeds": level.seeds})
        sweep(written, network.repeats, *places.overrides(), *_common(network.sweep, level), *network.changes)


def _common(study: str, level: Level) -> list[str]:
    return _without([*level.common]) if CIFAR in study else [*level.common]


def _suffixes(name: str, level: Level) -> list[str]:
    """Suffixes of a sweep's studies that the level has: '' and, on CIFAR, CIFAR."""
    return [suffix for suffix in ("", CIFAR) if name + suffix in level.sweeps]


def shared(estimates: Iterable[Configuration]) -> dict[str, Any]:
    """A sweep's space and seeds: linear methods with the matrix that a network has estimated in the same repeat."""
    rows, seeds = [], set[str]()
    for one in estimates:
        if one.choices["model"] == "lenet":
            source, seeds = f"from_run:{one.folder}", seeds | set(one.runs)
            rows += [[one.choices["noise_model"], strategy, source] for strategy in ("flipped", "rmlr")]
    asked = {
        "noise_model, strategy, strategy.transition": rows,
        "strategy=flipped": {"strategy.decode": "transpose"},
    }
    return {"space": asked, "seeds": sorted(map(int, seeds))}


def rates_of(network: Network, places: Places, level: Level) -> list[Tuned]:
    return tuned(of_sweep(places, level, network.sweep, noise_model=network.noise))


def of_sweep(places: Places, level: Level, name: str, **choices: str) -> list[Configuration]:
    """A sweep's configurations, with what the level fixed in it; `choices`: what the sweep itself fixes."""
    fixed = dict(change.split("=", 1) for change in level.sweeps[name] if "=" in change and "," not in change)
    return configurations(places.study(name), choices | fixed)


# --- the page ---


def page(places: Places, level: Level, out: Path) -> Path:
    """Write tables and figures of what was run; returns the page."""
    found = accuracies(places, level)
    shown = sections(places, level, found), drawn(places, level, found)
    note = f"{level.note} {tables.READING}".lstrip()
    return write_page(out, "label_noise", "The label-noise study", note, *shown)


def sections(places: Places, level: Level, found: Accuracies) -> Iterator[Section]:
    """(file's name, title, rows) of every table."""
    yield (
        "table1",
        "Table 1: class shares without and with wrong labels",
        tables.shares(_both(places, level, LINEAR)),
    )
    if UPPER in level.sweeps:
        rows = tables.upper_bound(_both(places, level, UPPER))
        yield (
            "table2",
            "Table 2: n of five folds of the clean test set, an upper bound from 2,160 pictures (and 240 to validate)",
            rows,
        )
    yield (
        "table3", "Table 3: accuracy on the clean test set after training on wrong labels, mean (sd) over n repeats",
        tables.table_3(found),
    )  # fmt: skip
    yield (
        "differences", "Corrected less uncorrected, paired by repeat: annealed at each method's own rate, else at the rates of the sweep",
        tables.differences(found),
    )  # fmt: skip
    yield (
        "rates", "Learning rates, chosen on validation labels as wrong as those learned from",
        tables.rates({network.title: rates_of(network, places, level) for network in level.networks}),
    )  # fmt: skip
    if ESTIMATES in level.sweeps:
        rows = tables.estimates(_both(places, level, ESTIMATES))
        yield (
            "estimates",
            "Estimated transition matrices, T[i, j] = P(observed i | true j), mean (sd) over n repeats",
            rows,
        )


def accuracies(places: Places, level: Level) -> Accuracies:
    found = tables.linear([*_both(places, level, LINEAR), *_both(places, level, CONFIDENT)])
    for suffix in _suffixes(ESTIMATES, level):
        found |= tables.linear(configurations(places.study(SHARED + suffix)))
    for network in level.networks:
        found |= tables.annealed(configurations(places.study(network.repeats)), network.title)
    return found | tables.by_epoch(_by_epochs(places, level), CNN.title)


def _by_epochs(places: Places, level: Level) -> list[Configuration]:
    found = _both(places, level, EPOCHS)
    return [replace(one, choices={"noise_model": CNN.noise} | one.choices) for one in found]


def _both(places: Places, level: Level, name: str) -> list[Configuration]:
    """Those of a sweep and of its twin on CIFAR, if the level has it."""
    return [one for suffix in _suffixes(name, level) for one in of_sweep(places, level, name + suffix)]


def drawn(places: Places, level: Level, found: Accuracies) -> Iterator[tuple[str, Figure]]:
    """(file's name, figure) of everything there is to show."""
    for one in _by_noise(_both(places, level, LINEAR)):
        noise, run = one.choices["noise_model"], next(iter(one.runs.values()))
        yield from figures.samples(run, noise)
        if noise != "mnist06":  # the same pictures as those of mnist05
            yield from figures.embeddings(run, noise)
    yield from figures.accuracies(found)
    for network in level.networks:
        yield from figures.by_epoch(network.repeats, configurations(places.study(network.repeats)))
        if network == CNN:  # the study's figure 8: grey pictures of 28 pixels as its network sees them
            one = configurations(places.study(network.repeats))[0]
            yield from figures.samples(next(iter(one.runs.values())), "32x32x3")
    yield from figures.by_epoch(EPOCHS, _by_epochs(places, level), CNN.title)
    if ESTIMATES in level.sweeps:
        yield from figures.estimates(_both(places, level, ESTIMATES))


def _by_noise(found: list[Configuration]) -> list[Configuration]:
    """One configuration for each noise model."""
    return list({one.choices["noise_model"]: one for one in found}.values())


def run(places: Places, level: Level) -> Path:
    """All of it; returns the page. Raises UserError before anything has run if there are no pictures."""
    if not any(change.startswith("dataset=") for change in level.common):
        FashionMNIST.check(Path(places.data_root))
    if any((Path(places.data_root) / files).exists() for files in CIFAR_FILES):
        level = with_cifar(level)
    reproduce(places, level)
    return page(places, level, Path(places.studies_root) / PAGE)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], str(__doc__), LEVELS, run))
