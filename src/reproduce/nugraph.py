"""The tau-neutrino study in NuGraph from first file to last figure.

    python -m src.reproduce.nugraph [level=full|study|quick|smoke] [data_root=data] [runs_root=runs] [studies_root=studies]

Runs its sweeps (one that is done is not repeated, one that was interrupted goes on): loss × depth of the encoder × repeated tau
events, which the study had no time to finish; new tau events against repeats, its outlook; and the original beside the modified
network after 25/80 of the training and at its end. Writes Figures 4 to 6, the ablation, its main effects, boosted trees on hits and
charge beside NuGraph, averages of seeds, event displays, and one page that says of each claim of the study whether it holds here.

full is the sweeps as they are (a network of a fourth of the study's width on events of some 150 hits; simulated where data_root/nugraph
has no files: some two hours on 2 cores); study is its own network, size of events and length of training, and needs a GPU. quick is a
reduced version; smoke shows only that all works.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from src.datasets.nugraph_sample import find as files
from src.reproduce import nugraph_tables as tables
from src.reproduce.nugraph_claims import claims
from src.reproduce.nugraph_figures import drawn
from src.reproduce.nugraph_findings import Findings, find
from src.reproduce.page import Section, main, write_page
from src.reproduce.sweeps import SWEEPS, Places, sweep

ABLATION, NEW_TAU, LENGTH = "nugraph_ablation", "nugraph_new_tau", "nugraph_length"
PAGE = "nugraph_page"


@dataclass(frozen=True)
class Level:
    """How much of the study to run."""

    all: tuple[str, ...] = ()
    """Changes of all sweeps."""
    steps: int | None = None
    """Of a training; of the shorter one 25/80 of it. None, here and below: as in the sweeps."""
    extra_tau: int | None = None
    """Newly simulated tau events: six times those to learn from."""
    note: str = ""


LEVELS = {
    "full": Level(),
    "study": Level(
        all=("dataset.events=20000", "dataset.hits=1000", "model.planar=128", "model.nexus=32", "model.iterations=5",
             "optimizer.lr=0.001", "trainer.epochs=1000"),
        steps=25000, extra_tau=2208,
    ),
    "quick": Level(
        all=("dataset.events=3000", "dataset.hits=100", "hydra.sweeper.seeds=[0,1,2]"), steps=120, extra_tau=324,
        note="Reduced: 3,000 events of some 100 hits, 120 steps, three seeds.",
    ),
    "smoke": Level(
        all=("dataset.events=200", "dataset.hits=60", "model.planar=4", "model.nexus=2", "model.iterations=1",
             "hydra.sweeper.seeds=[0]", "hydra/launcher=basic", "hydra.sweeper.winners=0", "tracking.enabled=false"),
        steps=6, extra_tau=24, note="Only to show that all works: the numbers mean nothing.",
    ),
}  # fmt: skip


def changes(level: Level) -> dict[str, tuple[str, ...]]:
    """Sweep → what the level changes in it, in the order in which they run."""
    if level.steps is None:
        return dict.fromkeys((ABLATION, NEW_TAU, LENGTH), level.all)
    steps, extra = f"trainer.max_steps={level.steps}", f"dataset.extra_tau=0,{level.extra_tau}"
    both = f"{steps},{level.steps * 25 // 80}"
    return {
        ABLATION: (*level.all, steps),
        NEW_TAU: (*level.all, steps, extra, "hydra.sweeper.claims=[]"),  # which name other numbers
        LENGTH: (*level.all, both, "hydra.sweeper.claims=[]", "hydra.sweeper.baseline=false"),
    }


def run(places: Places, level: Level) -> Path:
    """Everything that the level asks for; returns the page."""
    asked = changes(level)
    if files(Path(places.data_root) / "nugraph"):
        del asked[NEW_TAU]
    for name, changed in asked.items():
        sweep(SWEEPS, name, *places.overrides(), *changed)
    new_tau = places.study(NEW_TAU) if NEW_TAU in asked else None
    found = find(places.study(ABLATION), places.study(LENGTH), new_tau)
    note = _note(level, found, new=NEW_TAU in asked)
    title = "Tau neutrinos in NuGraph (DUNE)"
    return write_page(Path(places.studies_root) / PAGE, "nugraph", title, note, sections(found), drawn(found))


def _note(level: Level, found: Findings, *, new: bool) -> str:
    without = "" if new else "these are no simulated events, to which new tau events could be added"
    notes = [level.note, *found.splits.notes, without]
    return " ".join(note[0].upper() + note[1:].rstrip(".") + "." for note in notes if note)


def sections(found: Findings) -> Iterator[Section]:
    """(file's name, title, rows) of every table."""
    yield (
        "claims",
        "The study's claims (95 % t intervals over seeds; none is corrected for their number)",
        claims(found),
    )
    yield "events", "Figure 4 as a table: events by part and class", tables.events(found)
    yield "ablation", "Ablation, on test events: mean (95 % t interval over seeds)", tables.ablation(found)
    yield "against_original", "Ablation: difference to the original, paired by seed", tables.against_original(found)
    yield (
        "effects",
        "Main effects: what each modification adds, averaged over all settings of the other two, paired by seed",
        tables.effects(found),
    )
    yield "trees", "Does the network see more than hits and charge? On the same splits", tables.trees(found)
    yield "new_tau", "New tau events against repeats, at equal steps (cross-entropy)", tables.new_tau(found)
    yield (
        "lengths",
        "Original and modified (weighted loss, deep encoder), and the average of the seeds' models",
        tables.lengths(found),
    )
    yield (
        "precision",
        "Figure 5 as a table: share of the events called so, and their mean number over seeds",
        tables.matrix(found, "predicted"),
    )
    yield "recall", "The same as shares of the true class", tables.matrix(found, "true")
    yield "hits", "Classes of hits: mean (sd) over seeds", tables.hits(found)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], str(__doc__), LEVELS, run))
