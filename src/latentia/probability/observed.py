"""Distributions of which some entries were not observed: missing ones are summed out of log p."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, Independent, constraints

from latentia.core.errors import ConfigError
from latentia.probability.pixels import PixelMixture


class Observed(Distribution):
    """Entries, of which a value that is NaN is missing: log p of it is 0.

    The integral of a density over all values of an entry is 1, so that the sum over the others is log p of
    what was observed. What stands in the place of a hole reaches no gradient.

    References:
        Pierre-Alexandre Mattei, Jes Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete
        Data Sets", 2019.
        Alfredo Nazabal, Pablo Olmos, Zoubin Ghahramani, Isabel Valera, "Handling Incomplete Heterogeneous
        Data using VAEs", 2020.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore

    def __init__(self, base: Distribution) -> None:
        """Wrap a distribution.

        Args:
            base: that of each entry, with no event dimensions.
        """
        self.base = base
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Give log p of each entry, 0 where it is missing, in nats."""
        missing = value.isnan()
        if isinstance(self.base, PixelMixture):
            self.base.check_holes(missing)
        log_p = self.base.log_prob(value.nan_to_num(0.0))
        return torch.where(missing, 0.0, log_p)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Observed:
        """Give the same distribution in a larger batch shape; see `torch.distributions.Distribution`."""
        return Observed(self.base.expand(batch_shape))

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008 - immutable
        """Draw values of all entries; see `torch.distributions.Distribution`."""
        return self.base.sample(sample_shape)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008 - immutable
        """Draw values of all entries with a gradient; see `torch.distributions.Distribution`."""
        return self.base.rsample(sample_shape)

    @property
    def has_rsample(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether `rsample` has a gradient."""
        return self.base.has_rsample

    @property
    def mean(self) -> Tensor:
        """The mean of all entries."""
        return self.base.mean

    @property
    def variance(self) -> Tensor:
        """The variance of all entries."""
        return self.base.variance


def observed(p: Distribution) -> Distribution:
    """Let a distribution over examples take missing values.

    Args:
        p: p(x|z) with independent entries.

    Returns:
        The same, whose log p of an example is that of its observed entries.

    Raises:
        ConfigError: if the entries are not independent.
    """
    if not isinstance(p, Independent):
        raise ConfigError(
            "missing values need a likelihood of independent entries, and this one is of another kind; use "
            "likelihood.name=gaussian_optimal"
        )
    if isinstance(p.base_dist, Observed):
        return p
    return Independent(Observed(p.base_dist), p.reinterpreted_batch_ndims, validate_args=False)


def entries(p: Distribution, x: Tensor) -> Tensor:
    """Give what each entry of an example adds to log p(x|z).

    Args:
        p: p(x|z), as `decode` gives it, batch shape `batch`.
        x: examples, broadcastable against `(*batch, *event)`; NaN where a value is missing.

    Returns:
        In nats, shape `(*batch, *event)`, 0 where a value is missing; the sum over the event is log p(x|z).
    """
    apart: Any = observed(p)
    return torch.broadcast_to(apart.base_dist.log_prob(x), apart.base_dist.batch_shape)


def blended(p: Distribution, weights: Tensor) -> Tensor:
    """Give the single best value of each entry under a mixture over latents.

    Args:
        p: p(x|z) of S latents of each example, batch shape `(S, B)`.
        weights: of the latents, summing to 1 over them, shape `(S, B)`.

    Returns:
        The mean of numbers and the likeliest category, shape `(B, *event)`.
    """
    apart: Any = observed(p)
    base = apart.base_dist.base
    return base.blended(weights) if hasattr(base, "blended") else weighted(base.mean, weights)


def weighted(values: Tensor, weights: Tensor) -> Tensor:
    """Average over latents.

    Args:
        values: shape `(S, B, ...)`.
        weights: shape `(S, B)`.

    Returns:
        Shape `(B, ...)`.
    """
    return (weights.reshape(*weights.shape, *[1] * (values.dim() - 2)) * values).sum(dim=0)
