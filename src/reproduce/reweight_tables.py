"""Tables of learning to reweight's experiments: remedies against what is varied, and each less plain training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from src.evaluation.statistics import summary
from src.reproduce.sweeps import Configuration
from src.reproduce.tables import Row, spread

Choices = Mapping[str, str]
Values = dict[str, dict[float, dict[str, float]]]
"""Method → x → seed → value."""

PLAIN = "plain"
FAVOURS = {"hard mining": "high", "focal": "high", "self paced": "low", "coteaching": "low"}
"""Which losses a remedy lets count more."""


def method(choices: Choices) -> str:
    """What is done about the bias: strategy, imbalance strategy, early stopping (+ES) and fine-tuning (+FT)."""
    parts = [choices.get("strategy", "erm"), choices.get("imbalance_strategy", "none")]
    name = ", ".join(part.replace("_", " ") for part in parts if part not in ("erm", "none")) or PLAIN
    name += " +ES" if choices.get("trainer.select") == "clean" else ""
    return name + (" +FT" if choices.get("trainer.finetune_steps", "0") != "0" else "")


def minority_share(choices: Choices) -> float:
    counts = json.loads(choices["dataset.class_counts"])
    return float(min(counts) / sum(counts))


def number(key: str) -> Callable[[Choices], float]:
    return lambda choices: float(choices[key])


def measured(
    found: Iterable[Configuration], x: Callable[[Choices], float], metric: str, scale: Callable[[float], float] = float
) -> Values:
    """A metric of every configuration's runs, in the order of the methods' names, plain ones first."""
    values: Values = {}
    for one in found:
        seeds = {seed: scale(value) for seed, value in one.metric(metric).items()}
        values.setdefault(method(one.choices), {})[x(one.choices)] = seeds
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
    """Rows of methods, each with what was published of it."""
    return [row | {"published": published.get(row["method"], "")} for row in rows]


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


def crossed(found: Iterable[Configuration]) -> list[Row]:
    """High loss or low loss: balanced accuracy under imbalance, wrong labels, and both."""
    cells: dict[str, dict[tuple[bool, bool], list[float]]] = {}
    for one in found:
        imbalanced = len(set(json.loads(one.choices["dataset.class_counts"]))) > 1
        noisy = float(one.choices["noise_model.rate"]) > 0
        values = list(one.metric("test/balanced_accuracy").values())
        cells.setdefault(method(one.choices), {})[imbalanced, noisy] = values
    columns = {
        "neither": (False, False), "imbalance": (True, False), "wrong labels": (False, True), "both": (True, True),
    }  # fmt: skip
    order = sorted(cells, key=lambda name: (name != PLAIN, FAVOURS.get(name, "z"), name))
    return [
        {"method": name, "lets count more": f"{FAVOURS[name]} losses" if name in FAVOURS else ""}
        | {title: spread(cells[name].get(key, [])) for title, key in columns.items()}
        | {"n": str(min(map(len, cells[name].values())))}
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
