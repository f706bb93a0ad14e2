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
# # Tau neutrinos among graphs of hits
#
# Three planes of wires see a neutrino event in liquid argon; its hits are the nodes of a graph, and NuGraph says what neutrino it was,
# and what made each hit. Tau neutrinos are 4 % of the events. What do a weighted loss and repeated events do for them? Here on a few
# small simulated events (a minute on two cores): an illustration. `make reproduce-nugraph` is the whole study.

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
from src.evaluation import predictions, rare_class_figures
from src.evaluation.metrics import confusion_matrix

ROOT = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "conf/config.yaml").exists())
HERE = Path(mkdtemp())
problem = ["dataset=nugraph", "dataset.events=300", "dataset.hits=100", "dataset.class_mix=[0.3,0.3,0.1,0.3]", "dataset.test_fraction=0.3",
           "model=nugraph2", "model.planar=16", "model.nexus=8", "model.iterations=2", "optimizer.lr=0.01", "trainer.batch_size=16",
           "trainer.epochs=6", "trainer.select=last", "trainer.num_threads=1", "trainer.progress=none", "tracking.enabled=false", f"data_root={HERE}",
           f"cache_root={HERE / 'cache'}", f"runs_root={HERE / 'runs'}"]  # fmt: skip


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
# Each a ragged graph: hits with position, charge and width; edges from a Delaunay triangulation of each plane; space points that link
# the planes. The study's mix has 4 % tau; here it is 10 %, so that so few events hold some.

# %%
splits = experiment.read(compose())
NAMES = splits.class_names
table, columns = splits.train.inputs.hits_and_charge(splits.train.rows)
means = {name: table[splits.train.clean == c].mean(axis=0).round(1) for c, name in enumerate(NAMES)}
display(pd.DataFrame(means, columns).T.assign(events=np.bincount(splits.train.clean)))

# %% [markdown]
# Which of them a batch shows is the sampler's choice. NuGraph's own balances the size of batches and looks at no label; repeats of a class
# go together with it:

# %%
shown = {"training events": np.bincount(splits.train.clean)}
for name, changes in {"an epoch": [], "with repeats": ["imbalance_strategy.factors=[1,1,3,1]"]}.items():
    sampler = compose("imbalance_strategy=size_balance", *changes).imbalance_strategy
    sampler.setup(splits.train.labels, len(NAMES))
    sampler.meet(splits.train, 16)
    shown[name] = np.bincount(splits.train.labels[sampler.order(np.random.default_rng(0))], minlength=len(NAMES))
display(rare_class_figures.frequencies(shown, NAMES, "Events"))

# %% [markdown]
# ## 2. Three trainings
#
# One each, whose differences may well be chance: intervals over seeds are the study's.

# %%
runs = {"recall loss (original)": run("imbalance_strategy=recall", "imbalance_strategy.smoothing=0", "figures=false"),
        "weighted, deep encoder": run("imbalance_strategy=class_weights", "model.encoder_depth=2"),
        "repeats": run("imbalance_strategy=size_balance", "imbalance_strategy.factors=[1,1,3,1]", "figures=false")}  # fmt: skip
metrics = ("recall.cc_nutau", "precision.cc_nutau", "macro_f1", "semantic/balanced_accuracy")
display(pd.DataFrame({name: {m: measured(folder)[f"test/{m}"] for m in metrics} for name, folder in runs.items()}).T)

# %% [markdown]
# Precision matrices as the study draws them: rows are true classes from the bottom up, columns the assigned ones.

# %%
said = {name: predictions.load(folder / "predictions.npz")["test"] for name, folder in runs.items()}
counts = {name: confusion_matrix(one.probabilities, one.clean, one.weight) for name, one in said.items()}
display(rare_class_figures.matrices(counts, NAMES, "predicted"))

# %% [markdown]
# ## 3. What made each hit
#
# An event of every class: true classes of the hits above those that the network gives them.

# %%
display(Image(runs["weighted, deep encoder"] / "figures" / "hits.png", width=900))

# %%
display(Image(runs["weighted, deep encoder"] / "figures" / "confusion_semantic.png", width=800))
