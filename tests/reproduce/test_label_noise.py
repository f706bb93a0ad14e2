"""The label-noise study's page: its pieces here, the whole command as a slow test on digits."""

import numpy as np
import pytest

from src.reproduce import label_noise as study


def test_the_studys_flipped_networks_are_the_corrected_ones():
    assert study.studys("MLR (L-BFGS)", "mnist05") == "0.764 (0.0183)"
    assert study.studys("MLR, flipped (SGD, 250 steps)", "mnist06") == "0.604 (0.048)"
    assert study.studys("MLR, flipped by Bayes (L-BFGS)", "mnist06") == ""
    assert study.studys("CNN, erm, 7 epochs", "mnist05") == "0.931 (0.0049)"
    assert study.studys("CNN, forward, 30 epochs", "mnist06") == "0.808 (0.0153)"
    assert study.studys("CNN, gce, 30 epochs", "mnist06") == study.studys("LeNet, erm, 7 epochs", "mnist05") == ""


def test_a_rate_at_the_edge_is_said_to_be():
    one = study.Tuned("mnist06", "erm", 0.1, (0.01, 0.1), 0.5)
    assert one.at_the_edge
    assert not study.Tuned("mnist06", "erm", 0.03, (0.01, 0.03, 0.1), 0.5).at_the_edge


def test_differences_are_paired_by_repeat_and_by_epoch():
    found = {
        ("CNN, erm, 7 epochs", "mnist06"): {"0": 0.7, "1": 0.8, "2": 0.6},
        ("CNN, forward, 7 epochs", "mnist06"): {"0": 0.8, "1": 0.9, "2": 0.7, "3": 0.1},
        ("CNN, forward, 10 epochs", "mnist06"): {"0": 0.9},
    }
    (row,) = study.differences(found, "CNN")
    assert (row["method"], row["difference"], row["n"], row["epochs"]) == ("forward", "+0.1000", "3", "7")


def test_the_spread_is_the_studys_way_of_writing_it():
    assert study.spread([0.8, 0.9, 1.0]) == "0.900 (0.1000)"
    assert study.spread([0.8]) == "0.800"
    assert np.isfinite(0.8)


def test_tables_are_markdown_and_latex():
    rows = [{"method": "MLR", "T₀.₅": "0.9", "P(ỹ = 1)": "50 %"}]
    assert study.markdown(rows).splitlines() == [
        "| method | T₀.₅ | P(ỹ = 1) |",
        "|---|---|---|",
        "| MLR | 0.9 | 50 % |",
    ]
    assert r"MLR & 0.9 & 50 \%" in study.latex(rows)
    assert study.latex(rows).isascii()


@pytest.mark.slow
def test_the_page_from_one_command(command, tmp_path):
    places = [f"{name}={tmp_path / name}" for name in ("data_root", "runs_root", "studies_root")]
    done = command("src.reproduce.label_noise", "level=smoke", *places, timeout=580)
    assert done.returncode == 0, done.stderr
    page = tmp_path / "studies_root/label_noise_page"
    for name in ("table1.csv", "table3.csv", "table3.tex", "rates.csv", "differences.csv", "figures/accuracy.png"):
        assert (page / name).exists()
    text = (page / "label_noise.md").read_text()
    assert "rMLR (L-BFGS)" in text
    assert "0.891 (0.0024)" in text, "the study's own number stands beside ours"
