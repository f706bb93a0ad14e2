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
# # Alpha decays among vertex-like objects in nuclear emulsion
#
# A scanning system finds everything that looks like a vertex; one in 184 of it is an alpha decay. How many pictures must a
# person look at to find four fifths of the decays: with cuts on reconstructed tracks, and with a network? Here on simulated
# crops of 32 pixels (some minutes on two cores): an illustration. `make reproduce-emulsion` is the whole study, on real crops
# where `data/emulsion` has some.

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
import torch
from IPython.display import Image, display

from src import config, experiment
from src.augmentations.randaugment import RandAugment
from src.evaluation import detection_figures as draw
from src.evaluation import predictions
from src.evaluation.detection_figures import Selection
from src.evaluation.improvement import improvement
from src.simulators.emulsion_objects import FIELD

ROOT = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "conf/config.yaml").exists())
HERE = Path(mkdtemp())
CPU = torch.device("cpu")
problem = ["dataset=emulsion", "dataset.image_size=32", "dataset.crops=[1200,400,3000]", f"data_root={HERE}", f"cache_root={HERE / 'cache'}",
           f"runs_root={HERE / 'runs'}", "tracking.enabled=false", "trainer.progress=none"]  # fmt: skip


def compose(*changes):
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return config.check(hydra.compose("config", [*problem, *changes]))


def run(*changes):
    """Run one experiment, without a word; returns its folder."""
    folders = []
    with contextlib.redirect_stdout(io.StringIO()):
        experiment.run(compose(*changes), opened=folders.append)
    return folders[0]


# %% [markdown]
# ## 1. The crops
#
# Alpha decays are stars of four (uranium series) or five (thorium) bold tracks of 25 to 50 µm from one point. The rest are
# interactions of beam particles, captures, crossings of unrelated tracks, and dark spots. The test comes from another sheet,
# which looks different, and is scanned as it is.

# %%
splits = experiment.read(compose())
test = splits.test
kinds = {kind: test.rows[test.keys["kind"] == kind][:8] for kind in np.unique(test.keys["kind"])}


def pictures(rows):
    return (255 * test.inputs.fetch(torch.from_numpy(rows), CPU)).round().to(torch.uint8)


display(draw.crops({kind: pictures(rows).numpy() for kind, rows in kinds.items()}, FIELD))
pd.DataFrame({part: {name: int((split.clean == c).sum()) for c, name in enumerate(splits.class_names)}
              for part, split in (("training", splits.train), ("validation", splits.val), ("test", test))})  # fmt: skip

# %% [markdown]
# ## 2. RandAugment
#
# N operations, drawn for each picture, at strength M of 30. What a strength means differs between packages: in the one that
# the study cites (`profile=ildoonet`) M = 15 leaves brightness, contrast and sharpness alone, less darkens, more brightens; in
# torchvision's they move either way, the farther the larger M.

# %%
star = pictures(kinds["thorium"])[:1].float().div(255).expand(8, -1, -1, -1)
varied = {}
for profile in ("torchvision", "ildoonet"):
    for n, m in ((2, 6), (2, 24), (6, 24)):
        augmented = RandAugment(n=n, m=m, profile=profile)(star, torch.Generator().manual_seed(0))
        varied[f"{profile} N={n} M={m}"] = (255 * augmented).to(torch.uint8).numpy()
display(draw.crops(varied, FIELD))

# %% [markdown]
# ## 3. A network
#
# Alpha decays are drawn 17 times as often as the rest, so that batches are balanced. Its validation loss is on the natural mix.

# %%
NETWORK = ["model=resnet18", "imbalance_strategy=oversample", "augmentation=randaugment", "augmentation.profile=ildoonet",
           "augmentation.m=24", "augmentation.vertical=0.5", "optimizer.lr=0.002", "trainer.batch_size=96", "trainer.epochs=8",
           "trainer.monitor=val/loss", "trainer.select=last"]  # fmt: skip
network = run(*NETWORK)
for figure in ("history", "precision_recall", "saliency"):
    display(Image(network / "figures" / f"{figure}.png", width=760))

# %% [markdown]
# The maps show where the network found what speaks for an alpha decay (Grad-CAM, coarse at 32 pixels).
#
# Scores of balanced batches are those of a world in which half of all crops are alpha decays; `test_natural/*` are the same
# scores mapped to the deployment's mix.

# %%
measured = json.loads((network / "metrics.json").read_text())
names = ["average_precision.alpha", "precision.alpha", "recall.alpha", "loss", "ece"]
pd.DataFrame(
    {split: {name: measured[f"{split}/{name}"] for name in names} for split in ("test", "test_natural")}
).round(4)

# %% [markdown]
# ## 4. The former method
#
# Cuts on what a reconstruction measured of each object: how many tracks leave the vertex, and how long they are. The bounds are
# searched in training.

# %%
cuts = run("dataset.inputs=tracks", "model=mlr", "strategy=cuts")
by_tracks, by_picture = (predictions.load(folder / "predictions.npz")["test"] for folder in (cuts, network))
assert np.array_equal(by_tracks.rows, by_picture.rows)
truth, kept, score = by_picture.clean == 1, by_tracks.probabilities[:, 1] > 0.5, by_picture.probabilities[:, 1]
found = improvement(kept, [score], truth, np.random.default_rng(0))
former, (ours,) = found.selection, found.models
pd.DataFrame({"cuts on tracks": [former.precision, former.recall, former.candidates],
              "network": [ours.precision, ours.recall, ours.candidates]}, index=["precision", "recall", "candidates"]).round(3)  # fmt: skip

# %%
print(f"precision of the network over that of the cuts: {found.factor:.1f} (95 %: {found.low:.1f} to {found.high:.1f})")
errors = former.recall * former.relative_error, former.precision * former.relative_error
selection = Selection("cuts on tracks", former.recall, former.precision, errors)
display(draw.precision_recall({"network": score}, truth, [selection]))

# %% [markdown]
# One training on a few crops: the interval is that of the test's sixteen alpha decays, and says nothing of another training.
