"""What the NOvA study says, and whether it holds here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from src.evaluation.nodes import correlation
from src.evaluation.statistics import ALPHA, summary
from src.reproduce.nova_findings import NUMU, Findings, seeds_in_common, strongly_like_the_target
from src.reproduce.nova_tables import trend_of
from src.reproduce.tables import Row

HOLDS, NOT, OPEN = "holds", "does not hold", "not decided"
SAME = 0.1
"""Relative difference up to which two numbers are said to agree, where the study gives no error."""


@dataclass(frozen=True)
class Claim:
    """A sentence of the study, what was found here, and the verdict."""

    text: str
    here: str
    verdict: str


def claims(found: Findings) -> list[Row]:
    """One row for each claim that the runs can speak to."""
    return [{"claim of the study": one.text, "here": one.here, "verdict": one.verdict} for one in _claims(found)]


def _claims(found: Findings) -> Iterator[Claim]:
    networks = found.networks
    yield from _imbalance(found)
    yield _difference(
        "trained on GENIE, νe are classified worse on GiBUU (figures 16, 20)", found, "genie", "genie",
        "test.gap/roc_auc.nue", lambda gap, _: gap, "ROC AUC of νe, GENIE - GiBUU",
    )  # fmt: skip
    yield _difference(
        "training on both generators beats training on GENIE alone (figure 22)", found, "both", "genie",
        "test/balanced_accuracy", lambda both, genie: both - genie, "balanced accuracy, both - GENIE",
    )  # fmt: skip
    if "both" in networks:
        for c in ("numu", "nue"):
            yield _difference(
                f"trained on both, {c} of GiBUU are classified better than GENIE's (figure 26)", found, "both", "both",
                f"test.gap/roc_auc.{c}", lambda gap, _: -gap, "ROC AUC, GiBUU - GENIE",
            )  # fmt: skip
    yield from _inside(found)
    yield from _domains(found)
    yield from _scan(found)


def _difference(
    text: str, found: Findings, one: str, other: str, metric: str, of: Callable[[float, float], float], what: str
) -> Claim:  # fmt: skip
    """Whether a difference of two trainings on the same seeds is above 0."""
    a, b = (found.networks[name] for name in (one, other))
    mine, theirs = a.metric(metric), b.metric(metric)
    return _positive(text, [of(mine[seed], theirs[seed]) for seed in seeds_in_common(a, b)], what)


def _positive(text: str, values: Sequence[float], what: str) -> Claim:
    one = summary(values)
    verdict = HOLDS if one["low"] > 0 else NOT if one["high"] < 0 else OPEN
    return Claim(
        text, f"{what}: {one['mean']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f}; n = {one['n']:.0f})", verdict
    )


def _imbalance(found: Findings) -> Iterator[Claim]:
    natural, balanced = (found.networks[name].metric("test.genie/recall.nue") for name in ("natural", "genie"))
    values = list(natural.values())
    verdict = HOLDS if max(values) < 0.05 else NOT
    yield Claim(
        "at the natural mix nearly no event is called νe (figures 9 to 11)",
        f"recall of νe: {np.mean(values):.3f} (largest {max(values):.3f}; n = {len(values)})", verdict,
    )  # fmt: skip
    seeds = [seed for seed in natural if seed in balanced]
    differences = [balanced[seed] - natural[seed] for seed in seeds]
    yield _positive(
        "balancing the classes repairs that (figures 13 to 16)", differences, "recall of νe, balanced - natural"
    )


def _inside(found: Findings) -> Iterator[Claim]:
    known, _, _ = found.nodes
    dead = known.dead_share
    yield Claim(
        "78.4 % of the penultimate nodes never activate", f"{100 * dead:.1f} % (first seed, another network)",
        HOLDS if abs(dead - 0.784) < SAME * 0.784 else NOT,
    )  # fmt: skip
    rho, _ = correlation(known.classes[NUMU], known.domains[1])
    null = found.null_correlations
    p = (1 + np.count_nonzero(null >= rho)) / (1 + len(null))
    verdict = OPEN if np.isnan(rho) else HOLDS if p < ALPHA else NOT
    yield Claim(
        "nodes that know νμ know GiBUU (figure 33)",
        f"Spearman's ρ = {rho:.2f} (first seed); with domains dealt out anew {np.nanmean(null):.2f} on average, p = {p:.2g}", verdict,
    )  # fmt: skip


def _domains(found: Findings) -> Iterator[Claim]:
    accuracies = summary(found.accuracies)
    low, high = accuracies["low"], accuracies["high"]
    yield Claim(
        "a discriminator tells the generators apart, in 65 to 70 % of the events (section 3.2)",
        f"balanced accuracy {accuracies['mean']:.3f} ({low:.3f} to {high:.3f}; n = {accuracies['n']:.0f})",
        HOLDS if low > 0.5 and 0.63 < accuracies["mean"] < 0.72 else NOT if high < 0.63 or low > 0.72 else OPEN,
    )  # fmt: skip
    shares, hits, muons = [], [], []
    for one, events, labels in zip(found.discriminated, found.discriminated_events, found.true_classes, strict=True):
        gibuu, strong = one.domain == 1, strongly_like_the_target(one)
        shares.append((strong[gibuu].mean(), strong[~gibuu].mean()))
        if (gibuu & strong).any():
            hits.append(events[gibuu & strong, 0].mean() / events[gibuu & ~strong, 0].mean())
            muons.append((labels[gibuu & strong] == NUMU).mean() - (labels[gibuu] == NUMU).mean())
    share, other = np.mean(shares, axis=0)
    yield Claim(
        "P(GENIE) < 0.2 holds some 26 % of GiBUU and 2.5 % of GENIE (figure 35)",
        f"{100 * share:.1f} % of GiBUU, {100 * other:.1f} % of GENIE", HOLDS if share > 3 * other and share > 0.1 else NOT,
    )  # fmt: skip
    if len(hits) > 1:
        yield _positive(
            "they have many more hits (figure 37)",
            (np.array(hits) - 1).tolist(),
            "hits relative to other GiBUU events, - 1",
        )
        yield _positive(
            "νμ are rare among them, 16 % (figure 36)", (-np.array(muons)).tolist(), "share of νμ in GiBUU - among them"
        )


def _scan(found: Findings) -> Iterator[Claim]:
    """Of the scan: trends over the scale."""
    for text, metric, falling in (
        ("the stronger the reversed gradient, the worse νμ are classified (figure 39)", "test/roc_auc.numu", True),
        ("the stronger the reversed gradient, the worse νe are classified (figure 40)", "test/roc_auc.nue", True),
        ("the generators' difference for νμ shrinks with the scale (figure 41; said to be near noise)", "test.gap/roc_auc.numu", None),
        ("for νe it does not (figure 42)", "test.gap/roc_auc.nue", None),
    ):  # fmt: skip
        if falling is None:
            yield _shrinks(text, found, metric)
            continue
        one = trend_of(found, metric)
        if one is None:
            continue
        clear = one["p"] < ALPHA
        verdict = OPEN if not clear else HOLDS if one["mean"] < 0 else NOT
        yield Claim(text, _said(one), verdict)


def _shrinks(text: str, found: Findings, metric: str) -> Claim:
    """Whether the absolute gap at the largest scale is below that at the smallest, paired by seed."""
    scales = list(found.scales)
    weak, strong = (found.scales[scale].metric(metric) for scale in (scales[0], scales[-1]))
    values = [abs(weak[seed]) - abs(strong[seed]) for seed in weak if seed in strong]
    claim = _positive(text, values, f"|gap| at scale {scales[0]:g} - |gap| at {scales[-1]:g}")
    if "does not" not in text:
        return claim
    return Claim(text, claim.here, {HOLDS: NOT, NOT: HOLDS, OPEN: OPEN}[claim.verdict])


def _said(one: dict[str, float]) -> str:
    return f"slope {one['mean']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f}; n = {one['n']:.0f} seeds), Page's test p = {one['p']:.2g}"
