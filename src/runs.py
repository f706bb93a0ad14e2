"""The run folder: its key, its claim, its state, its record. The folder is the truth; MLflow mirrors it.

    runs/<name>-<key>/  config.yaml record.json [code.diff] history.jsonl metrics.json ... and at last DONE

A folder carries LEASE while a process works in it and DONE once it ended (JSON: status, reason, ended); one that has
neither a live LEASE nor DONE belongs to a process that died. All claims pass one lock file in the runs' root; runs on
several machines need a file system that they share, with working file locks. `python -m src.runs clean` tidies up.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal, NoReturn

from src.errors import UserError, did_you_mean
from src.lease import Lease, alive, locked, owner_of
from src.provenance import identity, mask, now

HEARTBEAT = 5.0  # seconds between signs of life
DIFF_BYTES = 1 << 20
CONTINUED = {"best.pt", "last.pt", "clean.pt", "average.pt", "history.jsonl", "transition.json", "suspects.csv"}
"""What a run that differs only in what comes after the epochs takes over from another."""

Status = Literal["finished", "failed", "killed", "pruned", "running"]


# --- files ---


def read_json(path: Path) -> dict[str, Any]:
    """Raises UserError if the file is missing or torn."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable record ({error})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a record")
    return content


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: cannot write ({error.strerror}); free some space or choose another runs_root"
        ) from None


def write_text(path: Path, text: str) -> None:
    """The whole file or nothing, on the disk when this returns. Raises UserError if it cannot be written."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    with _explained(path):
        try:
            with partial.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        parent = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


def history(folder: Path, after: int = 0) -> list[dict[str, Any]]:
    """Epochs recorded so far, those after the given one; a torn last line is left out.

    Each is {'epoch', 'time', 'metrics'}, and 'sealed' if test or clean labels were watched: no choice may read those.
    """
    path = folder / "history.jsonl"
    lines = path.read_text(errors="replace").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n") and _epoch_of(line) > after]


def _numbers(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


def _epoch_of(line: str) -> int:
    match = re.match(r'\{"epoch": (\d+),', line)
    return int(match[1]) if match else -1


# --- the run ---


class Terminated(SystemExit):
    """SIGTERM or SIGHUP, as an exception, so that the run can say how it ended; exit status 128 + signal."""


class Pruned(Exception):
    """The run is given up: not promising enough."""


class Stopped(Exception):
    """The run is interrupted and may be continued."""


class Busy(UserError):
    """Another living process works on this very run."""


class Run:
    """A run folder in use: `with run: ...` keeps the claim alive and leaves the true status behind."""

    def __init__(self, folder: Path, lease: Lease | None, resuming: bool = False) -> None:
        self.folder, self.resuming = folder, resuming
        self._lease = lease
        self._stop = threading.Event()
        self._handlers: dict[int, Any] = {}

    @property
    def finished(self) -> bool:
        """Whether the run was found finished, with nothing left to do."""
        return self._lease is None and status(self.folder) == "finished"

    def score(self) -> float:
        return float(read_json(self.folder / "metrics.json")["score"])

    def record_epoch(self, epoch: int, metrics: Mapping[str, float], sealed: Mapping[str, float] | None = None) -> None:
        """Append one line to history.jsonl; what an interrupted run wrote of this epoch and later ones is dropped.

        `sealed` stands apart from `metrics`, which is all that pruners, studies and MLflow read.
        """
        self._check()
        path = self.folder / "history.jsonl"
        old = path.read_text(errors="replace") if path.exists() else ""
        kept = "".join(x for x in old.splitlines(keepends=True) if x.endswith("\n") and 0 <= _epoch_of(x) < epoch)
        line = {"epoch": epoch, "time": time.time(), "metrics": _numbers(metrics)}
        if sealed:
            line["sealed"] = _numbers(sealed)
        if kept != old:
            write_text(path, kept)
        with _explained(path), path.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        self._check()
        write_text(self.folder / name, json.dumps(content, indent=1) + "\n")

    def finish(self, status: Status = "finished", reason: str = "") -> None:
        """End the run; the first status given stays. Raises UserError if another process has taken the run over."""
        if self._lease is None:
            return
        self._check()
        _write_done(self.folder, status, reason)
        self._lease.release()
        self._lease = None

    def __enter__(self) -> Run:
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):  # nohup stays nohup
                    self._handlers[number] = signal.signal(number, _terminate)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)  # a second signal must not interrupt the last words
        try:
            self.finish(*_verdict(error))
        except UserError:
            if error is None:
                raise
        finally:
            self._stop.set()
            if self._lease is not None:  # its last words could not be written: the folder is free all the same
                self._lease.release()
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            if self._lease is not None:
                self._lease.touch()

    def _check(self) -> None:
        if self._lease is None or not self._lease.held():
            raise UserError(f"{self.folder}: another process has taken this run over; this one stops")


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated(128 + number)


def _verdict(error: BaseException | None) -> tuple[Status, str]:
    if error is None:
        return "finished", ""
    if isinstance(error, Pruned):
        return "pruned", f"pruned {error}"
    if isinstance(error, Stopped):
        return "killed", f"stopped {error}"
    if isinstance(error, Terminated):
        return "killed", signal.Signals(int(str(error.code)) - 128).name
    if isinstance(error, KeyboardInterrupt):
        return "killed", "interrupted from the keyboard"
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return "killed", "left before its end"
    return "failed", f"{type(error).__name__}: {mask(str(error))}"


def _write_done(folder: Path, status: Status, reason: str) -> None:
    write_text(folder / "DONE", json.dumps({"status": status, "reason": reason, "ended": now()}) + "\n")


# --- opening and finding runs ---


def open_run(
    root: Path, name: str, key: str, config: Mapping[str, Any], record: Mapping[str, Any], *, resume: bool, force: bool
) -> Run:
    """Claim the run's folder, or find the run finished.

    An unfinished folder is continued if `resume`, else set aside as `<folder>.aborted-<k>`. A finished one is returned
    as it is, unless `force`: then the new run stands beside it as `<folder>-2`, ... Raises UserError if a living
    process works on the run, or nothing can be written.
    """
    try:
        with locked(root / ".lock") as now:
            folder = _home(root, name, key, record, force)
            if not folder.exists():
                return _fresh(folder, config, record)
            if status(folder) == "finished":
                return Run(folder, None)
            lease = _take(folder, now)
            if status(folder) == "finished":  # its process said so and let go just now
                lease.release()
                return Run(folder, None)
            if resume:
                return _continue(folder, lease, record)
            if not (folder / "DONE").exists():
                _write_done(folder, "killed", "process died")
            lease.release()
            aside = (folder.with_name(f"{folder.name}.aborted-{k}") for k in range(1, 1 << 20))
            folder.rename(next(path for path in aside if not path.exists()))
            return _fresh(folder, config, record)
    except OSError as error:
        raise UserError(f"runs_root={root}: cannot write the run folder ({error}); choose another runs_root") from None


def _home(root: Path, name: str, key: str, record: Mapping[str, Any], force: bool) -> Path:
    """The folder of the key, whatever its name; with `force` the first beside it that is not finished."""
    there = sorted(root.iterdir())
    own = next((path for path in there if path.name.endswith(f"-{key}")), None)
    folder = own or _of_other_code(there, record) or root / f"{name}-{key}"
    beside, number = folder, 2
    while force and beside.exists() and status(beside) == "finished":
        beside, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    return beside


def _of_other_code(folders: Sequence[Path], record: Mapping[str, Any]) -> Path | None:
    """Where any code will do (code=any): the latest finished run of the same configuration on the same data.

    `of_runs` of a record is what its strategy has read of other runs.
    """
    if record["code"] or "config_key" not in record:
        return None
    wanted = record["config_key"], record["data_fingerprint"], record.get("of_runs", "")
    found = []
    for folder in folders:
        if (folder / "DONE").exists() and status(folder) == "finished":
            other = read_json(folder / "record.json")
            if (other.get("config_key"), other.get("data_fingerprint"), other.get("of_runs", "")) == wanted:
                found.append((other["created"], folder))
    return max(found)[1] if found else None


def _fresh(folder: Path, config: Mapping[str, Any], record: Mapping[str, Any]) -> Run:
    """A new folder, complete with claim and record when it appears under its name."""
    from omegaconf import OmegaConf

    content = dict(record)
    diff = content.pop("diff", "")
    tracking = dict(config.get("tracking") or {})
    if tracking.get("uri"):
        config = {**config, "tracking": {**tracking, "uri": mask(tracking["uri"])}}
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    partial.mkdir()
    try:
        lease = Lease(partial)
        write_text(partial / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(config))))
        if diff and len(diff.encode()) < DIFF_BYTES:
            write_text(partial / "code.diff", diff)
        write_text(partial / "record.json", json.dumps(content, indent=1) + "\n")
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    lease.path = folder / "LEASE"
    return Run(folder, lease)


def continue_from(run: Run, root: Path, keys: Sequence[str]) -> Path | None:
    """Let a fresh run go on where a finished one ended that has one of these keys; returns that run's folder.

    What it takes over are the weights of its epochs, what they measured, and its transition matrix.
    """
    there = [path for key in keys for path in sorted(root.glob(f"*-{key}")) if status(path) == "finished"]
    if run.resuming or not there:
        return None
    run.resuming = True
    for path in sorted(there[0].iterdir()):
        if path.name in CONTINUED:
            partial = run.folder / f"{path.name}.part"
            shutil.copyfile(path, partial)
            partial.replace(run.folder / path.name)
    run.write_json("record.json", {**read_json(run.folder / "record.json"), "epochs_of": there[0].name})
    return there[0]


def _take(folder: Path, now: float) -> Lease:
    """The folder's lease; that of a dead process is moved out of the way. Raises UserError if its owner lives."""
    path = folder / "LEASE"
    if alive(folder, now):
        owner = owner_of(path)
        who = f"process {owner.get('pid', '?')} on {owner.get('host', 'an unknown machine')}"
        raise Busy(f"{folder}: {who} works on this very run; wait for it or stop it")
    with contextlib.suppress(FileNotFoundError):
        stale = folder / f"LEASE.{uuid.uuid4().hex}"
        path.rename(stale)
        stale.unlink()
    return Lease(folder)


def _continue(folder: Path, lease: Lease, record: Mapping[str, Any]) -> Run:
    (folder / "DONE").unlink(missing_ok=True)
    old = read_json(folder / "record.json")
    again = {key: record.get(key) for key in ("created", "command", "host", "git_revision", "git_dirty", "code")}
    old["resumed"] = [*old.get("resumed", []), again]
    write_text(folder / "record.json", json.dumps(old, indent=1) + "\n")
    return Run(folder, lease, resuming=True)


def run_folders(root: Path) -> list[Path]:
    """All run folders of a root, aborted ones included, by name."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.name[0] != "." and (path / "record.json").exists())


def status(folder: Path) -> Status:
    """How the run ended, or whether it is running; that of a dead process is 'killed'."""
    if (folder / "DONE").exists():
        ended: Status = read_json(folder / "DONE")["status"]
        return ended
    return "running" if alive(folder) else "killed"


def identity_of(folder: Path) -> dict[str, Any]:
    """The identity of a recorded run."""
    from omegaconf import OmegaConf

    config: Any = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    record = read_json(folder / "record.json")
    return identity(config, record["data_fingerprint"], record["code"])


def bury(folder: Path, status: Status, reason: str) -> None:
    """Say how a run ended whose process died without a word; does nothing if it did say, or lives."""
    with locked(folder.parent / ".lock") as now:
        if not (folder / "DONE").exists() and not alive(folder, now):
            _write_done(folder, status, reason)
            (folder / "LEASE").unlink(missing_ok=True)


def reap(root: Path) -> list[Path]:
    """Write DONE (killed) for runs whose process died without a word; returns their folders."""
    dead = []
    orphans = [path for path in run_folders(root) if not (path / "DONE").exists()]
    if orphans:
        with locked(root / ".lock") as now:
            for folder in orphans:
                if not (folder / "DONE").exists() and not alive(folder, now):
                    _write_done(folder, "killed", "process died")
                    (folder / "LEASE").unlink(missing_ok=True)
                    dead.append(folder)
    return dead


def load_run(path_or_id: str | Path, root: Path) -> Path:
    """The folder of a run, by path, folder name or the first digits of its key; raises UserError naming near ones."""
    for path in (Path(path_or_id), root / path_or_id):
        if (path / "record.json").exists():
            return path
    names = [path.name for path in run_folders(root) if ".aborted-" not in path.name]
    given = str(path_or_id)
    found = [name for name in names if re.search(rf"-{re.escape(given)}[0-9a-f]*(-\d+)?$", name)]
    if len(found) > 1:
        raise UserError(f"run={given}: more than one run begins so: {', '.join(found)}")
    if not found:
        raise UserError(f"run={given}: no such run in {root}{did_you_mean(given, names[:1000])}")
    return root / found[0]


# --- make clean-runs ---


def clean(root: Path, dry: bool = True, finished: bool = False) -> list[Path]:
    """Delete aborted, failed and killed runs (with `finished` those too); never a running one or one that a study cites.

    Folders that a killed process left half made go too, after an hour. Returns what was, or in a dry run would be,
    deleted.
    """
    cited = {path.resolve().name for path in root.absolute().parent.glob("studies/*/**/*") if path.is_symlink()}
    ended = ("failed", "killed", "pruned", "finished") if finished else ("failed", "killed", "pruned")
    doomed = [path for path in run_folders(root) if path.name not in cited and status(path) in ended]
    doomed += [path for path in root.glob(".*.part") if time.time() - path.stat().st_mtime > 3600]
    for folder in () if dry else doomed:
        trash = folder.with_name(f".{uuid.uuid4().hex}.part")
        folder.rename(trash)
        shutil.rmtree(trash)
    return doomed


def main(arguments: list[str]) -> int:
    import argparse

    parser = argparse.ArgumentParser(
        "python -m src.runs", description="Tidy up run folders; without --yes only say what."
    )
    parser.add_argument("command", choices=["clean"])
    parser.add_argument("runs_root", nargs="?", default="runs_root=runs", help="runs_root=<folder>, default runs")
    parser.add_argument("--yes", action="store_true", help="really delete")
    parser.add_argument("--all", action="store_true", help="finished runs that no study cites as well")
    given = parser.parse_args(arguments)
    try:
        root = Path(given.runs_root.removeprefix("runs_root="))
        for folder in (doomed := clean(root, dry=not given.yes, finished=given.all)):
            print(folder)
    except (UserError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{len(doomed)} runs {'deleted' if given.yes else 'would be deleted; --yes deletes them (make clean-runs YES=1)'}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
