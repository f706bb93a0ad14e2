"""One process at a time: who works in a run folder, and whether that process still lives."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STALE = 60.0  # seconds without one, after which a process that we cannot see is taken for dead


class Lease:
    """The right to write into a run folder: a file that names its owner and is touched while the owner lives."""

    def __init__(self, folder: Path) -> None:
        self.path, self.token = folder / "LEASE", uuid.uuid4().hex
        content = {"token": self.token, "host": socket.gethostname(), **_process(os.getpid())}
        handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        try:
            os.write(handle, json.dumps(content).encode())
        finally:
            os.close(handle)

    def held(self) -> bool:
        return owner_of(self.path).get("token") == self.token

    def touch(self) -> None:
        with contextlib.suppress(OSError):
            if self.held():
                os.utime(self.path)

    def release(self) -> None:
        with contextlib.suppress(OSError):
            if self.held():
                self.path.unlink()


def _process(pid: int) -> dict[str, Any]:
    """A process, told from later ones of the same number: machine (one boot, one container), pid, start time."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        alive = started[0] not in "ZX"
        return {
            "machine": f"{boot} {os.readlink('/proc/self/ns/pid')}",
            "pid": pid,
            "started": started[19] if alive else "",
        }
    except OSError:
        return {"machine": "", "pid": pid, "started": ""}


def owner_of(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def alive(folder: Path, now: float | None = None) -> bool:
    """Whether a process works in the folder; one of this machine is looked up, another must have been heard of.

    `now` is the file system's clock where it is known.
    """
    lease = folder / "LEASE"
    try:
        heard = lease.stat().st_mtime
    except OSError:
        return False
    owner, here = owner_of(lease), _process(os.getpid())
    if here["machine"] and owner.get("machine") == here["machine"]:
        return bool(owner.get("started")) and _process(owner["pid"])["started"] == owner["started"]
    return (time.time() if now is None else now) - heard < STALE


@contextlib.contextmanager
def locked(path: Path) -> Iterator[float]:
    """Hold a lock file among all processes, for moments only; yields the file system's own idea of the time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.utime(path)
        yield os.fstat(file.fileno()).st_mtime
