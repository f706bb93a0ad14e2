"""What the NOvA study says, and whether it holds here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from src.evaluation.nodes import correlation
from src.evaluation.statistics import ALPHA, summary
from src.reproduce.nova_findings import NUMU, SURE, Findings, said, seeds_in_common, strongly_like_the_target
from src.reproduce.nova_tables import at_cut, trend_of
from src.reproduce.tables import Row
from src.reproduce.verdicts import COMPATIBLE, HOLDS, NOT, OPEN, OTHER, Claim


def claims(found: Findings) -> list[Row]:
    """One row for each claim that the runs can speak to."""
    return [{"claim of the study": one.text, "here": one.here, "verdict": one.verdict} for one in _claims(found)]


def _claims(found: Findings) -> Iterator[Claim]:
    yield from _imbalance(found)
    yield _difference(
        "trained on GENIE, νe are classified worse on GiBUU (figures 16, 20)", found, "genie", "genie",
        "test.gap/roc_auc.nue", lambda gap, _: gap, "ROC AUC of νe, GENIE - GiBUU",
    )  # fmt: skip
    yield _difference(
        "training on both generators beats training on GENIE alone (figure 22)", found, "both", "genie",
        "test/balanced_accuracy", lambda both, genie: both - genie, "balanced accuracy, both - GENIE",
    )  # fmt: skip
    for c in ("numu", "nue"):
        yield _difference(
            f"trained on both, {c} of GiBUU are classified better than GENIE's (figure 26)", found, "both", "both",
            f"test.gap/roc_auc.{c}", lambda gap, _: -gap, "ROC AUC, GiBUU - GENIE",
        )  # fmt: skip
    purity, efficiency = zip(
        *(at_cut(test, NUMU, "balanced") for test in said(found.networks["both"]).values()), strict=True
    )
    yield _number("a cut at 0.6 on p(νμ) has a purity of 82 % (figure 24)", purity, 0.82)
    yield _number("and an efficiency of 62 %", efficiency, 0.62)
    trees = zip(found.networks["both"].metric("test/balanced_accuracy").values(), found.trees, strict=True)
    yield _positive(
        "(not the study's) pictures say more than numbers of hits and visible energy", [a - b for a, b in trees],
        "balanced accuracy, network - boosted trees",
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


def _number(text: str, values: Sequence[float], study: float) -> Claim:
    """Whether the study's number lies in the 95 % interval of ours over seeds, however wide."""
    one = summary(values)
    verdict = OPEN if np.isnan(one["low"]) else COMPATIBLE if one["low"] <= study <= one["high"] else NOT
    return Claim(text, f"{one['mean']:.3f} ({one['low']:.3f} to {one['high']:.3f}; n = {one['n']:.0f})", verdict)


def _below(text: str, values: Sequence[float], limit: float, what: str) -> Claim:
    """Whether a number is below a limit, by its 95 % interval over seeds."""
    one = summary(values)
    verdict = HOLDS if one["high"] < limit else NOT if one["low"] > limit else OPEN
    return Claim(
        text, f"{what}: {one['mean']:.3f} ({one['low']:.3f} to {one['high']:.3f}; n = {one['n']:.0f})", verdict
    )


def _imbalance(found: Findings) -> Iterator[Claim]:
    natural = list(found.networks["natural mix"].metric("test.genie/recall.nue").values())
    yield _below(
        "at the natural mix nearly no event is called νe (figures 9 to 11)",
        natural,
        0.05,
        "recall of νe, judged against 0.05",
    )
    yield _difference(
        "balancing the classes repairs that (figures 13 to 16); here the same events, νe drawn more often", found,
        "natural mix, oversampled", "natural mix", "test.genie/recall.nue", lambda a, b: a - b, "recall of νe, balanced - natural",
    )  # fmt: skip


def _inside(found: Findings) -> Iterator[Claim]:
    known, _, _ = found.nodes
    yield Claim("78.4 % of the penultimate nodes never activate", f"{100 * known.dead_share:.1f} % (first seed)", OTHER)
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
        HOLDS if low >= 0.65 and high <= 0.7 else NOT if high < 0.65 or low > 0.7 else OPEN,
    )  # fmt: skip
    drops = [a - b for a, b in zip(found.accuracies, found.matched_accuracies, strict=True)]
    yield _positive(
        "(not the study's) it is worse on events that are alike in number of hits",
        drops,
        "balanced accuracy, all - matched",
    )
    shares, others, hits, energy, muons = [], [], [], [], []
    for one, events, labels in zip(found.discriminated, found.discriminated_events, found.true_classes, strict=True):
        gibuu, strong, sure = one.domain == 1, strongly_like_the_target(one), strongly_like_the_target(one, SURE)
        shares.append(strong[gibuu].mean())
        others.append(strong[~gibuu].mean())
        if (gibuu & strong).any():
            hits.append(events[gibuu & strong, 0].mean() / events[gibuu & ~strong, 0].mean() - 1)
            energy.append(events[gibuu & strong, 1].mean() / events[gibuu & ~strong, 1].mean() - 1)
            muons.append((labels[gibuu] == NUMU).mean() - (labels[gibuu & sure] == NUMU).mean())
    yield _number("P(GENIE) < 0.2 holds some 26 % of GiBUU (figure 35)", shares, 0.26)
    yield _number("and 2.5 % of GENIE", others, 0.025)
    if hits:
        yield _positive("they have many more hits (figure 37)", hits, "hits relative to other GiBUU events, - 1")
        yield _positive(
            "and much more visible energy (figure 38)", energy, "energy relative to other GiBUU events, - 1"
        )
        yield _positive(
            "νμ are rare among the most sure ones (figure 36: 16 %)", muons, "share of νμ in GiBUU - among them"
        )


def _scan(found: Findings) -> Iterator[Claim]:
    """Of the scan: trends over the scale."""
    for text, metric, falling in (
        ("the stronger the reversed gradient, the worse νμ are classified (figure 39)", "test/roc_auc.numu", True),
        ("the stronger the reversed gradient, the worse νe are classified (figure 40)", "test/roc_auc.nue", True),
        ("νe suffer more than νμ (figures 39, 40)", "test/roc_auc.numu - nue", None),
        ("the generators' difference for νμ shrinks with the scale (figure 41; said to be near noise)", "test.gap/roc_auc.numu", None),
        ("for νe it does not (figure 42)", "test.gap/roc_auc.nue", None),
    ):  # fmt: skip
        if " - " in metric:
            yield _suffers(text, found)
            continue
        if falling is None:
            yield _shrinks(text, found, metric)
            continue
        one = trend_of(found, metric)
        if one is None:
            continue
        clear = one["p"] < ALPHA
        verdict = OPEN if not clear else HOLDS if one["mean"] < 0 else NOT
        yield Claim(text, _said(one), verdict)


def _suffers(text: str, found: Findings) -> Claim:
    """Whether ROC AUC falls more for νe than for νμ from the smallest to the largest scale, paired by seed."""
    scales = list(found.scales)
    weak, strong = (found.scales[scale] for scale in (scales[0], scales[-1]))
    falls = {}
    for c in ("nue", "numu"):
        before, after = weak.metric(f"test/roc_auc.{c}"), strong.metric(f"test/roc_auc.{c}")
        falls[c] = {seed: before[seed] - after[seed] for seed in before if seed in after}
    return _positive(
        text, [falls["nue"][seed] - falls["numu"][seed] for seed in falls["nue"]], "fall of ROC AUC, νe - νμ"
    )


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
