"""Tables of learning to reweight's experiments: remedies against what is varied, and each less plain training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from src.errors import UserError
from src.evaluation.statistics import summary
from src.reproduce.sweeps import Configuration
from src.reproduce.tables import Row, spread

Choices = Mapping[str, str]
Values = dict[str, dict[float, dict[str, float]]]
"""Method → x → seed → value."""

PLAIN = "plain"
FAVOURS = {
    "hard mining": "high losses", "focal": "high losses", "self paced": "low losses", "coteaching": "low losses",
    "coteaching by class": "low losses of each class",
}  # fmt: skip
"""What a remedy lets count more."""
MARKS = {"mode": "post hoc", "drw_start": "with late weights", "stratify": "by class"}
"""Options that make a remedy another one, unless they have one of the values UNMARKED."""
UNMARKED = {"loss", "null", "false"}


def method(choices: Choices) -> str:
    """What is done about the bias: strategy, imbalance strategy, early stopping (+ES) and fine-tuning (+FT)."""
    name = ", ".join(filter(None, (_remedy(choices, group) for group in ("strategy", "imbalance_strategy")))) or PLAIN
    name += " +ES" if choices.get("trainer.select") == "clean" else ""
    return name + (" +FT" if choices.get("trainer.finetune_steps", "0") != "0" else "")


def _remedy(choices: Choices, group: str) -> str:
    """The group's choice with what makes it another one, e.g. `hard bootstrap`, `ldam with late weights`; '' for none."""
    name = choices.get(group, "none")
    if name in ("erm", "none"):
        return ""
    marks = [mark for option, mark in MARKS.items() if choices.get(f"{group}.{option}", "null") not in UNMARKED]
    return " ".join([*filter(None, [choices.get(f"{group}.kind")]), name, *marks]).replace("_", " ")


def minority_share(choices: Choices) -> float:
    counts = json.loads(choices["dataset.class_counts"])
    return float(min(counts) / sum(counts))


def number(key: str) -> Callable[[Choices], float]:
    return lambda choices: float(choices[key])


def measured(
    found: Iterable[Configuration], x: Callable[[Choices], float], metric: str, scale: Callable[[float], float] = float
) -> Values:
    """A metric of every configuration's runs, in the order of the methods' names, plain ones first.

    Raises UserError if two configurations have one name and one x.
    """
    values: Values = {}
    for one in found:
        points, at = values.setdefault(method(one.choices), {}), x(one.choices)
        if at in points:
            raise UserError(f"{one.folder}: the page would show it as '{method(one.choices)}', as it shows another")
        points[at] = {seed: scale(value) for seed, value in one.metric(metric).items()}
    return {name: values[name] for name in sorted(values, key=lambda name: (not name.startswith(PLAIN), name))}


def against(values: Values, heading: Callable[[float], str]) -> list[Row]:
    """Method × x: mean (sd), and how many seeds the smallest cell rests on."""
    columns = sorted({x for points in values.values() for x in points})
    rows = []
    for name, points in values.items():
        cells = {"method": name}
        cells |= {heading(x): spread(points[x].values()) if x in points else "" for x in columns}
        rows.append(cells | {"n": str(min(len(seeds) for seeds in points.values()))})
    return rows


def beside(rows: Iterable[Row], published: Mapping[str, str]) -> list[Row]:
    """Rows of methods, each with what was published of it, if anything was."""
    rows = list(rows)
    return [row | {"published, approximately": published.get(row["method"], "")} for row in rows] if published else rows


def less_plain(values: Values, heading: Callable[[float], str]) -> list[Row]:
    """Every method less plain training, paired by seed, with the 95 % t interval of the mean difference."""
    rows = []
    for name, points in values.items():
        for x in sorted(points):
            plain = values.get(PLAIN, {}).get(x, {})
            common = sorted(set(points[x]) & set(plain))
            if name == PLAIN or not common:
                continue
            one = summary([points[x][seed] - plain[seed] for seed in common])
            interval = f"{one['low']:+.4f} to {one['high']:+.4f}" if len(common) > 1 else ""
            cells = {"method": name, "at": heading(x), "difference": f"{one['mean']:+.4f}"}
            rows.append(cells | {"95 % t interval": interval, "n": str(len(common))})
    return rows


def ranking(values: Values, x: float, metric: str) -> list[dict[str, Any]]:
    """What `ranked` draws of the methods measured at x, from the lowest mean on; plain training is the baseline."""
    found = {name: points[x] for name, points in values.items() if x in points}
    return [
        {
            "label": name, "feasible": True, "baseline": name == PLAIN, "summary": {metric: summary([*seeds.values()])},
            "seeds": {seed: {"values": {metric: value}} for seed, value in seeds.items()},
        }
        for name, seeds in sorted(found.items(), key=lambda item: sum(item[1].values()) / len(item[1]))
    ]  # fmt: skip


CONDITIONS = ("neither", "imbalance", "wrong labels", "both")


def condition(choices: Choices) -> float:
    """Which of CONDITIONS, from 0."""
    imbalanced = len(set(json.loads(choices["dataset.class_counts"]))) > 1
    return imbalanced + 2.0 * (float(choices["noise_model.rate"]) > 0)


def named(condition: float) -> str:
    return CONDITIONS[int(condition)]


def crossed(values: Values) -> list[Row]:
    """High loss or low loss: each method under imbalance, wrong labels, and both; values are by `condition`."""
    order = sorted(values, key=lambda name: (name != PLAIN, FAVOURS.get(name, "z"), name))
    return [
        {"method": name, "lets count more": FAVOURS.get(name, "")}
        | {named(at): spread(values[name].get(at, {}).values()) for at in range(len(CONDITIONS))}
        | {"n": str(min(map(len, values[name].values())))}
        for name in order
    ]


def weights(
    found: Iterable[Configuration], x: Callable[[Choices], float], heading: Callable[[float], str]
) -> list[Row]:
    """Where the weight went: shares of the weight and of the draws, and of the batches that taught nothing."""
    rows = []
    for one in found:
        given = one.metric("weights/minority")
        if not given or "+" in method(one.choices):  # those share their epochs with the plain ones
            continue
        cells = {"method": method(one.choices), "at": heading(x(one.choices))}
        cells |= {"minority: weight": spread(given.values())}
        cells |= {"minority: draws": spread(one.metric("weights/minority_drawn").values())}
        cells |= {"wrong labels: weight": spread(one.metric("weights/mislabelled").values())}
        cells |= {"wrong labels: draws": spread(one.metric("weights/mislabelled_drawn").values())}
        zero = []
        if one.choices["strategy"] == "reweight":
            zero = [float(curve.mean()) for curve in one.curve("train/zero_batches").values()]
        cells |= {"batches without weight": spread(zero), "n": str(len(given))}
        rows.append((cells["method"], x(one.choices), cells))
    return [cells for _, _, cells in sorted(rows, key=lambda row: row[:2])]
