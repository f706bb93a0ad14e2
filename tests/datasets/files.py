"""Tiny files in each format that the datasets read."""

from __future__ import annotations

import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image


def make_idx(root: Path, name: str, train: int = 200, test: int = 50) -> None:
    """MNIST's four files, labels 0..9 in turn, every pixel of a picture 20 times its label."""
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", train), ("t10k", test)):
        labels = np.arange(n, dtype=np.uint8) % 10
        pictures = np.broadcast_to(labels[:, None, None] * 20, (n, 28, 28)).astype(np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, n, 28, 28) + pictures.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, n) + labels.tobytes())


def make_cifar(root: Path, hundred: bool = False, n: int = 40) -> None:
    """Python batches as python 2 wrote them: protocol 2, a dictionary with byte keys."""
    folder = root / ("cifar-100-python" if hundred else "cifar-10-batches-py")
    folder.mkdir(parents=True)
    names = ["train", "test"] if hundred else [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    classes = 100 if hundred else 10
    n = 400 if hundred else n
    for name in names:
        labels = [k % classes for k in range(n)]
        data = np.repeat(np.array(labels, dtype=np.uint8)[:, None] * 2, 3072, axis=1)
        key = b"fine_labels" if hundred else b"labels"
        (folder / name).write_bytes(pickle.dumps({b"data": data, key: labels}, protocol=2))


def make_dune(root: Path, per_flavour: int = 12) -> None:
    rng = np.random.default_rng(0)
    for flavour, pdg in (("nc", 14), ("nue", 12), ("numu", -14), ("nutau", 16)):
        folder = root / "dune-cvn" / flavour
        folder.mkdir(parents=True)
        for event in range(per_flavour):
            maps = np.zeros((3, 500, 500), np.uint8)
            maps[:, 10 + event, rng.integers(0, 500, 30)] = rng.integers(1, 255, 30)
            (folder / f"event{event}.gz").write_bytes(zlib.compress(maps.tobytes()))
            (folder / f"event{event}.info").write_text(
                "\n".join(map(str, [3, 2.5, 1.5, 0, 0, 0, 0.01, pdg, 1, 0, 0, 0]))
            )


def make_images(root: Path, per_class: int = 20, parts: tuple[str, ...] = ("",), folder: str = "images") -> None:
    for part in parts:
        for number, name in enumerate(("cat", "dog")):
            place = root / folder / part / name
            place.mkdir(parents=True)
            for k in range(per_class):
                Image.new("RGB", (10, 8), (100 * number, k, 50)).save(place / f"{k:02d}.png")


def make_arrays(root: Path, name: str = "arrays.npz", n: int = 120, **extra: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, 5)).astype(np.float32), np.arange(n) % 3
    np.savez(root / name, X=X, y=y, **extra)


def make_table(root: Path, n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "mass": rng.normal(100, 20, n),
            "charge": rng.normal(size=n),
            "label": np.array(["x", "y", "z"])[np.arange(n) % 3],
        }
    )
    table.to_csv(root / "table.csv", index=False)
    return table


def make_nova(root: Path, domain: str, events: int = 60, **options: object) -> Path:
    """One simulated file of a domain in root/nova."""
    from src.simulators.nova import simulate

    folder = root / "nova"
    folder.mkdir(exist_ok=True)
    (path,) = simulate(folder, domain, events, **options)  # type: ignore[arg-type]
    return path


def make(name: str, root: Path) -> None:
    """What a dataset of this name needs in its data_root, if anything."""
    root.mkdir(exist_ok=True)
    if name in {"mnist", "fashion_mnist"}:
        make_idx(root, "MNIST" if name == "mnist" else "FashionMNIST")
    elif name in {"cifar10", "cifar100"}:
        make_cifar(root, hundred=name == "cifar100")
    elif name == "dune_cvn":
        make_dune(root)
    elif name == "image_folder":
        make_images(root)
    elif name == "arrays":
        make_arrays(root)
    elif name == "table":
        make_table(root)
