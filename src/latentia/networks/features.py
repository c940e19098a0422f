"""Networks of features: fixed maps in which distances are nearer to what the eye sees than between pixels."""

from __future__ import annotations

import abc
from typing import ClassVar

from torch import nn

from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.core.noise import seeded
from latentia.core.registry import register
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
