"""Tables of the alpha-decay study, beside what it printed (Yoshida et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from src import report, runs
from src.evaluation.improvement import Improvement
from src.evaluation.statistics import summary
from src.evaluation.working_point import WorkingPoint, average_precision_interval, average_precisions
from src.reproduce.emulsion_findings import ALPHA, OBJECTIVE, Findings, M, N, pairs
from src.reproduce.tables import Row, spread
from src.task import FloatArray, Splits

STUDY_COUNTS = {"training": (906, 14979), "validation": (214, 3814), "test": (255, 46693)}
STUDY_BEST = (2, 24)
STUDY_FACTOR, STUDY_ERROR = 6.8, 0.6


def counts(splits: Splits) -> list[Row]:
    """Table 1."""
    rows = []
    for part, split in zip(STUDY_COUNTS, (splits.train, splits.val, splits.test), strict=True):
        alphas, others = (int((split.clean == c).sum()) for c in (ALPHA, 1 - ALPHA))
        cells = {
            "part": part,
            "alpha decays": f"{alphas:,}",
            "others": f"{others:,}",
            "share": _percent(alphas, others),
        }
        printed = STUDY_COUNTS[part]
        rows.append(
            cells
            | {
                "study: alpha decays": f"{printed[0]:,}",
                "study: others": f"{printed[1]:,}",
                "study: share": _percent(*printed),
            }
        )
    return rows


def _percent(alphas: int, others: int) -> str:
    return f"{100 * alphas / (alphas + others):.2f} %"


def grid(found: report.Findings) -> list[Row]:
    """Average precision on validation by N and M."""
    done = {(row["params"][N], row["params"][M]): row for row in pairs(found)}
    ms = sorted({m for _, m in done})
    return [
        {"N": str(n)} | {f"M = {m}": spread(found.metrics[done[n, m]["number"]][OBJECTIVE].values()) if (n, m) in done else "" for m in ms}
        for n in sorted({n for n, _ in done})
    ]  # fmt: skip


def searches(studies: Mapping[str, report.Findings]) -> list[Row]:
    """The best pair of each, and how many trainings it took."""
    rows = []
    for name, found in studies.items():
        best = pairs(found)[0]
        trainings, epochs = found.spent
        manifest = found.overview.manifest
        rows.append({
            "search": name, "pairs": str(len(found.rows)), "given up": str(found.overview.count("pruned")),
            "best (N, M)": f"({best['params'][N]}, {best['params'][M]})",
            "its average precision": spread(found.metrics[best["number"]][OBJECTIVE].values()),
            "trainings": f"{trainings} of {manifest['total'] * len(manifest['seeds'])}", "epochs": f"{epochs:,}",
        })  # fmt: skip
    study = {
        "search": "study's grid",
        "pairs": "20",
        "given up": "0",
        "best (N, M)": str(STUDY_BEST),
        "trainings": "80 of 80",
        "epochs": "",
    }
    return [*rows, {key: (study | {"its average precision": "0.980 (0.002)"})[key] for key in rows[0]}]


# --- candidates ---


def table_2(found: Findings) -> list[Row]:
    """Candidates at the former method's recall: its own √N errors, the networks' spread."""
    printed = {"study: precision": "0.547 ± 0.025", "study: recall": "0.788", "study: candidates": "366 ± 18"}
    network = {"method": f"pictures, network (mean of {len(found.points)})", **_mean(found.points), **printed}
    if found.former is None or not (one := found.improvement) or not (trees := found.trees_improvement):
        return [network]
    printed = {"study: precision": "0.081 ± 0.006", "study: recall": "0.788 ± 0.056", "study: candidates": "2489"}
    former = {"method": "measured tracks, rectangular cuts", **_with_root_n(one.selection), **printed}
    return [
        former,
        {"method": "measured tracks, boosted trees", **_mean(trees.models), **dict.fromkeys(printed, "")},
        network,
    ]


def _with_root_n(point: WorkingPoint) -> Row:
    errors = point.precision * point.relative_error, point.recall * point.relative_error
    return {
        "precision": f"{point.precision:.3f} ± {errors[0]:.3f}", "recall": f"{point.recall:.3f} ± {errors[1]:.3f}",
        "candidates": f"{point.candidates:.0f}",
    }  # fmt: skip


def _mean(points: Iterable[WorkingPoint]) -> Row:
    points = list(points)
    return {
        "precision": _plus_minus([one.precision for one in points], 3), "recall": f"{np.mean([one.recall for one in points]):.3f}",
        "candidates": _plus_minus([one.candidates for one in points], 0),
    }  # fmt: skip


def _plus_minus(values: list[float], digits: int) -> str:
    found = summary(values)
    error = "" if math.isnan(found["sd"]) else f" ± {found['sd']:.{digits}f}"
    return f"{found['mean']:.{digits}f}{error}"


def factor(one: Improvement | None) -> list[Row]:
    """Precision over the former method's, and the load of looking at candidates relative to its; nothing without such a method."""
    if one is None:
        return []
    return [
        {"": "precision of the network / of the cuts (± √N and spread of models)", "here": f"{one.factor:.2f} ± {one.error:.2f}",
         "95 % bootstrap": _to(one.low, one.high), "study": f"{STUDY_FACTOR} ± {STUDY_ERROR}"},
        {"": "candidates to look at, network / cuts", "here": f"{one.load:.3f}", "95 % bootstrap": "", "study": "about 1/7"},
    ]  # fmt: skip


def _to(low: float, high: float, digits: int = 2) -> str:
    return f"{low:.{digits}f} to {high:.{digits}f}"


# --- average precision ---


def average_precision(found: Findings) -> list[Row]:
    """From validation to the test's sheet in two steps: fewer alphas, then another sheet; and what simpler methods reach."""
    chosen, truth = found.chosen, found.truth
    natural = f"natural.{OBJECTIVE.partition('/')[2]}"
    lines = [
        ("network, validation", spread(chosen.metric(OBJECTIVE).values()), "0.980 (0.002)"),
        ("network, validation weighted to the deployment's mix", spread(chosen.metric(f"val/{natural}").values()), ""),
        ("network, test", spread(chosen.metric("test/average_precision.alpha").values()), "0.743 (0.007); abstract 0.740 (0.009)"),
        *([("boosted trees on measured tracks, test", _with_interval(found.former.trees, truth), "")] if found.former else []),
        ("logistic regression on the histogram of grey levels, test", _with_interval(found.brightness_score, truth), ""),
        ("chance, test", f"{truth.mean():.4f}", "0.0054"),
    ]  # fmt: skip
    return [{"": name, "here": here, "study": study} for name, here, study in lines]


def _with_interval(score: FloatArray, truth: np.ndarray) -> str:
    weight = np.ones(len(truth))
    low, high = average_precision_interval(score, truth, weight, np.random.default_rng(0))
    return f"{average_precisions(score, truth, weight[None])[0]:.3f} ({_to(low, high, 3)})"


def models(found: Findings) -> list[Row]:
    """Each model: the epoch it is from, its average precision with the 95 % bootstrap interval over crops, its candidates."""
    rows = []
    for (seed, run), score, point in zip(found.chosen.runs.items(), found.scores, found.points, strict=True):
        metrics = runs.read_json(run / "metrics.json")
        rows.append({
            "seed": seed, "epoch": str(metrics["selected_epoch"]), "validation": f"{metrics[OBJECTIVE]:.3f}",
            "test (95 %)": _with_interval(score, found.truth), "precision": f"{point.precision:.3f}",
            "candidates": f"{point.candidates:.0f}", "cut on the log-odds": f"{point.cut:.2f}",
        })  # fmt: skip
    return rows


def calibration(found: Findings) -> list[Row]:
    """Test metrics of the scores both ways, mean (sd) over the models."""
    names = {
        "loss": "cross-entropy",
        "ece": "calibration error",
        "precision.alpha": "precision above 1/2",
        "recall.alpha": "recall above 1/2",
    }
    rows = []
    for split, what in (("test", "as they come"), ("test_natural", "mapped to the deployment's mix")):
        values = {title: spread(found.chosen.metric(f"{split}/{name}").values()) for name, title in names.items()}
        if any(values.values()):
            rows.append({"scores": what, **values})
    return rows


def claims(found: Findings) -> list[Row]:
    """What the study says, and what is found here."""
    best = pairs(found.grid)[0]["params"]
    pair = (best[N], best[M])
    ap = {
        name: summary(list(found.chosen.metric(name).values())) for name in (OBJECTIVE, "test/average_precision.alpha")
    }
    lines = [
        (f"the best pair is {STUDY_BEST}", f"best of this grid: {pair}", "same pair" if pair == STUDY_BEST else "another pair"),
        ("average precision is lower on the test's sheet (fewer alphas, another sheet)",
         " against ".join(f"{ap[name]['mean']:.3f}" for name in reversed(ap)), _verdict(_below(ap), False)),
    ]  # fmt: skip
    bright = float(average_precisions(found.brightness_score, found.truth, np.ones((1, len(found.truth))))[0])
    network = ap["test/average_precision.alpha"]["mean"]
    lines.append((
        "(not the study's) brightness alone does not tell: less than half of the network's average precision",
        f"{bright:.3f} against {network:.3f}", _verdict(bright < network / 2, bright > network),
    ))  # fmt: skip
    if one := found.improvement:
        measured = f"factor {one.factor:.2f}, {_to(one.low, one.high)}"
        lines += [
            ("the network's candidates are purer than the former method's at its recall", measured, _verdict(one.low > 1, one.high < 1)),
            (f"by a factor of {STUDY_FACTOR} ± {STUDY_ERROR}", measured,
             "compatible" if one.low <= STUDY_FACTOR + STUDY_ERROR and one.high >= STUDY_FACTOR - STUDY_ERROR else "another factor"),
        ]  # fmt: skip
    return [{"the study": study, "here": here, "verdict": verdict} for study, here, verdict in lines]


def _below(ap: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether the intervals over models do not touch."""
    val, test = ap.values()
    return bool(test["high"] < val["low"])


def _verdict(holds: bool, opposite: bool) -> str:
    return "holds" if holds else "the opposite" if opposite else "not shown"
