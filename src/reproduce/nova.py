"""The 2020 NOvA robustness study from first file to last figure.

    python -m src.reproduce.nova [level=full|study|quick|smoke] [data_root=data] [runs_root=runs] [studies_root=studies]

Runs its sweeps (one that is done is not repeated, one that was interrupted goes on): the classifiers and the discriminator of GENIE and
GiBUU, the scan of the reversed gradient's scale, and what the study asks for next, the detector's own events as the target. Writes
Figures 7 and 9 to 42 (there is no 27), tables, and one page that says of each claim of the study whether it holds here.

full is the sweeps as they are (at most 39,200 events seen a run, a small network, no preselection; simulated where data_root/nova
has no files: some two hours on 2 cores); study is the study's own network, preselection and length of training, and needs a GPU and
the experiment's files (whose GiBUU weights are wrong: what an event list says of them is an option of dataset=nova, and in no sweep).
quick is a reduced version; smoke shows only that all works.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from src.reproduce import nova_figures as figures
from src.reproduce import nova_tables as tables
from src.reproduce.nova_claims import claims
from src.reproduce.nova_findings import Findings, find
from src.reproduce.page import Section, main, write_page
from src.reproduce.sweeps import SWEEPS, Places, sweep

CLASSIFIERS, SCAN, DETECTOR = "nova_classifiers", "dann_pareto", "nova_detector"
PAGE = "nova_page"
PRESETS = ("thesis", "official")


@dataclass(frozen=True)
class Level:
    """How much of the study to run: what it changes in each sweep."""

    all: tuple[str, ...] = ()
    classifiers: tuple[str, ...] = ()
    scan: tuple[str, ...] = ()
    detector: tuple[str, ...] = ()
    note: str = ""


LEVELS = {
    "full": Level(),
    "study": Level(
        all=("model=mobilenet", "model.width=0.25", "model.l2=0.0002", "dataset/selection=thesis", "dataset.split_by=file",
             "dataset.events=100000", "optimizer.lr=0.001", "schedule=none"),
        classifiers=("trainer.max_steps=null", "trainer.epochs=100"), scan=("trainer.epochs=100",), detector=("trainer.epochs=100",),
    ),
    "quick": Level(
        all=("hydra.sweeper.seeds=[0,1]", "dataset.events=2000"),
        classifiers=("trainer.max_steps=300",), scan=("strategy.scale=0,0.5,1", "trainer.epochs=5"),
        detector=("strategy=erm,dann,coral", "trainer.epochs=4"),
        note="Reduced: 2,000 events a generator, at most 14,000 seen a run, two seeds, three scales.",
    ),
    "smoke": Level(
        all=("hydra.sweeper.seeds=[0]", "hydra/launcher=basic", "dataset.events=150", "model.width=0.25", "tracking.enabled=false"),
        classifiers=("trainer.max_steps=3", "dataset.val_fraction=0.2"), scan=("strategy.scale=0,0.5,1", "trainer.epochs=1"),
        detector=("strategy=erm,coral", "trainer.epochs=1"),
        note="Only to show that all works: the numbers mean nothing.",
    ),
}  # fmt: skip


def changes(level: Level) -> dict[str, tuple[str, ...]]:
    """Sweep → what the level changes in it, in the order in which they run."""
    own = {CLASSIFIERS: level.classifiers, SCAN: level.scan, DETECTOR: level.detector}
    return {name: (*level.all, *changed) for name, changed in own.items()}


def run(places: Places, level: Level) -> Path:
    """Everything that the level asks for; returns the page."""
    for name, changed in changes(level).items():
        sweep(SWEEPS, name, *places.overrides(), *changed)
    found = find(*(places.study(name) for name in (CLASSIFIERS, SCAN, DETECTOR)))
    out = Path(places.studies_root) / PAGE
    notes = [level.note, *found.both.prepared.splits.notes[:1]]
    note = " ".join(note[0].upper() + note[1:].rstrip(".") + "." for note in notes if note)
    return write_page(
        out, "nova", "Classifier robustness with GENIE and GiBUU (NOvA)", note, sections(found), figures.drawn(found)
    )


def presets() -> dict[str, Any]:
    """The selections of conf/dataset/selection."""
    folder = SWEEPS.parent / "conf" / "dataset" / "selection"
    return {name: yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in PRESETS}


def sections(found: Findings) -> Iterator[Section]:
    """(file's name, title, rows) of every table."""
    yield (
        "claims",
        "The study's claims (95 % t intervals over seeds, unless said otherwise; none is corrected for their number)",
        claims(found),
    )
    yield "events", "Events by part, class and generator", tables.events(found)
    yield (
        "cut_flow",
        "Preselection: events that each cut leaves, after those before it",
        tables.cut_flow(found.files, presets()),
    )
    yield "accuracy", "Classifiers on the events of either generator, mean (sd) over seeds", tables.accuracy(found)
    yield (
        "gaps",
        "ROC AUC on GENIE minus that on GiBUU: mean (sd) over seeds; 95 % bootstrap interval of the first seed's over events",
        tables.gaps(found),
    )
    yield "cut", "Classifier of both generators at the study's cut", tables.at_the_cut(found)
    yield "trees", "Do the pictures say more than two numbers? Events of both generators", tables.against_trees(found)
    yield "discriminator", "Telling the generators apart", tables.discriminator(found)
    yield "scan", "The reversed gradient's scale, mean (sd) over seeds", tables.scales(found)
    yield (
        "detector",
        "The detector's own events as the target, without labels: mean (sd) over seeds",
        tables.remedies(found),
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], str(__doc__), LEVELS, run))
