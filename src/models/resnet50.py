"""torchvision's residual network of 50 layers."""

from __future__ import annotations

from src.models.resnet import ResNet


class ResNet50(ResNet):
    """ResNet50 (He 2016, table 1): 2,048 features; 23,508,032 parameters before the classifier for 3 channels."""

    network = "resnet50"
    published = ("IMAGENET1K_V1", "IMAGENET1K_V2")
