"""The alpha-decay study in nuclear emulsion from first file to last figure.

    python -m src.reproduce.emulsion [level=full|study|quick|smoke] [data_root=data] [runs_root=runs] [studies_root=studies]

Runs its sweeps (one that is done is not repeated, one that was interrupted goes on): RandAugment's N and M by the study's grid and by
a search that prunes, and the former method without a network, on measured tracks. The test split is read for the chosen pair's
models alone. Writes the study's Tables 1 and 2 and its Figures 1 to 5 beside its own numbers, and what the study leaves open: average
precision at the test's prevalence, intervals, calibrated scores, trees on the tracks, what brightness alone tells, saliency maps.

full is sweeps/randaugment.yaml as it is (crops of 64 px, ResNet18; simulated where data_root has none: days on 2 cores, by estimate);
study is the study's own network and size, ResNet50 with ImageNet's weights on 224 px, and needs a GPU. quick is a reduced version;
smoke shows only that all works.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.datasets.emulsion_files import has_tracks
from src.reproduce import emulsion_figures as figures
from src.reproduce import emulsion_tables as tables
from src.reproduce.emulsion_findings import Findings, find
from src.reproduce.page import Section, main, write_page
from src.reproduce.sweeps import SWEEPS, Places, sweep
from src.showcase import saliency_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRID, SEARCH, TRACKS = "randaugment", "randaugment_tpe", "emulsion_tracks"
PAGE = "emulsion_page"


@dataclass(frozen=True)
class Level:
    """How much of the study to run."""

    data: tuple[str, ...] = ()
    """Changes of all sweeps."""
    training: tuple[str, ...] = ()
    """Changes of those that train networks."""
    search: tuple[str, ...] = ()
    """Changes of the search alone."""
    note: str = ""


SHORT = (
    "trainer.stop=patience",
    "schedule=onecycle",
    "optimizer.lr=0.002",
    "trainer.select=last",
    "hydra.sweeper.seeds=[0,1]",
)
LEVELS = {
    "full": Level(),
    "study": Level(
        data=("dataset.image_size=224", "dataset.crops=[15885,4028,46948]"),
        training=("model=resnet50", "model.weights=IMAGENET1K_V1", "optimizer.lr=0.0001"),
    ),
    "quick": Level(
        data=("dataset.image_size=32", "dataset.crops=[3000,1000,12000]"),
        training=(*SHORT, "augmentation.n=2", "augmentation.m=6,24", "trainer.epochs=6"),
        search=("hydra.sweeper.budget.trials=2", "hydra.sweeper.pruner.name=none"),
        note=(
            "Reduced: 32 px, two pairs of N and M with two seeds, six epochs under a one-cycle schedule of which the last is taken "
            "(the study's stopping rule and pruning need more epochs and seeds)."
        ),
    ),
    "smoke": Level(
        data=("dataset.image_size=16", "dataset.crops=[200,100,300]", "dataset.prevalence=[0.2,0.2,0.1]"),
        training=(*SHORT, "augmentation.n=2,6", "augmentation.m=12,24", "trainer.epochs=1", "tracking.enabled=false"),
        search=("hydra.sweeper.budget.trials=2", "hydra.sweeper.pruner.name=none"),
        note="Tiny crops, one epoch: this shows that everything works, and nothing else.",
    ),
}  # fmt: skip


def changes(level: Level) -> dict[str, tuple[str, ...]]:
    """Sweep → what the level changes in it, in the order in which they run. The search chooses nothing that reads the test split."""
    networks = *level.data, *level.training
    return {TRACKS: level.data, GRID: networks, SEARCH: (*networks, *level.search, "hydra.sweeper.winners=0")}


def run(places: Places, level: Level) -> Path:
    """Everything that the level asks for; returns the page."""
    asked = changes(level)
    if not has_tracks(Path(places.data_root) / "emulsion"):
        del asked[TRACKS]
    for name, changed in asked.items():
        sweep(SWEEPS, name, *places.overrides(), *changed)
    found = find(places.study(GRID), places.study(SEARCH), places.study(TRACKS) if TRACKS in asked else None)
    out = Path(places.studies_root) / PAGE
    return write_page(
        out, "emulsion", "Alpha decays in nuclear emulsion", _note(found, level), sections(found), drawn(found)
    )


def _note(found: Findings, level: Level) -> str:
    tracks = "no tracks were measured of these crops: the former method has nothing to select by"
    notes = [level.note, *found.splits.notes, "" if found.former else tracks]
    return " ".join(note[0].upper() + note[1:].rstrip(".") + "." for note in notes if note)


def sections(found: Findings) -> Iterator[Section]:
    """(file's name, title, rows) of every table."""
    yield "table1", "Table 1: crops", tables.counts(found.splits)
    yield "grid", "Figure 3 as a table: average precision on validation, mean (sd) over seeds", tables.grid(found.grid)
    yield (
        "searches",
        "What the searches found, and at what cost",
        tables.searches({"grid": found.grid, "search (TPE)": found.search}),
    )
    yield (
        "table2", f"Table 2: candidates for {found.truth.sum()} alpha decays on the test's sheet, at a recall of {found.recall:.3f}",
        tables.table_2(found),
    )  # fmt: skip
    yield (
        "factor",
        "How many times purer the network's candidates are (the interval: of test crops and of models, not of the cuts' training)",
        tables.factor(found.improvement),
    )
    yield "average_precision", "Average precision", tables.average_precision(found)
    yield (
        "models",
        "The chosen pair's models on the test's sheet (the study's are of epochs 36, 54, 55 and 65)",
        tables.models(found),
    )
    yield (
        "calibration",
        "Scores as they come from balanced batches, and mapped to the deployment's mix",
        tables.calibration(found),
    )
    yield "claims", "The study's claims", tables.claims(found)


def drawn(found: Findings) -> Iterator[tuple[str, Figure]]:
    """(file's name, figure) of everything there is to show."""
    yield "figure1_crops", figures.crops(found)
    yield "figure2_losses", figures.losses(found)
    yield "figure3_grid", figures.heat_map(found)
    yield "figure4_outputs", figures.outputs(found)
    yield "figure5_precision_recall", figures.precision_recall(found)
    if looked := saliency_of(next(iter(found.chosen.runs.values()))):
        yield "saliency", looked


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], str(__doc__), LEVELS, run))
