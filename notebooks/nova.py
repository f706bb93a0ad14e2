# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A classifier of neutrino events, and the generator that it learned from
#
# A network that learns from simulated events learns the simulation. How far do two event generators, GENIE and GiBUU, differ in
# its eyes, what does that cost, and what does domain-adversarial training make of it? Here on a few simulated events (a minute or two on
# two cores): an illustration. `make reproduce-nova` is the whole study, on the experiment's files where `data/nova` has some.

# %%
# %matplotlib inline
import contextlib
import io
import json
from pathlib import Path
from tempfile import mkdtemp

import hydra
import numpy as np
import pandas as pd
from IPython.display import Image, display

from src import config, experiment
from src.datasets.nova_files import truth
from src.evaluation import domain_figures, event_display, node_figures, predictions
from src.evaluation.domain_gap import gap_interval
from src.evaluation.nodes import most_telling, nodes
from src.inference import activations
from src.reproduce.nova_findings import events_of, matched
from src.showcase import trained

ROOT = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "conf/config.yaml").exists())
HERE = Path(mkdtemp())
NAMES, DOMAINS = ("nc", "nue", "numu"), ("genie", "gibuu")
problem = ["dataset=nova", "dataset.events=800", "dataset.class_mix=[1,1,1]", "dataset.scale=log", "model=cnn6", "model.width=0.5",
           "optimizer.lr=0.003", "trainer.batch_size=32", "trainer.epochs=4", "trainer.select=last", f"data_root={HERE}",
           f"cache_root={HERE / 'cache'}", f"runs_root={HERE / 'runs'}", "tracking.enabled=false", "trainer.progress=none"]  # fmt: skip


def compose(*changes):
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return config.check(hydra.compose("config", [*problem, *changes]))


def run(*changes):
    """Run one experiment, without a word; returns its folder."""
    folders = []
    with contextlib.redirect_stdout(io.StringIO()):
        experiment.run(compose(*changes), opened=folders.append)
    return folders[0]


def measured(folder):
    return json.loads((folder / "metrics.json").read_text())


# %% [markdown]
# ## 1. Events
#
# Two views of each: charge by plane (along the beam) and cell. A νμ leaves a long thin track, a νe a shower, a neutral current
# hadrons only.

# %%
splits = experiment.read(compose())
maps, labels = events_of(splits.test, 0, 1)
display(event_display.events(maps, [f"GENIE, {NAMES[c]}" for c in labels], ("x-z", "y-z")))

# %% [markdown]
# The experiment's preselection is an option, and each of its thresholds a key. What every cut leaves is printed:

# %%
selected = experiment.read(compose("dataset/selection=official", "dataset.selection.nue.longest_prong=null"))
print("\n".join(selected.notes))

# %% [markdown]
# ## 2. Is there a shift?
#
# A discriminator of the two generators. The simulator can do without a difference, and then there must be nothing to learn.

# %%
found = {}
for shift in (0, 1):
    folder = run(f"dataset.shift={shift}", "strategy=discriminator")
    found[shift] = predictions.load(folder / "predictions.npz")["test"]
    print(f"shift {shift}: balanced accuracy {measured(folder)['test/balanced_accuracy']:.3f}, n = {len(found[shift])}")
one = found[1]
display(domain_figures.domain_scores(one.probabilities[:, 0], one.domain, one.weight, DOMAINS))

# %% [markdown]
# What it sees is mostly how many hits an event has. Among events that are alike in that, less is left:

# %%
dataset = compose().dataset
files, _ = dataset.files(HERE, HERE / "cache")
hits = truth(files, one.keys, ("nhitslc",))["nhitslc"].astype(float)
right = one.probabilities.argmax(axis=1) == one.domain
for name, weight in (("as they are", np.ones(len(one))), ("alike in hits", matched(hits, one.domain))):
    print(
        f"{name}: {np.mean([np.average(right[one.domain == d], weights=weight[one.domain == d]) for d in (0, 1)]):.3f}"
    )

# %% [markdown]
# ## 3. What it costs, and what the reversed gradient buys
#
# One training each, whose differences may well be chance: intervals over seeds are the study's.

# %%
runs = {"erm, GENIE": run(), "erm, both": run("dataset.target_labels=true"),
        "dann, GiBUU without labels": run("strategy=dann", "strategy.scale=0.3")}  # fmt: skip
rows = {}
for name, folder in runs.items():
    said, test = measured(folder), predictions.load(folder / "predictions.npz")["test"]
    inside = gap_interval(test.probabilities, test.clean, test.weight, test.domain, NAMES, np.random.default_rng(0))
    low, high = inside["roc_auc.nue"]
    rows[name] = {"GENIE": f"{said['test.genie/balanced_accuracy']:.3f}", "GiBUU": f"{said['test.gibuu/balanced_accuracy']:.3f}",
                  "AUC of νe, GENIE - GiBUU": f"{said['test.gap/roc_auc.nue']:+.3f} ({low:+.3f} to {high:+.3f})",
                  "proxy A-distance": f"{said['test.gap/a_distance']:.2f}"}  # fmt: skip
display(pd.DataFrame(rows).T)

# %%
display(Image(runs["erm, both"] / "figures" / "roc.png", width=700))

# %% [markdown]
# ## 4. What single nodes know
#
# Nodes of the last hidden layer, by true class and generator: the best one for each class.

# %%
one = trained(runs["erm, both"])
test = predictions.load(runs["erm, both"] / "predictions.npz")["test"]
seen = activations(
    one.predictor.model, one.prepared.splits.test.inputs, test.rows, one.experiment.trainer.device
).penultimate
known = nodes(seen, test.clean, test.domain, test.weight, 3, 2)
best = most_telling(known.classes)
print(f"{100 * known.dead_share:.0f} % of {seen.shape[1]} nodes never activate")
titles = [f"Node {node}, the best for {name}" for node, name in zip(best, NAMES, strict=True)]
display(node_figures.node_histogram(seen[:, best], titles, test.clean, test.domain, test.weight, NAMES, DOMAINS))

# %% [markdown]
# And where in the pictures the network found what speaks for the rarest class (Grad-CAM):

# %%
display(Image(runs["erm, both"] / "figures" / "saliency.png", width=900))
