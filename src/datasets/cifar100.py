"""CIFAR-100: CIFAR-10's format, a hundred fine classes."""

from __future__ import annotations

from src.datasets.cifar10 import CIFAR10


class CIFAR100(CIFAR10):
    """Reads data_root/cifar-100-python/{train, test}, or data_root/cifar100/{train,test}/<class>/*.png."""

    batches = "cifar-100-python"
    folder = "cifar100"
    train_files = ("train",)
    test_files = ("test",)
    label_key = "fine_labels"
    meta = ("meta", "fine_label_names")
    num_classes = 100
