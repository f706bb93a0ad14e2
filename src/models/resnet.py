"""What torchvision's residual networks share: ImageNet's weights to begin with, frozen stages, a classifier of its own."""

from __future__ import annotations

import hashlib
import io
import itertools
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from src.component import PositiveInt
from src.errors import UserError
from src.models.base import Model
from src.models.heads import Head, last_layer
from src.task import Task

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue from 0 to 1: what torchvision's weights were trained on."""


class ResNet(Model):
    """features = torchvision's network (He 2016) without its last layer; then fully connected layers and the logits.

    Two classes have two logits and softmax, which is the same family of functions as one logit: p = sigmoid(z1 - z0), so that
    cross-entropy is binary cross-entropy of that difference, with the same gradient of the features.

    With `weights` the pictures, from 0 to 1, are normalised by ImageNet's mean and standard deviation; without they are taken
    as they come. With weights and other than 3 channels, each channel gets the mean of the colours' kernels times 3 / channels
    in the first convolution, and the mean of the colours' normalisations: channels that are alike act as a grey picture.

    `freeze_until` keeps all stages before the named one as they are, the statistics of their batch norms too.
    """

    network: ClassVar[str]
    """torchvision's name of it."""
    published: ClassVar[tuple[str, ...]]
    """torchvision's names of its weights."""

    def __init__(
        self,
        *,
        weights: str | None = None,
        freeze_until: Literal["layer1", "layer2", "layer3", "layer4", "classifier"] | None = None,
        hidden: Sequence[PositiveInt] = (512, 128),
        head: Head = "linear",
    ) -> None:
        super().__init__()
        if freeze_until is not None and weights is None:
            raise ValueError(f"freeze_until={freeze_until} would keep random weights: give model.weights")
        self.weights, self.freeze_until, self.widths, self.last = weights, freeze_until, hidden, head
        self.frozen: list[nn.Module] = []

    def setup(self, task: Task) -> None:
        from torchvision import models

        if task.input_kind != "image":
            raise UserError(f"model={self.network} takes images, not {task.input_kind}s; try model=mlr")
        channels = task.input_shape[0]
        self.backbone = getattr(models, self.network)()
        self.feature_dim = self.backbone.fc.in_features
        self.backbone.fc = nn.Identity()
        mean, std = (0.0,) * channels, (1.0,) * channels
        if self.weights is not None:
            if not self.restored:
                self._load(self._pretrained(self.weights))
            mean, std = for_channels(IMAGENET_MEAN, channels), for_channels(IMAGENET_STD, channels)
        if channels != 3:
            self.backbone.conv1 = first_convolution(self.backbone.conv1, channels, learned=self.weights is not None)
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))
        widths = [self.feature_dim, *self.widths]
        layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU(inplace=True))]
        self.hidden_layers = nn.Sequential(*layers)
        self.head = last_layer(self.last, widths[-1], task.num_classes)
        self._freeze()

    def _pretrained(self, weights: str) -> dict[str, Tensor]:
        return published_weights(self.network, weights) if weights in self.published else weights_of(Path(weights))

    def _load(self, state: dict[str, Tensor]) -> None:
        """All but the last layer."""
        kept = {name: value for name, value in state.items() if not name.startswith("fc.")}
        try:
            self.backbone.load_state_dict(kept)
        except (RuntimeError, AttributeError):
            raise UserError(
                f"model.weights={self.weights}: these are not the weights of torchvision's {self.network}; give those of that "
                "network, or another model"
            ) from None

    def _freeze(self) -> None:
        stages = {name: stage for name, stage in self.backbone.named_children() if name not in ("avgpool", "fc")}
        before = itertools.takewhile(lambda name: name != self.freeze_until, stages) if self.freeze_until else ()
        self.frozen = [stages[name].requires_grad_(False) for name in before]

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for stage in self.frozen:
            stage.eval()
        return self

    def fingerprint(self) -> str:
        if self.weights is None or self.weights in self.published:
            return ""
        return " weights " + hashlib.sha256(_bytes(Path(self.weights))).hexdigest()

    def features(self, x: Any) -> Tensor:
        z: Tensor = self.backbone((x - self.mean) / self.std if self.weights is not None else x)
        return z

    def penultimate(self, z: Tensor) -> Tensor:
        activations: Tensor = self.hidden_layers(z)
        return activations


def published_weights(network: str, weights: str) -> dict[str, Tensor]:
    """From torchvision's server, then kept in torch's cache. Raises UserError if they cannot be had."""
    from torchvision import models

    found = models.get_model_weights(network)[weights]
    try:
        state: dict[str, Tensor] = found.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:  # no network; a file that is not what its name says
        raise UserError(
            f"model.weights={weights}: {found.url} cannot be fetched ({error}); fetch it where there is a network and give "
            "the file's path, or use model.weights=null"
        ) from None
    return state


def weights_of(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a file. Raises UserError if it holds no such thing."""
    content = io.BytesIO(_bytes(path))
    try:
        state = torch.load(content, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, ValueError, KeyError):
        raise UserError(f"model.weights={path}: not a file of weights that torch reads; fetch it again") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"model.weights={path}: not tensors by name; give a file as torchvision publishes them")
    return state


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"model.weights={path}: neither a name of published weights nor a file that can be read ({error.strerror}); "
            "give IMAGENET1K_V1, a path, or null"
        ) from None


def for_channels(of_colours: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Red's, green's and blue's number for 3 channels, else their mean for each."""
    return of_colours if channels == 3 else (sum(of_colours) / 3,) * channels


def first_convolution(conv: nn.Conv2d, channels: int, *, learned: bool) -> nn.Conv2d:
    """The same for so many channels; learned kernels are spread over them, else they start anew as torchvision's do."""
    new = nn.Conv2d(channels, conv.out_channels, 7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    if learned:
        with torch.no_grad():
            new.weight.copy_(conv.weight.mean(dim=1, keepdim=True) * (3 / channels))
    return new
