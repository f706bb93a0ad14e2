"""The label-noise study's page: its pieces here, the whole command as a slow test on digits and tiny pictures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.errors import UserError
from src.reproduce import label_noise as study
from src.reproduce import label_noise_figures as figures
from src.reproduce import label_noise_tables as tables
from src.reproduce.label_noise_tables import Method
from src.reproduce.page import main
from src.reproduce.sweeps import Configuration, Places, conditions, write_sweep
from src.reproduce.tables import latex, markdown, spread
from src.reproduce.tuning import Tuned, criterion, space, tuned
from tests.datasets.files import make_idx


@pytest.mark.parametrize(
    ("name", "trained", "noise", "printed"),
    [
        ("MLR", "SGD, 1000 steps", "mnist05", "0.764 (0.0183)"),
        ("MLR", "SGD, 250 steps", "mnist05", ""),
        ("MLR", "L-BFGS, L2", "mnist05", ""),
        ("MLR, flipped", "SGD, 1000 steps", "mnist06", "0.604 (0.048)"),
        ("MLR, flipped by T⁻¹", "SGD, 1000 steps", "mnist06", ""),
        ("rMLR", "SGD, 250 steps", "mnist06", "0.812 (0.002)"),
        ("rMLR", "SGD, 1000 steps", "mnist06", ""),
        ("rMLR, T learned", "SGD, 250 steps", "cifar3", "0.36 (0.0571)"),
        ("rMLR, T learned", "SGD, 250 steps", "mnist05", ""),
        ("CNN, erm", "7 epochs", "mnist05", "0.931 (0.0049)"),
        ("CNN, backward", "30 epochs", "mnist06", "0.808 (0.0153)"),
        ("CNN, backward", "10 epochs, annealed", "mnist06", ""),
        ("CNN, forward", "30 epochs", "mnist06", ""),
        ("CNN, gce", "30 epochs", "mnist06", ""),
        ("LeNet, erm", "7 epochs", "mnist05", ""),
    ],
)
def test_the_studys_number_stands_beside_the_method_it_belongs_to(name, trained, noise, printed):
    assert tables.studys(Method(name, trained), noise) == printed


def configuration(value, runs=None, **choices):
    named = {key.replace("__", "."): str(one) for key, one in choices.items()}
    return Configuration({"noise_model": "mnist06"} | named, runs or {}, value, Path("trial"))


def tried(folder, measured):
    """One configuration for each (strategy, rate) → (val/observed_loss, val/accuracy), of one seed each; .01 · k is clean."""
    for k, ((strategy, rate), (loss, accuracy)) in enumerate(measured.items()):
        run = folder / str(k)
        run.mkdir()
        metrics = {"val/observed_loss": loss, "val/accuracy": accuracy, "test/accuracy": k / 100}
        (run / "metrics.json").write_text(json.dumps(metrics))
        yield configuration(accuracy, {"0": run}, strategy=strategy, optimizer__lr=rate)


def test_every_method_gets_its_own_best_rate(tmp_path):
    measured = {
        ("erm", 0.1): (0.9, 0.3), ("erm", 0.01): (1.0, 0.9), ("erm", 1.0): (0.9, 0.4),  # by loss, of equals the smaller
        ("forward", 1.0): (0.5, 0.2), ("forward", 0.1): (0.7, 0.3),
        ("gce", 0.1): (0.1, 0.3), ("gce", 1.0): (0.9, 0.4), ("gce", 3.0): (0.2, 0.2),  # by accuracy
    }  # fmt: skip
    found = tuned(tried(tmp_path, measured))
    assert [(one.strategy, one.rate, one.value, one.at_the_edge) for one in found] == [
        ("erm", 0.1, 0.9, False), ("forward", 1.0, 0.5, True), ("gce", 1.0, 0.4, False),
    ]  # fmt: skip
    assert (found[0].tried, found[0].clean) == ((0.01, 0.1, 1.0), (0.01, 0.0, 0.02))
    assert list(space(found).values()) == [
        [["mnist06", "erm", 0.1], ["mnist06", "forward", 1.0], ["mnist06", "gce", 1.0]]
    ]
    rows = tables.rates({"LeNet": found})
    assert [row["chosen by"] for row in rows] == ["val/observed_loss"] * 2 + ["val/accuracy"]
    hindsight = [
        (row["its clean accuracy"], row["best in hindsight"], row["the clean accuracy of that"]) for row in rows
    ]
    assert hindsight == [("0.000", "1", "0.020"), ("0.030", "0.1", "0.040"), ("0.060", "3", "0.070")]


def test_a_rate_that_nothing_is_known_of_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="its runs have no val/observed_loss, by which the rate of erm is chosen"):
        tuned([configuration(0.4, {"0": run_of(tmp_path / "a", [0.5], [0.5])}, strategy="erm", optimizer__lr=0.1)])


def test_only_a_method_that_predicts_wrong_labels_is_chosen_by_their_likelihood():
    """All methods whose rates the sweeps choose are of one of the two kinds."""
    from src.reproduce.sweeps import question

    for name in ("label_noise", "label_noise_cnn"):
        for strategy in question(name)["hydra"]["sweeper"]["space"]["strategy"].split(","):
            corrected = strategy in ("forward", "backward", "noise_adaptation", "t_revision")
            assert (criterion(strategy) == "val/observed_loss") == (corrected or strategy == "erm"), strategy


def run_of(folder, accuracies, noisy):
    folder.mkdir(parents=True)
    lines = [
        {"epoch": k + 1, "metrics": {"val/accuracy": seen}, "sealed": {"test/accuracy": true}}
        for k, (true, seen) in enumerate(zip(accuracies, noisy, strict=True))
    ]
    (folder / "metrics.json").write_text(json.dumps({"test/accuracy": accuracies[-1]}))
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_networks_are_shown_at_the_end_and_after_the_studys_epochs(tmp_path):
    runs = {"0": run_of(tmp_path / "a", [0.5, 0.9, 0.7], [0.2, 0.3, 0.4]), "1": run_of(tmp_path / "b", [0.6, 0.8, 0.9], [0.5, 0.3, 0.4])}  # fmt: skip
    one = configuration(0.4, runs, strategy="erm")
    assert tables.annealed([one], "CNN") == {
        (Method("CNN, erm", "3 epochs, annealed"), "mnist06"): {"0": 0.7, "1": 0.9}
    }
    after = tables.by_epoch([one], "CNN")
    assert after == {(Method("CNN, erm", "2 epochs"), "mnist06"): {"0": 0.9, "1": 0.8}}, "nothing of epochs not trained"


def test_curves_of_the_studys_network_have_its_numbers_as_far_as_they_go(tmp_path):
    one = configuration(0.4, {"0": run_of(tmp_path / "a", [0.5, 0.9, 0.7], [0.2, 0.3, 0.4])}, strategy="erm")
    ((_, figure),) = figures.by_epoch("curves", [one], "CNN")
    assert [(line.get_xdata(), line.get_ydata()) for line in figure.axes[0].lines if line.get_marker() == "o"] == [
        ([2], [0.842])
    ]
    again = configuration(0.4, one.runs, strategy="erm", dataset__scale="none")
    assert [name for name, _ in figures.by_epoch("curves", [one, again])] == [
        "curves-mnist06", "curves-mnist06-pixels_to_255",
    ]  # fmt: skip
    assert [method.trained for method, _ in tables.by_epoch([one, again], "CNN")] == [
        "2 epochs", "2 epochs, pixels to 255",
    ]  # fmt: skip
    ((_, figure),) = figures.by_epoch("curves", [one])
    assert not [line for line in figure.axes[0].lines if line.get_marker() == "o"]


@pytest.mark.parametrize(
    ("choices", "name"),
    [
        ({"strategy": "erm"}, "MLR"),
        ({"strategy": "flipped", "strategy.decode": "transpose"}, "MLR, flipped"),
        ({"strategy": "flipped", "strategy.decode": "inverse"}, "MLR, flipped by T⁻¹"),
        ({"strategy": "flipped", "strategy.decode": "transpose", "strategy.transition": "from_run:there"},
         "MLR, flipped, T as LeNet estimates it"),
        ({"strategy": "rmlr", "strategy.transition": "known"}, "rMLR"),
        ({"strategy": "rmlr", "strategy.transition": "learned"}, "rMLR, T learned"),
        ({"strategy": "confident_learning", "strategy.action": "relabel"}, "MLR, confident learning, relabelled"),
    ],
)  # fmt: skip
def test_a_linear_method_is_named_by_all_that_was_varied(choices, name):
    one = Configuration({"noise_model": "mnist05"} | choices, {}, 0.0, Path("trial"))
    assert list(tables.linear([one])) == [(Method(name, "L-BFGS, L2"), "mnist05")]


def test_differences_are_paired_by_repeat_and_by_epoch():
    found = {
        (Method("CNN, erm", "7 epochs"), "mnist06"): {"0": 0.7, "1": 0.8, "2": 0.6},
        (Method("CNN, forward", "7 epochs"), "mnist06"): {"0": 0.82, "1": 0.9, "2": 0.68, "3": 0.1},
        (Method("CNN, forward", "10 epochs"), "mnist06"): {"0": 0.9},
    }
    (row,) = tables.differences(found)
    assert (row["method"], row["difference"], row["n"], row["trained"]) == ("forward", "+0.1000", "3", "7 epochs")
    half = 4.302652729911275 * 0.02 / np.sqrt(3)  # t quantile of 2 degrees of freedom
    assert row["95 % t interval"] == f"{0.1 - half:+.4f} to {0.1 + half:+.4f}"


def test_the_table_goes_from_linear_methods_to_corrected_networks():
    methods = [("CNN, forward", "10 epochs"), ("CNN, erm", "10 epochs"), ("CNN, erm", "2 epochs"), ("rMLR", "L-BFGS, L2"), ("MLR", "L-BFGS, L2")]  # fmt: skip
    found = {(Method(*one), "mnist05"): {"0": 0.5, "1": 0.7} for one in methods}
    rows = [row for row in tables.table_3(found) if row["n, T₀.₅"]]
    assert [(row["method"], row["trained"]) for row in rows] == [methods[k] for k in (4, 3, 2, 1, 0)]
    assert rows[0]["T₀.₅"] == "0.600 (0.1414)"


def test_a_number_of_the_studys_that_nothing_here_belongs_to_has_a_row_of_its_own():
    found = {(Method("MLR", trained), "mnist05"): {"0": 0.5} for trained in ("SGD, 250 steps", "SGD, 1000 steps")}
    rows = {(row["method"], row["trained"]): row for row in tables.table_3(found)}
    assert rows["MLR", "SGD, 1000 steps"]["T₀.₅"] == "0.500"
    assert rows["MLR", "SGD, 1000 steps"]["study, T₀.₅"] == "0.764 (0.0183)"
    assert rows["rMLR", "SGD, 250 steps"] == {
        "method": "rMLR", "trained": "SGD, 250 steps", "T₀.₅": "", "n, T₀.₅": "", "study, T₀.₅": "0.891 (0.0024)",
    }  # fmt: skip
    assert ("rMLR, T learned", "SGD, 250 steps") not in rows, "it is printed for CIFAR alone"
    assert len([row for row in rows.values() if row["study, T₀.₅"]]) == 9


def test_the_upper_bound_and_the_shares_stand_beside_the_studys(tmp_path):
    run = run_of(tmp_path / "a", [0.7], [0.7])
    shares = {f"data/{part}.{c}": 1 / 3 for part in ("test/clean", "train/observed") for c in range(3)}
    (run / "metrics.json").write_text(json.dumps({"test/accuracy": 0.7, "data/train/flip_rate": 0.6} | shares))
    (row,) = tables.upper_bound([configuration(0.7, {"0": run}, model="cnn", dataset="cifar10")])
    assert (row["here"], row["study"]) == ("0.700", "0.745 (0.0560)")
    (row,) = tables.shares([configuration(0.7, {"0": run}, model="mlr")])
    assert (row["P(y = 1)"], row["study, each share"], row["wrong labels"]) == ("0.3333", "0.33", "0.6000")


def test_the_spread_is_the_studys_way_of_writing_it():
    assert spread([0.8, 0.9, 1.0]) == "0.900 (0.1000)"
    assert spread([0.8]) == "0.800"
    assert spread([]) == ""


def test_tables_are_markdown_and_latex():
    rows = [{"method": "MLR", "T₀.₅": "0.9", "P(ỹ = 1)": "50 %"}]
    assert markdown(rows).splitlines() == [
        "| method | T₀.₅ | P(ỹ = 1) |",
        "| --- | --- | --- |",
        "| MLR | 0.9 | 50 % |",
    ]
    assert r"MLR & 0.9 & 50 \% \\" in latex(rows)
    assert latex(rows).isascii()


def test_a_written_sweep_asks_the_same_question_at_the_tuned_rates(tmp_path):
    import yaml

    chosen = [Tuned("mnist06", "erm", 0.1, (0.1,), 0.5, (0.9,))]
    write_sweep(tmp_path, "label_noise_cnn", "again", trainer={"epochs": 7}, sweeper={"space": space(chosen)})
    written = yaml.safe_load((tmp_path / "again.yaml").read_text())
    assert written["trainer"] == {"epochs": 7, "batch_size": 252, "select": "last"}
    assert written["hydra"]["sweeper"]["study"] == "again"
    assert written["hydra"]["sweeper"]["seeds"] == [0], "what is not changed stays"
    assert conditions("label_noise_cnn") == {"strategy=backward": {"strategy.floor": 0.0}}


def test_wrong_arguments_are_a_sentence(capsys):
    for wrong in ("level=huge", "data=here"):
        assert main([wrong], "", study.LEVELS, study.run) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "level=huge: give full, study, quick, smoke",
        "data: unknown; give level, data_root, runs_root or studies_root",
    ]


def test_without_pictures_nothing_begins(tmp_path, capsys):
    places = [f"{name}={tmp_path / name}" for name in ("data_root", "runs_root", "studies_root")]
    assert main(["level=quick", *places], "", study.LEVELS, study.run) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "FashionMNIST/raw/train-images-idx3-ubyte: no such file" in said
    assert not list(tmp_path.iterdir())


def tiny_cifar(root):
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, count in (("train", 30), ("test", 10)):
        for k, name in enumerate(("airplane", "automobile", "bird", "cat")):
            folder = root / "cifar10" / part / name
            folder.mkdir(parents=True)
            for n in range(count):
                pixels = rng.integers(0, 120, (32, 32, 3)) + 40 * (k % 3)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{n}.png")


@pytest.mark.parametrize(
    "level", ["smoke", *(pytest.param(name, marks=pytest.mark.slow) for name in ("quick", "full", "study"))]
)
def test_every_sweep_of_every_level_composes(level, tmp_path, command):
    """As typed, in the words of the level; nothing runs."""
    level = study.with_cifar(study.LEVELS[level])
    for name, changes in level.sweeps.items():
        places = [f"hydra.sweeper.studies_root={tmp_path}", f"runs_root={tmp_path}", "hydra.sweeper.plan=true"]
        base = name.removesuffix(study.CIFAR)
        common = [] if base != name else level.common
        done = command("src.run", "--config-dir", "sweeps", "-cn", base, *common, *changes, *places)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        assert "configurations ×" in done.stdout


@pytest.mark.slow
def test_the_page_from_one_command(command, tmp_path):
    tiny_cifar(tmp_path / "data_root")
    places = [f"{name}={tmp_path / name}" for name in ("data_root", "runs_root", "studies_root")]
    done = command("src.reproduce.label_noise", "level=smoke", *places, timeout=580)
    assert done.returncode == 0, done.stderr
    page = tmp_path / "studies_root/smoke/label_noise_page"
    for name in (
        "table1.csv",
        "table3.csv",
        "table3.tex",
        "rates.csv",
        "differences.csv",
        "figures/accuracy-linear.png",
        "figures/accuracy-lenet.png",
    ):
        assert (page / name).exists()
    text = (page / "label_noise.md").read_text()
    assert "| rMLR | L-BFGS, L2 |" in text
    assert "0.891 (0.0024)" in text, "the study's own number stands there too"
    assert text.count("rMLR by 250") == 1, "one note says how the study's rows are read"
    assert "study, CIFAR" in text
    assert "0.353 (0.0685)" in text


@pytest.mark.slow
def test_the_full_page_on_made_up_pictures(tmp_path, monkeypatch):
    """Everything that level=full runs, in little: no sweep, table or figure of it is met there for the first time."""
    make_idx(tmp_path / "data", "FashionMNIST", 600, 150)
    few = {
        study.LINEAR: ["optimizer=lbfgs"],
        study.LENET.sweep: [study.THREE, "optimizer.lr=0.001,0.003", "trainer.epochs=1"],
        study.CNN.sweep: ["optimizer.lr=0.0001", "trainer.epochs=1"],
        study.EPOCHS: ["trainer.epochs=2"],
    }
    level = study.LEVELS["full"]
    seeds = ["hydra.sweeper.seeds=[0,1]"]
    reduced = {name: few.get(name, []) + ([] if name == study.UPPER else seeds) for name in level.sweeps}
    level = replace(level, sweeps=reduced, seeds=[0, 1], epochs=2)
    places = Places(*(str(tmp_path / name) for name in ("data", "runs", "studies")))
    page = study.run(places, level)
    text = page.read_text()
    for row in ("MLR, confident learning, pruned", "rMLR, T as LeNet estimates it", "CNN, forward | 2 epochs"):
        assert row in text
    for table in ("table1", "table2", "table3", "differences", "rates", "estimates"):
        assert (page.parent / f"{table}.tex").exists()
    assert len(list((page.parent / "figures").glob("*.png"))) > 10
