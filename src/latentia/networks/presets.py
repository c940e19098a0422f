"""Networks that a lecture names, by name."""

from __future__ import annotations

from latentia.networks.conv import Conv
from latentia.networks.mlp import MLP
from latentia.registry import register


@register("network", "lecture-256-64")
def lecture_256_64() -> MLP:
    """Build 784-256-64-16 and its mirror, with ReLU: 437,664 parameters as an autoencoder on 28x28."""
    return MLP(hidden=(256, 64), activation="relu")


@register("network", "lecture-tanh")
def lecture_tanh() -> MLP:
    """Build 784-196-48-16-2 and its mirror, with tanh: the network of the two-latent map."""
    return MLP(hidden=(196, 48, 16), activation="tanh")


@register("network", "lecture-conv")
def lecture_conv() -> Conv:
    """Build the convolutional pair for 16 latents: three halvings, no hidden dense layer."""
    return Conv(channels=(32, 64, 128), hidden=(), activation="relu")
