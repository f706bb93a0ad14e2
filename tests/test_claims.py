"""What the README promises, by the very commands it prints; slow."""

import json

import numpy as np
import pytest

from tests.test_training import only_run

pytestmark = pytest.mark.slow


def metrics_of(command, root, *arguments):
    done = command("src.run", *arguments, f"runs_root={root / 'runs'}", f"cache_root={root / 'cache'}", timeout=1500)
    assert done.returncode == 0, done.stderr
    assert "run folder:" in done.stdout
    return json.loads((only_run(root / "runs") / "metrics.json").read_text())


def test_the_main_command_trains_domain_adversarially_on_nova_files(command, tmp_path):
    found = metrics_of(command, tmp_path, "dataset=nova", "model=mobilenet", "strategy=dann")
    assert found["test/roc_auc"] > 0.55
    assert {"test.genie/accuracy", "test.gibuu/accuracy", "test/natural.accuracy"} <= set(found)
    assert len(list((only_run(tmp_path / "runs") / "figures").glob("*.png"))) >= 6


def test_fashion_mnist_with_lenet_reaches_088(command, tmp_path, real_data):
    found = metrics_of(command, tmp_path, "dataset=fashion_mnist", "model=lenet", f"data_root={real_data}")
    assert found["test/accuracy"] >= 0.88


def test_dune_events_train_a_mobilenet_of_three_views(command, tmp_path, real_data):
    found = metrics_of(command, tmp_path, "dataset=dune_cvn", "model=mobilenet", f"data_root={real_data}")
    assert found["data/test/size"] == 152
    assert 0 <= found["test/balanced_accuracy"] <= 1


@pytest.mark.parametrize("shift", [0, 1])
def test_the_discriminator_sees_the_shift_and_nothing_without_it(command, tmp_path, shift):
    arguments = ["dataset=nova", f"dataset.shift={shift}", "strategy=discriminator", "tracking.enabled=false"]
    accuracy = metrics_of(command, tmp_path, *arguments)["test/balanced_accuracy"]
    error = np.sqrt(0.25 / 3200)
    if shift:
        assert accuracy > 0.5 + 8 * error
    else:
        assert abs(accuracy - 0.5) < 4 * error


NOVA = ["dataset=nova", "dataset.scale=log", "model=cnn6", "model.width=0.25", "optimizer.lr=0.003", "trainer.batch_size=32",
        "trainer.select=last", "tracking.enabled=false", "figures=false"]  # fmt: skip


def test_without_shift_classes_are_told_alike_in_both_generators(command, tmp_path):
    arguments = [
        "dataset.shift=0",
        "dataset.events=3000",
        "dataset.class_mix=[1,1,1]",
        "dataset.target_labels=true",
        "trainer.epochs=4",
    ]
    found = metrics_of(command, tmp_path, *NOVA, *arguments)
    assert found["test/balanced_accuracy"] > 0.5
    assert found["test.gap/roc_auc"] < 0.065, (
        "a difference of two areas, each of 200 against 400 events, has a standard error of 0.03"
    )
    assert found["test.gap/a_distance.low"] < 0.1


@pytest.mark.parametrize(("balance", "finds"), [("none", False), ("oversample", True)])
def test_the_natural_mix_makes_plain_training_ignore_nue_and_balancing_repairs_it(command, tmp_path, balance, finds):
    arguments = ["dataset.events=6000", "trainer.epochs=4", f"imbalance_strategy={balance}"]
    recall = metrics_of(command, tmp_path, *NOVA, *arguments)["test.genie/recall.nue"]
    assert recall > 0.3 if finds else recall < 0.1


def test_a_compiled_model_learns_the_same(train, tmp_path):
    plain = train("dataset=digits", "model=lenet", "trainer.epochs=2")
    compiled = train("dataset=digits", "model=lenet", "trainer.epochs=2", "trainer.compile=true")
    assert compiled == pytest.approx(plain, abs=0.02)
