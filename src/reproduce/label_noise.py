"""The label-noise study from first file to last table.

    python -m src.reproduce.label_noise [level=full|quick|smoke] [data_root=data] [runs_root=runs] [studies_root=studies]

Runs its sweeps (one that is done is not repeated, one that was interrupted goes on), chooses each network's learning
rate on validation labels as wrong as those learned from, repeats the methods at their rates, and writes the study's
Tables 1 to 3 beside its own numbers, with figures. quick is reduced to about ten minutes on two cores; smoke runs on
scikit-learn's digits and shows only that everything works.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src import runs
from src.errors import UserError
from src.evaluation.statistics import summary
from src.reproduce import label_noise_tables as tables
from src.reproduce.label_noise_tables import NOISE, Accuracies
from src.reproduce.sweeps import SWEEPS, Configuration, Places, configurations, sweep, write_sweep
from src.reproduce.tables import Row, markdown, write
from src.reproduce.tuning import Tuned, space, tuned
from src.transition_matrix import TransitionMatrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "label_noise_page"


@dataclass(frozen=True)
class Network:
    """A network whose methods are compared each at its own rate."""

    title: str
    sweep: str
    """Over the rates."""
    noise: str
    """The noise model where the sweep does not vary it."""


LENET = Network("LeNet", "label_noise", "mnist05")
CNN = Network("CNN", "label_noise_cnn", "mnist06")


@dataclass(frozen=True)
class Level:
    """How much of the study to run: sweeps and their changes, and the networks' repeats."""

    sweeps: dict[str, list[str]]
    networks: tuple[Network, ...]
    seeds: list[int]
    epochs: int
    long: int | None = None
    """Epochs of one more run of every method of the last network."""
    common: tuple[str, ...] = ()


THREE = "strategy=erm,forward,backward"
LEVELS = {
    "full": Level(
        {
            "label_noise_linear": [], "label_noise_upper": [], "label_noise_estimates": [],
            LENET.sweep: [], CNN.sweep: [],
        },
        (LENET, CNN), seeds=[0, 1, 2, 3, 4], epochs=10, long=30,
    ),
    "quick": Level(
        {
            "label_noise_linear": ["hydra.sweeper.seeds=[0,1,2]", "trainer.max_steps=250", "strategy.decode=transpose,inverse"],
            "label_noise_upper": ["trainer.epochs=10"],
            LENET.sweep: [THREE, "noise_model=mnist06", "optimizer.lr=0.01,0.03,0.1,0.3,1.0", "trainer.epochs=2", "dataset.train_size=6000"],
        },
        (LENET,), seeds=[0, 1, 2], epochs=4, common=("dataset.train_size=6000",),
    ),
    "smoke": Level(
        {
            "label_noise_linear": ["hydra.sweeper.seeds=[0,1]", "noise_model=mnist05", "trainer.max_steps=20", "strategy.decode=transpose"],
            LENET.sweep: [THREE, "noise_model=mnist06", "optimizer.lr=0.03,0.1", "trainer.epochs=1"],
        },
        (LENET,), seeds=[0, 1], epochs=2, common=("dataset=digits",),
    ),
}  # fmt: skip


def repeats(network: Network) -> str:
    """The study of a network's methods at their rates."""
    return f"{network.sweep}_repeats"


def long(network: Network) -> str:
    return f"{network.sweep}_long"


def reproduce(places: Places, level: Level) -> None:
    """Run what the level asks for, in order."""
    common = [*places.overrides(), *level.common]
    for name, changes in level.sweeps.items():
        sweep(SWEEPS, name, *common, *changes)
    written = Path(places.studies_root) / PAGE / "sweeps"
    for network in level.networks:
        chosen = {"space": space(rates_of(network, places, level))}
        ways = {repeats(network): (level.epochs, level.seeds)}
        if level.long and network is level.networks[-1]:
            ways[long(network)] = (level.long, level.seeds[:1])
        for name, (epochs, seeds) in ways.items():
            trainer = {"epochs": epochs, "select": "last", "watch": ["test"]}
            write_sweep(written, network.sweep, name, trainer=trainer, sweeper=chosen | {"seeds": seeds})
            sweep(written, name, *common)


def rates_of(network: Network, places: Places, level: Level) -> list[Tuned]:
    return tuned(of_sweep(places, level, network.sweep, noise_model=network.noise))


def of_sweep(places: Places, level: Level, name: str, **choices: str) -> list[Configuration]:
    """A sweep's configurations, with what the level fixed in it; `choices`: what the sweep itself fixes."""
    fixed = dict(change.split("=", 1) for change in level.sweeps[name] if "," not in change)
    return configurations(places.study(name), choices | fixed)


# --- the page ---


def page(places: Places, level: Level, out: Path) -> Path:
    """Write tables and figures of what was run; returns the page."""
    text = ["# The label-noise study", ""]
    (out / "figures").mkdir(parents=True, exist_ok=True)
    for name, title, rows in sections(places, level):
        if rows:
            write(out, name, rows)
            text += [f"## {title}", "", markdown(rows), ""]
    for name, figure in figures(places, level):
        figure.savefig(out / "figures" / f"{name}.png", dpi=150)
        text += [f"![{name}](figures/{name}.png)", ""]
    runs.write_text(out / "label_noise.md", "\n".join(text))
    return out / "label_noise.md"


def sections(places: Places, level: Level) -> Iterator[tuple[str, str, list[Row]]]:
    """(file's name, title, rows) of every table."""
    found = accuracies(places, level)
    yield (
        "table1",
        "Table 1: class shares without and with wrong labels (study: 0.33 each)",
        tables.shares(of_sweep(places, level, "label_noise_linear")),
    )
    if "label_noise_upper" in level.sweeps:
        rows = tables.upper_bound(of_sweep(places, level, "label_noise_upper"))
        yield "table2", "Table 2: five folds of the clean test set, an upper bound from 2,160 pictures", rows
    yield (
        "table3", "Table 3: accuracy on the clean test set after training on wrong labels, mean (sd) over n repeats",
        tables.table_3(found),
    )  # fmt: skip
    yield (
        "differences", "Corrected less uncorrected, each at its own rate, paired by repeat",
        tables.differences(found),
    )  # fmt: skip
    yield (
        "rates", "Learning rates, chosen on validation labels as wrong as those learned from",
        tables.rates({network.title: rates_of(network, places, level) for network in level.networks}),
    )  # fmt: skip
    if "label_noise_estimates" in level.sweeps:
        rows = tables.estimates(of_sweep(places, level, "label_noise_estimates"))
        yield (
            "estimates",
            "Estimated transition matrices, T[i, j] = P(observed i | true j), mean (sd) over n repeats",
            rows,
        )


def accuracies(places: Places, level: Level) -> Accuracies:
    found = tables.linear(of_sweep(places, level, "label_noise_linear"))
    for network in level.networks:
        found |= tables.networks(configurations(places.study(repeats(network))), network.title)
        if level.long and network is level.networks[-1]:
            once = tables.networks(configurations(places.study(long(network))), network.title)
            found |= {key: values for key, values in once.items() if key[0].trained == f"{level.long} epochs"}
    return found


def figures(places: Places, level: Level) -> Iterator[tuple[str, Figure]]:
    from src.evaluation import label_noise_figures as draw

    yield "accuracy", draw.bars([_bar(*entry) for entry in accuracies(places, level).items() if _drawn(*entry[0][0])])
    for network in level.networks:
        names = [repeats(network), *([long(network)] if level.long and network is level.networks[-1] else [])]
        for name in names:
            yield from _by_epoch(name, configurations(places.study(name)))
    if "label_noise_estimates" in level.sweeps:
        for one in of_sweep(places, level, "label_noise_estimates"):
            if one.choices["strategy.estimator"] == "anchor":
                yield _estimate(one)


def _drawn(name: str, trained: str) -> bool:
    return trained != "2 epochs" and "by Bayes" not in name


def _bar(key: tuple[tables.Method, str], values: dict[str, float]) -> dict[str, Any]:
    (method, noise), printed = key, tables.studys(*key)
    study = float(printed.split()[0]) if printed else None
    title = f"{method.name} ({method.trained})"
    return {"method": title, "noise": NOISE[noise], "summary": summary(list(values.values())), "study": study}


def _by_epoch(name: str, found: Iterable[Configuration]) -> Iterator[tuple[str, Figure]]:
    import numpy as np

    from src.evaluation import label_noise_figures as draw

    found = list(found)
    for noise in dict.fromkeys(one.choices["noise_model"] for one in found):
        curves = {
            one.choices["strategy"]: np.array(list(one.curve("test/accuracy").values()))
            for one in found
            if one.choices["noise_model"] == noise
        }
        yield f"{name}-{noise}", draw.accuracy_by_epoch(dict(sorted(curves.items())), chance=1 / tables.CLASSES)


def _estimate(one: Configuration) -> tuple[str, Figure]:
    from src.evaluation import label_noise_figures as draw

    every = tables.entries(one)
    noise, model, quantile = (one.choices[key] for key in ("noise_model", "model", "strategy.quantile"))
    record = runs.read_json(next(iter(one.runs.values())) / "transition.json")
    figure = draw.matrices(
        TransitionMatrix(every.mean(axis=0)), every.std(axis=0, ddof=1) if len(every) > 1 else None,
        TransitionMatrix(record["true"]), title=f"{model}, anchor points at quantile {quantile}",
    )  # fmt: skip
    return f"estimate-{noise}-{model}-{quantile}", figure


def main(arguments: list[str]) -> int:
    given = dict(argument.partition("=")[::2] for argument in arguments)
    if {"-h", "--help"} & set(given):
        print(__doc__)
        return 0
    try:
        name = given.pop("level", "full")
        if unknown := set(given) - {"data_root", "runs_root", "studies_root"}:
            raise UserError(f"{unknown.pop()}: unknown\n{__doc__}")
        if name not in LEVELS:
            raise UserError(f"level={name}: give {', '.join(LEVELS)}")
        places = Places(**given)
        reproduce(places, LEVELS[name])
        written = page(places, LEVELS[name], Path(places.studies_root) / PAGE)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(written.read_text().split("\n![")[0])
    print(f"\npage: {written}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
