"""Likelihoods p(x|z): from the decoder's output to a distribution over the data.

The decoder's output h has shape `(*batch, *features)`, with the batch `(S, B)` in training: the shape of
the event, with as many times the channels as a likelihood needs numbers for an entry. Asking for "mse" or
"l1" gives the likelihood whose negative logarithm that loss is.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
import torch.distributions as D
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.probability.moving import Moving

Link = Literal["identity", "sigmoid"]

EDGE = 1e-3
"""A probability that a fresh decoder begins at is this far from 0 and 1."""


def logits_of(mean: Tensor) -> Tensor:
    """Give the logits of probabilities, those at the edges moved inwards.

    Args:
        mean: probabilities, any shape.

    Returns:
        Same shape.

    References:
        Yuri Burda, Roger Grosse, Ruslan Salakhutdinov, "Importance Weighted Autoencoders", 2016 (their code
        begins at the logit of the mean image, within 0.001 and 0.999).
    """
    return mean.clamp(EDGE, 1 - EDGE).logit()


class Likelihood(nn.Module):
    """Maps the decoder's output `(*batch, *features)` to p(x|z)."""

    kind: ClassVar[str] = "likelihood"
    support: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """The closed interval outside of which a value has no density."""
    discrete: ClassVar[bool] = False
    """Whether it is a probability of values rather than a density."""
    binary: ClassVar[bool] = False
    """Whether the only values of the model are 0 and 1."""
    sharp: ClassVar[bool] = False
    """Whether a scale of each entry may shrink to the width of a level, so that whole numbers have to be
    dequantised in training, too: without noise the density of what never varies grows without limit."""
    numbers: int = 1
    """How many numbers of the decoder's output describe an entry of the data."""
    holes: bool = False
    """Whether `observe` may be shown missing values; the model says so."""

    @property
    def nominal(self) -> Tensor | None:
        """Which entries are codes of names, shape `(*event,)`, bool; None where none are."""
        return None

    @property
    def densities(self) -> Tensor | None:
        """The share of each entry's values that have a density, shape `(*event,)`; None if all are alike."""
        return None

    def features(self, event: tuple[int, ...]) -> tuple[int, ...]:
        """Give the shape that the decoder must give for one example.

        Args:
            event: shape of one example; its first dimension is the channels.

        Returns:
            The event's shape with `numbers` times its channels.
        """
        return (self.numbers * event[0], *event[1:])

    def forward(self, h: Tensor, event_dims: int) -> Distribution:
        """Give p(x|z), independent over the data's dimensions.

        Args:
            h: the decoder's output, shape `(*batch, *features)`.
            event_dims: how many of its last dimensions are the event.

        Returns:
            A distribution with batch shape `batch` and event shape `event`.
        """
        return Independent(self.pixels(h), event_dims, validate_args=False)

    def pixels(self, h: Tensor) -> Distribution:
        """Give the distribution of each entry, batch shape of `h`."""
        raise TypeError("a likelihood defines its own pixels")

    def output_for(self, mean: Tensor) -> Tensor | None:
        """Give the decoder's output at which p(x|z) has a location: where a fresh decoder begins.

        Args:
            mean: the location of each entry, shape `(*event,)`.

        Returns:
            Shape `features`, or None where there is no location to set.
        """
        return None

    def begin(self, x: Tensor) -> None:
        """See some training examples once, before a run starts; most likelihoods need none.

        Args:
            x: transformed examples in random order, shape `(N, *event)`; NaN where a value is missing.
        """

    def observe(self, h: Tensor, x: Tensor) -> None:
        """See outputs together with the data they stand for, before `forward`, in training only.

        What a likelihood estimates in closed form rather than by gradient, it estimates here.

        Args:
            h: the decoder's output, shape `(S, B, *features)`.
            x: the data, shape `(B, *event)`; NaN where a value is missing, if it `holes`.
        """


class Several(Likelihood):
    """A likelihood that several numbers of the decoder's output describe, for each entry of the data.

    All channels of the first number come first, then all of the second, and so on.
    """

    def forward(self, h: Tensor, event_dims: int) -> Distribution:
        """Give p(x|z); see `Likelihood`. `pixels` is given the numbers in a last dimension of their own."""
        apart = h.unflatten(-event_dims, (self.numbers, -1)).movedim(-event_dims - 1, -1)
        return Independent(self.pixels(apart), event_dims, validate_args=False)

    @staticmethod
    def beside(*numbers: Tensor) -> Tensor:
        """Put the numbers of each entry, each `(*event,)`, side by side as the decoder gives them."""
        return torch.cat(numbers)


class _Located(Likelihood):
    """A likelihood with a location: the decoder's output, through a link."""

    def __init__(self, link: Link = "identity") -> None:
        super().__init__()
        self.link = link

    def location(self, h: Tensor) -> Tensor:
        return h.sigmoid() if self.link == "sigmoid" else h

    def output_for(self, mean: Tensor) -> Tensor:
        """Give the location before the link; see `Likelihood`."""
        return logits_of(mean) if self.link == "sigmoid" else mean


def positive(value: float, where: str) -> float:
    """Refuse a scale that is not positive.

    Args:
        value: the scale.
        where: the setting, for the message.

    Returns:
        The scale.

    Raises:
        ConfigError: if it is 0 or less.
    """
    if not 0 < value < math.inf:
        raise ConfigError(f"'{where}' must be positive, not {value}")
    return value


@register("likelihood", "gaussian")
class Gaussian(_Located):
    """N(x; mu(z), sigma^2) with one fixed sigma."""

    def __init__(self, sigma: float = 1.0, link: Link = "identity") -> None:
        """Fix the noise.

        Args:
            sigma: standard deviation, in the units of the transformed data.
            link: what takes the decoder's output to mu.
        """
        super().__init__(link)
        self.sigma = positive(sigma, "likelihood.sigma")

    def pixels(self, h: Tensor) -> Distribution:
        """Give N(mu, sigma^2)."""
        return D.Normal(self.location(h), self.sigma, validate_args=False)


@register("likelihood", "gaussian_learned")
class GaussianLearned(_Located):
    """N(x; mu(z), sigma^2) with one sigma learned by gradient, as log sigma."""

    def __init__(self, initial_sigma: float = 1.0, link: Link = "identity") -> None:
        """Set where sigma starts.

        Args:
            initial_sigma: standard deviation before training.
            link: what takes the decoder's output to mu.
        """
        super().__init__(link)
        start = math.log(positive(initial_sigma, "likelihood.initial_sigma"))
        self.log_sigma = nn.Parameter(torch.tensor(start))

    def pixels(self, h: Tensor) -> Distribution:
        """Give N(mu, sigma^2)."""
        return D.Normal(self.location(h), self.log_sigma.exp(), validate_args=False)


@register("likelihood", "gaussian_optimal")
class GaussianOptimal(_Located, Moving):
    r"""N(x; mu(z), sigma^2) with the sigma that maximises the likelihood, in closed form.

    The maximum is at sigma^2 = mean (x - mu)^2. Training keeps a running mean of it over about the
    last `window` batches, in a buffer; evaluation uses the buffer as it stands, so that the
    likelihood of an example does not depend on the examples beside it.

    References:
        Oleh Rybkin, Kostas Daniilidis, Sergey Levine, "Simple and Effective VAE Training with
        Calibrated Decoders", 2021.
    """

    variance: Tensor
    batches: Tensor

    def __init__(self, window: int = 20, smallest: float = 1e-3, link: Link = "identity") -> None:
        """Set how sigma is estimated.

        Args:
            window: how many batches the running mean looks back on.
            smallest: lower limit on sigma; without one, a perfect fit has infinite density.
            link: what takes the decoder's output to mu.
        """
        super().__init__(link)
        self.window = window
        self.smallest = positive(smallest, "likelihood.smallest")
        self.register_buffer("variance", torch.ones(()))
        self.register_buffer("batches", torch.zeros(()))

    def observe(self, h: Tensor, x: Tensor) -> None:
        """Move the running mean of (x - mu)^2 towards this batch's."""
        with torch.no_grad():
            squares = (x - self.location(h)) ** 2
            if not self.holes:
                self.see(squares.mean())
                return
            missing = x.isnan().expand_as(squares)
            self.see(squares.masked_fill(missing, 0.0).sum() / (~missing).sum().clamp(min=1))

    @torch.no_grad()
    def move(self, *seen: Tensor) -> None:
        """Move by the mean of (x - mu)^2; see `Moving`."""
        self.batches += 1
        self.variance += (seen[0] - self.variance) / self.batches.clamp(max=self.window)

    def pixels(self, h: Tensor) -> Distribution:
        """Give N(mu, sigma^2)."""
        scale = self.variance.sqrt().clamp(min=self.smallest)
        return D.Normal(self.location(h), scale, validate_args=False)


@register("likelihood", "laplace")
class Laplace(_Located):
    """Laplace(x; mu(z), b) with a fixed scale b: absolute instead of squared error."""

    def __init__(self, scale: float = 1.0, link: Link = "identity") -> None:
        """Fix the noise.

        Args:
            scale: the scale b, in the units of the transformed data.
            link: what takes the decoder's output to mu.
        """
        super().__init__(link)
        self.scale = positive(scale, "likelihood.scale")

    def pixels(self, h: Tensor) -> Distribution:
        """Give Laplace(mu, b)."""
        return D.Laplace(self.location(h), self.scale, validate_args=False)


@register("likelihood", "mse")
def mse(link: Link = "identity") -> Gaussian:
    """Build the Gaussian with sigma^2 = 1/2: -log p is the sum of squared errors plus a constant."""
    return Gaussian(sigma=math.sqrt(0.5), link=link)


@register("likelihood", "l1")
def l1(link: Link = "identity") -> Laplace:
    """Build the Laplace with b = 1: -log p is the sum of absolute errors plus a constant."""
    return Laplace(scale=1.0, link=link)
