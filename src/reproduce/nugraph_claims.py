"""What the tau-neutrino study says, and whether it holds here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from src.evaluation.metrics import normalise
from src.evaluation.statistics import summary
from src.reproduce.nugraph_arms import NEWLY_DRAWN, REPEATED, TAU
from src.reproduce.nugraph_findings import Findings, confusion, differences, silent, tests
from src.reproduce.nugraph_tables import interval
from src.reproduce.sweeps import Configuration
from src.reproduce.tables import Row
from src.reproduce.verdicts import COMPATIBLE, HOLDS, NOT, OPEN, Claim

PRECISION, GAIN = 0.35, 0.10
"""Of the original for tau at the end of training; what the modified network has more after 25 of 80 epochs."""
NOT_COMPARED = "not comparable"


def claims(found: Findings) -> list[Row]:
    """One row for each claim that the runs can speak to."""
    return [{"claim of the study": one.text, "here": one.here, "verdict": one.verdict} for one in _claims(found)]


def _claims(found: Findings) -> Iterator[Claim]:
    yield from _precision(found)
    for factor, text in (
        ("weighted loss", "the weighted loss"), ("deep encoder", "a deeper encoder"),
        ("repeats", "drawing tau events seven times as often (not finished in the study)"),
    ):  # fmt: skip
        for kind, metric in (
            ("find more tau events", "recall"),
            ("be more often right where it says tau", "precision"),
        ):
            values = found.effect(factor, f"test/{metric}.{TAU}")
            if values:
                claim = positive(f"{text} lets the network {kind}", values, f"{metric}, with - without")
                arms = [found.arms[arm] for arm in found.crossed] if metric == "precision" else []
                yield unless_silent(claim, arms, found)
    if {NEWLY_DRAWN, REPEATED} <= found.tau.keys():
        gain = differences(found.tau[NEWLY_DRAWN], found.tau[REPEATED], f"test/f1.{TAU}")
        yield positive("(outlook) new tau events are better than repeats", [*gain.values()], "tau F1, new - repeats")
    yield Claim(
        "the modified network reached a record minimum of the loss (figure 6)",
        "another function than the original's: its level says nothing; beside it validation's cross-entropy",
        NOT_COMPARED,
    )


def _precision(found: Findings) -> Iterator[Claim]:
    """Of figure 5: both networks' precision for tau, and what else is called tau."""
    steps = [steps for _, steps in found.lengths]
    before, after = (found.lengths.get(key) for key in (("original", max(steps)), ("modified", min(steps))))
    if before is None or after is None:
        return
    metric, tau = f"test/precision.{TAU}", found.classes.index(TAU)
    original = list(before.metric(metric).values())
    right = number("the original is right in 35 % of the events that it calls tau (figure 5)", original, PRECISION)
    share = np.mean(found.splits.test.clean == tau)
    guess = positive(
        "that is not much better than to guess (to guess is to be right as often as there are tau events)",
        [share - one for one in original], "share of tau - precision",
    )  # fmt: skip
    yield from (unless_silent(claim, [before], found) for claim in (right, guess))
    called = [normalise(confusion([one]), "predicted")[:, tau] for one in tests(before)]
    nc = [one[found.classes.index("nc")] - one[tau] for one in called if not np.isnan(one).any()]
    if nc:
        yield number("as many that it calls tau are NC as tau (section 4.2)", nc, 0.0)
    gain = list(differences(after, before, metric).values())
    more = positive(
        "after 25 of 80 epochs the modified network is more often right where it says tau (figure 5)", gain,
        "precision, modified - original",
    )  # fmt: skip
    yield from (unless_silent(claim, [before, after], found) for claim in (more, number("by 10 points", gain, GAIN)))


def unless_silent(claim: Claim, precisions: Iterable[Configuration], found: Findings) -> Claim:
    """The claim, not decided where it rests on the precision of models that call nothing tau."""
    each = [(silent(one, found.classes.index(TAU)), len(one.runs)) for one in precisions]
    none, models = (sum(column) for column in zip(*each, strict=True)) if each else (0, 0)
    if not none:
        return claim
    return replace(
        claim, here=f"{claim.here}; {none} of {models} models call nothing tau, which counts as 0", verdict=OPEN
    )


def positive(text: str, values: Sequence[float], what: str) -> Claim:
    """Whether it is above 0, by its 95 % interval over seeds."""
    one = summary(values)
    verdict = HOLDS if one["low"] > 0 else NOT if one["high"] < 0 else OPEN
    return Claim(text, f"{what}: {interval(values, '+')}, n = {one['n']}", verdict)


def number(text: str, values: Sequence[float], study: float) -> Claim:
    """Whether the study's number lies in the 95 % interval of ours over seeds, however wide."""
    one = summary(values)
    verdict = OPEN if np.isnan(one["low"]) else COMPATIBLE if one["low"] <= study <= one["high"] else NOT
    return Claim(text, f"{interval(values)}, n = {one['n']}", verdict)
