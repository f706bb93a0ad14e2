"""Which events a run is about: those of the files that have a class and pass the selection, found once and kept in the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from src.datasets import caf, nova_selection
from src.datasets.cache import completed, digest, file_digest
from src.datasets.nova_files import Labelled, labelled_rows, origin
from src.datasets.selected_index import read_index, write_index
from src.errors import UserError
from src.task import IntArray

CLASSES = ("nc", "nue", "numu")
SELECTED_BY = ("nova_cuts.py", "nova_index.py", "nova_selection.py", "caf_tables.py", "nova_files.py", "caf.py")
"""The code that decides which events are in the index."""


def identity(
    paths: Sequence[Path], content: Mapping[Path, str], selection: nova_selection.Selection, target: str
) -> str:
    """16 hexadecimal digits for the files (their contents and names), the cuts and their code, and which origin is the target."""
    code = file_digest([Path(__file__).with_name(name) for name in SELECTED_BY])
    return digest(code, [(content[path], path.name) for path in paths], selection, target)


def selected(
    paths: Sequence[Path], selection: nova_selection.Selection, target: str, name: str, cache_root: Path
) -> tuple[caf.Columns, tuple[str, ...]]:
    """(the index of the selected events, what a person should know of it); made once, and kept under cache_root/selected/name.

    Its rows are in the order of the paths and of the rows in each. Raises UserError if no event passes, if one stands in two
    files, and for whatever is wrong with a file.
    """
    folder = cache_root / "selected" / name
    completed(folder, partial(_select, paths, selection, target))
    told = (folder / "cut_flow.txt").read_text().rstrip("\n")
    table = read_index(folder / "events.parquet")
    if not len(table["run"]):
        raise UserError(f"dataset/selection: no event passes it; see {folder / 'cut_flow.txt'}")
    notes = (told, f"index of the selected events: {folder / 'events.parquet'}") if selection else (told,)
    return table, tuple(note for note in notes if note)


def rows_of(table: caf.Columns, paths: Sequence[Path]) -> list[tuple[Path, IntArray]]:
    """(file, rows of its maps) in the index's order."""
    file, rows = table["file"], table["train_index"]
    starts = np.flatnonzero(np.append(True, file[1:] != file[:-1]))
    parts = dict(zip(file[starts].tolist(), np.split(rows, starts[1:]), strict=True))
    return [(path, parts.get(path.name, rows[:0])) for path in paths]


def concatenated(tables: Sequence[caf.Columns]) -> caf.Columns:
    """The columns of several tables, one below the other."""
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def _select(paths: Sequence[Path], selection: nova_selection.Selection, target: str, folder: Path) -> None:
    """Write the index and the cut flow of the files."""
    parts: list[caf.Columns] = []
    tables: dict[str, list[tuple[nova_selection.Passed, IntArray]]] = {}
    keys: dict[str, list[caf.Columns]] = {}
    dropped = 0
    for path in paths:
        found, who = labelled_rows(path), origin(path)
        dropped += found.dropped
        keys.setdefault(who, []).append(found.key)
        if selection:
            with caf.opened(path) as file:
                passed = nova_selection.select(file, found.key, selection)
            tables.setdefault(who, []).append((passed, found.label))
            found = found.select(passed.events)
        parts.append(_rows(found, int(who == target)))
    for who, of_files in keys.items():
        every = concatenated(of_files)
        caf.join(every, every, f"the files of {who}'s events ({paths[0].parent}, ...)")
    left_out = f"{dropped} maps left out: no row in {caf.TRUTH}, or neither NC nor νe nor νμ\n" if dropped else ""
    text = nova_selection.flow_text(tables, CLASSES) if tables else ""
    (folder / "cut_flow.txt").write_text(left_out + text)
    write_index(folder / "events.parquet", concatenated(parts))


def _rows(found: Labelled, domain: int) -> caf.Columns:
    n = len(found.label)
    return {
        **found.key, "weight": found.weight, "train_index": found.rows, "label": found.label,
        "domain": np.full(n, domain), "file": np.repeat(found.path.name, n),
    }  # fmt: skip
