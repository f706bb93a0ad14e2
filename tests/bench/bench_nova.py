"""Reading NOvA files: the packed map against the files, packing, the join, and memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import torch
import yaml

from src.datasets import caf, nova_selection, packing
from src.datasets.inputs import ArrayInputs
from src.datasets.nova_files import labelled_rows
from src.simulators.nova import simulate
from tests.bench.table import Row, paired_ratios, seconds

BATCH, N, EVENTS = 128, 5, 4000
STUDY_EVENTS = 8370
"""Events of a file of the study."""
OFFICIAL = Path(__file__).parents[2] / "conf" / "dataset" / "selection" / "official.yaml"


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        paths = simulate(folder, "genie", 2 * EVENTS)
        selection = [(path, np.arange(EVENTS)) for path in paths]
        inputs = ArrayInputs(packing.packed(selection, "all", folder), scale="unit")
        yield Row(
            "shuffled batches: packed map relative to opening the file per event",
            per_event(inputs, paths[0]),
            "×",
            at_least=100,
        )
        yield Row("packing: speed relative to reading the data set whole", pack(folder, selection), "×", at_least=0.5)
        yield Row("joining a file of 8,000 events to its truth", [join_time() for _ in range(N)], "s", at_most=0.1)
        yield Row("selection and join of one 8,370-event file with all cuts", selection_times(folder), "s", at_most=1.0)
        yield Row(
            "packing: peak memory of 8 files relative to 2",
            [memory(folder, 8) / memory(folder, 2) for _ in range(3)],
            "×",
            at_most=1.1,
        )


def per_event(inputs: ArrayInputs, path: Path) -> list[float]:
    """Events per second from the map over events per second from the file, opened for each event."""
    rng = np.random.default_rng(0)

    def mapped() -> None:
        for batch in torch.from_numpy(rng.permutation(len(inputs))).split(BATCH):
            inputs.fetch(batch, torch.device("cpu"))

    def opened(count: int = 100) -> None:
        for row in rng.integers(0, EVENTS, count):
            with h5py.File(path, "r") as file:
                file[f"{caf.MAPS}/cvnmap"][row]

    scale = len(inputs) / 100
    return [ratio * scale for ratio in paired_ratios(opened, mapped, N)]


def pack(folder: Path, selection: list[tuple[Path, np.ndarray]]) -> list[float]:
    number = iter(range(1000))

    def whole() -> None:
        for path, _ in selection:
            with h5py.File(path, "r") as file:
                file[f"{caf.MAPS}/cvnmap"][:]

    return paired_ratios(whole, lambda: packing.packed(selection, f"try{next(number)}", folder), N)


def join_time() -> float:
    rng = np.random.default_rng(0)
    n = 8000
    key = {name: np.zeros(n, np.int64) for name in caf.KEY} | {"subrun": np.arange(n) // 200, "evt": np.arange(n) % 200}
    order = rng.permutation(n)
    return seconds(lambda: caf.join({name: values[order] for name, values in key.items()}, key, "bench"))


def selection_times(folder: Path) -> list[float]:
    """Seconds to label the events of a file and to apply the official selection's cuts, all of them to all events."""
    (folder / "study").mkdir()
    (path,) = simulate(folder / "study", "genie", STUDY_EVENTS, file_events=STUDY_EVENTS)
    selection = yaml.safe_load(OFFICIAL.read_text())

    def select() -> None:
        found = labelled_rows(path)
        with caf.opened(path) as file:
            nova_selection.select(file, found.key, selection)

    select()
    return [seconds(select) for _ in range(N)]


def memory(folder: Path, files: int) -> float:
    """Peak memory in MB of a process that packs so many files."""
    code = (
        "import sys, resource, pathlib, numpy as np; from src.datasets import packing;"
        "paths = [pathlib.Path(p) for p in sys.argv[3:]];"
        "packing.packed([(p, np.arange(4000)) for p in paths], sys.argv[1], pathlib.Path(sys.argv[2]));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    paths = sorted(folder.glob("neardet*.h5"))[:1] * files
    name = f"memory{files}-{np.random.default_rng().integers(1 << 40)}"
    done = subprocess.run(
        [sys.executable, "-c", code, name, str(folder), *map(str, paths)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)
