"""The near detector's preselection: which events pass all cuts of νμ's selection, or of νe's, and what each cut leaves."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pydantic

from src.datasets import caf
from src.datasets.caf_tables import Tables
from src.datasets.nova_cuts import CUTS
from src.errors import did_you_mean
from src.task import BoolArray, IntArray

if TYPE_CHECKING:
    import h5py

Selection = Mapping[str, Mapping[str, Mapping[str, Any] | None] | None]
"""numu, nue → cut → threshold → value; a cut or a selection that is None is off."""


@dataclass(frozen=True)
class Passed:
    """Which events pass which cuts; masks (n,) in the order of the events' keys."""

    count: int
    cuts: dict[str, dict[str, BoolArray]]
    """Selection → cut → mask, in the order of the configuration; none for what is switched off."""

    @property
    def selections(self) -> dict[str, BoolArray]:
        """Events that pass all cuts of a selection."""
        all_events = np.ones(self.count, dtype=bool)
        return {name: np.logical_and.reduce([all_events, *cuts.values()]) for name, cuts in self.cuts.items()}

    @property
    def events(self) -> BoolArray:
        """Events that pass a selection; all of them if every selection is off."""
        masks = self.selections.values()
        return np.logical_or.reduce(list(masks)) if masks else np.ones(self.count, dtype=bool)


def check(selection: Selection | None) -> None:
    """Raises ValueError with every unknown selection, cut or threshold, and every value that is none."""
    mistakes = [mistake for name, cuts in (selection or {}).items() for mistake in _in_selection(name, cuts)]
    if mistakes:
        raise ValueError("; ".join(mistakes))


def select(file: h5py.File, key: caf.Columns, selection: Selection) -> Passed:
    """Apply the cuts to the events of these keys; every one of them to all events.

    Raises UserError for a branch or column that is not in the file, and for a key that stands twice.
    """
    tables = Tables(file, key)
    masks = {
        name: {cut: CUTS[name][cut](tables, **options) for cut, options in cuts.items() if options is not None}
        for name, cuts in selection.items()
        if cuts is not None
    }
    return Passed(len(key["run"]), masks)


class Step(NamedTuple):
    """Events that a cut and all before it leave, by class, and in `all` with those of no class."""

    selection: str
    cut: str
    events: dict[str, int]


def cut_flow(passed: Passed, label: IntArray, class_names: Sequence[str]) -> list[Step]:
    """Of all events, after each cut of each selection, and of either selection; labels below 0 are of no class."""

    def step(selection: str, cut: str, left: BoolArray) -> Step:
        counts = np.bincount(label[left & (label >= 0)], minlength=len(class_names)).tolist()
        return Step(selection, cut, {**dict(zip(class_names, counts, strict=True)), "all": int(left.sum())})

    steps = [step("", "no cut", np.ones(passed.count, dtype=bool))]
    for selection, cuts in passed.cuts.items():
        left = np.ones(passed.count, dtype=bool)
        for cut, mask in cuts.items():
            left = left & mask
            steps.append(step(selection, cut, left))
    return [*steps, step("", "selected", passed.events)]


def flow_text(files: Mapping[str, Sequence[tuple[Passed, IntArray]]], class_names: Sequence[str]) -> str:
    """The cut flow as a table with a column per domain and class; for each domain its files' (passed, label)."""
    flows = {domain: _sum([cut_flow(p, label, class_names) for p, label in found]) for domain, found in files.items()}
    first = next(iter(flows.values()))
    table = [["selection", "cut", *(f"{domain} {name}" for domain in flows for name in (*class_names, "all"))]]
    for row, step in enumerate(first):
        counts = [count for steps in flows.values() for count in steps[row].events.values()]
        table.append([step.selection, step.cut, *map(str, counts)])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(_line(cells, widths) for cells in table)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Words to the left, numbers to the right."""
    padded = [cell.ljust(w) if k < 2 else cell.rjust(w) for k, (cell, w) in enumerate(zip(cells, widths, strict=True))]
    return "  ".join(padded).rstrip()


def _sum(flows: Sequence[Sequence[Step]]) -> list[Step]:
    """Of files under the same selection."""
    return [
        first._replace(events={name: sum(step.events[name] for step in (first, *others)) for name in first.events})
        for first, *others in zip(*flows, strict=True)
    ]


# --- what may stand in the configuration: a cut's signature is its schema ---


def _in_selection(name: str, cuts: Any) -> Iterator[str]:
    where = f"selection.{name}"
    if name not in CUTS:
        yield f"{where}: there is no such selection{did_you_mean(str(name), CUTS)}"
    elif isinstance(cuts, Mapping):
        for cut, options in cuts.items():
            if cut not in CUTS[name]:
                yield f"{where}.{cut}: there is no such cut{did_you_mean(str(cut), CUTS[name])}"
            elif options is not None:
                yield from _in_cut(f"{where}.{cut}", CUTS[name][cut], options)
    elif cuts is not None:
        yield f"{where}={cuts}: give its cuts, or null to switch it off"


def _in_cut(where: str, cut: Callable[..., BoolArray], options: Any) -> Iterator[str]:
    known = _thresholds(cut)
    if not isinstance(options, Mapping):
        yield f"{where}={options}: give its thresholds ({', '.join(known)}), or null to switch it off"
        return
    for name in options:
        if name not in known:
            yield f"{where}.{name}: there is no such threshold{did_you_mean(str(name), known)}"
    for name, kind in known.items():
        if name not in options:
            yield f"{where}.{name}: missing"
            continue
        try:
            kind.validate_python(options[name], strict=True)
        except pydantic.ValidationError as error:
            yield f"{where}.{name}={options[name]}: {_message(error)}"


def _message(error: pydantic.ValidationError) -> str:
    found = error.errors(include_url=False)[0]["msg"]
    return found.replace("Input should be", "should be").replace("a valid ", "a ").removeprefix("Value error, ")


@functools.cache
def _thresholds(cut: Callable[..., BoolArray]) -> dict[str, pydantic.TypeAdapter[Any]]:
    hints = typing.get_type_hints(cut, include_extras=True)
    keywords = [p.name for p in inspect.signature(cut).parameters.values() if p.kind is p.KEYWORD_ONLY]
    return {name: pydantic.TypeAdapter(hints[name]) for name in keywords}
