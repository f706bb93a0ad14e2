"""The check before anything runs: every mistake at once, each with its key and a remedy."""

import pytest
import yaml

from src import config
from src.errors import UserError
from src.run import CONF, lenient

GROUPS = {"dataset", "model", "strategy", "imbalance_strategy", "noise_model", "augmentation", "optimizer", "schedule"}


def mistakes(compose, *overrides):
    with pytest.raises(UserError) as caught:
        config.check(compose(*overrides))
    return str(caught.value)


@pytest.fixture
def digits(compose):
    return lambda *overrides: compose("dataset=digits", "model=mlr", *overrides)


def test_the_groups_are_the_folders_of_conf():
    assert {path.name for path in CONF.iterdir() if path.is_dir()} >= GROUPS


@pytest.mark.parametrize(
    "path", sorted(p for g in GROUPS for p in (CONF / g).glob("*.yaml")), ids=lambda p: f"{p.parent.name}={p.stem}"
)
def test_every_option_of_every_group_passes_the_check(digits, path):
    needed = {
        **dict.fromkeys(("dann", "cdan"), ("dataset=nova", "optimizer=adam")),
        **dict.fromkeys(("adda", "freeze_domain_nodes"), ("dataset=nova", "optimizer=adam", "trainer.select=last")),
        **dict.fromkeys(("discriminator", "mmd", "coral"), ("dataset=nova",)),
        "size_balance": ("dataset=nugraph", "model=nugraph2"),
        **dict.fromkeys(
            (
                "onecycle",
                "cosine",
                "multistep",
                "bootstrap",
                "coteaching",
                "random_weights",
                "self_paced",
                "noise_adaptation",
                "t_revision",
                "progressive",
                "recall",
            ),
            ("optimizer=adam",),
        ),
        **dict.fromkeys(("reweight", "meta_weight_net", "clean_only"), ("optimizer=adam", "dataset.clean.per_class=2")),
        "ldam": ("model.head=cosine",),
    }
    pair = needed.get(path.stem, ())
    required = (
        {"transition": ["noise_model.matrix=[[.9,.1],[.1,.9]]"]}.get(path.stem, [])
        if path.parent.name == "noise_model"
        else []
    )
    experiment = config.check(digits(*pair, f"{path.parent.name}={path.stem}", *required))
    content = yaml.safe_load(path.read_text())
    target = content.get(path.parent.name, content).get("_target_")
    if target and target.startswith("src.") and path.parent.name != "optimizer":
        assert type(getattr(experiment, path.parent.name)).__name__ == target.rpartition(".")[2]


def test_all_mistakes_are_reported_at_once(compose):
    text = mistakes(
        compose, "dataset=nova", "strategy=dann", "strategy.hiden=3", "strategy.dropout=1.5", "trainer.epochs=many",
        "trainer.batchsize=3", "optimizer.lrate=1", "sed=3", "score=test/accuracy", "tracking.experiment=4",
    )  # fmt: skip
    lines = text.splitlines()
    assert any(
        "strategy.hiden" in line and "DANN has no option 'hiden'; did you mean 'hidden'?" in line for line in lines
    )
    assert any(line.startswith("strategy.dropout=1.5: should be less than 1") for line in lines)
    assert any(line.startswith("trainer.epochs=many: should be a") and "integer" in line for line in lines)
    assert any("trainer.batchsize" in line and "did you mean 'batch_size'" in line for line in lines)
    assert any("optimizer.lrate" in line and "Adam has no option" in line for line in lines)
    assert any(line.startswith("sed: ") and "did you mean 'seed'" in line for line in lines)
    assert any(line.startswith("tracking.experiment=4") for line in lines)


def test_the_score_must_be_a_validation_metric(digits):
    assert "sealed" in mistakes(digits, "score=test/accuracy")
    assert "sealed" in mistakes(digits, "score=val_clean/accuracy")


def test_one_domain_is_not_enough_for_adversarial_training(digits):
    text = mistakes(digits, "strategy=dann")
    assert text.startswith(
        "strategy=dann needs a dataset with two domains; dataset=digits has one. Datasets with two: "
    )
    assert "nova" in text


def test_a_noise_model_needs_training_labels_that_it_reaches(digits):
    clean = ["protocol=kfold", "protocol.pool=test"]
    assert mistakes(digits, *clean, "noise_model=uniform") == (
        "protocol=kfold protocol.pool=test learns from the clean test split, which noise_model=uniform does not reach; "
        "use protocol.pool=train, or noise_model=none"
    )
    assert config.check(digits(*clean)).protocol.clean
    assert not config.check(digits("protocol=kfold", "noise_model=uniform")).protocol.clean


@pytest.mark.parametrize(
    "target", ["os.system", "builtins.eval", "torch.load", "torch.optimx.SGD", "src_evil.X", 3, "subprocess.Popen"]
)
def test_only_the_projects_classes_and_optimizers_may_be_named(digits, target):
    assert f"strategy._target_={target}: only classes of this project" in mistakes(
        digits, f"strategy._target_={target}"
    )


@pytest.mark.parametrize(("target", "why"), [
    ("src.models.mlr.MLR", "not a Strategy"), ("src.strategies.erm.Erm2", "no such class"),
    ("src.nowhere.X", "no such class"), ("src.run.job", "not a class"),
])  # fmt: skip
def test_a_wrong_class_is_explained(digits, target, why):
    assert why in mistakes(digits, f"strategy._target_={target}")


def test_a_learning_rate_for_a_linear_model_needs_another_optimizer(digits):
    assert "optimizer.lr: LBFGS has no option 'lr'" in (text := mistakes(digits, "optimizer.lr=0.1"))
    assert text.endswith("add optimizer=adam (or sgd) for a learning rate")
    assert "optimizer=lbfgs is SciPy's" in mistakes(digits, "optimizer._target_=torch.optim.LBFGS")


@pytest.mark.parametrize("schedule", ["cosine", "onecycle"])
def test_an_optimizer_without_a_learning_rate_takes_no_schedule(digits, schedule):
    assert mistakes(digits, f"schedule={schedule}").endswith("optimizer=lbfgs takes no schedule: schedule=none")
    assert config.check(digits(f"schedule={schedule}", "optimizer=adam"))


IMBALANCE = [
    (["imbalance_strategy=ldam"], "imbalance_strategy=ldam has margins between cosines, and model=mlr ends in a linear layer; add model.head=cosine"),
    (["imbalance_strategy=combined", "imbalance_strategy.loss=ldam"], "imbalance_strategy=combined has margins between cosines"),
    (["imbalance_strategy=oversample", "strategy=cluster_then_label"], "weighs and draws no training examples, so that imbalance_strategy=oversample has no effect"),
    (["imbalance_strategy=focal", "strategy=gce"], "strategy=gce has a loss of its own, in which that of imbalance_strategy=focal has no place"),
    (["imbalance_strategy=logit_adjustment", "strategy=bootstrap", "optimizer=adam"], "strategy=bootstrap has a loss of its own"),
    (["imbalance_strategy=focal", "strategy=ensemble"], "strategy=ensemble has a loss of its own"),
    (["imbalance_strategy=progressive"], "imbalance_strategy=progressive changes as the training goes on, and optimizer=lbfgs stops"),
    (["imbalance_strategy=recall", "strategy=backward", "optimizer=adam"], "strategy=backward asks for the loss of every label"),
    (["imbalance_strategy=logit_adjustment", "imbalance_strategy.mode=post_hoc", "strategy=forward"], "those of strategy=forward are of something else"),
    (["imbalance_strategy=smote", "strategy=dann", "dataset=nova", "optimizer=adam"], "strategy=dann tells domains apart"),
    (["imbalance_strategy=smote", "strategy=confident_learning"], "strategy=confident_learning holds examples out"),
    (["imbalance_strategy=smote", "strategy=forward", "strategy.transition=estimated"], "strategy=forward holds examples out"),
    (["imbalance_strategy=smote", "imbalance_strategy.space=embedding", "strategy=coteaching", "optimizer=adam"], "strategy=coteaching is more than the model and its loss"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "why"), IMBALANCE, ids=lambda x: x[0] if isinstance(x, list) else "")
def test_an_imbalance_strategy_that_a_method_cannot_use_is_refused_in_a_sentence(digits, given, why):
    text = mistakes(digits, *given)
    assert why in text
    assert len(text.splitlines()) == 1
    assert text.count(";") == 1  # and then what to do


@pytest.mark.parametrize("given", [
    ["imbalance_strategy=ldam", "model.head=cosine"], ["imbalance_strategy=effective_number", "strategy=gce"],
    ["imbalance_strategy=focal", "strategy=backward"], ["imbalance_strategy=smote", "strategy=forward"],
    ["imbalance_strategy=logit_adjustment", "strategy=forward"],
    ["imbalance_strategy=smote", "imbalance_strategy.space=embedding", "strategy=confident_learning"],
    ["imbalance_strategy=logit_adjustment", "imbalance_strategy.mode=post_hoc", "strategy=gce"],
])  # fmt: skip
def test_what_composes_is_not_refused(digits, given):
    assert config.check(digits(*given))


def test_a_double_correction_is_refused_unless_asked_for(digits):
    both = ["imbalance_strategy=combined", "imbalance_strategy.loss=class_weights"]
    assert mistakes(digits, *both) == (
        "imbalance_strategy: sampler=oversample and loss=class_weights both change the class mix that the loss sees, a "
        "double correction; use one of them, or say double_correction=true"
    )
    assert config.check(digits(*both, "imbalance_strategy.double_correction=true"))


def test_line_searches_need_full_precision(digits):
    assert mistakes(digits, "trainer.precision=bf16") == (
        "optimizer=lbfgs searches along lines, which needs trainer.precision=fp32, not bf16"
    )
    assert config.check(digits("trainer.precision=bf16", "optimizer=adam"))


@pytest.mark.parametrize("strategy", ["noise_adaptation", "t_revision"])
def test_a_learning_rate_of_a_strategys_own_needs_an_optimizer_that_has_one(digits, strategy):
    text = mistakes(digits, f"strategy={strategy}")
    assert text.startswith(f"strategy={strategy} has parameters with a learning rate of their own, strategy.lr_factor")
    assert text.endswith("optimizer=lbfgs has none; add optimizer=adam or optimizer=sgd")
    assert config.check(digits(f"strategy={strategy}", "optimizer=adam"))


def test_bad_values_of_torchs_optimizers_are_found_before_the_run(digits):
    assert "optimizer: Adam does not take" in mistakes(digits, "optimizer=adam", "optimizer.lr=-1")
    assert "optimizer: Adam does not take" in mistakes(digits, "optimizer=adam", "optimizer.lr=fast")


def test_a_plain_value_for_a_group_names_its_options():
    assert lenient("strategy=dann") == "strategy=dann"
    assert lenient("strategy.scale=1") == "++strategy.scale=1"
    assert lenient("hydra.verbose=true") == "hydra.verbose=true"
    assert lenient("~trainer") == "~trainer"
    assert lenient("--help") == "--help"


def test_an_unknown_device_is_refused(digits):
    assert "trainer: device=cuda:97" in mistakes(digits, "trainer.device='cuda:97'")
    assert "not a device" in mistakes(digits, "trainer.device=gpu")


def test_an_unresolvable_interpolation_names_its_key(digits):
    assert "score" in mistakes(digits, "score=${nowhere}")


def test_data_root_comes_from_the_environment(monkeypatch):
    import hydra

    monkeypatch.setenv("KILTER_DATA_ROOT", "/elsewhere")
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        assert hydra.compose("config").data_root == "/elsewhere"
