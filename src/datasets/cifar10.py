"""CIFAR-10 and CIFAR-100 from the official python batches, or from class folders of pictures."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from src.component import OpenFraction, PositiveFloat, PositiveInt
from src.datasets.base import NO_CLEAN_SET, CleanSet, Dataset, Profile, Thinning, Unlabelled
from src.datasets.cache import fingerprint
from src.datasets.inputs import ArrayInputs, Scale
from src.datasets.official import Pictures, official_splits
from src.datasets.pictures import class_folders, decoded, labelled_files, picture_files
from src.errors import UserError
from src.task import IntArray, Splits


class CIFAR10(Dataset):
    """60,000 colour pictures of 32 × 32, scaled per `scale`; 50,000 for training.

    Reads data_root/cifar-10-batches-py/{data_batch_1..5, test_batch}, or data_root/cifar10/{train,test}/<class>/*.png.
    """

    batches: ClassVar[str] = "cifar-10-batches-py"
    folder: ClassVar[str] = "cifar10"
    train_files: ClassVar[tuple[str, ...]] = tuple(f"data_batch_{n}" for n in range(1, 6))
    test_files: ClassVar[tuple[str, ...]] = ("test_batch",)
    label_key: ClassVar[str] = "labels"
    meta: ClassVar[tuple[str, str]] = ("batches.meta", "label_names")
    num_classes: ClassVar[int] = 10

    def __init__(
        self,
        *,
        classes: list[int] | None = None,
        train_size: PositiveInt | None = None,
        class_counts: list[PositiveInt] | None = None,
        imbalance_ratio: PositiveFloat | None = None,
        imbalance_profile: Profile = "exponential",
        clean: CleanSet = NO_CLEAN_SET,
        val_fraction: OpenFraction = 0.1,
        scale: Scale = "unit",
    ) -> None:
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio, imbalance_profile, clean)
        self.classes, self.val_fraction, self.scale = classes, val_fraction, scale

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        batches, folder = data_root / self.batches, data_root / self.folder
        if batches.is_dir():
            files = [batches / name for name in (*self.train_files, *self.test_files)]
            train = _join([self._batch(batches / name) for name in self.train_files])
            test = _join([self._batch(batches / name) for name in self.test_files])
            names = self._names(batches)
        elif class_folders(folder / "train"):
            names = class_folders(folder / "train")
            parts = [labelled_files(folder / part, names) for part in ("train", "test")]
            files = [path for found, _ in parts for path in found]
            if not len(parts[1][0]):
                raise UserError(f"{folder / 'test'}: no pictures; the test set stands there in folders like train's")
            train, test = ((np.stack(list(decoded(found, 32, 3))), labels) for found, labels in parts)
        else:
            raise UserError(
                f"{batches}: no such folder; unpack the official python version there, "
                f"or put pictures into {folder}/train/<class>/ and {folder}/test/<class>/"
            )
        return official_splits(
            train, test, names, classes=self.classes, thinning=self.thinning, val_fraction=self.val_fraction,
            seed=seed, scale=self.scale, fingerprint=fingerprint(files, data_root, cache_root),
        )  # fmt: skip

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """A python batch (labels, if any, are not read) or a folder of pictures."""
        if path.is_dir():
            files = picture_files(path)
            if not files:
                raise UserError(f"{path}: no pictures in this folder")
            inputs = ArrayInputs(np.stack(list(decoded(files, 32, 3))), self.scale)
            return Unlabelled(inputs, {"file": np.array([str(file.relative_to(path)) for file in files])})
        inputs = ArrayInputs(_pictures(path, unpickled(path)), self.scale)
        return Unlabelled(inputs, {"row": np.arange(len(inputs))})

    def _batch(self, path: Path) -> tuple[Pictures, IntArray]:
        content = unpickled(path)
        pictures, labels = _pictures(path, content), np.asarray(content.get(self.label_key), dtype=object)
        if labels.shape != (len(pictures),) or not all(isinstance(label, int) for label in labels):
            raise UserError(
                f"{path}: '{self.label_key}' does not hold one whole number for each of {len(pictures)} pictures"
            )
        labels = labels.astype(np.int64)
        wrong = np.flatnonzero((labels < 0) | (labels >= self.num_classes))
        if len(wrong):
            raise UserError(
                f"{path}: label {labels[wrong[0]]} in row {wrong[0]}; 0 to {self.num_classes - 1} are possible"
            )
        return pictures, labels

    def _names(self, folder: Path) -> list[str]:
        path = folder / self.meta[0]
        names = unpickled(path).get(self.meta[1]) if path.exists() else None
        if isinstance(names, list) and len(names) == self.num_classes:
            return [name.decode("latin1") if isinstance(name, bytes) else str(name) for name in names]
        return [str(c) for c in range(self.num_classes)]


def _join(parts: list[tuple[Pictures, IntArray]]) -> tuple[Pictures, IntArray]:
    return np.concatenate([pictures for pictures, _ in parts]), np.concatenate([labels for _, labels in parts])


def _pictures(path: Path, content: dict[str, Any]) -> Pictures:
    data = content.get("data")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise UserError(f"{path}: 'data' is not an array of rows of 3,072 bytes")
    return data.reshape(-1, 3, 32, 32)


def unpickled(path: Path) -> dict[str, Any]:
    """A pickled dictionary of numbers, texts, lists and arrays of bytes; whatever else it names is refused, not run."""
    try:
        content = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:  # a broken pickle may raise anything
        raise UserError(f"{path}: not an official python batch ({error})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: not an official python batch (a {type(content).__name__})")
    plain = {key.decode("latin1") if isinstance(key, bytes) else str(key): value for key, value in content.items()}
    return {key: value.values if isinstance(value, _Array) else value for key, value in plain.items()}


class _ArraysOnly(pickle.Unpickler):
    """Knows stand-ins for what an array of bytes is pickled with, and nothing else; numpy sees only checked values."""

    def find_class(self, module: str, name: str) -> Any:
        allowed: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
            ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
            ("numpy.core.numeric", "_frombuffer"): _Array,  # protocol 5
            ("_codecs", "encode"): lambda text, _: text.encode("latin1"),  # bytes in old protocols
        }
        module = module.replace("numpy._core.", "numpy.core.")  # its name before numpy 2
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not data")
        return allowed[module, name]


class _Dtype:
    """The type of a pickled array's numbers; whatever follows the name is not needed for bytes."""

    def __init__(self, name: str, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        pass


class _Array:
    """A pickled array of bytes."""

    def __init__(self, data: bytes = b"", dtype: _Dtype | None = None, shape: tuple[int, ...] = (0,), order: str = "C"):
        if dtype is not None and dtype.name != "u1":
            raise pickle.UnpicklingError("it holds numbers that are not bytes")
        self.values = np.frombuffer(data, np.uint8).reshape(shape, order="F" if order == "F" else "C").copy()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        data = data.encode("latin1") if isinstance(data, str) else data  # as python 2 wrote it
        self.__init__(data, dtype, shape, "F" if fortran else "C")  # type: ignore[misc]
