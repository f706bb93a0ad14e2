"""What learning to reweight's paper says of its experiments on CIFAR (Ren 2018, tables 1 and 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from src.reproduce.reweight_levels import BACKGROUND, BACKGROUND_100, UNIFORM, UNIFORM_100


@dataclass(frozen=True)
class Published:
    """An experiment, and the test accuracies printed of it, mean (sd).

    They are quoted from memory, not from the paper itself: approximate, to compare by eye, never to test against.
    """

    title: str
    noise: str
    """The noise model that they are of: UniformFlip's are of the flips that the published code makes."""
    accuracies: Mapping[str, str]
    """By method; `class weights` stands for what the paper calls weighted."""


PUBLISHED = {
    UNIFORM: Published("CIFAR-10, UniformFlip", "uniform_published", {
        "plain": "0.6797 (0.0062)", "hard bootstrap": "0.6966", "noise adaptation": "0.7064", "random weights": "0.8606",
        "clean only": "0.4664", "plain +FT": "0.7866", "random weights +FT": "0.8655", "reweight": "0.8692 (0.0019)",
    }),
    BACKGROUND: Published("CIFAR-10, BackgroundFlip", "background", {
        "plain": "0.5954", "hard bootstrap +ES": "0.6522", "noise adaptation +ES": "0.7924", "plain +FT": "0.8282",
        "plain +ES +FT": "0.8519", "class weights +FT": "0.8598", "reweight": "0.8673 (0.0048)",
    }),
    UNIFORM_100: Published("CIFAR-100, UniformFlip", "uniform_published", {
        "plain": "0.5066 (0.0024)", "hard bootstrap": "0.5134", "noise adaptation": "0.4910", "random weights": "0.5801",
        "clean only": "0.0994", "plain +FT": "0.5452", "random weights +FT": "0.5854", "reweight": "0.6134 (0.0206)",
    }),
    BACKGROUND_100: Published("CIFAR-100, BackgroundFlip", "background", {
        "plain": "0.3782", "hard bootstrap +ES": "0.3903", "noise adaptation +ES": "0.5450", "plain +FT": "0.5423",
        "plain +ES +FT": "0.5522", "class weights +FT": "0.5399", "reweight": "0.5930 (0.0060)",
    }),
}  # fmt: skip
"""By the names of the studies."""
