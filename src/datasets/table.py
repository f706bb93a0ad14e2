"""Your own table: CSV or Parquet, one row an example, one column the label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from src.component import OpenFraction, PositiveFloat, PositiveInt
from src.datasets.base import NO_CLEAN_SET, CleanSet, Dataset, Profile, Thinning, Unlabelled, fractions_ok
from src.datasets.cache import fingerprint
from src.datasets.columns import Columns, splits_of
from src.datasets.inputs import ArrayInputs
from src.errors import UserError, did_you_mean
from src.task import Splits

if TYPE_CHECKING:
    import pandas as pd

RESERVED = ("y_observed", "domain", "weight", "split")


class Table(Dataset):
    """Numeric columns as features (d,), the label column as classes (in sorted order).

    Columns named domain, weight, split and y_observed mean what they say. Features are standardised by the training
    part's means and deviations.
    """

    domains: ClassVar[int | None] = None

    def __init__(
        self,
        *,
        path: str = "table.csv",
        label: str = "label",
        features: list[str] | None = None,
        standardise: bool = True,
        target_labels: bool = False,
        train_size: PositiveInt | None = None,
        class_counts: list[PositiveInt] | None = None,
        imbalance_ratio: PositiveFloat | None = None,
        imbalance_profile: Profile = "exponential",
        clean: CleanSet = NO_CLEAN_SET,
        val_fraction: OpenFraction = 0.15,
        test_fraction: OpenFraction = 0.2,
    ) -> None:
        fractions_ok(val_fraction, test_fraction)
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio, imbalance_profile, clean)
        self.path, self.label, self.features = path, label, features
        self.standardise, self.target_labels = standardise, target_labels
        self.val_fraction, self.test_fraction = val_fraction, test_fraction

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        path = data_root / self.path
        table = read_table(path)
        _need(path, table, [self.label])
        names = self.features or [
            str(name) for name in table.columns
            if name not in (self.label, *RESERVED) and table[name].dtype.kind in "biuf"
        ]  # fmt: skip
        if not names:
            raise UserError(f"{path}: no numeric column to learn from beside '{self.label}'")
        _whole(path, table, [self.label, *(name for name in RESERVED if name in table)])
        found, y = np.unique(_plain(table[self.label]), return_inverse=True)
        classes = found.astype(str)
        extra: dict[str, Any] = {name: _plain(table[name]) for name in RESERVED if name in table}
        if "y_observed" in extra:
            extra["y_observed"] = _indices(path, extra["y_observed"], classes)
        columns = Columns(str(path), _values(path, table, names), y, **extra)
        inputs = ArrayInputs(columns.X, "none", names=names)
        splits = splits_of(
            columns, inputs, class_names=tuple(str(name) for name in classes), target_labels=self.target_labels,
            thinning=self.thinning, val_fraction=self.val_fraction, test_fraction=self.test_fraction, seed=seed,
            fingerprint=fingerprint([path], path.parent, cache_root),
        )  # fmt: skip
        train = columns.X[splits.train.rows].astype(np.float64)
        deviation = train.std(axis=0)
        self.learned = {
            "features": names,
            "mean": train.mean(axis=0).tolist() if self.standardise else [0.0] * len(names),
            "deviation": np.where(deviation > 0, deviation, 1).tolist() if self.standardise else [1.0] * len(names),
        }
        inputs.storage.copy_(ArrayInputs(self._standardised(columns.X)).storage)
        return splits

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """A table with the same feature columns; all others are carried along."""
        table = read_table(path)
        names = self.learned["features"]
        _need(path, table, names)
        X = self._standardised(_values(path, table, names))
        others = {str(name): table[name].to_numpy() for name in table.columns if name not in names}
        return Unlabelled(ArrayInputs(X, "none"), {"row": np.arange(len(X)), **others})

    def _standardised(self, X: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return ((X - np.array(self.learned["mean"])) / np.array(self.learned["deviation"])).astype(np.float32)


def read_table(path: Path) -> pd.DataFrame:
    """A CSV or Parquet file. Raises UserError if it cannot be read."""
    import pandas as pd

    if not path.is_file():
        raise UserError(f"{path}: no such file; give a CSV or Parquet file, relative to data_root or absolute")
    try:
        table = pd.read_parquet(path) if path.suffix in {".parquet", ".pq"} else pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' and pyarrow's errors are ValueErrors
        raise UserError(f"{path}: not a readable table ({str(error).splitlines()[0]})") from None
    if table.empty:
        raise UserError(f"{path}: the table has no rows")
    return table


def _plain(column: pd.Series[Any]) -> npt.NDArray[Any]:
    return column.to_numpy() if column.dtype.kind in "biuf" else column.to_numpy(dtype=str)


def _need(path: Path, table: pd.DataFrame, names: list[str]) -> None:
    missing = [name for name in names if name not in table]
    if missing:
        raise UserError(f"{path}: has no column '{missing[0]}'{did_you_mean(missing[0], map(str, table.columns))}")


def _whole(path: Path, table: pd.DataFrame, names: list[str]) -> None:
    for name in names:
        empty = np.flatnonzero(table[name].isna())
        if len(empty):
            raise UserError(
                f"{path}: column '{name}' is empty in row {empty[0]} ({len(empty)} such rows); remove or fill them"
            )


def _values(path: Path, table: pd.DataFrame, names: list[str]) -> npt.NDArray[np.float32]:
    _need(path, table, names)
    texts = [name for name in names if table[name].dtype.kind not in "biuf"]
    if texts:
        raise UserError(
            f"{path}: column '{texts[0]}' does not hold numbers; leave it out of dataset.features or encode it"
        )
    _whole(path, table, names)
    with np.errstate(over="ignore"):
        values = np.array(table[names], dtype=np.float32)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise UserError(f"{path}: column '{names[bad[0][1]]}' is not finite in row {bad[0][0]}")
    return values


def _indices(path: Path, values: npt.NDArray[Any], classes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    import pandas as pd

    texts = values.astype(str)
    indices = pd.Index(classes).get_indexer(texts)
    unknown = np.flatnonzero(indices < 0)
    if len(unknown):
        raise UserError(
            f"{path}: y_observed is '{texts[unknown[0]]}' in row {unknown[0]}, which is no class of the label column"
        )
    return indices.astype(np.int64)
