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
# # Learning from unequal classes, and from wrong labels at the same time
#
# A classifier that sees few examples of a class learns to leave it out. Which remedy helps, what does it do to the
# probabilities, what becomes of it when labels are wrong too, and what are a few right labels worth? Everything here takes
# about a minute on handwritten digits. Set KILTER_DATA_ROOT to a data_root with Fashion-MNIST for t-shirts, dresses and
# shirts (some minutes).

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
import pandas as pd
from IPython.display import display

from src import config, experiment
from src.evaluation import label_noise_figures as draw
from src.evaluation.statistics import summary
from src.report import compare, read
from src.task import class_counts

ROOT = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "conf/config.yaml").exists())
HERE = Path(mkdtemp())
pd.set_option("display.max_colwidth", None)

# %% [markdown]
# ## 1. A rare class
#
# `dataset.imbalance_ratio` thins the training examples only: exponentially from the first class to the last, or in one
# step (`imbalance_profile=step`); `class_counts` states them. Validation and test stay as they are. `dataset.clean` sets
# examples with right labels aside first, for section 4.

# %%
DIGITS = ["dataset=digits", "dataset.classes=[3,9,8]", "dataset.imbalance_ratio=20"]
FASHION = ["dataset=fashion_mnist", "dataset.classes=[0,3,6]", "dataset.class_counts=[1500,800,60]"]
problem = (
    [*FASHION, f"data_root={Path(os.environ['KILTER_DATA_ROOT']).resolve()}"]
    if "KILTER_DATA_ROOT" in os.environ
    else DIGITS
)
problem += ["dataset.clean.per_class=5", "model=lenet", "schedule=cosine", "trainer.epochs=20", "trainer.select=last",
            f"runs_root={HERE / 'runs'}", "tracking.enabled=false"]  # fmt: skip


def compose(*changes):
    quiet = ["trainer.num_threads=1", "trainer.progress=none", "figures=false"]
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return config.check(hydra.compose("config", [*problem, *quiet, *changes]))


parts = compose()
prepared = experiment.prepare(parts, experiment.read(parts))
names = prepared.task.class_names
pd.DataFrame(
    {
        part: class_counts(split.labels, len(names))
        for part, split in (("train", prepared.train), ("clean", prepared.splits.clean), ("test", prepared.splits.test))
    },
    index=pd.Index(names, name="class"),
)

# %% [markdown]
# ## 2. Remedies
#
# An imbalance strategy draws rare classes more often, lets them count more, changes the loss, or makes new examples. One
# command compares them, paired by seed.

# %%
remedies = "none,class_weights,oversample,focal,logit_adjustment,smote"
options = ["study=remedies", f"studies_root={HERE / 'studies'}", "baseline={imbalance_strategy: none}", "winners=0"]
command = [*problem, f"imbalance_strategy={remedies}", "seed=0,1,2", *(f"hydra.sweeper.{option}" for option in options)]
subprocess.run([sys.executable, "-m", "src.run", "-m", *command], cwd=ROOT, check=True)
study = read(HERE / "studies" / "remedies")


# %%
def spread(values):
    one = summary(values)
    return f"{one['mean']:.3f} ({one['sd']:.4f})"


def table(rows):
    return pd.DataFrame.from_dict(rows, orient="index")


runs_of = {
    row["params"]["imbalance_strategy"]: [HERE / "runs" / one["run"] for one in row["seeds"].values()]
    for row in study.rows
}


def metrics(folders, *wanted):
    """mean (standard deviation) over runs; where a run does not report the first name, the second."""
    found = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
    return {name: spread([one.get(name, one.get(name.replace("_natural", ""))) for one in found]) for name in wanted}


rare = f"test/recall.{names[-1]}"
table({how: metrics(folders, "test/balanced_accuracy", rare, "test/accuracy") for how, folders in runs_of.items()})

# %% [markdown]
# Less plain training, paired by seed (95 % interval from low to high). Three seeds may show a tendency, and cannot show more.

# %%
columns = ["configuration", "mean", "low", "high", "p", "n", "verdict"]
differences = [{"configuration": row["label"], **found} for row, found in compare(study, "test/balanced_accuracy")]
pd.DataFrame(differences, columns=columns).set_index("configuration").round(3)

# %% [markdown]
# What a remedy does to probabilities: after balanced training they are those of a world in which all classes are equally
# frequent. `natural_prior` states the deployment's mix; without it that of the training labels stands in. `test_natural/*`
# are the scores mapped back to it: other decisions, and more of the frequent classes. Which of the two is wanted, the
# question decides; both are reported.

# %%
wanted = ["test/balanced_accuracy", "test_natural/balanced_accuracy", rare, rare.replace("test/", "test_natural/")]
table({how: metrics(runs_of[how], *wanted) for how in ("none", "class_weights", "oversample", "logit_adjustment")})


# %%
def bars(metric, folders):
    found = {how: [json.loads((f / "metrics.json").read_text())[metric] for f in each] for how, each in folders.items()}
    return [{"method": how, "noise": metric, "summary": summary(values)} for how, values in found.items()]


display(draw.bars(bars("test/balanced_accuracy", runs_of)))

# %% [markdown]
# ## 3. High loss or low loss?
#
# Under imbalance the examples of large loss are the rare ones, and a remedy should let them count more: `hard_mining`
# learns from the half of each batch that is most wrong. Under wrong labels they are the wrong ones, and `self_paced`
# leaves them out. What if classes are rare and labels wrong? `sweeps/noise_x_imbalance.yaml` measures that with five
# seeds; here are two.


# %%
def run(*changes):
    """Run one experiment, without a word; returns its folder."""
    folders = []
    with contextlib.redirect_stdout(io.StringIO()):
        experiment.run(compose(*changes), opened=folders.append)
    return folders[0]


EQUAL = ["dataset.imbalance_ratio=null", "dataset.class_counts=null"]
WRONG = ["noise_model=uniform", "noise_model.rate=0.4"]
worlds = {"neither": EQUAL, "imbalance": [], "wrong labels": [*EQUAL, *WRONG], "both": WRONG}
methods = {
    "plain": [], "hard mining": ["strategy=hard_mining"], "self-paced": ["strategy=self_paced", "strategy.end=0.6"],
    "reweight": ["strategy=reweight"],
}  # fmt: skip
crossed = {
    method: {world: [run(*changes, *data, f"seed={seed}") for seed in range(2)] for world, data in worlds.items()}
    for method, changes in methods.items()
}
table({
    method: {world: metrics(folders, "test/balanced_accuracy")["test/balanced_accuracy"] for world, folders in each.items()}
    for method, each in crossed.items()
})  # fmt: skip

# %% [markdown]
# ## 4. A few right labels
#
# Learning to reweight asks the clean examples: each training example counts as much as a step on it lowers their loss. In
# these simulations it is known which labels are wrong, so that we can look where the weight went.

# %%
folders = crossed["reweight"]["both"]
wanted = [f"weights/{group}{ending}" for group in ("mislabelled", "minority") for ending in ("", "_drawn")]
table({"share of the weight, and of the draws": metrics(folders, *wanted)})

# %% [markdown]
# The same few labels can do other things: choose the epoch (+ES), or end the training (+FT). Such a run takes over the
# epochs of the plain one. `random_weights` and `clean_only` are what reweighting must beat.

# %%
few = {
    "plain": [],
    "plain +ES": ["trainer.select=clean"],
    "plain +FT": ["trainer.finetune_steps=50"],
    "random weights": ["strategy=random_weights"],
    "clean only": ["strategy=clean_only"],
    "reweight": ["strategy=reweight"],
}
found = {method: [run(*WRONG, *changes, f"seed={seed}") for seed in range(2)] for method, changes in few.items()}
table({method: metrics(folders, "test/balanced_accuracy", "test/accuracy") for method, folders in found.items()})

# %% [markdown]
# Two seeds on a few hundred digits: an illustration. `make reproduce-reweight` runs the published experiments.
