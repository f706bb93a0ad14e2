"""One of the sweeps on a real Slurm and against a real PostgreSQL: every number as in the plain one, bit for bit.

Both servers come from Debian's packages, run on this machine's loopback and are stopped again; without the packages
(or without root, which Slurm's daemons want here) the tests are skipped.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from src.runs import read_json, run_folders
from tests.conftest import ROOT
from tests.studies.test_deaths import values

HERE = Path(__file__).parents[1] / "cluster"
REDUCED = [
    "hydra.sweeper.sampler.name=random",  # the same points whichever trial ends first
    "hydra.sweeper.budget.trials=4",
    "hydra.sweeper.seeds=[0,1,2]",
    "hydra.sweeper.study=s",
]

pytestmark = pytest.mark.slow


def server(script, root, **environment):
    """Start with a script and stop again; gives what `start` printed last."""
    env = {**os.environ, **environment}
    done = subprocess.run([HERE / script, "start"], env=env, capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(f"{script} does not start here: {done.stderr.strip()[-300:]}")
    yield done.stdout.strip().splitlines()[-1]
    subprocess.run([HERE / script, "stop"], env=env, capture_output=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    if not (shutil.which("slurmctld") and shutil.which("munged") and os.geteuid() == 0):
        pytest.skip("slurmctld, slurmd and munge are not installed")
    root = tmp_path_factory.mktemp("slurm")
    root.chmod(0o755)
    for _ in server("mini_slurm.sh", root, MINI_SLURM_ROOT=str(root), MINI_SLURM_CPUS=str(os.cpu_count())):
        yield {"SLURM_CONF": str(root / "slurm.conf"), "PATH": f"{HERE / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory):
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("PostgreSQL is not installed")
    root = Path("/tmp") / f"kilter-pg-{os.getpid()}"  # the server's own user must be able to enter it
    yield from server("mini_pg.sh", root, MINI_PG_ROOT=str(root))
    shutil.rmtree(root, ignore_errors=True)


def start(root, *more, **environment):
    root.mkdir(exist_ok=True)
    places = [f"runs_root={root / 'runs'}", f"hydra.sweeper.studies_root={root / 'studies'}"]
    command = [
        sys.executable,
        "-m",
        "src.run",
        "--config-dir",
        "sweeps",
        "-cn",
        "class_weights",
        *REDUCED,
        *places,
        *more,
    ]
    log = (root / "log").open("a")
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    root = tmp_path_factory.mktemp("plain")
    assert start(root).wait(300) == 0
    found = values(root)
    assert len(found) == 12
    assert min(value["val/balanced_accuracy"] for value, _ in found.values()) > 0.55, "learning must be visible"
    return found


ON_SLURM = ["hydra/launcher=slurm", "hydra.launcher.mem_gb=2", "hydra.launcher.timeout_min=30"]


def test_on_slurm(plain, slurm, tmp_path):
    assert (
        start(tmp_path, *ON_SLURM, "hydra.sweeper.workers=2", "hydra.sweeper.storage=journal", **slurm).wait(300) == 0
    )
    assert values(tmp_path) == plain
    assert len(list((tmp_path / "studies/s/workers").glob("*.log"))) == 2


def test_requeued_on_slurm_it_goes_on_where_it_was(plain, slurm, tmp_path):
    process = start(tmp_path, *ON_SLURM, "hydra.sweeper.workers=1", **slurm)
    env = {**os.environ, **slurm}
    requeued = 0
    while process.poll() is None and requeued < 2:
        time.sleep(0.2)
        if len(list((tmp_path / "runs").glob("*/DONE"))) < 3 * requeued + 1:
            continue
        jobs = subprocess.run(
            ["squeue", "-h", "-t", "R", "-o", "%A"], env=env, capture_output=True, text=True
        ).stdout.split()
        if jobs and any((tmp_path / "studies/s/trials").glob("*/LEASE")):
            requeued += subprocess.run(["scontrol", "requeue", jobs[0]], env=env).returncode == 0
    assert process.wait(400) == 0
    assert requeued == 2
    assert values(tmp_path) == plain
    assert len(run_folders(tmp_path / "runs")) == 12
    assert len(list((tmp_path / "studies/s/workers").glob("*.log"))) >= 3, "a worker for each life"


def test_at_its_time_limit_slurm_queues_a_worker_again(plain, slurm, tmp_path):
    """A limit of 1 min with a warning 40 s before: a life lasts about 20 s, the sweep longer on any machine."""
    limit = ["hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=40"]
    longer = [*limit, "hydra.sweeper.workers=1", f"hydra.sweeper.seeds={[*range(40)]}"]
    assert start(tmp_path, *ON_SLURM[:2], *longer, **slurm).wait(900) == 0
    found = values(tmp_path)
    assert len(found) == 160
    assert {key: found[key] for key in plain} == plain
    assert len(list((tmp_path / "studies/s/workers").glob("*.log"))) >= 2, "a worker for each life"


def test_against_postgresql(plain, postgresql, tmp_path):
    storage = postgresql.replace("optuna@", "optuna:not-checked@")
    assert start(tmp_path, f"hydra.sweeper.storage={storage}").wait(300) == 0
    assert values(tmp_path) == plain
    kept = [path for path in (tmp_path / "studies").rglob("*") if path.is_file()]
    assert not any("not-checked" in path.read_text(errors="replace") for path in kept)
    assert "not-checked" not in (tmp_path / "log").read_text()
    assert "***" in json.dumps(read_json(tmp_path / "studies/s/manifest.json"))
    database = tmp_path / "runs" / "mlflow.db"
    assert b"not-checked" not in database.read_bytes()
