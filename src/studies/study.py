"""The study folder: its question, its trials, who works on which, and what came out.

    studies/<name>/  manifest.json  trials/<number>/{trial.json, seed-<s> -> run folder, attempts.jsonl, result.json}
                     optuna.db | journal.log  workers/<worker>.log

The trial folders are the truth: a trial with result.json is done, one with a live LEASE is being worked on, any other
is free to be taken. Optuna's storage is kept in step with them and is rebuilt from them if it is lost. All claims pass
one lock file, so that any number of workers and drivers of the same study cooperate.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import time
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.lease import Lease, alive, locked, owner_of
from src.provenance import differing_keys, mask, now
from src.runs import HEARTBEAT, history, read_json, write_text
from src.studies.options import Sampler
from src.studies.samplers import NUMBERED, Numbered, adaptive, suggest
from src.studies.space import Point, Space

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

SCHEMA = 1
HEALTHY = re.compile("locked|is full|readonly|unable to open|permission|no longer compatible|upgrad", re.IGNORECASE)
"""What errors say that do not mean damage: others hold the storage, the disk is full, it is another Optuna's."""


@dataclass(frozen=True)
class Claim:
    """A trial that this process works on."""

    number: int
    overrides: tuple[str, ...]
    folder: Path
    fresh: bool
    """Nobody has worked on it before."""


class Study:
    """One study's folder, in use by this process."""

    def __init__(
        self, folder: Path, manifest: Mapping[str, Any], space: Space, storage: str, stored: optuna.Study | None = None
    ) -> None:
        """`stored`: Optuna's study, if it is open already."""
        self.folder, self.manifest, self.space, self.storage = folder, manifest, space, storage
        startup = (
            {"startup": manifest["sampler_startup"]} if "sampler_startup" in manifest else {}
        )  # older ones say nothing
        self.sampler = Sampler(name=manifest["sampler"], seed=manifest["sampler_seed"], **startup)
        self._numbered = Numbered(self.sampler, space, [tuple(entry["overrides"]) for entry in manifest["first"]])
        self._leases: dict[int, Lease] = {}
        self._done: set[int] = set()
        self._count = 0
        self._beat = 0.0
        self._optuna = stored

    def __reduce__(self) -> tuple[Any, ...]:
        """Workers elsewhere, and a worker's later lives, open the study anew."""
        return Study, (self.folder, self.manifest, self.space, self.storage)

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def total(self) -> int:
        """How many trials the study has when it is complete."""
        return int(self.manifest["total"])

    # --- Optuna ---

    def optuna_study(self) -> optuna.Study:
        """Optuna's study of this generation, which `open_study` made."""
        if self._optuna is None:
            import optuna

            storage, name = _storage(self.folder, self.storage), optuna_name(self.manifest)
            self._optuna = optuna.load_study(study_name=name, storage=storage, sampler=_unused())
        return self._optuna

    def optuna_id(self, number: int) -> int:
        """Optuna's id of a trial, which its storage counts over all studies."""
        return _id(self.optuna_study(), number)

    # --- trials ---

    def identity(self, number: int) -> str:
        """Names the trial among those of all studies and generations."""
        return f"{self.manifest['id']}.{self.manifest['generation']}/{number}"

    def trial_folder(self, number: int) -> Path:
        return self.folder / "trials" / f"{number:05d}"

    def unfinished(self) -> list[int]:
        """Numbers of the trials that have begun and have no result."""
        while (self.trial_folder(self._count) / "trial.json").exists():
            self._count += 1
        found = []
        for number in range(self._count):
            if number not in self._done:
                if (self.trial_folder(number) / "result.json").exists():
                    self._done.add(number)
                else:
                    found.append(number)
        return found

    def claim(self) -> Claim | None:
        """A trial to work on: one whose worker died, else a new one; None if all have begun."""
        with locked(self.folder / ".lock") as now:
            self._refuse_another()
            for number in self.unfinished():
                if not alive(self.trial_folder(number), now):
                    return self._take(number, fresh=False)
            if self._count >= self.total:
                return None
            self._begin(self._count)
            return self._take(self._count, fresh=True)

    def busy(self) -> list[int]:
        """Unfinished trials that a living worker holds."""
        return [number for number in self.unfinished() if alive(self.trial_folder(number))]

    def held_by_others(self) -> list[Claim]:
        """The busy trials that this process does not hold; it may add runs to them, and write nothing else."""
        others = (number for number in self.busy() if number not in self._leases)
        return [self._described(number, fresh=False) for number in others]

    @property
    def begun(self) -> bool:
        """Whether any trial has."""
        return self.trial_folder(0).exists()

    def free(self) -> bool:
        """Whether there is a trial that a worker could take."""
        return bool(set(self.unfinished()) - set(self.busy())) or self._count < self.total

    def complete(self) -> bool:
        self._refuse_another()
        return not self.unfinished() and self._count >= self.total

    def _refuse_another(self) -> None:
        """Raises UserError if another command has given the study another question since it was opened."""
        generation = read_json(self.folder / "manifest.json")["generation"]
        if generation != self.manifest["generation"]:
            raise UserError(
                f"{self.folder}: another command has changed this study (more seeds, or adopt=true) and goes on with it; "
                "this one stops"
            )

    def release(self, claim: Claim) -> None:
        """Let others take the trial; one that has been recorded is free already."""
        lease = self._leases.pop(claim.number, None)
        if lease is not None:
            lease.release()

    def beat(self) -> None:
        """Show that this process lives; cheap to call often."""
        if time.monotonic() - self._beat < HEARTBEAT:
            return
        self._beat = time.monotonic()
        for lease in list(self._leases.values()):
            lease.touch()

    def link(self, claim: Claim, seed: int, run: Path) -> None:
        """Cite a run folder from the trial."""
        path = claim.folder / f"seed-{seed}"
        target = os.path.relpath(run.resolve(), claim.folder.resolve())
        if not path.is_symlink() or os.readlink(path) != target:
            partial = claim.folder / f".{uuid.uuid4().hex}.part"
            partial.symlink_to(target)
            os.replace(partial, path)

    def record(self, claim: Claim, result: Mapping[str, Any]) -> None:
        """The trial's end: first in its folder, then in Optuna."""
        if not self._leases[claim.number].held():
            raise UserError(f"{claim.folder}: another worker has taken this trial over; this one stops")
        write_text(claim.folder / "result.json", json.dumps({**result, "ended": now()}, indent=1) + "\n")
        self._tell(claim.number, result)
        self.release(claim)

    def _take(self, number: int, fresh: bool) -> Claim:
        folder = self.trial_folder(number)
        (folder / "LEASE").unlink(missing_ok=True)
        self._leases[number] = Lease(folder)
        return self._described(number, fresh)

    def _described(self, number: int, fresh: bool) -> Claim:
        folder = self.trial_folder(number)
        return Claim(number, tuple(read_json(folder / "trial.json")["overrides"]), folder, fresh)

    def _begin(self, number: int) -> None:
        """Choose the configuration of a new trial: in Optuna first, then as a folder."""
        import optuna

        study = self.optuna_study()
        known = study._storage.get_n_trials(study._study_id) > number  # its worker died before the folder was there
        described = self._fixed(number)
        if described is None:
            study.sampler = adaptive(self.sampler, number, bool(self.manifest["question"]["constraints"]))
            trial = optuna.Trial(study, _id(study, number)) if known else study.ask()
            described = describe(self.space, number, suggest(trial, self.space))
        elif not known:
            study.add_trial(_frozen(self.space, described, {}, self.manifest))
        self._write(described)

    def _fixed(self, number: int) -> dict[str, Any] | None:
        """The trial if its number decides it: one of those that come first, or of a numbered sampler."""
        first = self.manifest["first"]
        if number < len(first):
            return {**first[number], "number": number}
        if self.sampler.name not in NUMBERED:
            return None
        return describe(self.space, number, self._numbered.point(number - len(first)))

    def _write(self, described: Mapping[str, Any]) -> None:
        folder = self.trial_folder(described["number"])
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "trial.json", json.dumps(dict(described), indent=1) + "\n")

    def _tell(self, number: int, result: Mapping[str, Any]) -> None:
        import optuna

        study = self.optuna_study()
        if study._storage.get_trial(_id(study, number)).state.is_finished():
            return
        if self.sampler.name not in NUMBERED:
            study.sampler = adaptive(self.sampler, number, bool(self.manifest["question"]["constraints"]))
        for key in ("summary", "excess", "reason"):
            study._storage.set_trial_user_attr(_id(study, number), key, result[key])
        values = [result["values"][name] for name in self.manifest["objectives"]] if result["values"] else None
        with warnings.catch_warnings(action="ignore"), contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            study.tell(number, values, state=_state(result["status"]), skip_if_finished=True)

    # --- repair ---

    def repair(self) -> None:
        """Bring folders and Optuna's storage back in step after deaths and damage; call it under the lock."""
        study = self.optuna_study()
        stored = study.get_trials(deepcopy=False)
        numbers = [int(path.name) for path in (self.folder / "trials").glob("[0-9]*")]
        for number in range(max([*numbers, len(stored) - 1], default=-1) + 1):
            folder = self.trial_folder(number)
            described, ended = _whole(folder / "trial.json"), _whole(folder / "result.json")
            trial = stored[number] if number < len(stored) else None
            if not (described and trial and (trial.state.is_finished() or not ended)):
                self._repair(study, number, trial, described, ended)
        self._count, self._done = 0, set()

    def _repair(
        self, study: optuna.Study, number: int, trial: optuna.trial.FrozenTrial | None,
        kept: dict[str, Any] | None, ended: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        described = kept or self._fixed(number)
        if described is None and trial is not None:
            point = self.space.decode(trial.params)
            if set(trial.params) != {d.name for d in self.space.dimensions if d.active(point)}:
                return  # it died while its configuration was chosen: `claim` goes on from there
            described = describe(self.space, number, point)
        if described is None:
            path = self.trial_folder(number) / "trial.json"
            raise UserError(f"{path}: lost, and Optuna's storage is lost too; set adopt=true to begin again")
        if kept is None:
            self._write(described)
        if trial is None:
            study.add_trial(_frozen(self.space, described, ended or {}, self.manifest))
        elif ended and not trial.state.is_finished():
            self._tell(number, ended)


def describe(space: Space, number: int, point: Point) -> dict[str, Any]:
    """The content of trial.json."""
    overrides = space.overrides(point)
    label = " ".join(overrides)
    return {
        "number": number, "params": space.params(point), "overrides": overrides, "label": label, "baseline": False
    }  # fmt: skip


def _whole(path: Path) -> dict[str, Any] | None:
    """A record; None if there is none. One that is not readable is removed: it is made again from the run folders."""
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        log.warning("%s: damaged; it is made again", path)
        path.unlink()
        return None
    return found


def _id(study: optuna.Study, number: int) -> int:
    return study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)


def _state(status: str) -> optuna.trial.TrialState:
    from optuna.trial import TrialState

    return {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED}.get(status, TrialState.FAIL)


def _frozen(
    space: Space, described: Mapping[str, Any], result: Mapping[str, Any], manifest: Mapping[str, Any]
) -> optuna.trial.FrozenTrial:
    """The trial as Optuna keeps it: running, or ended if there is a result."""
    from optuna.trial import TrialState, create_trial

    point = space.decode(described["params"])
    state = _state(result["status"]) if result else TrialState.RUNNING
    values = [result["values"][name] for name in manifest["objectives"]] if state == TrialState.COMPLETE else None
    attributes = {key: result[key] for key in ("summary", "excess", "reason") if key in result}
    return create_trial(
        state=state, values=values, params=dict(described["params"]), distributions=space.distributions(point),
        user_attrs={"label": described["label"], **attributes},
        system_attrs={"constraints": result["excess"]} if result.get("excess") else {},  # what Optuna's samplers read
        intermediate_values=_reported(result, manifest) if result else {},
    )  # fmt: skip


def _reported(result: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[int, float]:
    """What the pruner was told of an ended trial: the epochs of its first seed, or for wilcoxon its seeds."""
    objective, seeds = next(iter(manifest["objectives"])), list(result["seeds"].values())
    if manifest["pruner"] == "none" or not seeds:
        return {}
    if manifest["pruner"] == "wilcoxon":
        return {i: one["values"][objective] for i, one in enumerate(seeds) if objective in one["values"]}
    epochs = history(Path(manifest["runs_root"]) / seeds[0]["run"]) if seeds[0]["run"] else []
    return {line["epoch"]: line["metrics"][objective] for line in epochs if objective in line["metrics"]}


# --- opening ---


def open_study(root: Path, name: str, question: Mapping[str, Any], facts: Mapping[str, Any], space: Space,
               storage: str, *, seeds: list[int], first: list[dict[str, Any]], trials: int | None, adopt: bool) -> Study:  # fmt: skip
    """The study of this name, made or found, repaired, with its total brought up to date.

    `question` is what must not change; more seeds begin a new generation in which finished runs are reused, and so does
    any change with `adopt`. Raises UserError for a changed question, an unusable storage or an unwritable folder.
    """
    folder = root / name
    try:
        with locked(folder / ".lock"):
            _finish_archiving(folder)
            manifest = _manifest(folder, name, question, facts, space, seeds=seeds, first=first, adopt=adopt)
            if manifest["sampler"] == "grid":
                trials = min(_grid_total(space, manifest["first"]), trials or 1 << 60)
            manifest |= {"total": trials, "storage": mask(storage)}
            stored = _stored(folder, storage, manifest)
            _archive(folder, manifest["generation"])
            write_text(folder / "manifest.json", json.dumps(manifest, indent=1) + "\n")
            study = Study(folder, manifest, space, storage, stored)
            study.repair()
            return study
    except OSError as error:
        raise UserError(f"studies_root={root}: cannot write the study's folder ({error})") from None


def _grid_total(space: Space, first: list[dict[str, Any]]) -> int:
    outside = sum(1 for entry in first if not entry["params"])
    return space.size() + outside


def _manifest(
    folder: Path, name: str, question: Mapping[str, Any], facts: Mapping[str, Any], space: Space,
    *, seeds: list[int], first: list[dict[str, Any]], adopt: bool,
) -> dict[str, Any]:  # fmt: skip
    fresh = {
        "schema": SCHEMA, "name": name, "id": uuid.uuid4().hex, "created": now(), **facts, "question": dict(question),
        "dimensions": [dimension.described() for dimension in space.dimensions], "seeds": seeds, "first": first,
        "baseline": 0 if first else None, "generation": 1, "adopted": [],
    }  # fmt: skip
    if not (folder / "manifest.json").exists():
        return fresh
    old = read_json(folder / "manifest.json")
    if old.get("schema") != SCHEMA:
        raise UserError(
            f"{folder}: a study of another version of Kilter (schema {old.get('schema')}, this is {SCHEMA}); "
            "give the study another name"
        )
    differing = differing_keys(old["question"], question)
    more = set(seeds) - set(old["seeds"])
    fewer = set(old["seeds"]) - set(seeds)
    moved = old["runs_root"] != facts["runs_root"]
    if moved and not adopt:
        raise UserError(
            f"{folder}: the runs of this study are in {old['runs_root']}; give runs_root={old['runs_root']}"
        )
    if (differing or fewer) and not adopt:
        keys = ", ".join([*differing, *(["seeds"] if fewer else [])])
        raise UserError(
            f"{folder}: this study asked another question; what differs: {keys}. Give the study another name "
            "(hydra.sweeper.study=...), or hydra.sweeper.adopt=true to go on: finished runs that still fit are reused"
        )
    if not (differing or more or fewer or moved):
        return {**old, "machine": fresh["machine"], "claims": fresh["claims"]}
    again = {
        "at": now(),
        "changed": [*differing, *(["seeds"] if more or fewer else []), *(["runs_root"] if moved else [])],
    }
    fitting = _still_fit(folder, space, first) if old["sampler"] not in NUMBERED else []
    return {
        **fresh, "id": old["id"], "created": old["created"], "generation": old["generation"] + 1,
        "first": first + fitting, "adopted": [*old["adopted"], again],
    }  # fmt: skip


def _archive(folder: Path, generation: int) -> None:
    """Set the trials of the generation before aside, once."""
    aside = folder / f"trials.{generation - 1}"
    if generation > 1 and (folder / "trials").exists() and not aside.exists():
        (folder / "trials").rename(aside)


def _finish_archiving(folder: Path) -> None:
    """Undo an archiving whose process died before the manifest named the new generation."""
    if not (folder / "manifest.json").exists() or (folder / "trials").exists():
        return
    aside = folder / f"trials.{read_json(folder / 'manifest.json').get('generation')}"
    if aside.exists():
        aside.rename(folder / "trials")


def _still_fit(folder: Path, space: Space, first: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Trials of the last generation whose configurations lie in the space."""
    found, seen = [], {tuple(entry["overrides"]) for entry in first}
    for path in sorted((folder / "trials").glob("[0-9]*/trial.json")):
        params = read_json(path)["params"]
        with contextlib.suppress(KeyError, StopIteration, ValueError):
            point = space.decode(params)
            active = {d.name for d in space.dimensions if d.active(point)}
            fits = all(d.contains(point[d.name]) for d in space.active(point))
            described = describe(space, 0, point)
            if fits and set(params) == active and tuple(described["overrides"]) not in seen:
                seen.add(tuple(described["overrides"]))
                found.append(described)
    return found


def optuna_name(manifest: Mapping[str, Any]) -> str:
    """The study's name in Optuna's storage, where several may live together."""
    return f"{manifest['name']}-{manifest['id'][:8]}.{manifest['generation']}"


def _unused() -> optuna.samplers.BaseSampler:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=0)


def _storage(folder: Path, storage: str) -> optuna.storages.BaseStorage:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if storage == "journal":
        from optuna.storages.journal import JournalFileBackend

        return optuna.storages.JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    url = f"sqlite:///{(folder / 'optuna.db').absolute()}" if storage == "sqlite" else storage
    options = {"connect_args": {"timeout": 60}} if storage == "sqlite" else {"pool_pre_ping": True}
    return optuna.storages.RDBStorage(url, engine_kwargs=options)


def _stored(folder: Path, storage: str, manifest: Mapping[str, Any]) -> optuna.Study:
    """Optuna's study, made or read whole, which shows that it can be; a damaged file is set aside."""
    file = {"sqlite": folder / "optuna.db", "journal": folder / "journal.log"}.get(storage)
    if storage == "journal" and file and file.exists():
        _end_at_a_line(file)
    try:
        return _create(folder, storage, manifest)
    except UserError:
        raise
    except Exception as error:  # of any database driver
        if isinstance(error, OSError):
            raise
        if file is None or not file.exists() or HEALTHY.search(str(error)):
            reason = mask(str(error).splitlines()[0])
            raise UserError(f"storage={mask(storage)}: cannot be used ({type(error).__name__}: {reason})") from None
        aside = next(
            path for k in range(1, 1 << 20) if not (path := file.with_name(f"{file.name}.damaged-{k}")).exists()
        )
        log.warning("%s: damaged (%s); set aside as %s and made again from the trials", file, type(error).__name__, aside.name)  # fmt: skip
        file.rename(aside)
        return _create(folder, storage, manifest)


def _create(folder: Path, storage: str, manifest: Mapping[str, Any]) -> optuna.Study:
    import optuna

    directions = list(manifest["objectives"].values())
    with warnings.catch_warnings(action="ignore"):
        study = optuna.create_study(
            storage=_storage(folder, storage), study_name=optuna_name(manifest), directions=directions,
            sampler=_unused(), load_if_exists=True,
        )  # fmt: skip
    study.get_trials(deepcopy=False)
    stored = [direction.name.lower() for direction in study.directions]
    if stored != directions:
        raise UserError(f"{folder}: Optuna's storage has the directions {stored}, the study {directions}")
    return study


def _end_at_a_line(journal: Path) -> None:
    """Cut off what a killed writer left of its last line; Optuna would glue the next one to it."""
    content = journal.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with journal.open("r+b") as file:
            file.truncate(whole)


def holder(folder: Path) -> dict[str, Any]:
    """Who works on a trial."""
    return owner_of(folder / "LEASE")
