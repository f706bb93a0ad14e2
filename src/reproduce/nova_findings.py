"""What the NOvA study's runs found: classifiers and a discriminator on both generators, and the scan of the reversed gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from src.datasets.nova import NOvA
from src.datasets.nova_files import truth
from src.datasets.nova_index import CLASSES
from src.evaluation import predictions
from src.evaluation.domain_gap import gaps
from src.evaluation.metrics import confusion_matrix, normalise
from src.evaluation.nodes import Nodes, correlation, nodes
from src.evaluation.predictions import Predictions
from src.inference import activations
from src.reproduce.sweeps import Configuration, configurations
from src.showcase import Trained, trained
from src.task import BoolArray, FloatArray, Split

NC, NUE, NUMU = range(3)
SCALE = "strategy.scale"
HITS, ENERGY = "nhitslc", "visE"
STRONG, SURE = 0.2, 0.3
"""P(GENIE) below which an event looks strongly like GiBUU: in the study's figures 37 and 38, and in its figure 36."""
MIDDLE = 0.3
"""P(GENIE) above which GiBUU's events look ordinary."""
PERMUTATIONS, NULL_EVENTS, DEALS = 100, 2000, 20
LOOKED_AT, LIT = 500, 60
NETWORKS = {
    "natural mix": ("erm", "none", "genie", "false", "none"), "natural mix, oversampled": ("erm", "oversample", "genie", "false", "none"),
    "genie": ("erm", "none", "genie", "false", "joint"), "gibuu": ("erm", "none", "gibuu", "false", "joint"),
    "both": ("erm", "none", "genie", "true", "joint"), "both, study's mix": ("erm", "none", "genie", "true", "study"),
    "discriminator": ("discriminator", "none", "genie", "true", "joint"),
    "discriminator, study's mix": ("discriminator", "none", "genie", "true", "study"),
}  # fmt: skip
"""Training → strategy, imbalance strategy, source, whether the target is labelled, balance."""
CHOICES = ("strategy", "imbalance_strategy", "dataset.source", "dataset.target_labels", "dataset.balance")


@dataclass(frozen=True)
class Findings:
    """The three sweeps' finished configurations, and what their models say of the test split."""

    networks: dict[str, Configuration]
    """By the names of NETWORKS."""
    scales: dict[float, Configuration]
    """Scale of the reversed gradient → configuration."""
    remedies: dict[str, Configuration]
    """Strategy → configuration, with the detector as the target."""

    @cached_property
    def both(self) -> Trained:
        """The classifier of both generators (its first seed), loaded again with its data."""
        return trained(first(self.networks["both"].runs))

    @cached_property
    def files(self) -> list[Path]:
        """The event files of both generators."""
        dataset, settings = self.both.experiment.dataset, self.both.experiment.settings
        assert isinstance(dataset, NOvA)
        return dataset.files(settings.data_root, settings.cache_root)[0]

    def measured(self, keys: Mapping[str, Any]) -> FloatArray:
        """Number of hits and visible energy (GeV) of events, (n, 2), from the truth by the full key."""
        found = truth(self.files, dict(keys), (HITS, ENERGY))
        return np.column_stack([found[HITS], found[ENERGY]]).astype(np.float64)

    # --- the discriminator ---

    @cached_property
    def discriminated(self) -> list[Predictions]:
        """What each seed's discriminator says of the test split: P(GENIE) is the first column."""
        return list(said(self.networks["discriminator"]).values())

    @cached_property
    def discriminated_events(self) -> list[FloatArray]:
        """Hits and energy of the same events."""
        return [self.measured(one.keys) for one in self.discriminated]

    @cached_property
    def true_classes(self) -> list[Any]:
        """Their true classes, which a discriminator's predictions do not hold."""
        from src.datasets.nova_files import classes

        found = [truth(self.files, one.keys, ("iscc", "pdg")) for one in self.discriminated]
        return [classes(one["iscc"], one["pdg"]) for one in found]

    @property
    def accuracies(self) -> list[float]:
        """Balanced accuracy of the discriminators."""
        return [balanced_accuracy(one, one.domain, one.weight) for one in self.discriminated]

    @property
    def matched_accuracies(self) -> list[float]:
        """The same where both domains' events are weighted to the same numbers of hits."""
        pairs = zip(self.discriminated, self.discriminated_events, strict=True)
        return [balanced_accuracy(one, one.domain, matched(events[:, 0], one.domain)) for one, events in pairs]

    # --- what number of hits and energy alone tell ---

    @cached_property
    def trees(self) -> list[float]:
        """Balanced accuracy of boosted trees on hits and energy, on the events that `both` learns from and is judged on."""
        return [self._trees(trained(run).prepared.splits) for run in self.networks["both"].runs.values()]

    def _trees(self, splits: Any) -> float:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.metrics import balanced_accuracy_score

        model = HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=0)
        train, test = splits.train, splits.test
        model.fit(self.measured(train.keys), train.labels)
        return float(balanced_accuracy_score(test.clean, model.predict(self.measured(test.keys))))

    # --- nodes ---

    @cached_property
    def null_correlations(self) -> FloatArray:
        """Spearman's ρ of νμ and GiBUU over the nodes where domains are dealt out anew among the events, PERMUTATIONS times.

        Nodes that differ in how often they are active give ρ > 0 even where none of them knows a domain.
        """
        known, activated, test = self.nodes
        rng = np.random.default_rng(0)
        some = rng.permutation(len(test))[:NULL_EVENTS]
        live = known.live
        found = []
        for _ in range(PERMUTATIONS):
            dealt = rng.permutation(test.domain[some])
            null = nodes(activated[some][:, live], test.clean[some], dealt, test.weight[some], 3, 2)
            found.append(correlation(null.classes[NUMU], null.domains[1])[0])
        return np.array(found)

    @cached_property
    def nodes(self) -> tuple[Nodes, Any, Predictions]:
        """(what the nodes of `both` know, their activations (n, W), the events) of the test split."""
        one, test = self.both, first(said(self.networks["both"]))
        found = activations(
            one.predictor.model, one.prepared.splits.test.inputs, test.rows, one.experiment.trainer.device
        )
        looked = nodes(found.penultimate, test.clean, test.domain, test.weight, 3, 2)
        return looked, found.penultimate, test


def find(classifiers: Path, scan: Path, remedies: Path) -> Findings:
    """Read finished studies. Raises UserError for one without a finished configuration."""
    found = {tuple(one.choices[key] for key in CHOICES): one for one in configurations(classifiers)}
    networks = {name: found[choice] for name, choice in NETWORKS.items() if choice in found}
    scales = {float(one.choices[SCALE]): one for one in configurations(scan)}
    by_strategy = {one.choices["strategy"]: one for one in configurations(remedies)}
    return Findings(networks, dict(sorted(scales.items())), by_strategy)


def said(one: Configuration) -> dict[str, Predictions]:
    """Seed → what that model says of the test split."""
    return {seed: predictions.load(run / "predictions.npz")["test"] for seed, run in one.runs.items()}


def of_domain(test: Predictions, domain: int) -> Predictions:
    return test.select(test.domain == domain)


def first(found: Mapping[str, Any]) -> Any:
    return next(iter(found.values()))


def balanced_accuracy(one: Predictions, labels: Any, weight: FloatArray) -> float:
    """Mean recall, with weights."""
    return float(normalise(confusion_matrix(one.probabilities, labels, weight), "true").diagonal().mean())


def matched(hits: FloatArray, domain: Any) -> FloatArray:
    """Weights (n,) under which both domains have the same distribution of hits: that which they have in common.

    In bins of some 5 % of the events each an event of a domain weighs the smaller of the two domains' shares over its own.
    """
    edges = np.unique(np.quantile(hits, np.linspace(0, 1, 21)))
    place = np.clip(np.searchsorted(edges, hits, "right") - 1, 0, max(len(edges) - 2, 0))
    counts = np.stack([np.bincount(place[domain == d], minlength=len(edges)) for d in range(2)]).astype(np.float64)
    shares = counts / counts.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.nan_to_num(shares.min(axis=0) / shares)
    found: FloatArray = weight[domain, place]
    return found


def strongly_like_the_target(one: Predictions, below: float = STRONG) -> BoolArray:
    """Events whose P(GENIE) is smaller."""
    return np.asarray(one.probabilities[:, 0] < below)


def gap_by_chance(test: Predictions) -> float:
    """Mean of `gap/roc_auc` where each class's events are dealt out anew among the domains: what noise alone gives."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(DEALS):
        domain = test.domain.copy()
        for c in np.unique(test.clean):
            here = np.flatnonzero(test.clean == c)
            domain[here] = rng.permutation(domain[here])
        found.append(gaps(test.probabilities, test.clean, test.weight, domain, CLASSES)["roc_auc"])
    return float(np.mean(found))


def events_of(split: Split, domain: int, each: int) -> tuple[Any, list[int]]:
    """(raw maps (k, 2, 100, 80), their classes): of every class of a domain the first `each` events with LIT lit cells, if any."""
    storage: Any = split.inputs
    rows, labels = [], []
    for c in range(3):
        chosen = split.rows[(split.clean == c) & (split.domain == domain)][:LOOKED_AT]
        lit = (storage.storage[torch.from_numpy(chosen)] > 0).flatten(1).sum(dim=1).numpy()
        chosen = chosen[np.argsort(lit < LIT, kind="stable")][:each]
        rows += chosen.tolist()
        labels += [c] * len(chosen)
    return storage.storage[torch.tensor(rows)].numpy(), labels


def seeds_in_common(one: Configuration, other: Configuration) -> Sequence[str]:
    return [seed for seed in one.runs if seed in other.runs]
