"""Kilter: experiments and sweeps on classifiers trained on biased data."""

from src import torchvision_ops

torchvision_ops.install()
