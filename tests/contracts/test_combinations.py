"""Every strategy meets every imbalance strategy under every noise model: the three train together, or a rule says why not."""

import itertools
import os
import re
import warnings
from collections import Counter

import numpy as np
import pytest
from omegaconf import OmegaConf

from src import config, experiment
from src.errors import UserError
from tests.contracts import yamls

STRATEGIES, BALANCES, NOISES = (yamls.names(group) for group in ("strategy", "imbalance_strategy", "noise_model"))
TRIPLES = [*itertools.product(STRATEGIES, BALANCES, NOISES)]
CORE = {
    *itertools.product(
        ("erm", "forward", "bootstrap", "gce", "reweight"),
        ("none", "class_weights", "oversample", "undersample"),
        NOISES,
    )
}
NEEDED = {
    "transition": {"matrix": [[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.1, 0.2, 0.7]]},
    "background": {"to": 1},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three separable classes, unequally frequent, in one domain or two; and observed labels for them."""
    root = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1, 2], [280, 210, 180]))
    X = (rng.normal(size=(len(y), 5)) + 3 * np.eye(5)[y]).astype(np.float32)
    np.savez(root / "one.npz", X=X, y=y)
    np.savez(root / "two.npz", X=X, y=y, domain=np.arange(len(y)) % 2)
    np.save(root / "observed.npy", np.where(rng.random(len(y)) < 0.2, (y + 1) % 3, y))
    return root


@pytest.fixture
def configured(compose, files):
    """The plain configuration of a triple; options without a default get one, as does what a triple cannot do without."""
    base = config.plain(
        compose(
            "dataset=arrays", "dataset.path=one.npz", f"data_root={files}", "dataset.clean.per_class=3", "model=mlr",
            "optimizer=adam", "schedule=none", "trainer.epochs=1", "trainer.batch_size=40", "figures=false", "force=true",
        )
    )  # fmt: skip

    def of(strategy, balance, noise):
        sections = {
            "strategy": yamls.load("strategy", strategy),
            "imbalance_strategy": yamls.load("imbalance_strategy", balance),
            "noise_model": yamls.load("noise_model", noise) | NEEDED.get(noise, {}),
        }
        if noise == "from_file":
            sections["noise_model"]["path"] = str(files / "observed.npy")
        if not yamls.target("noise_model", noise).class_conditional:
            known = {"transition": "estimated", "forget": 0.2}
            sections["strategy"] |= {key: value for key, value in known.items() if key in sections["strategy"]}
        if "n_estimators" in sections["strategy"]:
            sections["strategy"]["n_estimators"] = 3
        sections["model"] = base["model"] | ({"head": "cosine"} if balance == "ldam" else {})
        if yamls.target("strategy", strategy).uses_target:
            sections["dataset"] = base["dataset"] | {"path": "two.npz"}
        if yamls.target("strategy", strategy).adapts_late:
            sections["trainer"] = base["trainer"] | {"select": "last"}
        return base | sections

    return of


VARIANTS = {
    "imbalance_strategy": [
        {"class_weights": {"normalise": "batch_weight_sum"}}, {"logit_adjustment": {"mode": "post_hoc"}},
        {"ldam": {"drw_start": 0.5}}, {"oversample": {"batches": "exact"}}, {"smote": {"space": "embedding"}},
    ],
    "strategy": [
        {"ensemble": {"kind": "rusboost"}}, {"ensemble": {"kind": "balanced_bagging"}}, {"bootstrap": {"kind": "hard"}},
        {"backward": {"floor": 0.0}}, {"flipped": {"decode": "bayes"}}, {"rmlr": {"transition": "learned"}},
    ],
}  # fmt: skip
"""What components do besides their defaults."""


def outcome(parts):
    """'trains', or the sentence that refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            score = experiment.run(config.check(OmegaConf.create(parts)))
        except UserError as error:
            return str(error)
    assert np.isfinite(score)
    return "trains"


def covering(triples):
    """Few triples in which every pair of two groups' options occurs, as long as any triple has it: greedily."""
    left = {pair for triple in triples for pair in itertools.combinations(enumerate(triple), 2)}
    chosen = []
    while left:
        best = max(triples, key=lambda triple: len(left & {*itertools.combinations(enumerate(triple), 2)}))
        chosen.append(best)
        left -= {*itertools.combinations(enumerate(best), 2)}
    return chosen


def places(triple):
    """Of its options in their groups."""
    return [names.index(name) for names, name in zip((STRATEGIES, BALANCES, NOISES), triple, strict=True)]


def refusals(configured, triples):
    """Triple → '' or the rules' sentences, without training."""
    checker = config.Checker()
    return {triple: "\n".join(checker.parts(configured(*triple))[1]) for triple in triples}


def test_every_triple_is_answered_by_the_rules_before_anything_runs(configured, record_property):
    answers = refusals(configured, TRIPLES)
    record_property("count", f"{len(TRIPLES)} triples, {sum(map(bool, answers.values()))} of them refused by a rule")
    assert not [triple for triple in CORE if answers[triple]]
    assert all(answer.count("\n") == 0 for answer in answers.values()), "one reason is enough"


def test_a_covering_set_trains(configured, record_property):
    answers = refusals(configured, TRIPLES)
    chosen = covering([triple for triple in TRIPLES if not answers[triple]])
    for triple in chosen:
        assert outcome(configured(*triple)) == "trains", triple
    record_property("count", f"{len(chosen)} triples train, in which every pair that occurs at all does")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "variant"), [(group, variant) for group, variants in VARIANTS.items() for variant in variants], ids=str
)
def test_every_variant_meets_every_option_of_the_other_group(group, variant, configured):
    ((name, options),) = variant.items()
    pairs = [(s, name) for s in STRATEGIES] if group == "imbalance_strategy" else [(name, b) for b in BALANCES]
    checker, trained = config.Checker(), 0
    for strategy, balance in pairs:
        parts = configured(strategy, balance, "uniform")
        parts[group] = parts[group] | options
        if not checker.parts(parts)[1]:
            assert outcome(parts) == "trains", (strategy, balance)
            trained += 1
    assert trained


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_triple_trains_or_is_refused_by_a_rule(strategy, configured, record_property):
    """All of them; with KILTER_EVERY=8 the core, and an eighth of the others, in which every pair of options occurs."""
    every = int(os.environ.get("KILTER_EVERY", "1"))
    triples = [t for t in TRIPLES if t[0] == strategy and (t in CORE or sum(places(t)) % every == 0)]
    answers = refusals(configured, triples)
    found = {triple: outcome(configured(*triple)) for triple in triples if not answers[triple]}
    reasons = Counter(
        re.sub(r"(strategy|imbalance_strategy|noise_model)=\w+", r"\1=…", a) for a in answers.values() if a
    )
    trained, core = (sum(found[t] == "trains" for t in some) for some in (found, CORE & found.keys()))
    told = f"{strategy}: of {len(triples)} triples {trained} train ({core} of the core's), {len(triples) - len(found)} are refused by a rule"
    record_property("count", "\n".join([told, *(f"{n:5d} × {reason}" for reason, n in reasons.most_common())]))
    assert {triple: answer for triple, answer in found.items() if answer != "trains"} == {}
