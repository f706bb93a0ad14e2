"""Metrics by domain, and the names under which they are logged."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from src.evaluation.groups import evaluate
from src.evaluation.metrics import metric_names, metrics

NAMES = ("νe CC", "T-shirt/top", "a.b")
DOMAINS = ("GENIE 3", "GiBUU")


def test_names_and_values(make):
    s = make(400, domains=2)
    found = evaluate("test", s, NAMES, DOMAINS, natural_prior=(0.6, 0.1, 0.3))
    assert all(re.fullmatch(r"[A-Za-z0-9_\-./: ]+", name) for name in found), "MLflow allows no other characters"
    assert "test.GENIE_3/natural.precision.T-shirt_top" in found
    assert "test/purity_x_efficiency.a_b" in found
    overall = metrics(s.probabilities, s.labels, s.weight, NAMES)
    assert {f"test/{name}": value for name, value in overall.items()}.items() <= found.items()
    here = s.select(s.domain == 1)
    there = metrics(here.probabilities, here.labels, here.weight, NAMES)
    assert {f"test.GiBUU/{name}": value for name, value in there.items()}.items() <= found.items()
    each = [found[f"test.{domain}/balanced_accuracy"] for domain in ("GENIE_3", "GiBUU")]
    assert found["test.worst_domain/balanced_accuracy"] == min(each)


def test_one_domain_has_no_breakdown(make):
    s = make(100)
    assert not any("." in name.split("/")[0] for name in evaluate("val", s, NAMES, ("all",)))
    s = replace(s, domain=np.ones(100, dtype=np.int64))
    assert not any("." in name.split("/")[0] for name in evaluate("val", s, NAMES, DOMAINS))


def test_truth(make):
    s = make(400)
    observed, clean = evaluate("val", s, NAMES, ("all",)), evaluate("val", s, NAMES, ("all",), truth="clean")
    assert clean["val/accuracy"] > observed["val/accuracy"]
    swapped = replace(s, labels=s.clean)
    assert evaluate("val", swapped, NAMES, ("all",)) == clean


def test_hidden_and_weightless_events_do_not_count(make):
    s = make(300, domains=2)
    labels, weight = s.labels.copy(), s.weight.copy()
    labels[:50] = -1
    weight[50:90] = 0
    found = evaluate("val", replace(s, labels=labels, weight=weight), NAMES, DOMAINS)
    expected = evaluate("val", s.select(np.arange(300) >= 90), NAMES, DOMAINS)
    assert found == expected
    only_source = np.where(s.domain == 1, -1, s.labels)
    assert "val.GiBUU/accuracy" not in evaluate("val", replace(s, labels=only_source), NAMES, DOMAINS)
    with pytest.raises(ValueError, match="no events"):
        evaluate("val", replace(s, labels=np.full(300, -1)), NAMES, DOMAINS)


def test_a_domain_without_some_class(make):
    s = make(300, domains=2)
    s = s.select((s.domain == 0) | (s.clean != 2))
    found = evaluate("test", s, NAMES, DOMAINS, natural_prior=(0.5, 0.2, 0.3), truth="clean")
    assert math.isnan(found["test.GiBUU/recall.a_b"])
    assert math.isnan(found["test.GiBUU/natural.accuracy"])
    assert not math.isnan(found["test/natural.accuracy"])
    assert not math.isnan(found["test.worst_domain/balanced_accuracy"])


def test_predictor_of_domains_has_no_breakdown(make):
    s = make(200, num_classes=2, domains=2)
    s = replace(s, labels=s.domain, clean=s.domain)
    found = evaluate("test", s, DOMAINS, DOMAINS)
    assert not any(name.startswith("test.") for name in found)
    assert found["test/accuracy"] > 0


def test_the_gap_of_two_domains_is_the_difference_of_their_areas(make):
    s = make(400, domains=2)
    found = evaluate("test", s, NAMES, DOMAINS)
    safe = metric_names(NAMES)
    each = [found[f"test.GENIE_3/roc_auc.{c}"] - found[f"test.GiBUU/roc_auc.{c}"] for c in safe]
    assert [found[f"test.gap/roc_auc.{c}"] for c in safe] == pytest.approx(each, abs=1e-12)
    assert found["test.gap/roc_auc"] == pytest.approx(np.mean(np.abs(each)), abs=1e-12)
    assert found["test.gap/roc_auc"] > 0
    three = replace(s, domain=np.arange(400) % 3)
    assert not any(".gap/" in name for name in evaluate("test", three, NAMES, (*DOMAINS, "data")))
    assert not any(".gap/" in name for name in evaluate("test", s.select(s.domain == 1), NAMES, DOMAINS))
