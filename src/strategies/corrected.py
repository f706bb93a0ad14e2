"""What strategies share that know, or estimate, the transition matrix of the labels they learn from."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pydantic
import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from src.errors import UserError
from src.models.base import Model
from src.noise_models import estimators
from src.noise_models.sampling import realised
from src.strategies.base import Criterion, Predictor, Strategy
from src.strategies.out_of_fold import out_of_fold
from src.task import FloatArray, Probabilities, Split, Task
from src.transition_matrix import TransitionMatrix

if TYPE_CHECKING:
    from src.training import Trainer

log = logging.getLogger("src")

FROM_RUN = "from_run:"
Source = (
    Literal["known", "estimated"]
    | Annotated[str, pydantic.StringConstraints(pattern="^from_run[:=].")]
    | list[list[float]]
)
"""Where T comes from: the noise model, an estimate, another run's record (from_run:<its folder's name or key>, or a
configuration's folder in a study, whose run of the same seed it is; with an equals sign Hydra's command line wants
quotes), or given."""
Estimator = Literal["anchor", "confident_joint", "dual_t", "em"]
Quantile = Annotated[float, Gt(0), Le(1)]
Folds = Annotated[int, Ge(2)]

RECORD = "transition.json"
UNTOLD = 1e6
"""The condition number from which on a matrix kept in single precision may be a singular one."""


class Corrected(Strategy):
    """Finds T[i, j] = P(observed i | true j) before the training and hands it to `use`; T is part of the weights.

    Where observed classes are drawn or weighed otherwise than they occur, T is that of the examples so counted
    (`TransitionMatrix.reweighted`), and the scores are of the true mix among them.
    The run's folder keeps that of the examples as they are as transition.json, with its error where the noise model knows
    the truth.
    """

    T: Tensor
    factor: Tensor
    """How many times as often as it occurs each observed class counts, (C,), up to a common factor."""
    valued: Tensor
    """How much more each true class counts beside that, (C,): where the loss of every label is asked for."""
    begins_with: Source | None = None
    """Where T comes from; None where the training makes do without one."""

    def __init__(self, transition: Source, estimator: Estimator, quantile: float, folds: int) -> None:
        super().__init__()
        self.given = TransitionMatrix(transition) if isinstance(transition, list) else None
        self.transition, self.estimator, self.quantile, self.folds = transition, estimator, quantile, folds
        self.begins_with = transition

    def fingerprint(self, runs_root: Path, seed: int) -> str:
        if self.given is not None or not str(self.transition).startswith((FROM_RUN, "from_run=")):
            return ""
        matrix = read(record_of(self._name, runs_root, seed))
        return hashlib.sha256(matrix.columns.tobytes()).hexdigest()[:16]

    @property
    def _name(self) -> str:
        return str(self.transition)[len(FROM_RUN) :]

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        if self.given is not None and len(self.given) != task.num_classes:
            n = len(self.given)
            raise UserError(f"strategy.transition is {n}×{n}, but the dataset has {task.num_classes} classes")
        self.counts = np.array(task.class_counts, dtype=np.float64)
        self.register_buffer("T", torch.eye(task.num_classes))
        self.register_buffer("factor", torch.ones(task.num_classes))
        self.register_buffer("valued", torch.ones(task.num_classes))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("factor", "valued"):  # older checkpoints have none
            state_dict.setdefault(f"{prefix}{name}", getattr(self, name))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def sees(self, drawn: FloatArray, counted: FloatArray) -> None:
        seen = drawn if self.asks_every_label else counted
        factor = torch.from_numpy(share(seen / seen.sum(), of=self.counts / self.counts.sum())).to(self.factor)
        self.valued.copy_(torch.from_numpy(share(counted / counted.sum(), of=seen / seen.sum())))
        if not torch.allclose(factor, self.factor):
            step = (factor / self.factor).cpu().double().numpy()
            self.factor.copy_(factor)
            self.reweigh(step)

    def reweigh(self, factor: FloatArray) -> None:
        """Take T as it is where observed classes count so many times as often as before, (C,)."""
        self.use(self.now().reweighted(factor))

    def now(self) -> TransitionMatrix:
        """T of the examples as the loss sees them."""
        return TransitionMatrix(self.T.cpu().double().numpy())

    def of_all(self, matrix: TransitionMatrix) -> TransitionMatrix:
        """T of the examples as they are, from that of those that the loss sees."""
        return matrix.reweighted(1 / self.factor.cpu().double().numpy())

    def use(self, matrix: TransitionMatrix) -> None:
        """Take T; a subclass derives from it what it needs. Raises UserError for one it cannot use."""
        self.T.copy_(torch.from_numpy(matrix.columns.copy()))

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        self.begin(task, model, trainer)
        return trainer.minimise(model, self)

    def begin(self, task: Task, model: Model, trainer: Trainer) -> None:
        """Find T and take it; says so if it is singular."""
        matrix = self.find(task, model, trainer)
        self.use(matrix)
        if matrix.singular:
            log.warning("%s", hidden(matrix, task.class_names))

    def believed(self) -> Tensor:
        """T of the examples as the loss sees them, (C, C), as far as it has been learned."""
        return self.T

    def observed(self, p: Probabilities) -> Probabilities:
        T, factor, valued = (
            each.detach().cpu().double().numpy() for each in (self.believed(), self.factor, self.valued)
        )
        said: FloatArray = (p / valued) @ T.T / factor
        return said / said.sum(axis=1, keepdims=True)

    def true_mix(self, observed: FloatArray) -> FloatArray | None:
        matrix = self.of_all(self.now())
        return None if matrix.condition_number() > UNTOLD else prior_behind(matrix, observed)

    def class_mix(self, seen: FloatArray) -> FloatArray | None:
        true = self.true_mix(self.counts)
        factor, valued = (each.cpu().double().numpy() for each in (self.factor, self.valued))
        return None if true is None else true * (factor @ self.of_all(self.now()).columns) * valued

    def facts(self, train: Split, folder: Path) -> dict[str, float]:
        return recorded(train, folder)

    def find(self, task: Task, model: Model, trainer: Trainer) -> TransitionMatrix:
        """T from wherever `transition` says; recorded in the run's folder, where a resumed run finds it."""
        record = trainer.folder / RECORD
        if record.exists():
            return read(record)
        source = str(self.transition) if self.given is None else "given"
        matrix = self.given or self._found(task, model, trainer)
        write(record, matrix, source if source != "estimated" else f"estimated: {self.estimator}", task)
        return matrix

    def _found(self, task: Task, model: Model, trainer: Trainer) -> TransitionMatrix:
        if self.transition == "known":
            if task.transition is None:
                raise UserError(
                    "strategy.transition=known: nothing states the transition matrix of these labels (the noise_model has none, or labels "
                    "were wrong in the data set already); use estimated, or give one"
                )
            return task.transition
        if self.transition == "estimated":
            return estimate(self.estimator, task, model, trainer, quantile=self.quantile, folds=self.folds)
        return from_run(self._name, trainer.folder.parent, task, trainer.seed)


def estimate(
    estimator: Estimator, task: Task, model: Model, trainer: Trainer, *, quantile: float, folds: int
) -> TransitionMatrix:
    """T from the observed training labels; probabilities are out of fold. Raises UserError if there are too few labels."""
    labels = trainer.train.labels
    if estimator == "em":
        from src.strategies.rmlr import linear_em

        return linear_em(task, trainer)
    p: FloatArray = out_of_fold(task, model, trainer, folds)
    if estimator == "anchor":
        return estimators.anchor(p, quantile)
    if estimator == "dual_t":
        return estimators.dual_t(p, labels, quantile)
    return estimators.confident(p, labels)


def from_run(name: str, runs_root: Path, task: Task, seed: int) -> TransitionMatrix:
    """The matrix that another run used or estimated. Raises UserError if it left none, or one of other classes."""
    record = record_of(name, runs_root, seed)
    matrix = read(record)
    classes = json.loads(record.read_text()).get("classes", list(task.class_names))
    if len(matrix) != task.num_classes or classes != list(task.class_names):
        n, there, here = len(matrix), ", ".join(classes), ", ".join(task.class_names)
        raise UserError(
            f"strategy.transition={FROM_RUN}{name}: its matrix is {n}×{n}, of the classes {there}; those here are {here}"
        )
    return matrix


def record_of(name: str, runs_root: Path, seed: int) -> Path:
    """The record of a run in runs_root; of a study's configuration (studies/<name>/trials/<number>) that of the run of this
    seed. Raises UserError if there is none.
    """
    there = Path(name)
    if there.parent.name != "trials":
        return _named(name, runs_root) / RECORD
    number = f"{int(there.name):05d}" if there.name.isdecimal() else there.name
    return _of_seed(there.with_name(number), seed) / RECORD


def _of_seed(configuration: Path, seed: int) -> Path:
    run = configuration / f"seed-{seed}"
    if not ((run / RECORD).exists() and _finished(run)):
        raise UserError(
            f"strategy.transition={FROM_RUN}{configuration}: no finished run of seed {seed} there recorded a transition matrix"
        )
    return run


def _named(name: str, runs_root: Path) -> Path:
    there = [path.parent for path in runs_root.glob(f"*/{RECORD}") if _finished(path.parent)]
    found = [path for path in there if path.name == name] or [path for path in there if path.name.endswith(f"-{name}")]
    if len(found) != 1:
        what = "no finished run" if not found else f"{len(found)} finished runs"
        raise UserError(
            f"strategy.transition={FROM_RUN}{name}: {what} of that name or key in {runs_root} recorded a transition matrix; "
            "give the name of the folder of one whose strategy used or estimated it"
        )
    return found[0]


def _finished(folder: Path) -> bool:
    done = folder / "DONE"
    return done.exists() and json.loads(done.read_text()).get("status") == "finished"


def recorded(train: Split, folder: Path) -> dict[str, float]:
    """The recorded matrix; its error where the noise model states the truth, and that against what the labels really show."""
    if not (folder / RECORD).exists():
        return {}
    record, matrix = json.loads((folder / RECORD).read_text()), read(folder / RECORD)
    found = {f"transition/{name}": record[name] for name in ("condition_number", "error") if name in record}
    if "error" in record.get("began", {}):
        found["transition/error_at_start"] = record["began"]["error"]
    shown, wrong = realised(train.clean, train.labels, len(matrix))
    if wrong:
        found["transition/error_realised"] = estimators.error(matrix, shown)
    return found | matrix.entries("transition")


def hidden(matrix: TransitionMatrix, class_names: tuple[str, ...]) -> str:
    """What a singular T means for the classes."""
    if (pair := matrix.alike()) is None:
        return (
            "the transition matrix is singular: observed labels do not tell how probable every true class is, and where they "
            "do not, the scores are arbitrary"
        )
    first, second = (class_names[c] for c in pair)
    return (
        f"the transition matrix is singular: its columns of '{first}' and '{second}' are equal, so observed labels do not "
        "tell these classes apart, and how the scores divide them is arbitrary"
    )


def read(path: Path) -> TransitionMatrix:
    """A recorded matrix. Raises UserError if the file is damaged."""
    try:
        return TransitionMatrix(json.loads(path.read_text())["matrix"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a recorded transition matrix ({error})") from None


def write(path: Path, matrix: TransitionMatrix, source: str, task: Task) -> None:
    """Record a matrix, whence it came, and how far it is from the noise model's own where that is known.

    One from elsewhere that was recorded before, from which the training began, is kept as `began`.
    """
    record: dict[str, Any] = {
        "matrix": matrix.columns.tolist(),
        "classes": list(task.class_names),
        "source": source,
        "condition_number": matrix.condition_number(),
    }
    if task.transition is not None:
        record |= {"true": task.transition.columns.tolist(), "error": estimators.error(matrix, task.transition)}
        if source.startswith(("estimated", "from_run", "learned")):
            log.info("transition matrix (%s): mean error of a column %.3f", source, record["error"])
    if path.exists():
        before = json.loads(path.read_text())
        if "began" in before or before["source"] != source:
            record["began"] = before.get("began", before)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(record))
    partial.replace(path)


def posterior_of_observed(log_probs: Tensor, T: Tensor) -> Tensor:
    """log P(observed i | x) = log Σ_j T[i, j] p_j, (B, C), from log p of the true classes; zeros of T count as 1e-12."""
    log_t = T.clamp_min(1e-12).log().to(log_probs.dtype)
    return (log_t[None] + log_probs[:, None, :]).logsumexp(dim=2)


def simplex(p: FloatArray | Tensor) -> Tensor:
    """The nearest probabilities (B, C) to rows that sum to 1 but may have negative entries (Duchi 2008, figure 1)."""
    p = torch.as_tensor(np.asarray(p) if not isinstance(p, Tensor) else p)
    ordered = p.sort(dim=1, descending=True).values
    if p.is_cuda and torch.are_deterministic_algorithms_enabled():  # which cumsum is not there
        excess = (ordered[:, None] * p.new_ones(p.shape[1], p.shape[1]).tril()).sum(dim=2) - 1
    else:
        excess = ordered.cumsum(dim=1) - 1
    count = torch.arange(1, p.shape[1] + 1, device=p.device)
    last = (ordered - excess / count > 0).sum(dim=1, keepdim=True)
    return (p - excess.gather(1, last - 1) / last).clamp_min(0)


def prior_error(matrix: TransitionMatrix, counts: npt.ArrayLike) -> float:
    """The largest standard error of T⁻¹ of the observed shares, from the multinomial covariance of the counts."""
    n = np.asarray(counts, dtype=np.float64)
    share = n / n.sum()
    inverse = matrix.inverse()
    covariance = inverse @ (np.diag(share) - np.outer(share, share)) @ inverse.T / n.sum()
    return float(np.sqrt(covariance.diagonal().max()))


def share(part: FloatArray, of: FloatArray) -> FloatArray:
    """part / of, 1 where there is none of either."""
    here = (part > 0) & (of > 0)
    return np.where(here, part / np.where(here, of, 1), 1.0)


def prior_behind(matrix: TransitionMatrix, counts: npt.ArrayLike) -> FloatArray:
    """The true class mix that T turns into the observed counts: T⁻¹ of them, projected on the simplex."""
    observed = torch.from_numpy(np.asarray(counts, dtype=np.float64))
    observed = observed / observed.sum()
    true: FloatArray = simplex((torch.from_numpy(matrix.inverse()) @ observed)[None])[0].numpy()
    return true
