"""The NOvA study's Figures 7 and 9 to 42, from its runs; there is no 27."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from src.datasets.nova import NATURAL_PRIOR
from src.datasets.nova_index import CLASSES
from src.evaluation import domain_figures, event_display, figures, node_figures
from src.evaluation.nodes import most_telling
from src.evaluation.plots import read_history
from src.evaluation.predictions import Predictions
from src.reproduce.nova_findings import (
    MIDDLE,
    NUE,
    NUMU,
    STRONG,
    SURE,
    Findings,
    events_of,
    first,
    of_domain,
    said,
    strongly_like_the_target,
)
from src.reproduce.sweeps import Configuration
from src.showcase import saliency_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GENERATORS = ("genie", "gibuu")
VIEWS = ("x-z", "y-z")
MONITOR = "val/balanced_accuracy"
EACH = 1
"""Events of a class in the display."""

Drawn = Iterator[tuple[str, "Figure"]]


def drawn(found: Findings) -> Drawn:
    """(file's name, figure) of everything there is to show; of several seeds the first."""
    yield from _display(found)
    yield from _natural(first(said(found.networks["natural mix"])), found.networks["natural mix"])
    yield from _balanced(found)
    yield from _both(found)
    yield from _nodes(found)
    yield from _discriminator(found)
    yield from _scales(found)
    yield "scan", scan(found)
    if looked := saliency_of(first(found.networks["both"].runs)):
        yield "saliency", looked


def _display(found: Findings) -> Drawn:
    maps, labels = events_of(found.both.prepared.splits.test, 0, EACH)
    yield "figure7_events", event_display.events(maps, [f"GENIE, {CLASSES[c]}" for c in labels], VIEWS)


def _natural(test: Predictions, network: Configuration) -> Drawn:
    yield "figure9_history_natural_mix", _history(network)
    genie = of_domain(test, 0)
    for number, c in ((10, NUMU), (11, NUE)):
        yield f"figure{number}_{CLASSES[c]}_natural_mix", domain_figures.cropped_outputs(
            genie.probabilities[:, c], genie.clean, genie.weight, CLASSES[c], CLASSES
        )  # fmt: skip


def _balanced(found: Findings) -> Drawn:
    test = first(said(found.networks["genie"]))
    yield "figure12_history_balanced_genie", _history(found.networks["genie"])
    for numbers, domain in ((("13-14", "15-16"), 0), (("17-18", "19-20"), 1)):
        name, here = GENERATORS[domain], of_domain(test, domain)
        yield f"figure{numbers[0]}_outputs_trained_on_genie_judged_on_{name}", _outputs(here)
        yield f"figure{numbers[1]}_cuts_trained_on_genie_judged_on_{name}", _cuts(here)


def _both(found: Findings) -> Drawn:
    test = first(said(found.networks["both"]))
    yield "figure21_history_both", _history(found.networks["both"])
    yield "figure22-23_outputs_both", _outputs(test)
    yield "figure24-25_cuts_both", _cuts(test)
    yield "figure26_roc_both", figures.roc(
        test.probabilities, test.clean, test.weight, test.domain, CLASSES, GENERATORS
    )  # fmt: skip


def _nodes(found: Findings) -> Drawn:
    """Figures 28 to 33: the nodes that tell most of νe, νμ, NC, νμ of GiBUU, νe of GENIE."""
    known, activations, test = found.nodes
    best, groups = most_telling(known.classes), most_telling(known.groups)
    wanted = {
        "νe": best[NUE],
        "νμ": best[NUMU],
        "NC": best[0],
        "GiBUU's νμ": groups[NUMU, 1],
        "GENIE's νe": groups[NUE, 0],
    }
    shown = {what: int(node) for what, node in wanted.items() if node >= 0}
    if shown:
        titles = [f"Node {node}, the best for {what}" for what, node in shown.items()]
        yield "figure28-32_nodes", node_figures.node_histogram(
            activations[:, list(shown.values())], titles, test.clean, test.domain, test.weight, CLASSES, GENERATORS
        )  # fmt: skip
    yield "figure33_nodes_numu_and_gibuu", node_figures.scatter(known.classes[NUMU], known.domains[1], ("νμ", "GiBUU"))


def _discriminator(found: Findings) -> Drawn:
    one, events, labels = found.discriminated[0], found.discriminated_events[0], found.true_classes[0]
    yield "figure34_history_discriminator", _history(found.networks["discriminator"])
    yield (
        "figure35_discriminator_outputs",
        domain_figures.domain_scores(one.probabilities[:, 0], one.domain, one.weight, GENERATORS),
    )
    gibuu, strong, sure = one.domain == 1, strongly_like_the_target(one), strongly_like_the_target(one, SURE)
    yield "figure36_classes_of_strongly_gibuu-like_events", domain_figures.class_mix(
        labels[gibuu], sure[gibuu], one.weight[gibuu], CLASSES, "GiBUU", f"P(GENIE) < {SURE}"
    )  # fmt: skip
    bands = {
        f"GiBUU, P(GENIE) < {STRONG}": gibuu & strong, f"GENIE, P(GENIE) < {STRONG}": ~gibuu & strong,
        f"GiBUU, P(GENIE) > {MIDDLE}": gibuu & (one.probabilities[:, 0] > MIDDLE),
    }  # fmt: skip
    for number, name, quantity, column in (
        (37, "hits", "Hits in the slice", 0),
        (38, "energy", "Visible energy (GeV)", 1),
    ):
        groups = {band: (events[here, column], one.weight[here]) for band, here in bands.items()}
        yield f"figure{number}_{name}_by_discriminator_band", domain_figures.band_histogram(groups, quantity, log=True)


def _scales(found: Findings) -> Drawn:
    """Figures 39 to 42."""
    tests = {f"{scale:g}": first(said(one)) for scale, one in found.scales.items()}
    test = first(tests)
    for numbers, c in ((("39", "41"), NUMU), (("40", "42"), NUE)):
        scores = {name: one.probabilities[:, c] for name, one in tests.items()}
        positive = test.clean == c
        yield f"figure{numbers[0]}_cuts_{CLASSES[c]}_by_scale", domain_figures.overlaid_cuts(
            scores, positive, test.weight, CLASSES[c]
        )  # fmt: skip
        yield f"figure{numbers[1]}_roc_{CLASSES[c]}_by_scale", domain_figures.overlaid_roc(
            scores, positive, test.weight, test.domain, CLASSES[c], GENERATORS
        )  # fmt: skip


def scan(found: Findings) -> Figure:
    """What the reversed gradient costs, and what it buys, over its scale."""
    names = {
        "Balanced accuracy": "test/balanced_accuracy", "Gap of ROC AUC": "test.gap/roc_auc",
        "Proxy A-distance": "test.gap/a_distance",
    }  # fmt: skip
    measured = {
        title: [list(one.metric(name).values()) for one in found.scales.values()] for title, name in names.items()
    }
    return domain_figures.gap_by_scale(list(found.scales), measured)


def _history(network: Configuration) -> Figure:
    epochs, curves = read_history(Path(first(network.runs)) / "history.jsonl")
    return figures.history(epochs, curves, MONITOR, None)


def _outputs(test: Predictions) -> Figure:
    return figures.outputs(test.probabilities, test.clean, test.weight, CLASSES)


def _cuts(test: Predictions) -> Figure:
    return figures.cuts(test.probabilities, test.clean, test.weight, CLASSES, NATURAL_PRIOR)
