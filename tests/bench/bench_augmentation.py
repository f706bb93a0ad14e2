"""RandAugment against torchvision's, image by image, and what feeds a ResNet50 against what it eats; 96 images of 224 × 224."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import src  # noqa: F401  before torchvision
from src.augmentations.randaugment import RandAugment
from src.datasets.inputs import ArrayInputs, open_packed
from src.loading import Loader
from src.models.resnet50 import ResNet50
from src.task import Split, Task
from src.training import keep_freed_memory
from tests.bench.table import Row, paired_ratios

BATCH, SIDE, N = 96, 224, 7
EATEN, TIMES = 8, 3  # pictures a training step, steps
STUDYS = ("Rotate", "Brightness", "Contrast", "Sharpness", "ShearX", "ShearY", "TranslateX", "TranslateY")


def rows() -> Iterator[Row]:
    keep_freed_memory()
    x, generator = torch.rand(BATCH, 3, SIDE, SIDE), torch.Generator().manual_seed(0)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for name, theirs in (("its fourteen operations", False), ("the same eight operations", True)):
            ours = RandAugment(n=2, m=24, horizontal=0.0)
            ratios = paired_ratios(lambda ours=ours: ours(x, generator), one_by_one(x, eight=theirs), N)
            yield Row(
                f"RandAugment: time relative to torchvision's image by image, {name}, threads: {threads}",
                ratios, "×", at_most=0.5,
            )  # fmt: skip
    torch.set_num_threads(2)
    yield Row(
        "packing and reading crops of 224 px: peak memory of 1,200 (181 MB) relative to 300", [peak(1200) / peak(300) for _ in range(3)],
        "×", at_most=1.1,
    )  # fmt: skip
    yield Row(
        "augmented batches from a memory map: rate relative to ResNet50's training, 2 threads", fed(), "×", at_least=3
    )


def one_by_one(x: Tensor, *, eight: bool) -> Callable[[], Tensor]:
    from torchvision.transforms import v2

    theirs = v2.RandAugment(num_ops=2, magnitude=24, num_magnitude_bins=31)
    if eight:
        theirs._AUGMENTATION_SPACE = {name: theirs._AUGMENTATION_SPACE[name] for name in STUDYS}
    return lambda: torch.stack([theirs(image) for image in x])


def fed() -> list[float]:
    """Pictures a second made ready over pictures a second learned from."""
    with TemporaryDirectory() as name:
        path = Path(name) / "pictures.npy"
        count = 2 * BATCH
        np.save(path, np.random.default_rng(0).integers(0, 256, (count, 3, SIDE, SIDE), dtype=np.uint8))
        y = np.arange(count) % 2
        inputs = ArrayInputs(open_packed(path), scale="unit")
        split = Split(inputs, np.arange(count), y, y, np.zeros_like(y), np.ones(count), np.ones(count, dtype=bool))
        loader, augment, generator = Loader(split, torch.device("cpu")), RandAugment(n=2, m=24), torch.Generator()

        def made() -> None:
            for batch in loader.batches(iter(torch.randperm(count).split(BATCH))):
                augment(batch.x, generator, batch.y)

        return [ratio * count / EATEN for ratio in paired_ratios(step(), made, TIMES)]


def step() -> Callable[[], object]:
    """A training step of ResNet50."""
    model = ResNet50()
    model.setup(Task(("other", "alpha"), ("all",), "image", (3, SIDE, SIDE)))
    model.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.rand(EATEN, 3, SIDE, SIDE), torch.arange(EATEN) % 2

    def learned() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return learned


def peak(pictures: int) -> float:
    """Peak memory in MB of a process that packs so many simulated crops of 224 px and reads a batch of them."""
    code = (
        "import resource, sys, tempfile, pathlib, torch; from src.simulators.emulsion import IMAGES, simulate;"
        "from src.datasets.inputs import ArrayInputs, open_packed;"
        "folder = pathlib.Path(tempfile.mkdtemp()); n = int(sys.argv[1]);"
        "simulate(folder, crops=(n, 9, 9), prevalence=(0.1, 0.2, 0.2), size=224);"
        "inputs = ArrayInputs(open_packed(folder / IMAGES), 'unit');"
        "inputs.fetch(torch.arange(96), torch.device('cpu'));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(pictures)], capture_output=True, text=True, check=True)
    return float(done.stdout)
