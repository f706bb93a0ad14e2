"""By what a study may choose."""

import pytest

from src.errors import UserError
from src.reproduce.sweeps import SWEEPS, question
from src.studies.options import Options, epochwise, judged_by


def options(objectives, constraints=(), oracle=False):
    parts = {"sampler": {}, "pruner": {}, "budget": {}}
    return Options(space={}, objectives=objectives, constraints=list(constraints), oracle=oracle, **parts)


def test_a_gap_between_domains_is_minimised():
    assert judged_by(options({}), "val.gap/roc_auc") == {"val.gap/roc_auc": "minimize"}
    two = {"val/balanced_accuracy": "maximize", "val.gap/roc_auc": "minimize"}
    assert judged_by(options(two, ["val.gap/roc_auc.nue <= 0.02"]), "val/loss") == two
    assert not epochwise("val.gap/roc_auc")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("test.gap/roc_auc", "sealed"),
        ("val_clean.gap/roc_auc.nue", "sealed"),
        ("val.gibuu/accuracy", "sealed"),
        ("val.gap/accuracy", "runs do not report it"),
        ("val.gap/roc_acu", "did you mean 'val.gap/roc_auc'"),
    ],
)
def test_what_no_choice_may_read_and_what_is_not_there(name, sentence):
    with pytest.raises(UserError, match=sentence):
        judged_by(options({name: "minimize"}), "val/loss")


def test_an_oracle_may_read_the_sealed_gap():
    assert judged_by(options({"test.gap/roc_auc": "minimize"}, oracle=True), "val/loss")


def test_what_methods_that_know_t_are_compared_by_is_of_validation_alone():
    assert judged_by(options({}), "val/observed_loss") == {"val/observed_loss": "minimize"}
    with pytest.raises(UserError, match="objective test/observed_loss: runs do not report it"):
        judged_by(options({}), "test/observed_loss")


@pytest.mark.parametrize("sweep", sorted(path.stem for path in SWEEPS.glob("*.yaml")))
def test_every_sweep_chooses_by_what_runs_report(sweep):
    asked = question(sweep)
    sweeper = asked["hydra"]["sweeper"]
    given = options(sweeper.get("objectives", {}), oracle=sweeper.get("oracle", False))
    assert judged_by(given, asked.get("score", "val/balanced_accuracy"))
