"""Likelihoods of whole numbers: probabilities of the levels of 8-bit data, without dequantisation."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.distributions as D
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.probability import discrete
from latentia.probability.likelihoods import EDGE, Several


class OverLevels(Several):
    """A probability of the values level / (levels - 1), with `numbers` numbers for each entry."""

    support: ClassVar[tuple[float, float]] = (0.0, 1.0)
    discrete: ClassVar[bool] = True

    def __init__(self, levels: int = 256) -> None:
        """Set the levels.

        Args:
            levels: how many values an entry may take, 0 included; taken from the data by default.

        Raises:
            ConfigError: if there are fewer than two.
        """
        super().__init__()
        if levels < 2:
            raise ConfigError(f"'likelihood.levels' must be at least 2, not {levels}")
        self.levels = levels


LOG_SCALES = (-9.0, 4.0)
"""Range of log s, the data's range being 1: from a thirtieth of one of 256 levels to nearly uniform."""

LOG_SCALE = -2.0
"""log s where the decoder gives 0: about the spread of a uniform variable."""

MIDDLE = 0.5
"""mu where the decoder gives 0."""


def _logistic(centre: Tensor | float, offset: Tensor, log_scale: Tensor, levels: int) -> Distribution:
    scale = F.hardtanh(LOG_SCALE + log_scale, *LOG_SCALES).exp()
    return discrete.DiscretisedLogistic(centre + offset, scale, levels)


@register("likelihood", "discretised_logistic")
class DiscretisedLogistic(OverLevels):
    """A logistic rounded to levels; the decoder gives mu and log s, both from a middling value on.

    References:
        Diederik Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow", 2016.
    """

    numbers: int = 2

    def pixels(self, h: Tensor) -> Distribution:
        """Give the distribution of each entry from `h`, shape `(*batch, *event, 2)`."""
        offset, log_scale = h.unbind(dim=-1)
        return _logistic(MIDDLE, offset, log_scale, self.levels)

    def output_for(self, mean: Tensor) -> Tensor:
        """Give mu, and the scale that 0 stands for; see `Likelihood`."""
        return self.beside(mean - MIDDLE, torch.zeros_like(mean))


@register("likelihood", "discretised_logistic_mixture")
class DiscretisedLogisticMixture(OverLevels):
    """A mixture of logistics rounded to levels; the decoder gives logits, mu and log s of every component.

    Channels are independent given z. The components start spread over the range, so that they can divide it.

    References:
        Tim Salimans et al., "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture
        Likelihood and Other Modifications", 2017.
    """

    centres: Tensor

    def __init__(self, components: int = 5, levels: int = 256) -> None:
        """Set the mixture.

        Args:
            components: how many logistics.
            levels: how many values an entry may take, 0 included; taken from the data by default.

        Raises:
            ConfigError: if there is no component, or fewer than two levels.
        """
        super().__init__(levels)
        if components < 1:
            raise ConfigError(f"'likelihood.components' must be at least 1, not {components}")
        self.numbers = 3 * components
        self.register_buffer("centres", (torch.arange(components) + 0.5) / components, persistent=False)

    def pixels(self, h: Tensor) -> Distribution:
        """Give the distribution of each entry from `h`, shape `(*batch, *event, 3 components)`."""
        logits, offset, log_scale = h.chunk(3, dim=-1)
        parts = _logistic(self.centres, offset, log_scale, self.levels)
        return D.MixtureSameFamily(
            D.Categorical(logits=logits, validate_args=False), parts, validate_args=False
        )


@register("likelihood", "beta_binomial")
class BetaBinomial(OverLevels):
    """A beta-binomial over levels; the decoder gives log alpha and log beta of each entry.

    References:
        James Townsend, Tom Bird, David Barber, "Practical Lossless Compression with Latent Variables using
        Bits Back Coding", 2019.
    """

    LIMIT = 12.0
    """The logarithms are held within plus and minus this."""
    numbers: int = 2

    def pixels(self, h: Tensor) -> Distribution:
        """Give the distribution of each entry from `h`, shape `(*batch, *event, 2)`."""
        alpha, beta = F.hardtanh(h, -self.LIMIT, self.LIMIT).exp().unbind(dim=-1)
        return discrete.BetaBinomial(alpha, beta, self.levels)

    def output_for(self, mean: Tensor) -> Tensor:
        """Give log alpha and log beta with alpha + beta = 2, as of a uniform bias; see `Likelihood`."""
        inside = mean.clamp(EDGE, 1 - EDGE)
        return self.beside((2 * inside).log(), (2 - 2 * inside).log())


@register("likelihood", "categorical")
class Categorical(OverLevels):
    """A logit for every level of each entry: any distribution at all, and blind to the levels' order.

    References:
        Aaron van den Oord, Nal Kalchbrenner, Koray Kavukcuoglu, "Pixel Recurrent Neural Networks", 2016.
    """

    def __init__(self, levels: int = 256) -> None:
        """Set the levels.

        Args:
            levels: how many values an entry may take, 0 included; taken from the data by default.
        """
        super().__init__(levels)
        self.numbers = levels

    def pixels(self, h: Tensor) -> Distribution:
        """Give the distribution of each entry from `h`, shape `(*batch, *event, levels)`."""
        return discrete.Categorical(h)
