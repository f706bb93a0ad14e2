"""Tables of the NOvA study, beside what it printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from src.datasets import caf, nova_selection
from src.datasets.nova import NATURAL_PRIOR
from src.datasets.nova_files import labelled_rows, origin
from src.datasets.nova_index import CLASSES
from src.evaluation.domain_gap import gap_interval
from src.evaluation.physics import natural_weight, scan
from src.evaluation.predictions import Predictions
from src.evaluation.statistics import summary, trend
from src.reproduce.nova_findings import NUE, NUMU, Findings, first, gap_by_chance, said, seeds_in_common
from src.reproduce.sweeps import Configuration
from src.reproduce.tables import Row, spread

STUDY_ACCURACY = {("genie", "genie"): ".621", ("genie", "gibuu"): ".633", ("both", "all"): ".702"}
STUDY_SCAN = {0.0: ".702", 0.1: ".678 (older set)", 0.5: ".664", 0.7: ".630"}
CUT = 0.6
STUDY_CUT = ("0.82", "0.62")


def events(found: Findings) -> list[Row]:
    """Training, validation and test events by class and generator."""
    rows = []
    for name in ("natural mix", "genie", "gibuu", "both", "both, study's mix"):
        if name not in found.networks:
            continue
        for part, count in _counts(found.networks[name]).items():
            cells = {
                f"{who} {c}": f"{count[k, d]:,}"
                for d, who in enumerate(("GENIE", "GiBUU"))
                for k, c in enumerate(CLASSES)
            }
            rows.append({"training": name, "part": part, **cells})
    return rows


def _counts(network: Configuration) -> dict[str, np.ndarray]:
    from src.reproduce.sweeps import splits_of

    splits = splits_of(first(network.runs))
    parts = {"training": splits.train, "validation": splits.val, "test": splits.test}
    return {
        name: np.histogram2d(part.clean, part.domain, [np.arange(4), np.arange(3)])[0].astype(int)
        for name, part in parts.items()
    }


def cut_flow(files: Sequence[Path], presets: dict[str, nova_selection.Selection]) -> list[Row]:
    """Events that each cut leaves, after those before it, by generator and class."""
    read = [(path, labelled_rows(path)) for path in files]
    rows = []
    for preset, selection in presets.items():
        flows: dict[str, list[list[nova_selection.Step]]] = {}
        for path, one in read:
            with caf.opened(path) as file:
                passed = nova_selection.select(file, one.key, selection)
            flows.setdefault(origin(path), []).append(nova_selection.cut_flow(passed, one.label, CLASSES))
        steps = {who: [_total(step) for step in zip(*found, strict=True)] for who, found in flows.items()}
        for k, step in enumerate(first(steps)):
            counts = {f"{who} {c}": f"{steps[who][k].events[c]:,}" for who in steps for c in CLASSES}
            rows.append({"preset": preset, "selection": step.selection, "cut": step.cut, **counts})
    return rows


def _total(steps: Sequence[nova_selection.Step]) -> nova_selection.Step:
    return steps[0]._replace(events={name: sum(step.events[name] for step in steps) for name in steps[0].events})


# --- classifiers ---


def accuracy(found: Findings) -> list[Row]:
    """Every classifier on either generator, mean (sd) over seeds, and the gap with its bootstrap interval (first seed)."""
    rows = []
    for name, network in found.networks.items():
        if name.startswith("discriminator"):
            continue
        for who in ("genie", "gibuu"):
            metric = f"test.{who}"
            rows.append({
                "trained on": name, "judged on": who, "balanced accuracy": _mean(network, f"{metric}/balanced_accuracy"),
                "study's accuracy": STUDY_ACCURACY.get((name, who), ""),
                **{f"recall {c}": _mean(network, f"{metric}/recall.{c}") for c in CLASSES},
                **{f"AUC {CLASSES[c]}": _mean(network, f"{metric}/roc_auc.{CLASSES[c]}") for c in (NUE, NUMU)},
                "natural purity νe": _mean(network, f"{metric}/natural.purity.nue"),
            })  # fmt: skip
    return rows


def gaps(found: Findings) -> list[Row]:
    """ROC AUC on GENIE minus that on GiBUU, with 95 % bootstrap intervals over the test's events (first seed)."""
    rows = []
    for name in ("genie", "both", "both, study's mix"):
        if name not in found.networks:
            continue
        test = first(said(found.networks[name]))
        inside = gap_interval(
            test.probabilities, test.clean, test.weight, test.domain, CLASSES, np.random.default_rng(0)
        )
        cells = {}
        for c in CLASSES:
            low, high = inside[f"roc_auc.{c}"]
            cells[c] = f"{_mean(found.networks[name], f'test.gap/roc_auc.{c}')}; {low:+.3f} to {high:+.3f}"
        distance = _mean(found.networks[name], "test.gap/a_distance")
        rows.append({"trained on": name, **cells, "proxy A-distance": distance})
    return rows


def at_the_cut(found: Findings) -> list[Row]:
    """Purity and efficiency of νμ and νe at the study's cut, of the classifier of both generators."""
    tests = list(said(found.networks["both"]).values())
    rows = []
    for c in (NUMU, NUE):
        for mix in ("balanced", "natural"):
            points = [at_cut(test, c, mix) for test in tests]
            study = STUDY_CUT if (c, mix) == (NUMU, "balanced") else ("", "")
            rows.append({
                "class": CLASSES[c], "cut": f"{CUT}", "class mix": mix, "purity": spread(p for p, _ in points),
                "efficiency": spread(e for _, e in points), "study: purity": study[0], "study: efficiency": study[1],
            })  # fmt: skip
    return rows


def at_cut(test: Predictions, c: int, mix: str) -> tuple[float, float]:
    """(purity, efficiency) of a class at the study's cut."""
    weight = test.weight if mix == "balanced" else natural_weight(test.clean, test.weight, NATURAL_PRIOR)
    found = scan(test.probabilities, test.clean, weight, np.array([CUT]))
    return float(found.purity[c, 0]), float(found.efficiency[c, 0])


def against_trees(found: Findings) -> list[Row]:
    """The network of both generators beside boosted trees on two numbers, on the same events."""
    network = list(found.networks["both"].metric("test/balanced_accuracy").values())
    differences = [a - b for a, b in zip(network, found.trees, strict=True)]
    return [
        {"": "network, pictures", "balanced accuracy": spread(network)},
        {"": "boosted trees, number of hits and visible energy", "balanced accuracy": spread(found.trees)},
        {"": "difference, 95 % t interval over seeds", "balanced accuracy": with_interval(differences)},
    ]


# --- domains ---


def discriminator(found: Findings) -> list[Row]:
    """Balanced accuracy of telling the generators apart: as it is, and of events that are alike in number of hits."""
    rows = [
        {
            "": "all test events",
            "balanced accuracy": spread(found.accuracies),
            "study": "0.673 (its label shift included)",
        },
        {
            "": "weighted to the same numbers of hits",
            "balanced accuracy": spread(found.matched_accuracies),
            "study": "",
        },
        {"": "difference, 95 % t interval over seeds", "balanced accuracy": with_interval(_drops(found)), "study": ""},
    ]
    if "discriminator, study's mix" in found.networks:
        shifted = _mean(found.networks["discriminator, study's mix"], "test/balanced_accuracy")
        rows.insert(1, {"": "trained and judged at the study's mix", "balanced accuracy": shifted, "study": "0.673"})
    return rows


def _drops(found: Findings) -> list[float]:
    return [a - b for a, b in zip(found.matched_accuracies, found.accuracies, strict=True)]


def scales(found: Findings) -> list[Row]:
    """The scan, mean (sd) over seeds, and below it the trends."""
    rows = [
        {"scale": f"{scale:g}", "balanced accuracy": _mean(one, "test/balanced_accuracy"), "study's accuracy": STUDY_SCAN.get(scale, ""),
         "AUC νμ": _mean(one, "test/roc_auc.numu"), "AUC νe": _mean(one, "test/roc_auc.nue"),
         "gap": _mean(one, "test.gap/roc_auc"), "gap by chance": spread(gap_by_chance(test) for test in said(one).values()), "gap νμ": _mean(one, "test.gap/roc_auc.numu"),
         "gap νe": _mean(one, "test.gap/roc_auc.nue"), "A-distance": _mean(one, "test.gap/a_distance"),
         "domain head's accuracy": _mean(one, "train/domain_accuracy")}
        for scale, one in found.scales.items()
    ]  # fmt: skip
    if len(found.scales) < 3:
        return rows
    columns = {"balanced accuracy": "test/balanced_accuracy", "AUC νμ": "test/roc_auc.numu", "AUC νe": "test/roc_auc.nue",
               "gap": "test.gap/roc_auc", "A-distance": "test.gap/a_distance"}  # fmt: skip
    return [*rows, {key: "slope; p of Page's test" if key == "scale" else
                    _slope(found, columns[key]) if key in columns else "" for key in rows[0]}]  # fmt: skip


def trend_of(found: Findings, metric: str) -> dict[str, float] | None:
    """Over the scales, of the seeds that have it at all of them; None for fewer than three scales or two such seeds."""
    measured = [one.metric(metric) for one in found.scales.values()]
    seeds = [seed for seed in measured[0] if all(seed in one for one in measured)] if measured else []
    if len(seeds) < 2 or len(measured) < 3:
        return None
    return trend([[one[seed] for one in measured] for seed in seeds], list(found.scales))


def _slope(found: Findings, metric: str) -> str:
    one = trend_of(found, metric)
    return "" if one is None else f"{one['mean']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f}); {one['p']:.2g}"


def remedies(found: Findings) -> list[Row]:
    """On the detector's events: each remedy, and its paired difference to plain training with a 95 % t interval.

    The gap of the domains and their A-distance are left out: the class mixes differ, and both would measure that.
    """
    metric, plain = "test.detector/balanced_accuracy", found.remedies.get("erm")
    rows = []
    for name, one in found.remedies.items():
        difference = ""
        if plain is not None and one is not plain:
            mine, theirs = one.metric(metric), plain.metric(metric)
            difference = with_interval([mine[seed] - theirs[seed] for seed in seeds_in_common(one, plain)])
        rows.append({
            "strategy": name, "balanced accuracy, detector": _mean(one, metric), "difference to erm": difference,
            "ROC AUC, detector": _mean(one, "test.detector/roc_auc"), "GENIE": _mean(one, "test.genie/balanced_accuracy"),
        })  # fmt: skip
    return rows


def _mean(one: Configuration, metric: str) -> str:
    """mean (sd) over the seeds, of the last epoch for what is recorded in training."""
    if metric.startswith("train/"):
        return spread(float(curve[-1]) for curve in one.curve(metric).values())
    return spread(one.metric(metric).values())


def with_interval(values: Iterable[float]) -> str:
    """Mean and 95 % t interval."""
    one = summary(list(values))
    return f"{one['mean']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f}; n = {one['n']:.0f})"
