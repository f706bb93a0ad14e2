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
# # Reading a finished study
#
# Tables and figures of `python -m src.report STUDY`, and the runs behind them. Set KILTER_STUDY to the folder of a study; without
# it a small one is made here: two models on handwritten digits, three learning rates, three seeds.

# %%
import os
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd
from IPython.display import Image, Markdown, display

from src.evaluation.predictions import load
from src.report import read, report

ROOT = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "conf/config.yaml").exists())

# %%
if "KILTER_STUDY" in os.environ:
    STUDY = Path(os.environ["KILTER_STUDY"])
else:
    HERE = Path(mkdtemp())
    places = [f"runs_root={HERE}/runs", f"hydra.sweeper.studies_root={HERE}/studies", "hydra.sweeper.study=digits"]
    question = [
        "dataset=digits",
        "model=mlr,lenet",
        "optimizer=adam",
        "optimizer.lr=0.003,0.01,0.03",
        "seed=0,1,2",
        "trainer.epochs=3",
    ]
    command = [sys.executable, "-m", "src.run", "-m", *question, *places, "tracking.enabled=false"]
    subprocess.run(command, cwd=ROOT, check=True)
    STUDY = HERE / "studies" / "digits"

# %% [markdown]
# ## The report

# %%
out = report(STUDY)
display(Markdown((out / "report.md").read_text().split("\n![")[0]))

# %%
for figure in sorted((out / "figures").glob("*.png")):
    display(Image(figure))

# %% [markdown]
# ## Behind the table
#
# Every cell names its runs; a run's folder stands alone.

# %%
table = pd.read_csv(out / "table.csv")
chosen = table[table.chosen].iloc[0]
print(chosen.configuration, "by", read(STUDY).objective)
root = Path(read(STUDY).overview.manifest["runs_root"])
for run in chosen.runs.split():
    test = load(root / run / "predictions.npz")["test"]
    print(run, f"{(test.probabilities.argmax(1) == test.clean).mean():.3f} of {len(test)} test examples right")
