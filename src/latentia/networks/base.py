"""What every network promises, and the few pieces that they share."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from latentia.core.errors import ConfigError

Activation = Literal["relu", "silu", "gelu", "tanh", "elu", "leaky_relu", "identity"]
Shape = tuple[int, ...]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
    "identity": nn.Identity,
}


def activation_named(name: str) -> nn.Module:
    """Make an activation.

    Args:
        name: one of the names of `Activation`.

    Returns:
        A new module.
    """
    return _ACTIVATIONS[name]()


def dense(widths: Sequence[int], activation: str) -> list[nn.Module]:
    """Make dense layers, each with its activation.

    Args:
        widths: the input's width, then that of each layer.
        activation: name of the activation.

    Returns:
        The modules; none for a single width.
    """
    return [
        module
        for before, after in pairwise(widths)
        for module in (nn.Linear(before, after), activation_named(activation))
    ]


def dense_to(width: int, shape: Shape) -> list[nn.Module]:
    """Make the last dense layer, whose output has a shape.

    Args:
        width: the input's width.
        shape: shape of the output for one example.

    Returns:
        The modules.
    """
    layer = nn.Linear(width, math.prod(shape))
    return [layer, nn.Unflatten(1, shape)] if len(shape) > 1 else [layer]


LAYERS = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
"""Layers whose output has a bias."""


@torch.no_grad()
def begin_at(decoder: nn.Module, output: Tensor) -> None:
    """Set the bias of a fresh decoder's last layer, so that its outputs lie around a value.

    A dense layer has a bias for every entry; a convolution has one for each channel, which begins at the
    channel's mean. A decoder that ends otherwise is left as it is.

    Args:
        decoder: its last layer is the one that was built last, and the last of its parts but for shapes.
        output: the value, shape of the output for one example.
    """
    # What normalises a layer's weights stands below it, and is no layer.
    leaves = [
        module
        for name, module in decoder.named_modules()
        if "parametrizations" not in name and (isinstance(module, LAYERS) or not [*module.children()])
    ]
    while leaves and isinstance(leaves[-1], (nn.Unflatten, nn.Flatten, nn.Identity)):
        leaves.pop()
    layer = leaves[-1] if leaves else None
    if not isinstance(layer, LAYERS) or layer.bias is None:
        return
    if isinstance(layer, nn.Linear):
        value = output.flatten()
    else:
        value = output.flatten(start_dim=1).mean(dim=1)
    if value.shape == layer.bias.shape:
        layer.bias.copy_(value)


@torch.no_grad()
def centre(encoder: nn.Module, mean: Tensor) -> None:
    """Set the bias of a fresh encoder's first layer, so that it sees how examples differ from their mean.

    What it is given beside the example, such as a mask in further channels, is left as it is.

    Args:
        encoder: its first layer is the one that was built first.
        mean: the mean example, `(*event,)`.
    """
    layer = next((module for module in encoder.modules() if isinstance(module, LAYERS)), None)
    if layer is None or layer.bias is None:
        return
    if isinstance(layer, nn.Linear):
        weight, value = layer.weight, mean.flatten()
    else:
        weight, value = layer.weight.flatten(start_dim=2).sum(dim=2), mean.flatten(start_dim=1).mean(dim=1)
    if len(value) <= weight.shape[1]:
        layer.bias.sub_(weight[:, : len(value)] @ value)


class ResidualBlock(nn.Module):
    """`x + f(x)`, with f in `body`."""

    body: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, ...)` to the same shape."""
        return x + self.body(x)


def recompute(model: nn.Module) -> None:
    """Let residual blocks keep their input alone and compute their inside anew on the way back.

    Args:
        model: changed in place; its weights and their names stay.

    Raises:
        ConfigError: if it has no residual block.

    References:
        Tianqi Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.
    """
    from torch.utils.checkpoint import checkpoint

    blocks = [module for module in model.modules() if isinstance(module, ResidualBlock)]
    if not blocks:
        raise ConfigError(
            "'training.recompute' needs a network of residual blocks, such as resnet, grid or ladder_conv"
        )
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


class Layered(nn.Module):
    """Stages one after another, each of which is a feature map."""

    def __init__(self, stages: list[nn.Module]) -> None:
        """Take the stages.

        Args:
            stages: each maps the output of the one before.
        """
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Give the output of every stage."""
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


class Network(abc.ABC):
    """A recipe for an encoder and the decoder that mirrors it."""

    kind: ClassVar[str] = "network"
    convolutional: ClassVar[bool] = False
    """Whether encoder and decoder work on images of any size."""
    any_event: ClassVar[bool] = False
    """Whether it suits whatever data a model has that names it as its usual one."""
    link: ClassVar[str | None] = None
    """The likelihood's link that its outputs suit, where that is so whatever the data."""

    def latent(self, event: Shape, dim: int, downsample: int | None = None) -> Shape:
        """Give the shape of a latent: what the encoder leads to and the decoder begins with.

        Args:
            event: shape of one example.
            dim: numbers of a latent, or of each place of its grid.
            downsample: how many times smaller than an image its grid is, where the model asks for one.

        Returns:
            `(dim,)`; for images, where a grid is asked for, `(dim, H / downsample, W / downsample)`.

        Raises:
            ConfigError: if the latent has no dimension, or the grid does not divide the image.
        """
        check_dim(dim)
        return (dim,) if downsample is None else (dim, *divided(event, downsample, "model.downsample"))

    def strides(self, event: Shape, latent: Shape) -> Shape:
        """Say how many entries along each of the last sides are one place of a grid.

        Args:
            event: shape of one example.
            latent: what `latent` gave for it.

        Returns:
            A number for each side of the grid.
        """
        sides = zip(event[-len(latent) + 1 :], latent[1:], strict=True)
        return tuple(side // part for side, part in sides)

    @property
    def lead(self) -> int:
        """How many entries at the beginning of the first of these sides are a place of their own."""
        return 0

    @abc.abstractmethod
    def encoder(self, event: Shape, features: Shape) -> nn.Module:
        """Build the map from `(B, *event)` to `(B, *features)`.

        Args:
            event: shape of one example.
            features: shape of what the posterior needs.

        Returns:
            The module.
        """

    @abc.abstractmethod
    def decoder(self, latent: Shape, event: Shape) -> nn.Module:
        """Build the map from `(B, *latent)` to `(B, *event)`.

        Args:
            latent: shape of one latent.
            event: shape of what the likelihood needs.

        Returns:
            The module.
        """


def check_dim(dim: int) -> None:
    """Refuse a latent without dimensions.

    Args:
        dim: how many it has.

    Raises:
        ConfigError: if it is smaller than 1.
    """
    if dim < 1:
        raise ConfigError(f"'model.latent_dim' must be at least 1, not {dim}")


def divided(event: Shape, factor: int, where: str) -> Shape:
    """Give the sides of the grid of an image.

    Args:
        event: shape of one example.
        factor: how many times smaller the grid is, along each side.
        where: the setting, for messages.

    Returns:
        Height and width; nothing for what is no image.

    Raises:
        ConfigError: if the factor does not divide the image.
    """
    if factor < 1:
        raise ConfigError(f"'{where}' must be at least 1, not {factor}")
    if len(event) != 3:
        return ()
    height, width = event[1:]
    if height % factor or width % factor:
        fits = [n for n in range(1, min(height, width) + 1) if height % n == width % n == 0]
        near = max((n for n in fits if n < factor), default=1)
        raise ConfigError(
            f"{where}={factor} does not divide images of {height}x{width}; use {where}={near}, or "
            f"data.size={factor * max(1, round(height / factor))}"
        )
    return height // factor, width // factor


def check_grid(shape: Shape, network: str) -> None:
    """Refuse a vector where a network keeps height and width.

    Args:
        shape: of a latent, or of what the posterior needs.
        network: the network's name, for the message.

    Raises:
        ConfigError: if it is no grid.
    """
    if len(shape) != 3:
        raise ConfigError(
            f"network '{network}' leads to a grid and not to a vector, which this model needs; use "
            "network.name=conv, or --model vae"
        )


def check_positive(values: tuple[int, ...], where: str) -> None:
    """Refuse layer sizes that are not positive.

    Args:
        values: the sizes.
        where: the setting, for the message.

    Raises:
        ConfigError: if one is smaller than 1.
    """
    if any(value < 1 for value in values):
        raise ConfigError(f"'{where}' must hold positive sizes, not {list(values)}")


def check_levels(channels: tuple[int, ...]) -> None:
    """Refuse what are no channels of levels.

    Args:
        channels: those of each level, the picture's own resolution first.

    Raises:
        ConfigError: if there is none, or one is not positive.
    """
    if not channels:
        raise ConfigError("'network.channels' must name the channels of at least one level")
    check_positive(channels, "network.channels")


def image_size(event: Shape, network: str, instead: str = "mlp") -> tuple[int, int, int]:
    """Give channels, height and width of an image event.

    Args:
        event: shape of one example.
        network: name of the network that needs an image, for the message.
        instead: name of a network that needs none.

    Returns:
        Channels, height, width.

    Raises:
        ConfigError: if the event is no image.
    """
    if len(event) != 3:
        shape = "x".join(map(str, event))
        raise ConfigError(
            f"network '{network}' needs images, and the data have shape {shape}; use network.name={instead}"
        )
    channels, height, width = event
    return channels, height, width
