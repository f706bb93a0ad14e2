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
# # A tour of Kilter
#
# One experiment from Python: compose it, train it, read its record, change one word, compare. Everything here is what
# `python -m src.run ...` does; the notebook only shows the pieces. Open it with Jupyter and jupytext, or run it as it is.

# %%
import json
from pathlib import Path
from tempfile import mkdtemp

import hydra
import pandas as pd
from IPython.display import Image, display

from src import config, experiment
from src.evaluation.predictions import load

ROOT = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "conf/config.yaml").exists())
RUNS = Path(mkdtemp()) / "runs"

# %% [markdown]
# ## Compose
#
# A configuration is a choice from each group and changes to their options, exactly as on the command line. Handwritten digits
# are always there, so nothing is downloaded; 40 % of the training labels are made wrong.


# %%
def compose(*changes):
    fixed = ["dataset=digits", "tracking.enabled=false", "trainer.progress=none", f"runs_root={RUNS}"]
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return hydra.compose("config", [*fixed, *changes])


noisy = ["model=lenet", "noise_model=uniform", "noise_model.rate=0.4", "trainer.epochs=6"]
cfg = compose(*noisy)
print(cfg.noise_model)

# %% [markdown]
# ## Check and train
#
# `config.check` constructs every part and reports all mistakes at once; `experiment.run` trains, evaluates and leaves a run
# folder. The score is a validation metric on *observed* labels: with wrong labels in validation too, that is all one has.

# %%
score = experiment.run(config.check(cfg))

# %% [markdown]
# ## Read the record
#
# The run folder stands alone: configuration, history, metrics, predictions, figures, checkpoints. The sealed oracles
# `val_clean/*` and `test/*` say what the observed labels could not.

# %%
(folder,) = RUNS.glob("digits-*")
metrics = json.loads((folder / "metrics.json").read_text())
shown = ["val/accuracy", "val_clean/accuracy", "test/accuracy", "data/train/flip_rate"]
print(pd.Series({name: metrics[name] for name in shown}).round(3).to_string())

# %%
test = load(folder / "predictions.npz")["test"]
print(f"{(test.probabilities.argmax(1) == test.clean).sum()} of {len(test.clean)} test digits are right")

# %%
for name in ("history", "confusion"):
    for path in sorted((folder / "figures").glob(f"{name}*.png")):
        display(Image(path, width=640))

# %% [markdown]
# ## Change one word
#
# Does a linear model, too small to memorise wrong labels, do better than the network? One word, the same seed, hence the
# same split and the same wrong labels: the comparison is paired. One seed is too few to claim anything; a sweep is for that.

# %%
rows = {}
for model in ("lenet", "mlr"):
    experiment.run(config.check(compose(*noisy, f"model={model}")))
    (path,) = RUNS.glob(f"digits-{model}-*/metrics.json")
    rows[model] = {name: json.loads(path.read_text())[name] for name in shown}
pd.DataFrame(rows).round(3)
