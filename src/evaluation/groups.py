"""The metrics of a split, overall and for each domain, under the names by which they are logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from src.evaluation.domain_gap import gaps
from src.evaluation.metrics import metric_names, metrics
from src.evaluation.physics import cut_metrics
from src.evaluation.predictions import Predictions
from src.task import HIDDEN, IntArray


def evaluate(
    name: str,
    predictions: Predictions,
    class_names: Sequence[str],
    domain_names: Sequence[str],
    natural_prior: Sequence[float] | None = None,
    *,
    recall: float | None = None,
    truth: Literal["labels", "clean"] = "labels",
) -> dict[str, float]:
    """`<name>/<metric>`, and where several domains are present `<name>.<domain>/<metric>` and the worst of them.

    `truth` says which labels count; events of hidden label or no weight are left out. `<name>.worst_domain/...` is the
    smallest balanced accuracy of any domain, `<name>.gap/...` the difference of two (`src.evaluation.domain_gap`). A
    predictor of domains (its classes are the domains) has no such breakdown. Raises ValueError if no labelled event is left.
    """
    labels: IntArray = getattr(predictions, truth)
    used = (labels != HIDDEN) & (predictions.weight != 0)
    if not used.all():
        predictions, labels = predictions.select(used), labels[used]
    found = _measure(name, predictions, labels, class_names, natural_prior, recall)
    domains = np.unique(predictions.domain)
    if len(domains) < 2 or tuple(class_names) == tuple(domain_names):
        return found
    safe_names = metric_names(domain_names)
    groups = [f"{name}.{safe_names[d]}" for d in domains]
    for domain, group in zip(domains, groups, strict=True):
        here = predictions.domain == domain
        found |= _measure(group, predictions.select(here), labels[here], class_names, natural_prior, recall)
    worst = min(found[f"{group}/balanced_accuracy"] for group in groups)
    found[f"{name}.worst_domain/balanced_accuracy"] = worst
    if len(domains) == 2:
        gap = gaps(predictions.probabilities, labels, predictions.weight, predictions.domain, class_names)
        found |= {f"{name}.gap/{metric}": value for metric, value in gap.items()}
    return found


def _measure(
    name: str,
    predictions: Predictions,
    labels: IntArray,
    class_names: Sequence[str],
    natural_prior: Sequence[float] | None,
    recall: float | None,
) -> dict[str, float]:
    p, weight = predictions.probabilities, predictions.weight
    found = metrics(p, labels, weight, class_names)
    found |= cut_metrics(p, labels, weight, class_names, natural_prior, recall)
    return {f"{name}/{metric}": value for metric, value in found.items()}
