"""What a model says of its data because its likelihood says so."""

from __future__ import annotations

import math

from latentia.probability import Likelihood
from latentia.types import LatentModel


class DecodingModel(LatentModel):
    """A model whose p(x|z) is a likelihood of what a decoder gives.

    Attributes:
        likelihood: maps what the decoder gives to p(x|z).
    """

    likelihood: Likelihood

    @property
    def discrete(self) -> bool:
        """Whether p(x|z) is a probability of values; see `LatentModel`."""
        return self.likelihood.discrete

    @property
    def binary(self) -> bool:
        """Whether x is 0 or 1; see `LatentModel`."""
        return self.likelihood.binary

    @property
    def decoded(self) -> int:
        """The size of what the likelihood reads; see `LatentModel`."""
        return math.prod(self.likelihood.features(self.event))

    @property
    def support(self) -> tuple[float, float]:
        """The likelihood's; see `LatentModel`."""
        return self.likelihood.support
