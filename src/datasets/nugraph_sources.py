"""Which files the graphs are from, in each domain: the user's, or those of the simulator where there are none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from src.datasets.cache import digest, fingerprint
from src.datasets.nugraph_build import EVENT_CLASSES
from src.datasets.nugraph_sample import find
from src.datasets.nugraph_simulated import WITHOUT_END, Simulation
from src.errors import UserError

USUAL, EXTRA, SHIFTED = "events.gnn.h5", "extra_tau.gnn.h5", "shifted.gnn.h5"


@dataclass(frozen=True)
class Files:
    """Where the graphs are from."""

    source: list[Path]
    target: list[Path]
    """Of the second domain; none where there is one domain."""
    fingerprint: str
    """Changes with their content."""
    simulated: bool = False
    """Whether the source's are."""
    notes: tuple[str, ...] = ()
    """What a person should know of them."""


@dataclass(frozen=True)
class Sources:
    """What is asked for."""

    folder: Path
    target_folder: Path | None
    simulation: Simulation
    """The source's events, if there are no files in the folder."""
    extra_tau: int
    """How many cc_nutau events more."""
    shift: float | None
    """How far the simulated target is from the source; None: no such target."""

    def files(self, cache_root: Path) -> Files:
        """Raises UserError if there are none where there should be, or if simulated ones would be mixed with the user's."""
        source = find(self.folder)
        if not source and self.folder.suffix:
            raise UserError(f"{self.folder}: no such file or folder")
        if source and self.extra_tau:
            raise UserError(
                f"dataset.extra_tau={self.extra_tau} adds simulated events, and those of {self.folder} are not; set it to 0"
            )
        if source and self.shift is not None:
            raise UserError(
                f"dataset.target=shifted is simulated, and the events of {self.folder} are not; give files of the target "
                "domain, dataset.target_folder"
            )
        found = self._read(source, self.folder, cache_root) if source else self._simulated(cache_root)
        return found if self.target_folder is None else self._with_target(found, self.target_folder, cache_root)

    def _read(self, source: list[Path], folder: Path, cache_root: Path) -> Files:
        return Files(source, [], fingerprint(source, folder if folder.is_dir() else folder.parent, cache_root))

    def _with_target(self, found: Files, folder: Path, cache_root: Path) -> Files:
        target = find(folder)
        if not target:
            raise UserError(f"dataset.target_folder: no .h5 files in {folder}")
        if both := {*found.source} & {*target}:
            raise UserError(f"{min(both)} is of the source (dataset.folder) and of the target (dataset.target_folder)")
        content = self._read(target, folder, cache_root).fingerprint
        return replace(found, target=target, fingerprint=digest(found.fingerprint, content))

    def _simulated(self, cache_root: Path) -> Files:
        """Drawn on first use. No two samples have an event in common."""
        usual = self.simulation
        samples = {USUAL: usual}
        if self.extra_tau:
            mix = [float(name == "cc_nutau") for name in EVENT_CLASSES]
            samples[EXTRA] = replace(usual, events=self.extra_tau, class_mix=mix, first=WITHOUT_END)
        if self.shift is not None:
            samples[SHIFTED] = replace(usual, shift=self.shift, first=2 * WITHOUT_END)
        paths = {name: each.file(cache_root, name) for name, each in samples.items()}
        target = [paths.pop(SHIFTED)] if SHIFTED in paths else []
        names = [each.digest for each in samples.values()]
        content = names[0] if len(names) == 1 else digest(*names)
        note = f"no .h5 files in {self.folder}: simulated events are used ({paths[USUAL].parent})"
        return Files([*paths.values()], target, content, simulated=True, notes=(note,))
