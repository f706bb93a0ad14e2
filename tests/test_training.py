"""The loop: stopping, selection, checkpoints, and the same bits after an interruption."""

from pathlib import Path

import pytest
import torch

from src import checkpoint, experiment, runs
from src.errors import UserError
from src.optimizers.lbfgs import LBFGS
from src.training import Trainer, obey_factors


class Interrupted(Exception):
    pass


def weights(folder: Path, name: str = "last.pt") -> dict[str, torch.Tensor]:
    return checkpoint.load(folder / name)["model"]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def only_run(root: Path) -> Path:
    (folder,) = [path.parent for path in root.glob("*/config.yaml") if ".aborted" not in path.parent.name]
    return folder


DROPOUT = ["dataset=digits", "model=mlr", "schedule=onecycle", "augmentation=flip", "optimizer=sgd", "noise_model=uniform",
           "imbalance_strategy=oversample"]  # fmt: skip
TWO_DOMAINS = [
    "dataset=arrays",
    "model=mlr",
    "strategy=dann",
    "strategy.scale=ramp",
    "optimizer=adam",
    "schedule=onecycle",
]


@pytest.fixture
def two_domain_file(tmp_path):
    import numpy as np

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    domain = np.arange(400) % 2
    X = rng.normal(size=(400, 6)).astype(np.float32)
    X[:, 0] += 3 * y
    X[:, 1] += 3 * domain
    (tmp_path / "data_root").mkdir()
    np.savez(tmp_path / "data_root" / "two.npz", X=X, y=y, domain=domain)
    return "dataset.path=two.npz"


@pytest.mark.parametrize("stop_after", [1, 3])
@pytest.mark.parametrize("two_domains", [False, True])
def test_an_interrupted_and_resumed_run_ends_with_the_same_bits(
    train, tmp_path, two_domain_file, two_domains, stop_after
):
    arguments = [*TWO_DOMAINS, two_domain_file] if two_domains else DROPOUT
    arguments = [*arguments, "trainer.epochs=5", "trainer.batch_size=48", "trainer.select=last"]

    def interrupt(epoch, metrics):
        if epoch == stop_after:
            raise Interrupted

    whole = train(*arguments, f"runs_root={tmp_path / 'whole'}")
    broken = f"runs_root={tmp_path / 'broken'}"
    with pytest.raises(Interrupted):
        train(*arguments, broken, on_epoch=interrupt)
    resumed = train(*arguments, broken, "trainer.resume=true")
    a, b = only_run(tmp_path / "whole"), only_run(tmp_path / "broken")
    assert same(weights(a), weights(b))
    assert same(weights(a, "best.pt"), weights(b, "best.pt"))
    assert whole == resumed
    assert a.name == b.name
    epochs = [line.split(",")[0] for line in (b / "history.jsonl").read_text().splitlines()]
    assert epochs == [f'{{"epoch": {n}' for n in range(1, 6)]


def test_patience_stops_and_the_best_epoch_is_selected(train, tmp_path):
    arguments = [
        "dataset=digits",
        "model=mlr",
        "optimizer=adam",
        "schedule=onecycle",
        "trainer.epochs=40",
        "trainer.patience=2",
        "optimizer.lr=0.1",
    ]
    score = train(*arguments)
    folder = only_run(tmp_path / "runs_root")
    history = [
        eval(line, {"NaN": float("nan")})["metrics"]["val/balanced_accuracy"]
        for line in (folder / "history.jsonl").read_text().splitlines()
    ]
    assert len(history) < 40
    assert max(history) == pytest.approx(score, abs=1e-9)
    assert history.index(max(history)) + 1 == len(history) - 2


EWMA = ["trainer.stop=ewma", "trainer.monitor=val/loss", "score=val/loss"]
STUDYS = [1, 0.6, 0.45, 0.40, 0.38, 0.37, 0.36, 0.36, 0.37, 0.38, 0.40, 0.43, 0.46, 0.50, 0.55, 0.60, 0.66, 0.72, 0.80, 0.88,
          0.97, 1.05, 1.2]  # fmt: skip


@pytest.mark.parametrize(("best_by", "best"), [("smoothed", 15), ("raw", 7)])
def test_a_risen_mean_loss_stops_also_after_an_interruption(train, tmp_path, monkeypatch, best_by, best):
    """The losses' minimum is at epoch 7, that of their mean at 15; it has risen by 15 % at 21, counted from 1."""
    monkeypatch.setattr(Trainer, "validate", lambda self, predictor: {"val/loss": STUDYS[self.progress.epoch - 1]})
    arguments = [
        *LINEAR[:4],
        *EWMA,
        f"trainer.ewma.best_by={best_by}",
        "trainer.epochs=23",
        "dataset.train_size=60",
        "figures=false",
    ]

    def interrupt(epoch, metrics):
        if epoch == 18:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(*arguments, on_epoch=interrupt)
    train(*arguments, "trainer.resume=true")
    folder = only_run(tmp_path / "runs_root")
    lines = runs.history(folder)
    assert len(lines) == 21
    assert lines[20]["metrics"]["val/loss.smoothed"] > 1.15 * lines[14]["metrics"]["val/loss.smoothed"]
    assert runs.read_json(folder / "metrics.json")["best_epoch"] == best
    assert checkpoint.load(folder / "best.pt")["epoch"] == best


def test_rules_that_do_not_go_together_are_refused(train):
    with pytest.raises(UserError, match=r"trainer: stop=ewma watches a loss, .* set trainer\.monitor=val/loss"):
        train(*LINEAR, "trainer.stop=ewma")
    with pytest.raises(UserError, match="patience is another rule than stop=ewma"):
        train(*LINEAR, *EWMA, "trainer.patience=3")
    with pytest.raises(UserError, match=r"trainer\.ewma\.weight.*should be less than 1"):
        train(*LINEAR, *EWMA, "trainer.ewma.weight=1.0")


def test_max_steps_ends_inside_an_epoch(train, tmp_path):
    train(
        "dataset=digits",
        "model=mlr",
        "optimizer=adam",
        "schedule=onecycle",
        "trainer.max_steps=13",
        "trainer.batch_size=100",
    )
    state = checkpoint.load(only_run(tmp_path / "runs_root") / "last.pt")
    assert state["progress"]["step"] == 13


def test_divergence_is_a_sentence_and_the_run_failed(train, tmp_path):
    with pytest.raises(UserError, match=r"training diverged at epoch 1, step \d+: .* try a smaller optimizer\.lr"):
        train("dataset=digits", "model=lenet", "optimizer=sgd", "optimizer.lr=1e30")
    folder = only_run(tmp_path / "runs_root")
    assert '"failed"' in (folder / "DONE").read_text()


def test_an_unreported_score_names_those_reported(train):
    with pytest.raises(
        UserError, match="score=val/balanced_acuracy: runs do not report it; did you mean 'val/balanced_accuracy'"
    ):
        train("dataset=digits", "model=mlr", "optimizer=adam", "schedule=onecycle", "score=val/balanced_acuracy")
    with pytest.raises(UserError, match="monitor=val/nothing: runs do not report it"):
        train("dataset=digits", "model=mlr", "optimizer=adam", "schedule=onecycle", "trainer.monitor=val/nothing")


@pytest.mark.parametrize(
    ("tolerance", "said"),
    [(1e-2, "converged: no component of the gradient"), (0.0, "the loss falls no further, though")],
)
def test_a_full_batch_training_ends_where_it_has_no_further_to_go(train, tmp_path, capsys, tolerance, said):
    options = ["optimizer=lbfgs", "optimizer.max_iter=2000", f"optimizer.tolerance={tolerance}", "trainer.epochs=20"]
    train("dataset=digits", "dataset.classes=[0,1,2]", "model=mlr", "noise_model=mnist05", "figures=false", *options)
    assert len(runs.history(only_run(tmp_path / "runs_root"))) < 20
    assert said in capsys.readouterr().out


def test_a_callback_that_returns_true_stops_the_training(train, tmp_path):
    train(
        "dataset=digits",
        "model=mlr",
        "optimizer=adam",
        "schedule=onecycle",
        "trainer.epochs=9",
        on_epoch=lambda epoch, metrics: epoch == 2,
    )
    assert len((only_run(tmp_path / "runs_root") / "history.jsonl").read_text().splitlines()) == 2


def test_same_seed_same_numbers_another_seed_others(train, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(
            "dataset=digits",
            "model=mlr",
            "optimizer=adam",
            "schedule=onecycle",
            "trainer.epochs=1",
            f"seed={seed}",
            f"runs_root={tmp_path / name}",
        )
    a, b, c = (weights(only_run(tmp_path / name)) for name in "abc")
    assert same(a, b)
    assert not same(a, c)


def test_bf16_is_an_option_of_the_same_loop(train):
    score = train(
        "dataset=digits",
        "model=mlr",
        "optimizer=adam",
        "schedule=onecycle",
        "trainer.precision=bf16",
        "optimizer.lr=0.01",
    )
    assert score > 0.8


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("schedule", ["none", "onecycle", "cosine"])
def test_a_groups_factor_survives_the_schedule_and_touches_no_other_group(optimizer, schedule):
    """With a constant gradient every step's length is the rate's (SGD) or nearly so (Adam)."""

    def path(factor):
        slow, usual = (torch.nn.Parameter(torch.zeros((), dtype=torch.float64)) for _ in range(2))
        groups = [{"params": [usual]}, {"params": [slow], **({} if factor is None else {"lr_factor": factor})}]
        made = getattr(torch.optim, optimizer)(groups, lr=0.1)
        obey_factors(made)
        scheduled = {
            "none": lambda: None,
            "onecycle": lambda: torch.optim.lr_scheduler.OneCycleLR(made, max_lr=0.1, total_steps=20),
            "cosine": lambda: torch.optim.lr_scheduler.CosineAnnealingLR(made, T_max=20),
        }[schedule]()
        seen = []
        for _ in range(20):
            made.zero_grad()
            (slow + usual).backward()
            made.step()
            if scheduled:
                scheduled.step()
            seen.append((usual.item(), slow.item()))
        return torch.tensor(seen, dtype=torch.float64).T

    plain, factored = path(None), path(0.03)
    assert torch.equal(factored[0], plain[0])
    torch.testing.assert_close(factored[1], 0.03 * plain[1])


def test_a_factor_of_a_rate_that_there_is_not_is_a_sentence():
    optimizer = LBFGS([{"params": [torch.nn.Parameter(torch.zeros(2))], "lr_factor": 0.5}])
    with pytest.raises(
        UserError, match=r"strategy\.lr_factor: this optimizer has no learning rate; add optimizer=adam"
    ):
        obey_factors(optimizer)


# --- sealed curves ---

LINEAR = ["dataset=digits", "model=mlr", "optimizer=adam", "schedule=none", "noise_model=uniform", "trainer.epochs=3"]


def test_watched_splits_are_recorded_apart_and_change_nothing(train, tmp_path):
    seen = []
    train(*LINEAR, f"runs_root={tmp_path / 'plain'}")
    watch = [*LINEAR, "trainer.watch=[test,val_clean]", "trainer.select=last", f"runs_root={tmp_path / 'watched'}"]
    train(*watch, on_epoch=lambda epoch, metrics: seen.append(metrics))
    plain, watched = only_run(tmp_path / "plain"), only_run(tmp_path / "watched")
    assert same(weights(plain), weights(watched))
    assert not [line for line in runs.history(plain) if "sealed" in line]
    lines = runs.history(watched)
    assert [set(line["metrics"]) for line in lines] == [set(line["metrics"]) for line in runs.history(plain)]
    final = runs.read_json(watched / "metrics.json")
    assert {name: final[name] for name in lines[-1]["sealed"]} == lines[-1]["sealed"]
    assert lines[0]["sealed"]["test/accuracy"] != lines[-1]["sealed"]["test/accuracy"]
    assert {name.split("/")[0] for name in lines[0]["sealed"]} == {"test", "val_clean"}
    train(*watch, on_epoch=lambda epoch, metrics: seen.append(metrics))  # found finished: told again
    assert len(seen) == 6
    assert {name.split("/")[0] for metrics in seen for name in metrics} == {"train", "val"}


def test_the_test_split_is_read_once_unless_watched(train, monkeypatch):
    read = []
    look = experiment.look
    monkeypatch.setattr(experiment, "look", lambda *given: read.append(len(given[1])) or look(*given))
    train(*LINEAR)
    assert len(read) == 2  # validation and test, at the end


def test_a_class_mix_that_does_not_fit_is_told_before_the_first_epoch(train):
    epochs = []
    with pytest.raises(UserError, match="natural_prior has 2 entries, but there are 10 classes"):
        train(*LINEAR, "natural_prior=[1,1]", on_epoch=lambda epoch, metrics: epochs.append(epoch))
    assert not epochs


def test_only_sealed_splits_can_be_watched(train):
    with pytest.raises(UserError, match=r"trainer\.watch\[0\]=val: should be 'test' or 'val_clean'"):
        train(*LINEAR, "trainer.watch=[val]")


def test_clipping_bounds_the_gradient_and_tells_what_it_was(train, tmp_path):
    """Two steps from one start along the same gradient, of the lengths 1e-3 and 2e-3; a bound above it changes nothing."""
    sgd = ("optimizer=sgd", "optimizer.lr=1.0", "optimizer.momentum=0.0", "trainer.max_steps=1")
    found = {}
    for bound in ("1e-3", "2e-3", "1e6", "null"):
        train(*LINEAR, *sgd, f"trainer.clip_norm={bound}", f"runs_root={tmp_path / bound}")
        found[bound] = only_run(tmp_path / bound)
    short, long, loose, free = map(weights, found.values())
    apart = torch.stack([(short[name] - long[name]).square().sum() for name in short]).sum().sqrt()
    assert float(apart) == pytest.approx(1e-3, rel=0.01)
    assert same(loose, free)
    norms = [runs.history(folder)[0]["metrics"].get("train/gradient_norm") for folder in found.values()]
    assert norms[0] == norms[1] == norms[2] > 2e-3
    assert norms[3] is None
