"""What the server of forks imports once for all runs: no tensor is made here. See isolation.py."""

import gc
import signal

signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # Slurm's warning goes to a whole process group; the worker handles it

import h5py  # noqa: E402,F401
import numpy.random  # noqa: E402,F401
import omegaconf  # noqa: E402,F401
import pandas  # noqa: E402,F401
import sklearn.datasets  # noqa: E402
import sklearn.metrics  # noqa: E402
import sklearn.model_selection  # noqa: E402,F401
import torch._dynamo  # noqa: E402  the first optimiser would import it, in 0.7 s
import torch.optim.lr_scheduler  # noqa: E402,F401
import tqdm.contrib.logging  # noqa: E402,F401

from src import config, experiment, provenance  # noqa: E402,F401

provenance.loaded()
gc.freeze()  # the forks share these pages as long as no collection writes to them
