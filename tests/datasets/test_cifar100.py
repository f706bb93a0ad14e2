from src.datasets.cifar100 import CIFAR100
from tests.datasets.files import make_cifar


def test_fine_labels_are_the_classes(tmp_path):
    make_cifar(tmp_path, hundred=True)
    found = CIFAR100(val_fraction=0.25).splits(tmp_path, tmp_path, 0)
    assert len(found.class_names) == 100
    assert len(found.test) == 400
    new = CIFAR100().read(tmp_path / "cifar-100-python" / "test", tmp_path)
    assert len(new.inputs) == 400
