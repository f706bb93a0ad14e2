"""Cluster without labels, then name the clusters: the label-noise study's remark on Fashion-MNIST (section 4.1.1)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from src.component import PositiveInt
from src.errors import UserError
from src.inference import vectors
from src.models.base import Model
from src.seeding import numpy_stream, stream_seed
from src.strategies.base import Criterion, Predictor, Strategy
from src.task import FloatArray, IntArray, Split, Task

if TYPE_CHECKING:
    from src.training import Trainer

log = logging.getLogger("src")

Reduced = npt.NDArray[np.float32]


class ClusterThenLabel(Strategy):
    """k-means on the (reduced) flattened inputs; the labels of a cluster's examples vote for its class.

    `labels=bought` is a person who labels a few examples of each cluster by hand: they are drawn at random and their
    CLEAN labels are read. No other training reads any of its examples' (a clean set apart), and it says how many. `labels=observed` reads none: all
    observed labels of the cluster vote. Scores are the vote's shares with one more vote for every class.

    A new example belongs to the cluster of the nearest reference: a centroid, or for umap, which is no map for new
    examples, one of the training examples, in input space. Model, optimizer, balancing and augmentation are not used.
    """

    ignores_balance = True

    mean: Tensor
    axes: Tensor
    reference: Tensor
    share: Tensor
    bought: Tensor

    def __init__(
        self,
        *,
        reduce: Literal["none", "pca", "umap"] = "pca",
        components: PositiveInt = 2,
        clusters: PositiveInt | None = None,
        labels: Literal["bought", "observed"] = "bought",
        labelled_per_cluster: PositiveInt = 10,
        references: PositiveInt = 2000,
    ) -> None:
        super().__init__()
        self.reduce, self.components, self.clusters = reduce, components, clusters
        self.labels, self.labelled_per_cluster, self.references = labels, labelled_per_cluster, references

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        if task.input_kind == "graph":
            raise UserError("strategy=cluster_then_label takes vectors and images, not graphs; use strategy=erm")
        size, dim = sum(task.class_counts), int(np.prod(task.input_shape))
        self.k = self.clusters or task.num_classes
        if self.k > size:
            raise UserError(f"strategy.clusters={self.k}: there are only {size} training examples")
        if self.reduce != "none" and self.components > (limit := min(size, dim)):
            raise UserError(f"strategy.components={self.components}: at most {limit} here; give fewer, or reduce=none")
        if self.reduce == "pca":
            self.register_buffer("mean", torch.zeros(dim))
            self.register_buffer("axes", torch.zeros(self.components, dim))
        rows = min(self.references, size) if self.reduce == "umap" else self.k
        self.register_buffer("reference", torch.zeros(rows, self.components if self.reduce == "pca" else dim))
        self.register_buffer("bought", torch.zeros(()))
        self.register_buffer("share", torch.full((rows, task.num_classes), 1 / task.num_classes))

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        return trainer.follow(Predictor(model, self), self._epoch(task, trainer))

    def facts(self, train: Split, folder: Path) -> dict[str, float]:
        """How many clean labels the training has read: a cost that methods that read none do not have."""
        return {"cost/clean_labels": float(self.bought)}

    def _epoch(self, task: Task, trainer: Trainer) -> Iterator[dict[str, float]]:
        """All of the training, as one epoch."""
        from sklearn.cluster import KMeans

        split, seed = trainer.train, stream_seed(trainer.seed, "clusters") % 2**32
        x = vectors(split.inputs, split.rows)
        reduced = self._reduced(x, seed)
        found = KMeans(self.k, n_init=10, random_state=seed).fit(reduced)
        shares, bought = self._vote(found.labels_, split, task.num_classes, numpy_stream(trainer.seed, "bought labels"))
        if self.reduce == "umap":
            kept = numpy_stream(trainer.seed, "references").permutation(len(x))[: len(self.reference)]
            self._take(reference=x[kept], share=shares[found.labels_[kept]])
        else:
            self._take(reference=found.cluster_centers_, share=shares)
        self.bought.fill_(bought)
        yield {"train/clean_labels_bought": float(bought)}

    def _reduced(self, x: Reduced, seed: int) -> Reduced:
        if self.reduce == "none":
            return x
        if self.reduce == "pca":
            from sklearn.decomposition import PCA

            pca = PCA(self.components, random_state=seed).fit(x)
            self._take(mean=pca.mean_, axes=pca.components_)
            return (x - pca.mean_) @ pca.components_.T
        try:
            from umap import UMAP
        except ImportError:
            raise UserError("strategy.reduce=umap needs umap-learn: pip install 'kilter[umap]'") from None
        return UMAP(n_components=self.components, random_state=seed, n_jobs=1).fit_transform(x)

    def _vote(self, cluster: IntArray, split: Split, classes: int, rng: np.random.Generator) -> tuple[FloatArray, int]:
        """Shares of the classes in each cluster, (clusters, C), and how many clean labels were read for them."""
        votes, bought = np.ones((self.k, classes)), 0
        for number in range(self.k):
            members = np.flatnonzero(cluster == number)
            if self.labels == "bought":
                members = rng.permutation(members)[: self.labelled_per_cluster]
                bought += len(members)
            labels = split.clean[members] if self.labels == "bought" else split.labels[members]
            votes[number] += np.bincount(labels, minlength=classes)
        if bought:
            log.info("%d clean labels bought: %d in each of %d clusters", bought, self.labelled_per_cluster, self.k)
        if unnamed := classes - len(set(votes.argmax(axis=1))):
            log.warning(
                "strategy=cluster_then_label: %d of %d classes won no cluster and are never predicted; raise "
                "strategy.clusters", unnamed, classes,
            )  # fmt: skip
        return votes / votes.sum(axis=1, keepdims=True), bought

    def _take(self, **values: FloatArray | Reduced) -> None:
        for name, value in values.items():
            self.get_buffer(name).copy_(torch.from_numpy(value))

    def scores(self, model: Model, x: Any) -> Tensor:
        flat = x.flatten(1).float()
        if self.reduce == "pca":
            flat = (flat - self.mean) @ self.axes.T
        distance = torch.cdist(flat, self.reference, compute_mode="donot_use_mm_for_euclid_dist")  # whatever the batch
        return self.share[distance.argmin(dim=1)]
