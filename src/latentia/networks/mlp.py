"""The multi-layer perceptron."""

from __future__ import annotations

import math

from torch import nn

from latentia.core.registry import register
from latentia.networks.base import Activation, Network, Shape, check_positive, dense, dense_to


@register("network", "mlp")
class MLP(Network):
    """Fully connected layers; the decoder has the encoder's widths in reverse."""

    def __init__(self, hidden: tuple[int, ...] = (512, 256), activation: Activation = "silu") -> None:
        """Describe the pair.

        Args:
            hidden: widths of the encoder's hidden layers, from the data to the latent.
            activation: what follows each hidden layer.
        """
        check_positive(hidden, "network.hidden")
        self.hidden = hidden
        self.activation = activation

    def encoder(self, event: Shape, features: Shape) -> nn.Module:
        """Build the map from `(B, *event)` to `(B, *features)`; see `Network`."""
        return self._stack(event, self.hidden, features)

    def decoder(self, latent: Shape, event: Shape) -> nn.Module:
        """Build the map from `(B, *latent)` to `(B, *event)`; see `Network`."""
        return self._stack(latent, self.hidden[::-1], event)

    def _stack(self, inputs: Shape, hidden: tuple[int, ...], outputs: Shape) -> nn.Module:
        widths = (math.prod(inputs), *hidden)
        layers = [*dense(widths, self.activation), *dense_to(widths[-1], outputs)]
        return nn.Sequential(nn.Flatten(), *layers)
