"""The study folder: claims, damage, growth, refusals; with runs that only pretend to train."""

import copy
import json
import pickle
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest

from src.errors import UserError
from src.runs import run_folders
from src.studies import driver, overview, worker
from src.studies.isolation import Ending
from src.studies.question import understand
from src.studies.study import open_study
from tests.studies.conftest import Fake, HydraHere

SPACE = {"optimizer.lr": "0.1,0.2,0.4", "optimizer.weight_decay": "0,0.01"}


def score(config, epoch):
    return config["optimizer"]["lr"] + 0.01 * config["seed"] + 0.001 * epoch - config["optimizer"]["weight_decay"]


class Here(HydraHere):
    """Workers run in this process, with a fake training."""

    def __init__(self, run=None):
        super().__init__()
        self.run = run or Fake(score)

    def launch(self, payload, overrides, workers):
        worker.Worker(payload, self.compose, self.run).work()


class Together(Here):
    """So many workers at once, threads of this process."""

    def __init__(self, workers, run):
        super().__init__(run)
        self.workers = workers

    def launch(self, payload, overrides, workers):
        lock, composer, composed = threading.Lock(), HydraHere(), {}

        def compose(overrides):
            with lock:
                config, choices = composed.setdefault(tuple(overrides), composer.compose(overrides))
                return copy.deepcopy(config), choices

        def one(_):
            study = pickle.loads(pickle.dumps(payload.study))
            worker.Worker(worker.Assignment(**{**vars(payload), "study": study}), compose, self.run).work()

        with ThreadPoolExecutor(self.workers) as pool:
            list(pool.map(one, range(self.workers)))


@pytest.fixture
def arguments(tmp_path):
    return [
        "dataset=digits",
        "model=mlr",
        "optimizer=adam",
        "schedule=onecycle",
        "++tracking.enabled=false",
        f"++runs_root={tmp_path / 'runs'}",
        "++code=any",
    ]


@pytest.fixture
def sweep(tmp_path, options, arguments):
    def swept(composer=None, more=(), **changes):
        given = options(
            study="s",
            studies_root=str(tmp_path / "studies"),
            winners=0,
            **{"space": SPACE, "seeds": [0, 1, 2], **changes},
        )
        return driver.sweep(given, [*arguments, *more], composer or Here())

    return swept


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "studies" / "s"


def results(folder):
    return {trial["label"]: result for trial, result in overview.Overview(folder).results}


def test_a_study_trains_every_configuration_with_every_seed(sweep, folder, tmp_path, capsys):
    assert sweep() == 0
    found = results(folder)
    assert len(found) == 6
    best = found["optimizer.lr=0.4 optimizer.weight_decay=0"]
    assert best["values"]["val/balanced_accuracy"] == pytest.approx(0.413)
    spread = best["summary"]["val/balanced_accuracy"]
    assert (spread["n"], spread["sd"]) == (3, pytest.approx(0.01))
    assert spread["high"] - spread["mean"] == pytest.approx(0.01 / 3**0.5 * 4.3027, rel=1e-4)  # t, 2 degrees of freedom
    assert len(run_folders(tmp_path / "runs")) == 18
    assert "chosen" not in capsys.readouterr().out  # winners=0
    links = list(folder.glob("trials/*/seed-*"))
    assert len(links) == 18
    assert all((link / "record.json").exists() for link in links)


def test_the_schedule_may_follow_a_rate_that_only_the_varied_optimizers_have(sweep, arguments, folder):
    arguments.remove("optimizer=adam")  # model=mlr brings lbfgs along, which has no rate
    assert sweep(space={"optimizer": "adam,sgd"}) == 0
    assert set(results(folder)) == {"optimizer=adam", "optimizer=sgd"}


def test_optuna_holds_the_same(sweep, folder):
    sweep()
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'optuna.db'}")
    assert {t.user_attrs["label"]: t.value for t in study.trials} == {
        label: pytest.approx(result["values"]["val/balanced_accuracy"]) for label, result in results(folder).items()
    }
    assert all(trial.state.name == "COMPLETE" for trial in study.trials)
    assert study.trials[0].user_attrs["summary"]["val/balanced_accuracy"]["n"] == 3


def test_again_does_nothing(sweep, folder):
    sweep()
    calls = Fake(score, calls=[])
    assert sweep(Here(calls)) == 0
    assert calls.calls == []


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
def test_a_larger_total_adds_the_missing(sweep, folder, sampler):
    settings = {"space": {"optimizer.lr": "log(1e-3,1)"}, "sampler": {"name": sampler}}
    sweep(**settings, budget={"trials": 4})
    before = results(folder)
    calls = Fake(score, calls=[])
    assert sweep(Here(calls), **settings, budget={"trials": 7}) == 0
    assert len(calls.calls) == 9
    after = results(folder)
    assert len(after) == 7
    assert {label: after[label] for label in before} == before


def test_more_seeds_top_up_what_is_there(sweep, folder):
    sweep(seeds=[0, 1])
    calls = Fake(score, calls=[])
    assert sweep(Here(calls), seeds=[0, 1, 2]) == 0
    found = results(folder)
    assert all(len(result["seeds"]) == 3 for result in found.values())
    assert len(found) == 6
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["adopted"][0]["changed"] == ["seeds"]


def test_a_changed_question_is_refused_with_the_differing_keys(sweep, folder, capsys):
    sweep()
    before = results(folder)
    assert sweep(space={**SPACE, "optimizer.lr": "0.1,0.2"}, more=["++trainer.epochs=9"]) == 2
    said = capsys.readouterr().err
    assert "space.optimizer.lr" in said
    assert "config.trainer.epochs" in said
    assert "adopt=true" in said
    assert sweep(objectives={"val/loss": "minimize"}) == 2
    assert "objectives" in capsys.readouterr().err
    assert results(folder) == before


def test_adopting_reuses_every_run_that_still_fits(sweep, folder):
    sweep()
    calls = Fake(score, calls=[])
    assert sweep(Here(calls), space={**SPACE, "optimizer.lr": "0.1,0.2,0.8"}, adopt=True) == 0
    ran = results(folder)
    assert len(ran) == 6
    assert "optimizer.lr=0.8 optimizer.weight_decay=0" in ran
    assert (folder / "trials.1").exists()


def test_runs_are_reused_across_studies(sweep, tmp_path, options, arguments):
    sweep()
    given = options(
        study="other",
        studies_root=str(tmp_path / "studies"),
        winners=0,
        space={"optimizer.lr": "0.1,0.2"},
        seeds=[0, 1, 2],
    )
    count = len(run_folders(tmp_path / "runs"))
    assert driver.sweep(given, [*arguments, "++optimizer.weight_decay=0"], Here()) == 0
    assert len(run_folders(tmp_path / "runs")) == count


def test_the_baseline_runs_first_and_once(sweep, folder):
    sweep(baseline={"optimizer.lr": 0.2, "optimizer.weight_decay": 0})
    first = json.loads((folder / "trials/00000/trial.json").read_text())
    assert first["baseline"]
    assert first["label"] == "optimizer.lr=0.2 optimizer.weight_decay=0"
    assert len(results(folder)) == 6


def test_of_several_that_run_first_the_first_is_the_baseline(sweep, folder):
    several = [{"optimizer.lr": 0.2, "optimizer.weight_decay": 0}, {"optimizer.lr": 0.05}]
    sweep(baseline=several, space={"optimizer.lr": "log(0.1,0.4)"}, sampler={"name": "random"}, budget={"trials": 4})
    found = [json.loads((folder / f"trials/{number:05}/trial.json").read_text()) for number in range(4)]
    assert [one["baseline"] for one in found] == [True, False, False, False]
    assert found[1]["label"] == "optimizer.lr=0.05"
    assert all(0.1 <= one["params"]["optimizer.lr"] <= 0.4 for one in found[2:])


def test_what_runs_first_runs_once(sweep, capsys):
    assert sweep(baseline=[{"optimizer.lr": 0.2}, {"optimizer.lr": 0.2}]) != 0
    assert "hydra.sweeper.baseline: two of its configurations are the same" in capsys.readouterr().err


def test_a_baseline_outside_the_space_is_one_more(sweep, folder):
    sweep(baseline=True)  # adam's own lr is 0.005
    assert len(results(folder)) == 7
    assert overview.Overview(folder).results[0][0]["label"] == "defaults"


def test_eight_workers_at_once_run_everything_once(sweep, folder, tmp_path, options, arguments):
    calls = []

    assert sweep(Together(8, Fake(score, calls=calls))) == 0
    assert len(calls) == len(set(calls)) * 2 == 18  # each lr with two weight decays


class Meeting(Fake):
    """The first two trainings wait for each other."""

    def __call__(self, config, on_epoch, told):
        def met(folder, epoch, metrics):
            if epoch == 1 and config["seed"] in self.seeds:
                self.barrier.wait(timeout=60)
            return on_epoch(folder, epoch, metrics)

        return super().__call__(config, met, told)


def test_a_worker_without_a_trial_trains_the_last_seeds_of_anothers(sweep, folder, monkeypatch):
    monkeypatch.setattr(worker, "BUSY", 0.01)
    run = Meeting(score, calls=[])
    run.barrier, run.seeds = threading.Barrier(2), (0, 3)  # the first of one worker, the last of the other
    assert sweep(Together(2, run), space={"optimizer.lr": "0.1"}, seeds=[0, 1, 2, 3]) == 0
    assert sorted(run.calls) == [(0.1, seed) for seed in range(4)]
    (result,) = results(folder).values()
    assert {seed: one["status"] for seed, one in result["seeds"].items()} == dict.fromkeys("0123", "finished")
    assert sorted(path.name for path in (folder / "trials/00000").glob("seed-*")) == [f"seed-{s}" for s in range(4)]


def test_no_hand_is_lent_where_a_pruner_may_end_the_trial(sweep, folder, monkeypatch):
    monkeypatch.setattr(worker, "BUSY", 0.01)
    lent = []
    monkeypatch.setattr(worker.Worker, "_lend", lambda self, claim, seed: lent.append((claim.number, seed)))
    asha = {"pruner": {"name": "asha"}, "space": {"optimizer.lr": "0.1,0.2"}}

    class Looks(Here):
        def launch(self, payload, overrides, workers):
            idle = pickle.loads(pickle.dumps(payload.study))
            first, second = payload.study.claim(), payload.study.claim()
            other = worker.Worker(worker.Assignment(**{**vars(payload), "study": idle}), self.compose, self.run)
            while other._lend_a_hand():
                pass
            for claim in (first, second):
                payload.study.release(claim)
            super().launch(payload, overrides, workers)

    assert sweep(Looks(), baseline={"optimizer.lr": 0.1}, **asha) == 0
    assert lent == [(0, 2), (0, 1), (0, 0)]  # the baseline is never given up


def test_a_lent_run_that_fails_is_the_holders_to_repeat(sweep, folder, monkeypatch):
    monkeypatch.setattr(worker, "BUSY", 0.01)
    failed = []

    class Failing(Meeting):
        def __call__(self, config, on_epoch, told):
            if config["seed"] == 3 and not failed:
                failed.append(threading.get_ident())
                self.barrier.wait(timeout=60)
                return Ending("died", "SIGKILL")
            return super().__call__(config, on_epoch, told)

    run = Failing(score, calls=[])
    run.barrier, run.seeds = threading.Barrier(2), (0,)
    assert sweep(Together(2, run), space={"optimizer.lr": "0.1"}, seeds=[0, 1, 2, 3]) == 0
    assert sorted(run.calls) == [(0.1, seed) for seed in range(4)]
    assert len(failed) == 1
    assert not (folder / "trials/00000/attempts.jsonl").exists()  # nobody's attempt but the helper's


def test_pruning_stops_the_hopeless_and_keeps_the_best(sweep, folder):
    def slow(config, epoch):
        return config["optimizer"]["lr"] + 0.01 * epoch

    fake = Fake(slow, epochs=9)
    lrs = {"optimizer.lr": "0.9,0.8,0.1,0.2,0.3,0.4"}
    assert sweep(Here(fake), space=lrs, seeds=[0], pruner={"name": "asha"}) == 0
    found = results(folder)
    statuses = {label: result["status"] for label, result in found.items()}
    assert statuses["optimizer.lr=0.9"] == "finished"
    assert sum(status == "pruned" for status in statuses.values()) >= 3
    pruned = next(result for result in found.values() if result["status"] == "pruned")
    assert pruned["seeds"]["0"]["epochs"] < 9


def test_wilcoxon_gives_up_after_few_seeds(sweep, folder):
    assert sweep(space={"optimizer.lr": "0.9,0.1,0.2"}, seeds=list(range(8)), pruner={"name": "wilcoxon"}) == 0
    found = results(folder)
    assert len(found["optimizer.lr=0.9"]["seeds"]) == 8
    assert found["optimizer.lr=0.1"]["status"] == "pruned"
    assert 3 <= len(found["optimizer.lr=0.1"]["seeds"]) < 8


def test_several_objectives_give_a_pareto_front(sweep, folder):
    def trade(config, epoch):
        return config["optimizer"]["lr"]

    two = {"val/balanced_accuracy": "maximize", "cost/parameters": "minimize"}
    assert sweep(Here(Fake(trade)), objectives=two) == 0
    best = overview.Overview(folder).best()
    assert {trial["params"]["optimizer.lr"] for trial, _ in best} == {0.4}


def test_constraints_decide_who_may_win(sweep, folder):
    assert sweep(constraints=["val/balanced_accuracy <= 0.3"]) == 0
    (best,) = overview.Overview(folder).best()
    assert best[0]["params"]["optimizer.lr"] == 0.2
    assert not results(folder)["optimizer.lr=0.4 optimizer.weight_decay=0"]["feasible"]


def test_not_a_number_is_a_failure(sweep, folder):
    def sometimes(config, epoch):
        return float("nan") if config["optimizer"]["lr"] == 0.4 else 0.5

    assert sweep(Here(Fake(sometimes))) == 0
    failed = results(folder)["optimizer.lr=0.4 optimizer.weight_decay=0"]
    assert failed["status"] == "failed"
    assert "not a number" in failed["reason"]


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "noise"])
def test_a_damaged_database_is_made_again_from_the_trials(sweep, folder, damage):
    sweep()
    before, file = results(folder), folder / "optuna.db"
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "noise": b"x" * 5000}[damage])
    calls = Fake(score, calls=[])
    assert sweep(Here(calls)) == 0
    assert calls.calls == []
    assert results(folder) == before
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{file}")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 6
    assert sqlite3.connect(file).execute("PRAGMA quick_check").fetchone() == ("ok",)


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_a_torn_newest_file_is_made_again(sweep, folder, storage):
    sweep(storage=storage)
    before = results(folder)
    for name in ("trials/00005/result.json", "trials/00004/trial.json"):
        path = folder / name
        path.write_bytes(path.read_bytes()[:30])
    if storage == "journal":
        journal = folder / "journal.log"
        journal.write_bytes(journal.read_bytes()[:-7])
    assert sweep(storage=storage) == 0
    after = results(folder)
    for one in (*before.values(), *after.values()):
        one.pop("ended")
        for seed in one["seeds"].values():
            seed.pop("seconds")
    assert after == before


def test_a_torn_manifest_is_refused_in_a_sentence(sweep, folder, capsys):
    sweep()
    (folder / "manifest.json").write_text('{"schema": 1, "na')
    assert sweep() == 2
    assert "manifest.json: not a readable record" in capsys.readouterr().err


def test_another_versions_study_is_refused(sweep, folder, capsys):
    sweep()
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "schema": 99}))
    assert sweep() == 2
    assert "another version" in capsys.readouterr().err


def test_lost_trial_folders_come_back_from_optuna(sweep, folder):
    sweep()
    before = {label: result["values"] for label, result in results(folder).items()}
    shutil.rmtree(folder / "trials/00003")
    assert sweep() == 0
    assert {label: result["values"] for label, result in results(folder).items()} == before


def test_an_unreachable_storage_is_a_sentence_without_the_password(sweep, capsys):
    assert sweep(storage="postgresql://kilter:secret@127.0.0.1:1/none") == 2
    said = capsys.readouterr()
    assert "storage=postgresql://kilter:***@127.0.0.1:1/none: cannot be used" in said.err
    assert "secret" not in said.err + said.out


@pytest.mark.parametrize(
    ("changes", "more", "sentence"),
    [
        ({"space": {}, "seeds": None}, [], "nothing varies"),
        ({"space": {"optimizer.lr": "interval(0,1)"}}, [], "cannot list all of optimizer.lr"),
        ({"sampler": {"name": "tpe"}}, [], "say how many configurations"),
        ({"objectives": {"val/balanced_acuracy": "maximize"}}, [], "did you mean 'val/balanced_accuracy'"),
        ({"objectives": {"test/accuracy": "maximize"}}, [], "sealed until the choice is made"),
        (
            {"objectives": {"val/loss": "minimize", "val/ece": "minimize"}, "pruner": {"name": "asha"}},
            [],
            "cannot prune",
        ),
        ({"space": {"strategy": "erm", "optimizer.lrr": "1,2"}}, [], "Adam has no option 'lrr'"),
        ({"space": {"strategy": "erm,dan"}}, [], "Could not find 'strategy/dan'"),
        ({"space": {"optimizer.lr": "0.1,x"}}, [], "in 1 of 2 combinations: optimizer.lr=x"),
        ({"space": {"strategy": "erm,dann"}}, [], "needs a dataset with two domains"),
        ({"samplr": {}}, [], "did you mean 'sampler'"),
        ({"sampler": {"name": "tpee"}}, [], "hydra.sweeper.sampler.name=tpee"),
        ({"constraints": ["val/ece < 1"]}, [], "write e.g. 'val/ece <= 0.1'"),
        ({"seeds": [0, 0]}, [], "give each seed once"),
        ({"seeds": 0}, [], "hydra.sweeper.seeds=0"),
        ({"workers": 0}, [], "hydra.sweeper.workers"),
        ({"pruner": {"name": "wilcoxon"}, "seeds": [0, 1]}, [], "at least 5"),
    ],
)
def test_mistakes_are_sentences_before_anything_is_written(sweep, folder, capsys, changes, more, sentence):
    assert sweep(more=more, **changes) == 2
    assert sentence in capsys.readouterr().err
    assert not folder.exists()


def test_oracle_selection_is_possible_by_name(sweep, folder):
    class Sealed(Fake):
        def __call__(self, config, on_epoch, told):
            ending = super().__call__(config, on_epoch, told)
            path = Path(ending.folder) / "metrics.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "test/accuracy": 0.5}))
            return ending

    assert sweep(Here(Sealed(score)), objectives={"test/accuracy": "maximize"}, oracle=True) == 0
    assert "ORACLE" in "\n".join(overview.Overview(folder).lines())


def test_an_oracle_cannot_choose_by_what_is_read_after_the_choice(sweep, folder, capsys):
    assert sweep(more=["test=chosen"], objectives={"test/accuracy": "maximize"}, oracle=True) == 2
    assert "objective test/accuracy: with test=chosen no run reports it before the choice" in capsys.readouterr().err
    assert not folder.exists()


def test_the_command_line_is_stronger_than_the_file(options, arguments, tmp_path):
    space = {"strategy": "erm,dann", "strategy=dann": {"strategy.scale": "0,1"}, "optimizer.lr": "1,2"}
    given = options(space=space, seeds=[0, 1])

    def asked(*more):
        found = understand(given, [*arguments, *more], HydraHere())
        return [found.space.overrides(point) for point in found.space.points()], found.seeds

    assert asked("++strategy.scale=0.5", "++optimizer.lr=3")[0] == [
        ["strategy=erm"], ["strategy=dann", "strategy.scale=0.5"],
    ]  # fmt: skip
    assert asked("++strategy.scale=0.3,0.5", "++optimizer.lr=3")[0][1:] == [
        ["strategy=dann", "strategy.scale=0.3"], ["strategy=dann", "strategy.scale=0.5"],
    ]  # fmt: skip
    assert asked("strategy=erm")[0] == [["optimizer.lr=1"], ["optimizer.lr=2"]]
    assert asked("++seed=7,8,9")[1] == [7, 8, 9]
    assert asked("++seed=4")[1] == [4]


def test_what_only_some_options_vary_but_all_have_is_set_for_all_by_the_command_line(options, arguments):
    """A file gives the discriminator fewer steps; trainer.max_steps=7 must not be about the discriminator alone."""
    given = options(space={"strategy": "erm,gce", "strategy=gce": {"trainer.max_steps": 5}}, seeds=[0])

    def asked(*more):
        found = understand(given, [*arguments, *more], HydraHere())
        return [found.space.overrides(point) for point in found.space.points()], found.base.trainer.max_steps

    assert asked() == ([["strategy=erm"], ["strategy=gce", "trainer.max_steps=5"]], None)
    assert asked("++trainer.max_steps=7") == ([["strategy=erm"], ["strategy=gce"]], 7)
    both = [[f"strategy={name}", f"trainer.max_steps={steps}"] for name in ("erm", "gce") for steps in (7, 8)]
    assert sorted(asked("++trainer.max_steps=7,8")[0]) == both


def test_a_command_that_another_has_overtaken_stops(sweep, folder, options, arguments, capsys):
    """More seeds begin a new generation; the worker of the old one must not write into it."""

    class Overtaken(Here):
        def launch(self, payload, overrides, workers):
            first = worker.Worker(payload, self.compose, self.run)
            claim = payload.study.claim()
            assert sweep(seeds=[0, 1, 2, 3]) == 0
            with pytest.raises(UserError, match="another"):
                first._trial(claim)
            first.work()

    assert sweep(Overtaken(), seeds=[0, 1, 2]) == 2
    assert "another command has changed this study" in capsys.readouterr().err
    assert all(set(result["seeds"]) == {"0", "1", "2", "3"} for result in results(folder).values())


def test_trials_are_set_aside_only_when_the_storage_works(sweep, folder, monkeypatch, capsys):
    tpe = {"sampler": {"name": "tpe"}, "budget": {"trials": 4}}
    assert sweep(**tpe) == 0
    before = results(folder)
    assert sweep(**tpe, seeds=[0, 1, 2, 3], storage="postgresql://nobody@127.0.0.1:1/none") == 2
    assert "cannot be used" in capsys.readouterr().err
    assert results(folder) == before
    (folder / "trials").rename(folder / "trials.1")  # as if killed before the manifest was written
    assert sweep(**tpe, seeds=[0, 1, 2, 3]) == 0
    after = results(folder)
    assert set(before) <= set(after)
    assert all(len(result["seeds"]) == 4 for result in after.values())


def test_a_signal_after_the_result_is_not_swallowed(sweep, folder, monkeypatch):
    def end(*_, **__):
        raise SystemExit(143)

    with monkeypatch.context() as patched:
        patched.setattr(worker.tracking, "close_group", end)
        with pytest.raises(SystemExit):
            sweep()
    assert len(results(folder)) == 1
    assert sweep() == 0


@pytest.mark.parametrize("pruner", ["asha", "wilcoxon"])
def test_the_baseline_is_never_given_up(sweep, folder, pruner):
    hopeless = {"optimizer.lr": 0.1, "optimizer.weight_decay": 0.01}
    space = {"optimizer.lr": "0.9,0.8,0.7,0.1", "optimizer.weight_decay": "0,0.01"}
    options = {"space": space, "seeds": list(range(8)), "pruner": {"name": pruner}}
    assert sweep(**options) == 0
    assert results(folder)["optimizer.lr=0.1 optimizer.weight_decay=0.01"]["status"] == "pruned"
    assert sweep(**options, baseline=hopeless, adopt=True) == 0
    first = overview.Overview(folder).results[0]
    assert (first[0]["baseline"], first[1]["status"]) == (True, "finished")


def test_a_rebuilt_storage_knows_constraints_and_epochs(sweep, folder):
    options = {"constraints": ["val/balanced_accuracy <= 0.3"], "pruner": {"name": "asha"}}

    def stored():
        study = optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'optuna.db'}")
        trials = study.get_trials()
        return [(t.system_attrs.get("constraints"), t.intermediate_values, t.value, t.state) for t in trials]

    assert sweep(**options) == 0
    (folder / "optuna.db").unlink()
    assert sweep(**options) == 0
    found = stored()
    for (excess, epochs, _, _), result in zip(found, results(folder).values(), strict=True):
        assert excess == (result["excess"] or None)
        assert len(epochs) == result["seeds"]["0"]["epochs"]


def test_a_locked_storage_is_not_damaged(sweep, folder, monkeypatch, capsys):
    from src.studies import study

    assert sweep() == 0

    def locked(*_):
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(study, "_create", locked)
        assert sweep() == 2
    assert "database is locked" in capsys.readouterr().err
    assert not list(folder.glob("*.damaged*"))


def test_other_runs_root_is_refused_with_the_one_it_has(sweep, folder, tmp_path, capsys):
    assert sweep() == 0
    assert sweep(more=[f"++runs_root={tmp_path / 'elsewhere'}"]) == 2
    assert f"give runs_root={tmp_path / 'runs'}" in capsys.readouterr().err


def test_seeds_alone_need_no_baseline(sweep, folder):
    assert sweep(space={}, baseline=True) == 0
    assert len(results(folder)) == 1


def test_a_class_that_is_not_there_is_told_after_the_first_epoch(sweep, folder, capsys):
    assert sweep(objectives={"val/recall.nosuch": "maximize"}) == 2
    said = capsys.readouterr().err
    assert "objective val/recall.nosuch" in said
    assert "it reports: val/" in said


def test_a_plan_of_an_adaptive_study_knows_what_it_chose(sweep, capsys):
    tpe = {"sampler": {"name": "tpe"}, "budget": {"trials": 4}}
    assert sweep(**tpe) == 0
    capsys.readouterr()
    assert sweep(**tpe, plan=True) == 0
    assert "4 configurations × 3 seeds = 12 runs; 12 done already" in capsys.readouterr().out


def test_the_budget_of_hours_is_kept_and_the_rest_is_done_later(sweep, folder, monkeypatch):
    clock = [1e9]
    monkeypatch.setattr(worker.time, "time", lambda: clock[0])

    def slow(config, epoch):
        clock[0] += 600
        return score(config, epoch)

    assert sweep(Here(Fake(slow)), budget={"hours": 2}) == 0
    assert 0 < len(results(folder)) < 6
    assert clock[0] - 1e9 <= 2 * 3600 + 600
    assert sweep() == 0
    assert len(results(folder)) == 6


def test_a_plan_runs_nothing(sweep, folder, tmp_path, capsys):
    sweep(space={"optimizer.lr": "0.1"}, more=["++optimizer.weight_decay=0"])
    shutil.rmtree(folder)
    capsys.readouterr()
    assert sweep(plan=True) == 0
    said = capsys.readouterr().out
    assert "6 configurations × 3 seeds = 18 runs; 3 done already" in said
    assert "15 to run: no run of this configuration (nearest to the first of them: fake-" in said
    assert "differs in optimizer.weight_decay)" in said or "differs in optimizer.lr, schedule.max_lr)" in said
    assert "optimizer.lr: 0.1, 0.2, 0.4" in said
    assert not folder.exists()


def test_a_question_without_a_name_gets_one_from_its_content(options, arguments):
    given = options(space=SPACE)
    names = {
        understand({**given, "space": s}, arguments, HydraHere()).name for s in (SPACE, SPACE, {"optimizer.lr": "1,2"})
    }
    assert len(names) == 2
    assert all(name.startswith("multirun-") for name in names)


def test_a_trial_whose_worker_died_is_taken_up(tmp_path, options, arguments):
    question = understand(options(study="s", studies_root=str(tmp_path), space=SPACE), arguments, HydraHere())

    def opened():
        return open_study(
            tmp_path, "s", question.identity(), question.facts(), question.space, "sqlite",
            seeds=[0], first=[], trials=None, adopt=False,
        )  # fmt: skip

    one, other = opened(), opened()
    first, second = one.claim(), other.claim()
    assert (first.number, second.number) == (0, 1)
    assert other.busy() == [0, 1]
    one.release(first)
    assert pickle.loads(pickle.dumps(one)).busy() == [1], "a worker that Slurm queues again is pickled while it works"
    again = other.claim()
    assert (again.number, again.fresh) == (0, False)
    with pytest.raises((UserError, KeyError)):
        one.record(first, {"status": "finished", "values": {}})


def test_composing_once_a_group_gives_what_composing_every_point_gives():
    """onecycle's max_lr repeats optimizer.lr."""
    from src.studies import plan, space

    spec = {"optimizer": "adam,sgd", "optimizer.lr": "0.1,0.2", "model": "mlr,lenet", "schedule": "none,onecycle"}
    hydra = HydraHere()
    found = space.read(spec, hydra.parse)
    quick = plan.Configurations(found, ["dataset=digits"], hydra.compose, lambda key: bool(hydra.options(key)))
    for point in found.points():
        assert quick.at(point) == quick.of(found.overrides(point))
    assert len(quick._composed) == 8


def test_out_of_memory_halves_the_batch_if_asked(sweep, folder):
    from src.studies.isolation import Ending

    sizes = []

    class Tight(Fake):
        def __call__(self, config, on_epoch, told):
            sizes.append(config["trainer"]["batch_size"])
            if sizes[-1] > 16:
                return Ending("memory", "CUDA out of memory")
            return super().__call__(config, on_epoch, told)

    assert (
        sweep(Here(Tight(score)), space={"optimizer.lr": "0.1"}, more=["++optimizer.weight_decay=0"], halve_batch=True)
        == 0
    )
    assert sizes == [64, 32, 16] * 3
    run = results(folder)["optimizer.lr=0.1"]["seeds"]["0"]["run"]
    config = (folder.parents[1] / "runs" / run / "config.yaml").read_text()
    assert "batch_size: 16" in config, "recorded as what it was"


def test_out_of_memory_is_a_failure_if_not(sweep, folder):
    from src.studies.isolation import Ending

    assert sweep(Here(lambda *_: Ending("memory", "CUDA out of memory"))) == 1
    assert all("CUDA out of memory" in result["reason"] for result in results(folder).values())


def test_a_full_disk_is_a_sentence_and_nothing_finished_is_lost(sweep, folder, monkeypatch, capsys):
    import errno
    import os

    real, left = os.fsync, [60]

    def full(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert sweep() == 2
    said = capsys.readouterr()
    assert "No space left on device" in said.err
    assert "Traceback" not in said.err + said.out
    before = results(folder)
    assert 0 < len(before) < 6
    assert sweep() == 0
    after = results(folder)
    assert len(after) == 6
    assert {label: after[label] for label in before} == before
