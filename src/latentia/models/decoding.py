"""What a model says of its data because its likelihood says so."""

from __future__ import annotations

import math
from typing import Any, TypedDict

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.core.errors import ConfigError
from latentia.core.types import LatentModel
from latentia.networks import Inputs, Network, begin_at, begin_linear, centre
from latentia.probability import Likelihood, Posterior, Prior, observed

LIMIT = 1e3
"""Values in a model's units are about 1; one beyond this is an outlier, or in units of its own."""


def usual(x: Tensor) -> Tensor:
    """Give the mean of some examples, on which a single absurd value has little weight.

    Args:
        x: transformed examples, `(N, *event)`; NaN where a value is missing.

    Returns:
        Shape `(*event,)`: the mean of what was observed, 0 where nothing was.
    """
    near = x.clamp(-LIMIT, LIMIT)
    return near.nanmean(dim=0).nan_to_num(0.0) if near.isnan().any() else near.mean(dim=0)


def _fitting(fill: Tensor, x: Tensor) -> Tensor:
    """Give values for holes in examples of another size than the training's: the mean of each channel."""
    if fill.shape == x.shape[1:]:
        return fill
    return fill.flatten(1).mean(dim=1).reshape(-1, *[1] * (fill.dim() - 1))


def check_sizes(event: tuple[int, ...], latent: tuple[int, ...], **parts: nn.Module | None) -> None:
    """Refuse an event or a latent without entries, and parts that were made for another latent.

    Args:
        event: shape of one example.
        latent: shape of one latent, as the model's arguments have it.
        parts: posterior and prior, by name; None where the model makes its own.

    Raises:
        ConfigError: naming what does not fit.
    """
    if not event or min(event) < 1:
        raise ConfigError(f"'model.event' must be a shape of at least 1 in each dimension, not {list(event)}")
    for name, part in parts.items():
        own = tuple(getattr(part, "latent", latent))
        if own != latent:
            want, got = ("x".join(map(str, shape)) for shape in (latent, own))
            advice = f"latent_dim={own[0]}" if len(own) == 1 else "a latent of that shape"
            raise ConfigError(
                f"the model has a latent of shape {want}, and its {name} '{type(part).__name__}' one of "
                f"{got}; give the model {advice}, or a {name} with {want}"
            )


class ModelParts(TypedDict, total=False):
    """What a model with one level of latents is wired of; what is left out is as its `defaults` say.

    Attributes:
        network: the recipe for encoder and decoder; an MLP by default.
        posterior: q(z|x).
        prior: p(z).
        likelihood: p(x|z); Bernoulli where `defaults` name none.
        inputs: what stands before the encoder, for data with holes or categories; nothing by default.
    """

    network: Network | None
    posterior: Posterior | None
    prior: Prior | None
    likelihood: Likelihood | None
    inputs: Inputs | None


class DecodingModel(LatentModel):
    """A model whose p(x|z) is a likelihood of what a decoder gives.

    Attributes:
        likelihood: maps what the decoder gives to p(x|z).
        inputs: maps data with holes or categories to what the encoder reads; None where it reads them as they
            are.
        fill: what the encoder sees in the place of missing values, `(*event,)`, once `fill_holes` was called.
        encoder: maps data to what the posterior reads.
        decoder: maps latents to what the likelihood reads.
    """

    likelihood: Likelihood
    inputs: Inputs | None
    fill: Tensor | None
    encoder: Any
    decoder: Any

    def take(self, inputs: Inputs | None) -> None:
        """Let the encoder see examples through inputs.

        Args:
            inputs: what stands before the encoder; None where it sees examples as they are.
        """
        self.inputs = inputs
        self.likelihood.holes = inputs is not None
        self.register_buffer("fill", None, persistent=False)

    @property
    def holes(self) -> bool:
        """Whether the model was trained on missing values, or fills them in; see `LatentModel`."""
        return self.fill is not None or (self.inputs is not None and self.inputs.holes)

    @torch.no_grad()
    def fill_holes(self) -> None:
        """Fill them with the decoded mean of the prior before the encoder, and leave them out of log p.

        See `LatentModel`. Of a model with a condition it is the mean where the condition is not known.
        """
        prior = self.prior(None)
        # A model that infers the label knows no other way to leave it open than all labels in equal parts.
        c = prior.mean.new_full((1, self.condition), 1 / self.condition) if self.classifies else None
        self.fill = self.decode(prior.mean.unsqueeze(0), c).mean[0]

    @property
    def entrance(self) -> tuple[int, ...]:
        """The shape of what the encoder reads of one example."""
        return self.event if self.inputs is None else self.inputs.features(self.event)

    def seen(self, x: Tensor) -> Tensor:
        """Give what the encoder reads.

        Args:
            x: the data, shape `(B, *event)`; NaN where a value is missing.

        Returns:
            Shape `(B, *entrance)`.
        """
        if self.fill is not None:
            x = torch.where(x.isnan(), _fitting(self.fill, x), x)
        return x if self.inputs is None else self.inputs(x)

    def likely(self, h: Tensor) -> Distribution:
        """Give p(x|z) from what the decoder gives.

        Args:
            h: the decoder's output, shape `(*batch, *features)`.

        Returns:
            A distribution with batch shape `batch`; where there are inputs, of what was observed.
        """
        p_x = self.likelihood(h, len(self.event))
        return p_x if self.inputs is None and self.fill is None else observed(p_x)

    def begin(self, x: Tensor) -> None:
        """Let encoder and decoder begin around the mean example; see `LatentModel`.

        What they learn then is how examples differ. From the middle of the range a decoder of mostly dark or
        mostly light pictures first learns to give the same for all of them, and may stay there.
        """
        mean = usual(x)
        centre(self.encoder, mean if self.inputs is None else usual(self.seen(x)))
        begin_linear(self.encoder, self.decoder, torch.where(x.isnan(), mean, x))
        self.likelihood.begin(x)
        output = self.likelihood.output_for(mean)
        if output is not None:
            begin_at(self.decoder, output)

    @property
    def discrete(self) -> bool:
        """Whether p(x|z) is a probability of values; see `LatentModel`."""
        return self.likelihood.discrete

    @property
    def binary(self) -> bool:
        """Whether x is 0 or 1; see `LatentModel`."""
        return self.likelihood.binary

    @property
    def nominal(self) -> Tensor | None:
        """The likelihood's; see `LatentModel`."""
        return self.likelihood.nominal

    @property
    def densities(self) -> Tensor | None:
        """The likelihood's; see `LatentModel`."""
        return self.likelihood.densities

    @property
    def decoded(self) -> int:
        """The size of what the likelihood reads; see `LatentModel`."""
        return math.prod(self.likelihood.features(self.event))

    @property
    def support(self) -> tuple[float, float]:
        """The likelihood's; see `LatentModel`."""
        return self.likelihood.support
