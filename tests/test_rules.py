"""Rules between components: refused in one sentence that says what to do, and not refused once it is done."""

import pytest

from src import config
from src.rules import Choice, broken
from src.strategies.erm import ERM


@pytest.fixture
def parts(compose):
    def of(*overrides):
        cfg = compose("dataset=arrays", "model=lenet", "strategy=adda", "trainer.select=last", *overrides)
        return config.Checker().parts(config.plain(cfg))

    return of


@pytest.mark.parametrize("strategy", ["adda", "freeze_domain_nodes"])
def test_a_strategy_that_adapts_late_is_not_judged_by_the_source_before(parts, strategy):
    assert parts(f"strategy={strategy}")[1] == []
    for select in ("best", "clean"):
        (sentence,) = parts(f"strategy={strategy}", f"trainer.select={select}", "dataset.clean.per_class=2")[1]
        assert sentence.startswith(
            f"strategy={strategy} turns to the target late in the training, and the best epoch on"
        )
        assert sentence.endswith("; use trainer.select=last")
    for stop in (["trainer.patience=3"], ["trainer.stop=ewma", "trainer.monitor=val/loss"]):
        (sentence,) = parts(f"strategy={strategy}", *stop)[1]
        assert sentence.endswith("; use trainer.stop=patience with trainer.patience=null")


def test_plain_is_what_the_model_alone_scores():
    class Own(ERM):
        def logits(self, model, x):
            return -model(x)

    class Changed(ERM):
        def scores(self, model, x):
            return super().scores(model, x) ** 2

    assert [Choice({"strategy": strategy}).plain for strategy in (ERM(), Own(), Changed())] == [True, False, False]


def test_weights_are_given_only_to_losses_that_take_them(parts):
    for strategy, takes in (("erm", True), ("dann", True), ("gce", False), ("cuts", False)):
        found, problems = parts(f"strategy={strategy}")
        assert problems == []
        found["dataset"].weighting = "loss"
        sentences = [*broken(found)]
        assert (sentences == []) == takes
        if not takes:
            (sentence,) = sentences
            assert sentence.startswith("dataset=arrays dataset.weighting=loss weighs events in the loss, which "
                                       f"strategy={strategy} does not take; use strategy=adda, cdan, ")  # fmt: skip
            assert "erm" in sentence
            assert f", {strategy}" not in sentence


def test_graphs_are_not_augmented_nor_compiled_and_only_their_sizes_are_balanced(parts):
    graphs = ("dataset=nugraph", "model=nugraph2", "strategy=erm")
    assert parts(*graphs, "imbalance_strategy=size_balance")[1] == []
    for given, sentence in (
        (("augmentation=flip",), "augmentation=flip changes pictures, and dataset=nugraph has graphs; use augmentation=none"),
        (("trainer.compile=true",), "trainer.compile=true is for examples of one size, and the graphs of dataset=nugraph differ; leave it out"),
    ):  # fmt: skip
        assert parts(*graphs, *given)[1] == [sentence]
    for balance in (("size_balance",), ("combined", "imbalance_strategy.sampler=size_balance")):
        choice = (f"imbalance_strategy={balance[0]}", *balance[1:])
        (sentence,) = parts("strategy=erm", *choice)[1]
        assert sentence.startswith(
            f"imbalance_strategy={balance[0]} balances the sizes of graphs, and examples of dataset=arrays"
        )


def test_weights_are_averaged_only_where_batches_change_them(parts):
    average = ("trainer.select=average", "trainer.average=2")
    assert parts("strategy=erm", *average)[1] == []
    for given in (("strategy=ensemble",), ("strategy=erm", "model=mlr", "optimizer=lbfgs", "schedule=none")):
        (sentence,) = parts(*given, *average)[1]
        assert sentence.startswith(
            "trainer.select=average is the mean of weights that steps on batches have left, and strategy="
        )


def test_a_model_without_a_class_is_judged_by_what_it_says(parts):
    only = ("dataset=nugraph", "model=nugraph2", "strategy=erm", "model.heads=[semantic,filter]")
    (sentence,) = parts(*only)[1]
    assert sentence.startswith(
        "model=nugraph2 has no head that says anything of the class; set trainer.monitor and score"
    )
    assert len(parts(*only, "score=val/semantic/macro_f1")[1]) == 1
    assert parts(*only, "score=val/semantic/macro_f1", "trainer.monitor=val/filter/roc_auc")[1] == []


def test_a_loss_without_end_has_no_learned_temperature(parts):
    graphs = ("dataset=nugraph", "model=nugraph2", "strategy=backward", "noise_model=uniform", "noise_model.rate=0.2")
    (sentence,) = parts(*graphs)[1]
    assert sentence.startswith(
        "the loss of strategy=backward may fall below 0, and the temperature that model=nugraph2 learns"
    )
    for remedy in ("strategy.floor=0.0", "model.temperatures=false"):
        assert parts(*graphs, remedy)[1] == []


def test_a_bound_on_gradients_is_not_for_a_search_along_lines(parts):
    linear = ("model=mlr", "strategy=erm", "optimizer=lbfgs", "schedule=none")
    assert parts(*linear)[1] == []
    (sentence,) = parts(*linear, "trainer.clip_norm=1.0")[1]
    assert sentence.startswith("optimizer=lbfgs searches along its own directions, for which trainer.clip_norm has no")


@pytest.mark.parametrize("strategy", ["reweight", "meta_weight_net", "hard_mining", "self_paced", "coteaching"])
def test_a_mix_that_nobody_knows_is_not_taken_out_of_the_scores(parts, strategy):
    chosen = (f"strategy={strategy}", "dataset.clean.per_class=2")
    post_hoc = ("imbalance_strategy=logit_adjustment", "imbalance_strategy.mode=post_hoc")
    combined = ("imbalance_strategy=combined", "imbalance_strategy.double_correction=true",
                "imbalance_strategy.loss=logit_adjustment", "imbalance_strategy.loss_options={mode: post_hoc}")  # fmt: skip
    for overrides in (post_hoc, combined):
        (sentence,) = parts(*chosen, *overrides)[1]
        assert f"and strategy={strategy} chooses itself what counts, so that its scores are of another mix" in sentence
    assert parts(*chosen, "imbalance_strategy=logit_adjustment")[1] == []
    assert parts("strategy=erm", *post_hoc)[1] == []
