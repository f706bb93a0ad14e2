"""torchvision's residual network of 18 layers."""

from __future__ import annotations

from src.models.resnet import ResNet


class ResNet18(ResNet):
    """ResNet18 (He 2016, table 1): 512 features; 11,176,512 parameters before the classifier for 3 channels."""

    network = "resnet18"
    published = ("IMAGENET1K_V1",)
