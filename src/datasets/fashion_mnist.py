"""Fashion-MNIST: MNIST's format, ten kinds of clothing."""

from __future__ import annotations

from src.datasets.mnist import MNIST


class FashionMNIST(MNIST):
    """70,000 grey pictures of 28 × 28 in data_root/FashionMNIST/raw, scaled per `scale` (Xiao 2017)."""

    source = "FashionMNIST"
    names = (
        "T-shirt-top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip
