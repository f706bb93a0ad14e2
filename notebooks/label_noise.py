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
# # Learning from wrong labels
#
# Labels are often wrong in a way that depends on the true class: T[i, j] = P(observed i | true j), columns sum to 1. What
# does that cost, which remedies help, and what if T is not known? Everything here takes about a minute on three classes of
# handwritten digits. Set KILTER_DATA_ROOT to a data_root with Fashion-MNIST for t-shirts, trousers and dresses (some minutes;
# 1,500 pictures are learned from), and KILTER_STUDY to the folder of a finished study to read that one in section 2.

# %%
# %matplotlib inline
import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import hydra
import numpy as np
import pandas as pd
import torch
from IPython.display import display

from src import config, experiment, runs
from src.evaluation import label_noise_figures as draw
from src.evaluation.embedding import reduced
from src.evaluation.statistics import paired, summary
from src.noise_models.sampling import realised
from src.report import compare, read
from src.strategies import corrected
from src.transition_matrix import TransitionMatrix

ROOT = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "conf/config.yaml").exists())
HERE = Path(mkdtemp())
pd.set_option("display.max_colwidth", None)

# %% [markdown]
# ## 1. Wrong labels
#
# `noise_model=transition` takes any matrix; its default is neither symmetric nor doubly stochastic, so that a transposed T
# cannot pass for the right one. The label-noise study's own are `mnist05` and `mnist06`; there are `pair`, `uniform`,
# `background`, too. Labels are corrupted after the split, those of training and validation only.

# %%
DIGITS = ["dataset=digits", "dataset.classes=[3,8,9]"]
FASHION = ["dataset=fashion_mnist", "dataset.classes=[0,1,3]", "dataset.train_size=1500", "dataset.val_fraction=0.02"]
data = (
    [*FASHION, f"data_root={Path(os.environ['KILTER_DATA_ROOT']).resolve()}"]
    if "KILTER_DATA_ROOT" in os.environ
    else DIGITS
)
problem = [*data, "noise_model=transition", f"runs_root={HERE / 'runs'}", "tracking.enabled=false"]


def compose(*changes):
    quiet = ["trainer.num_threads=1", "trainer.progress=none", "figures=false"]
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return config.check(hydra.compose("config", [*problem, *quiet, *changes]))


parts = compose("model=mlr")
prepared = experiment.prepare(parts, experiment.read(parts))
train, names, T = prepared.train, prepared.task.class_names, prepared.task.transition

# %% [markdown]
# T is what was asked for; what the draw of the labels made of it is another matter, and is in every run's record
# (`data/train/flip_rate`, `data/train/T.i.j`).

# %%
drawn, rate = realised(train.clean, train.labels, len(names))
expected = 1 - T.columns.diagonal() @ np.bincount(train.clean) / len(train)
print(f"{rate:.1%} of {len(train):,} training labels are wrong, {expected:.1%} were expected")
display(draw.matrices(drawn, true=T, class_names=names, title="Realised"))

# %%
pictures = train.inputs.fetch(torch.from_numpy(train.rows), torch.device("cpu")).numpy()
display(draw.samples(pictures, train.labels, names, true=train.clean))

# %% [markdown]
# The same pictures by their true labels, in two dimensions: this is what there is to learn. Neighbours are neighbours; the
# distances between groups, and their sizes, mean nothing.

# %%
for method, title in (("tsne", "t-SNE"), ("umap", "UMAP")):
    display(draw.embedding(reduced(pictures, method, seed=0), train.clean, names, f"{title}, true labels"))

# %% [markdown]
# ## 2. Remedies
#
# One command is the whole comparison. Under `protocol=repeats` each seed is a random 90 % of one corrupted training set,
# the same for every method, so that differences are paired. A linear classifier learns the labels as they are (`erm`), is
# decoded by T⁻¹ afterwards (`flipped`), or has T in its likelihood (`rmlr`). Loss correction (`forward`) is that
# likelihood for any model: on a linear one the two agree.

# %%
if "KILTER_STUDY" in os.environ:
    STUDY = Path(os.environ["KILTER_STUDY"])
else:
    question = ["model=mlr", "strategy=erm,flipped,rmlr,forward", "protocol=repeats", "seed=0,1,2"]
    options = ["study=remedies", f"studies_root={HERE / 'studies'}", "baseline={strategy: erm}", "winners=0"]
    command = [*question, *problem, *(f"hydra.sweeper.{option}" for option in options)]
    subprocess.run([sys.executable, "-m", "src.run", "-m", *command], cwd=ROOT, check=True)
    STUDY = HERE / "studies" / "remedies"

# %% [markdown]
# Accuracy on the clean test set, by which nothing was chosen: mean (standard deviation) over the repeats.


# %%
def spread(values):
    one = summary(values)
    return f"{one['mean']:.3f} ({one['sd']:.4f})"


def table(rows):
    return pd.DataFrame.from_dict(rows, orient="index")


study = read(STUDY)
finished = [row for row in study.rows if row["values"]]
accuracy = {row["label"]: list(study.metrics[row["number"]]["test/accuracy"].values()) for row in finished}
table({label: {"test accuracy": spread(values), "repeats": len(values)} for label, values in accuracy.items()})

# %% [markdown]
# What each gains over the baseline, paired by repeat, with the 95 % interval (low to high). The verdict is a sign-flip
# test's, over all comparisons: three repeats may show a tendency, and cannot show more.

# %%
columns = ["configuration", "mean", "low", "high", "p", "n", "verdict"]
differences = [{"configuration": row["label"], **found} for row, found in compare(study, "test/accuracy")]
pd.DataFrame(differences, columns=columns).set_index("configuration").round(3)


# %%
def bar(row):
    """A configuration as a bar; where noise models vary, colours tell them apart."""
    choices = [f"{key}={value}" for key, value in row["params"].items()]
    noise = [choice for choice in choices if choice.startswith("noise_model=")] or ["the same wrong labels"]
    method = " ".join(choice.partition("=")[2] for choice in choices if choice not in noise)
    return {"method": method, "noise": noise[0], "summary": summary(accuracy[row["label"]])}


display(draw.bars([bar(row) for row in finished]))

# %% [markdown]
# ## 3. T is not known
#
# `transition=estimated` reads T off the probabilities that a classifier of the observed labels gives to examples it has
# not seen: at the points most typical of each class (`anchor`, the study's way), or by counting labels against confident
# classes (`confident_joint`). The error is the mean over the columns of Σ|ΔT|, from 0 to 2.


# %%
def run(*changes):
    """Run one experiment, without a word; returns its folder."""
    folders = []
    with contextlib.redirect_stdout(io.StringIO()):
        experiment.run(compose("protocol=repeats", *changes), opened=folders.append)
    return folders[0]


def repeats(*changes):
    return [run(*changes, f"seed={seed}") for seed in range(3)]


def metrics(folders, *wanted):
    """mean (standard deviation) over runs."""
    found = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
    return {name: spread([one[name] for one in found]) for name in wanted}


decoded = ["model=mlr", "strategy=flipped", "strategy.transition=estimated"]
estimated = {how: repeats(*decoded, f"strategy.estimator={how}") for how in ("anchor", "confident_joint")}
table({how: metrics(folders, "transition/error", "test/accuracy") for how, folders in estimated.items()})

# %% [markdown]
# Every entry as mean (standard deviation) over the repeats, beside the truth:

# %%
for how, folders in estimated.items():
    entries = np.array([corrected.read(folder / "transition.json").columns for folder in folders])
    mean = TransitionMatrix(entries.mean(axis=0))
    display(draw.matrices(mean, entries.std(axis=0, ddof=1), T, class_names=names, title=f"Estimated ({how})"))

# %% [markdown]
# An estimate can be shared: `transition=from_run:<run>` takes the matrix that another run recorded. Here rMLR learns with
# the one that the decoded classifier of the same repeat found.

# %%
sources = [f"strategy.transition=from_run:{folder.name}" for folder in estimated["confident_joint"]]
shared = [run("model=mlr", "strategy=rmlr", source, f"seed={seed}") for seed, source in enumerate(sources)]
table({"rmlr, T shared": metrics(shared, "transition/error", "test/accuracy")})

# %% [markdown]
# ## 4. Suspicious labels
#
# `confident_learning` needs no T: a label is suspicious if a classifier that has not seen the example is confident of
# another class. Suspects are left out (`prune`) or relabelled, and a new classifier learns from the result. `suspects.csv`
# in the run's folder lists them, worst first; precision and recall are known here because the true labels are.

# %%
cleaned = {
    how: repeats("model=mlr", "strategy=confident_learning", f"strategy.action={how}") for how in ("prune", "relabel")
}
wanted = ["suspects/n", "suspects/precision", "suspects/recall", "test/accuracy"]
table({how: metrics(folders, *wanted) for how, folders in cleaned.items()})

# %%
folder = cleaned["prune"][0]
with np.load(folder / "suspects.npz") as worst:
    display(draw.suspects(worst["pictures"], worst["observed"], worst["suggested"], worst["wrong"]))
pd.read_csv(folder / "suspects.csv").head().round(3)

# %% [markdown]
# ## 5. Long training
#
# A network can learn wrong labels by heart. `trainer.watch=[test]` measures the clean test set after every epoch; the
# numbers stand apart in history.jsonl as "sealed", where no choice reads them.

# %%
network = ["model=lenet", "optimizer.lr=0.002", "schedule=none", "trainer.epochs=24", "trainer.select=last"]
trained = {how: repeats(*network, "trainer.watch=[test]", f"strategy={how}") for how in ("erm", "forward")}


def by_epoch(folders, kind, metric):
    """(repeats, epochs)"""
    return np.array([[epoch[kind][metric] for epoch in runs.history(folder)] for folder in folders])


curves = {how: by_epoch(folders, "sealed", "test/accuracy") for how, folders in trained.items()}
display(draw.accuracy_by_epoch(curves, chance=1 / len(names)))

# %% [markdown]
# Would stopping early do as well? The epoch can only be chosen by accuracy on validation labels that are as wrong as those
# learned from.

# %%
noisy = {how: by_epoch(folders, "metrics", "val/accuracy") for how, folders in trained.items()}
stopped = {how: values[range(len(values)), noisy[how].argmax(axis=1)] for how, values in curves.items()}
gain = paired(curves["forward"][:, -1] - curves["erm"][:, -1])
interval = f"95 % interval {gain['low']:+.3f} to {gain['high']:+.3f}, n = {gain['n']}"
print(f"forward less erm after the last epoch: {gain['mean']:+.3f} ({interval})")
table({how: {"chosen epoch": spread(stopped[how]), "last epoch": spread(curves[how][:, -1])} for how in trained})

# %% [markdown]
# Three repeats, and one learning rate for both networks: an illustration. `sweeps/label_noise.yaml` tunes the rate of each
# method on validation labels as wrong as those learned from.
