"""MLflow as a mirror of the run folders; nothing else imports mlflow, and nothing here imports it before it is needed.

`sync` makes the mirror agree with a folder, whatever was mirrored before: it may be called after every epoch, again
after a failure, and by a later process for a run that died. Runs are named by explicit ids; MLflow's global "active
run" and autologging are not used. A failure while a run trains is a warning: the folder is the truth.
"""

from __future__ import annotations

import contextlib
import functools
import getpass
import json
import logging
import math
import os
import posixpath
import re
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src import provenance, runs
from src.component import Component
from src.errors import UserError
from src.lease import locked
from src.provenance import mask

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from torch import nn

    from src.task import Split

log = logging.getLogger(__name__)

STATUS = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED", "pruned": "KILLED"}
ARTIFACTS = ("config.yaml", "record.json", "code.diff", "task.json", "transition.json", "suspects.csv", "metrics.json",
             "history.jsonl", "predictions.npz", "heads.json", "best.pt", "clean.pt", "average.pt", "finetuned.pt", "log.txt", "figures")  # fmt: skip
STORES = re.compile(r"(sqlite|postgresql|mysql|mssql)(\+\w+)?://.+|https?://.+|databricks(://.*)?")
KIND = "custom_model_development"  # so that the UI shows training runs first, not conversations
PARENT = "mlflow.parentRunId"
PARAM_LENGTH, PARAMS_A_BATCH, METRICS_A_BATCH = 6000, 100, 1000  # MLflow's limits
PAUSE = 60.0  # seconds without another try after a failure, so that a dead server does not slow the training
SETTLED = 60.0  # seconds after its end in which a run is left to its own process to mirror

_PROCESS = uuid.uuid4().hex
_next_try: dict[Path, float] = {}


class Tracking(Component):
    """The `tracking` section of the configuration.

    uri: an MLflow store (sqlite:///file.db, postgresql://..., http://...); null: sqlite file mlflow.db in runs_root.
    """

    def __init__(self, *, enabled: bool, uri: str | None, experiment: str) -> None:
        if not experiment.strip():
            raise ValueError("experiment is empty: give the MLflow experiment a name")
        if uri is not None and not STORES.fullmatch(uri):
            raise ValueError(
                f"uri={mask(uri)}: not an MLflow store; give sqlite:///<file>.db, postgresql://..., http://..."
            )
        self.enabled, self.uri, self.experiment = enabled, uri, experiment

    def store(self, root: Path) -> str:
        """The address in use, SQLite files by absolute path."""
        uri = self.uri or f"sqlite:///{root.resolve() / 'mlflow.db'}"
        file = _sqlite_file(uri)
        return uri.replace(f"sqlite:///{file}", f"sqlite:///{file.absolute()}") if file else uri


def prepare(tracking: Tracking, root: Path) -> None:
    """Open the store before anything is trained; close the runs of processes that died. Raises UserError."""
    if not tracking.enabled:
        return
    uri = tracking.store(root)
    try:
        _open(uri, tracking.experiment, root)
    except UserError:
        raise
    except Exception as error:  # of any database driver or HTTP library
        raise UserError(
            f"tracking.uri={mask(uri)}: MLflow cannot use this store ({_first_line(error)}); "
            "correct it, or set tracking.enabled=false"
        ) from None
    with tolerant(root, "the mirror of ended runs"):
        reap(root, tracking)


def sync(folder: Path, tracking: Tracking, parent: str | None = None) -> None:
    """Make MLflow agree with a run folder. Never raises: what failed is caught up with by the next call.

    `parent` is the MLflow run under which a new one appears.
    """
    folder = folder.resolve()
    ended = (folder / "DONE").exists()
    if tracking.enabled and (ended or time.monotonic() >= _next_try.get(folder, 0)):
        with tolerant(folder, "MLflow"):
            _mirror(folder, tracking, parent)


def reap(root: Path, tracking: Tracking) -> None:
    """End the MLflow runs whose process died or could not end them itself."""
    dead = [folder for folder in runs.reap(root) if (folder / "mlflow.json").exists()]
    client, experiment = _open(tracking.store(root), tracking.experiment, root)
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        folder = Path(run.data.tags.get("kilter.folder", ""))
        if folder.parent == root.resolve():
            places = [path for path in root.resolve().iterdir() if path.name.split(".aborted-")[0] == folder.name]
            dead += [path for path in places if _orphaned(path, run.data.tags.get("kilter.run", ""))]
    if dead:
        with locked(root / ".reap.lock"):
            for folder in dict.fromkeys(path.resolve() for path in dead):
                _mirror(folder, tracking)


def add_results(folder: Path, tracking: Tracking) -> None:
    """Store the files of a run that was mirrored without them, and metrics that it has been given since."""
    if not tracking.enabled:
        return
    with tolerant(folder, "MLflow"):
        uri = tracking.store(folder.parent)
        link = _link(folder, uri)
        if link is not None:
            client, _ = _open(uri, tracking.experiment, folder.parent)
            _log_final(client, folder, link)
            _add_artifacts(client, link["run_id"], folder)


def log_model(folder: Path, predictor: Any, val: Split, tracking: Tracking) -> None:
    """Store the predictor (x -> probabilities) in the folder's MLflow run as a torch.export program, without pickle.

    With input example and signature; the batch size stays free. Costs about 2 s. Inputs other than one tensor (graphs)
    are left out; a model that cannot be exported is a warning.
    """
    if not tracking.enabled or not (folder / "mlflow.json").exists():
        return
    import torch

    x = val.inputs.fetch(torch.from_numpy(val.rows[:2]), torch.device("cpu")) if len(val) > 1 else None
    if isinstance(x, torch.Tensor):
        with tolerant(folder.resolve(), "the model in MLflow"):
            _log_module(folder.resolve(), _as_module(predictor), x.float(), tracking)


# --- the store ---


def _sqlite_file(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None


@functools.cache
def _open(uri: str, experiment: str, root: Path) -> tuple[MlflowClient, str]:
    """Client and experiment id. Database and experiment are made under a lock: MLflow's own first touch has races."""
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")
    for name, value in {"HTTP_REQUEST_MAX_RETRIES": "2", "HTTP_REQUEST_TIMEOUT": "10"}.items():
        os.environ.setdefault(f"MLFLOW_{name}", value)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    file = _sqlite_file(uri)
    if file:
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  a slow import, before the lock
    with locked(file.with_name(f"{file.name}.lock") if file else root / ".mlflow.lock"):
        if file and not file.exists():
            partial = file.with_name(f"{file.name}.{os.getpid()}.part")
            MlflowClient(f"sqlite:///{partial}").search_experiments(max_results=1)
            os.replace(partial, file)
        client = MlflowClient(uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            artifacts = f"{file.parent / 'mlartifacts'}" if file else None
            return client, str(client.create_experiment(experiment, artifacts, {"mlflow.experimentKind": KIND}))
    if found.lifecycle_stage != "active":
        raise UserError(f"tracking.experiment={experiment}: deleted in MLflow; restore it there or choose another name")
    return client, str(found.experiment_id)


@contextlib.contextmanager
def tolerant(folder: Path, what: str) -> Iterator[None]:
    """Failures of tracking become one warning, until it works again."""
    try:
        yield
        _next_try.pop(folder, None)
    except Exception as error:  # of any database driver or HTTP library; training must go on
        if folder not in _next_try:
            log.warning("%s: %s is behind (%s); the run goes on", folder.name, what, _first_line(error))
        _next_try[folder] = time.monotonic() + PAUSE


def _first_line(error: Exception) -> str:
    return mask(f"{type(error).__name__}: {error}".splitlines()[0])[:300]


# --- the mirror of one folder ---


def _mirror(folder: Path, tracking: Tracking, parent: str | None = None) -> None:
    uri = tracking.store(folder.parent)
    client, experiment = _open(uri, tracking.experiment, folder.parent)
    link = _link(folder, uri) or _create(client, experiment, folder, uri, parent)
    before = dict(link)
    try:
        _log_epochs(client, folder, link)
        if (folder / "DONE").exists():
            if link.get("ended") != runs.read_json(folder / "DONE")["ended"]:
                _close(client, folder, link)
        elif link["status"] != "RUNNING":
            client.update_run(link["run_id"], status="RUNNING")
            client.set_tag(link["run_id"], "kilter.status", "running")
            link["status"] = "RUNNING"
    except BaseException:
        link["process"] = ""  # what arrived is unknown: the next call asks MLflow
        raise
    finally:
        if link != before:
            _save(folder, link)


def _link(folder: Path, uri: str) -> dict[str, Any] | None:
    """What mlflow.json says of the mirror in this store."""
    path = folder / "mlflow.json"
    link = runs.read_json(path) if path.exists() else {}
    return link if link.get("uri") == mask(uri) else None


def _save(folder: Path, link: Mapping[str, Any]) -> None:
    runs.write_text(folder / "mlflow.json", json.dumps(link, indent=1) + "\n")


def _create(client: MlflowClient, experiment: str, folder: Path, uri: str, parent: str | None) -> dict[str, Any]:
    """Find or make the MLflow run of the folder, with parameters, tags and data set."""
    from mlflow.entities import Param
    from omegaconf import OmegaConf

    config: Any = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    record = runs.read_json(folder / "record.json")
    found = list(client.search_runs([experiment], f"tags.`kilter.run` = '{record['id']}'", max_results=1))
    started = _milliseconds(record["created"])
    tags = _tags(folder, record) | ({PARENT: parent} if parent else {})
    run = found[0] if found else client.create_run(experiment, start_time=started, tags=tags, run_name=folder.name)
    options = {
        _name(key): value for key, value in provenance.flatten(config).items() if key.split(".")[0] != "tracking"
    }
    params = [Param(key, _shortened(value)) for key, value in options.items() if key not in run.data.params]
    for start in range(0, len(params), PARAMS_A_BATCH):
        client.log_batch(run.info.run_id, params=params[start : start + PARAMS_A_BATCH])
    try:
        client.log_inputs(run.info.run_id, [_dataset(config, record)])
    except Exception:  # another process made the same data set's row at this moment: now it is there
        client.log_inputs(run.info.run_id, [_dataset(config, record)])
    link = {"run_id": run.info.run_id, "experiment_id": experiment, "uri": mask(uri), "epoch": 0, "status": "RUNNING"}
    link["process"] = "" if found else _PROCESS
    _save(folder, link)
    return link


def _tags(folder: Path, record: Mapping[str, Any]) -> dict[str, str]:
    tags = {
        "kilter.run": record["id"], "kilter.key": record["key"], "kilter.folder": str(folder), "kilter.status": "running",
        "kilter.data": record["data_fingerprint"], "kilter.code": record["code"] or "any", "kilter.host": record["host"],
        "git.dirty": str(record["git_dirty"]).lower(), "mlflow.source.git.commit": record["git_revision"] or "",
        "mlflow.source.name": record["command"].split(" ")[0], "mlflow.source.type": "LOCAL",
        "kilter.command": record["command"][:5000],
    }  # fmt: skip
    with contextlib.suppress(OSError, KeyError):  # a user without a name, in a container
        tags["mlflow.user"] = getpass.getuser()
    return tags


def _dataset(config: Mapping[str, Any], record: Mapping[str, Any]) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    options = dict(config.get("dataset") or {})
    name = str(options.get("_target_", "data")).split(".")[-2:][0]
    source = json.dumps({"uri": config.get("data_root"), **options})
    digest = record["data_fingerprint"][:16] or "unknown"
    return DatasetInput(Dataset(name, digest, "local", source), [InputTag("mlflow.data.context", "train, val, test")])


def _log_epochs(client: MlflowClient, folder: Path, link: dict[str, Any]) -> None:
    """Epochs not mirrored yet, whole ones a batch; MLflow would show an epoch logged twice as two points."""
    lines = runs.history(folder, after=link["epoch"])
    if lines and link["process"] != _PROCESS:  # the last writer may have died between MLflow and mlflow.json
        names = [name for name, value in lines[0]["metrics"].items() if not math.isinf(value)]
        points = client.get_metric_history(link["run_id"], _name(names[0])) if names else []
        link |= {"epoch": max([link["epoch"], *(point.step for point in points)]), "process": _PROCESS}
    lines = [line for line in lines if line["epoch"] > link["epoch"]]
    while lines:
        size = max(1, METRICS_A_BATCH // max(1, *(len(line["metrics"]) for line in lines)))
        batch, lines = lines[:size], lines[size:]
        measured = [(line["metrics"], int(line["time"] * 1000), line["epoch"]) for line in batch]
        _log_metrics(client, link["run_id"], measured)
        link["epoch"] = batch[-1]["epoch"]


def _log_metrics(client: MlflowClient, run_id: str, measured: Sequence[tuple[Mapping[str, Any], int, int]]) -> None:
    """Log (values, time, step); up to METRICS_A_BATCH values arrive together or not at all.

    NaN stays NaN. MLflow would store infinity as a huge number: it is named in the tag `kilter.infinite` instead.
    """
    from mlflow.entities import Metric, RunTag

    points: list[Metric] = []
    tags: list[RunTag] = []
    for values, when, step in measured:
        numbers = {_name(key): value for key, value in values.items() if isinstance(value, (int, float))}
        infinite = [key for key, value in numbers.items() if math.isinf(value)]
        if infinite:
            tags = [RunTag("kilter.infinite", f"step {step}: {', '.join(infinite)}"[:5000])]
        points += [Metric(key, float(value), when, step) for key, value in numbers.items() if key not in infinite]
    for start in range(0, max(len(points), len(tags)), METRICS_A_BATCH):
        client.log_batch(run_id, metrics=points[start : start + METRICS_A_BATCH], tags=() if start else tags)


def _log_final(client: MlflowClient, folder: Path, link: Mapping[str, Any]) -> None:
    """Final metrics that the run does not have yet; those that are also curves get the prefix 'final/'."""
    if not (folder / "metrics.json").exists():
        return
    curves = {name for line in runs.history(folder)[-1:] for name in line["metrics"]}
    known = client.get_run(link["run_id"]).data.metrics
    found = runs.read_json(folder / "metrics.json")
    final = {f"final/{key}" if key in curves else key: value for key, value in found.items()}
    new = {key: value for key, value in final.items() if _name(key) not in known}
    _log_metrics(
        client, link["run_id"], [(new, _milliseconds(runs.read_json(folder / "DONE")["ended"]), link["epoch"])]
    )


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def _close(client: MlflowClient, folder: Path, link: dict[str, Any]) -> None:
    """Final metrics, artifacts and the true status."""
    run_id, done = link["run_id"], runs.read_json(folder / "DONE")
    _log_final(client, folder, link)
    if runs.read_json(folder / "record.json").get("figures", True):
        _add_artifacts(client, run_id, folder)
    client.set_tag(run_id, "kilter.status", done["status"])
    client.set_tag(run_id, "kilter.reason", done["reason"][:5000] or "-")
    client.set_terminated(run_id, STATUS[done["status"]], _milliseconds(done["ended"]))
    link |= {"status": STATUS[done["status"]], "ended": done["ended"]}


def _add_artifacts(client: MlflowClient, run_id: str, folder: Path) -> None:
    for path in (folder / name for name in ARTIFACTS):
        if path.is_dir():
            client.log_artifacts(run_id, str(path), path.name)
        elif path.exists():
            client.log_artifact(run_id, str(path))


def _name(key: str) -> str:
    """The key in MLflow's alphabet."""
    name = re.sub(r"[^\w\-. :/]", "_", key)[:250]
    return name if posixpath.normpath(name) == name and name[:1] not in "./" else re.sub(r"[./]", "_", name)


def _shortened(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= PARAM_LENGTH else f"{text[: PARAM_LENGTH - 20]}... (shortened)"


# --- studies and their configurations ---


def open_group(
    folder: Path, tracking: Tracking, root: Path, name: str, identity: str, params: Mapping[str, Any],
    *, parent: str | None, fresh: bool,
) -> str | None:  # fmt: skip
    """The MLflow run that gathers those of a study or of one configuration; None if MLflow is off or out of reach.

    `identity` names it among all groups; `fresh` promises that there is none yet, and saves the search for it.
    """
    if not tracking.enabled:
        return None
    run_id: str | None = None
    with tolerant(folder, "MLflow"):
        uri = tracking.store(root)
        client, experiment = _open(uri, tracking.experiment, root)
        link = _link(folder, uri)
        if link is None:
            link = _create_group(client, experiment, folder, uri, name, identity, params, parent, fresh)
        elif link["status"] != "RUNNING":
            client.update_run(link["run_id"], status="RUNNING")
        if link["status"] != "RUNNING":
            link["status"] = "RUNNING"
            _save(folder, link)
        run_id = str(link["run_id"])
    return run_id  # noqa: RET504  not reached inside, where a failure is a warning


def close_group(
    folder: Path,
    tracking: Tracking,
    root: Path,
    status: str,
    metrics: Mapping[str, float],
    reason: str = "",
) -> None:
    """Give the run of a study or configuration its status and its summary; calling it again changes nothing."""
    if not tracking.enabled:
        return
    with tolerant(folder, "MLflow"):
        uri = tracking.store(root)
        client, _ = _open(uri, tracking.experiment, root)
        link = _link(folder, uri)
        if link is None or link["status"] == STATUS[status]:
            return
        step = link.get("closed", 0)  # a study that is closed again goes on as a curve, not as two points of one step
        finite = {key: value for key, value in metrics.items() if not math.isnan(value)}
        _log_metrics(client, link["run_id"], [(finite, int(time.time() * 1000), step)])
        client.set_tag(link["run_id"], "kilter.status", status)
        if reason:
            client.set_tag(link["run_id"], "kilter.reason", mask(reason)[:5000])
        client.set_terminated(link["run_id"], STATUS[status])
        _save(folder, {**link, "status": STATUS[status], "closed": step + 1})


def _create_group(
    client: MlflowClient, experiment: str, folder: Path, uri: str, name: str, identity: str,
    params: Mapping[str, Any], parent: str | None, fresh: bool,
) -> dict[str, Any]:  # fmt: skip
    from mlflow.entities import Param

    tags = {"kilter.group": identity, "kilter.folder": str(folder.resolve()), "kilter.status": "running"}
    tags |= {PARENT: parent} if parent else {}
    found = (
        [] if fresh else list(client.search_runs([experiment], f"tags.`kilter.group` = '{identity}'", max_results=1))
    )
    run = found[0] if found else client.create_run(experiment, tags=tags, run_name=name)
    new = [Param(_name(key), _shortened(value)) for key, value in params.items() if _name(key) not in run.data.params]
    if new:
        client.log_batch(run.info.run_id, params=new)
    link = {"run_id": run.info.run_id, "experiment_id": experiment, "uri": mask(uri), "status": "RUNNING"}
    _save(folder, link)
    return link


# --- the model ---


def _as_module(predictor: Any) -> nn.Module:
    from torch import Tensor, nn

    class Scores(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList(part for part in vars(predictor).values() if isinstance(part, nn.Module))

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = predictor.scores(x)
            return scores

    predictor.eval()
    return Scores().eval()


def _log_module(folder: Path, module: nn.Module, x: Any, tracking: Tracking) -> None:
    import torch

    uri = tracking.store(folder.parent)
    client, _ = _open(uri, tracking.experiment, folder.parent)
    link = _link(folder, uri)
    if link is None:
        return
    import mlflow.pytorch
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import infer_signature

    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    with tempfile.TemporaryDirectory() as scratch, torch.no_grad(), warnings.catch_warnings():
        # torch's own, of views that it stores whole
        warnings.filterwarnings("ignore", "No complete tensor found", UserWarning)
        module.cpu()
        try:
            signature = infer_signature(x.numpy(), module(x).numpy())
            mlflow.pytorch.save_model(
                module, f"{scratch}/model", signature=signature, input_example=x.numpy(), serialization_format="pt2",
                pip_requirements=[f"torch=={torch.__version__.split('+')[0]}"],
            )  # fmt: skip
        finally:
            module.to(device)
        model = client.create_logged_model(link["experiment_id"], name="model", source_run_id=link["run_id"])
        client.log_model_artifacts(model.model_id, f"{scratch}/model")
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(link["run_id"], [LoggedModelOutput(model.model_id, link["epoch"])])


def _orphaned(folder: Path, run: str) -> bool:
    """Whether the folder of a run that MLflow believes to be running has ended, and its process had time to say so."""
    done = folder / "DONE"
    if not done.exists() or time.time() - done.stat().st_mtime < SETTLED:
        return False
    return bool(runs.read_json(folder / "record.json")["id"] == run)
