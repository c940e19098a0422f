"""Distributions over levels: whole numbers 0..n-1 as values from 0 to 1, such as 8-bit pixels.

A value is level / (n - 1). Probabilities are exact: they sum to 1 over the levels, so that their
logarithm is the length of a code and needs no dequantisation.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, constraints


def widened(values: Tensor) -> Tensor:
    """Give values as float64, in which large terms may cancel; as they are where the device has no float64.

    Args:
        values: any floating-point numbers.

    Returns:
        Same shape.
    """
    return values if values.device.type == "mps" else values.double()


def picked(values: Tensor, at: Tensor) -> Tensor:
    """Pick one of several values of each entry.

    Args:
        values: shape `(*batch, M)`.
        at: which of the M, int64, broadcastable against `batch`, or the batch against it.

    Returns:
        Shape of both, broadcast.
    """
    at, _ = torch.broadcast_tensors(at, values[..., 0])
    return values.expand(*at.shape, values.shape[-1]).gather(-1, at[..., None])[..., 0]


class Levelled(Distribution):
    """A distribution over the values level / (n - 1), where level is one of 0..n-1.

    A subclass gives `mass` and `draw` in whole numbers, and `mean` where it has a closed form.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore
    support: constraints.Constraint = constraints.unit_interval  # pyright: ignore

    def __init__(self, shape: torch.Size, levels: int) -> None:
        """Set the levels.

        Args:
            shape: the batch shape; every entry is an event of its own.
            levels: how many there are, at least 2.
        """
        self.levels = levels
        super().__init__(shape, validate_args=False)

    def mass(self, level: Tensor) -> Tensor:
        """Give log P(level).

        Args:
            level: whole numbers as floats, broadcastable against the batch shape.

        Returns:
            In nats, broadcast shape.
        """
        raise TypeError("a distribution over levels defines its own mass")

    def draw(self, shape: torch.Size) -> Tensor:
        """Draw levels.

        Args:
            shape: of the result; ends with the batch shape.

        Returns:
            Whole numbers as floats.
        """
        raise TypeError("a distribution over levels defines its own draw")

    def log_prob(self, value: Tensor) -> Tensor:
        """Give log P of the level at `value`, in nats."""
        return self.mass((value * (self.levels - 1)).round())

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw values from 0 to 1."""
        with torch.no_grad():
            return self.draw(torch.Size((*sample_shape, *self.batch_shape))) / (self.levels - 1)

    @property
    def variance(self) -> Tensor:
        """The variance of the values, summed level by level."""
        mean, total = self.mean, 0.0
        for level in range(self.levels):
            gap = level / (self.levels - 1) - mean
            total = total + self.mass(torch.full_like(mean, level)).exp() * gap**2
        return torch.as_tensor(total)


class DiscretisedLogistic(Levelled):
    r"""A logistic variable rounded to the nearest level; what lies beyond the ends belongs to them.

    P(k) = sigmoid(b) - sigmoid(a) with a, b = (k -+ 1/2 - mu) / s in units of a level, and a = -inf for the
    first level, b = inf for the last. The difference is computed as
    log sigmoid(b) + log sigmoid(-a) + log(1 - exp(-1/s)), which is exact for bins of any size: nothing
    cancels, where two equal sigmoids would.

    References:
        Diederik Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow", 2016.
        Tim Salimans et al., "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture
        Likelihood and Other Modifications", 2017.
    """

    WINDOW = 8
    """Levels on either side of mu that the mean sums one by one."""

    def __init__(self, loc: Tensor, scale: Tensor, levels: int = 256) -> None:
        """Place the logistic.

        Args:
            loc: mu, in the units of the values, where levels are 1 / (levels - 1) apart.
            scale: s, in the same units; same shape.
            levels: how many there are.
        """
        self.loc = loc * (levels - 1)
        self.scale = scale * (levels - 1)
        super().__init__(loc.shape, levels)

    def mass(self, level: Tensor) -> Tensor:
        """Give log P(level); see `Levelled`."""
        gap = level - self.loc
        first, last = level <= 0, level >= self.levels - 1
        upper = F.logsigmoid((gap + 0.5) / self.scale).masked_fill(last, 0.0)
        lower = F.logsigmoid((0.5 - gap) / self.scale).masked_fill(first, 0.0)
        width = torch.log(-torch.expm1(-1 / self.scale))
        return upper + lower + torch.where(first | last, 0.0, width)

    def draw(self, shape: torch.Size) -> Tensor:
        """Draw levels; see `Levelled`."""
        u = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
        return (self.loc + self.scale * u.logit(eps=1e-7)).round().clamp_(0, self.levels - 1)

    @property
    def mean(self) -> Tensor:
        r"""The mean, to within 0.002 of a level.

        E k is the sum over the n - 1 borders t between levels of P(x > t) = sigmoid((mu - t) / s). Borders
        near mu are summed; for those further away, where the curve is flat, the sum is the integral.
        """
        top = self.levels - 1
        low = (self.loc - self.WINDOW).floor().clamp(0, top)
        high = (self.loc + self.WINDOW).floor().clamp(0, top)
        total = self._integral(torch.zeros_like(low), low) + self._integral(high, torch.full_like(high, top))
        for step in range(2 * self.WINDOW):
            border = low + step + 0.5
            total = total + ((self.loc - border) / self.scale).sigmoid() * (border < high)
        return total / top

    @property
    def held(self) -> Tensor:
        """The mean of the logistic held within the ends: off by half a level at the most, and cheap."""
        start = torch.zeros_like(self.loc)
        return self._integral(start, start + (self.levels - 1)) / (self.levels - 1)

    def _integral(self, start: Tensor, end: Tensor) -> Tensor:
        """Integrate sigmoid((mu - t) / s) over t."""
        rest = F.softplus((self.loc - start) / self.scale) - F.softplus((self.loc - end) / self.scale)
        return self.scale * rest


class BetaBinomial(Levelled):
    r"""Heads among n - 1 coins of one bias, which is drawn from Beta(a, b).

    P(k) = C(n-1, k) B(k+a, n-1-k+b) / B(a, b): flat, bell-shaped, or heaped at one or both ends. The
    logarithms of the gamma function are large and cancel, so they are taken in float64.
    """

    def __init__(self, alpha: Tensor, beta: Tensor, levels: int = 256) -> None:
        """Set the bias.

        Args:
            alpha: positive; pulls up.
            beta: positive; pulls down; same shape.
            levels: how many there are.
        """
        self.alpha = alpha
        self.beta = beta
        super().__init__(alpha.shape, levels)

    def mass(self, level: Tensor) -> Tensor:
        """Give log P(level); see `Levelled`."""
        a, b, k, n = widened(self.alpha), widened(self.beta), widened(level), self.levels - 1
        counts = torch.arange(1.0, n + 2, dtype=k.dtype, device=k.device).lgamma()
        index = k.long()
        choose = counts[n] - counts[index] - counts[n - index]
        ends = (a + b).lgamma() - a.lgamma() - b.lgamma() - (a + b + n).lgamma()
        return (choose + (k + a).lgamma() + (n - k + b).lgamma() + ends).to(self.alpha.dtype)

    def draw(self, shape: torch.Size) -> Tensor:
        """Draw levels; see `Levelled`."""
        bias = torch.distributions.Beta(self.alpha, self.beta, validate_args=False).sample(
            shape[: len(shape) - len(self.batch_shape)]
        )
        return torch.binomial(torch.full_like(bias, self.levels - 1), bias)

    @property
    def mean(self) -> Tensor:
        """The mean of the bias, a / (a + b)."""
        return self.alpha / (self.alpha + self.beta)


class Categorical(Levelled):
    """A probability of its own for every level."""

    def __init__(self, logits: Tensor) -> None:
        """Set the probabilities.

        Args:
            logits: their logarithms up to a constant, shape `(*batch, levels)`.
        """
        self.logits = logits
        super().__init__(logits.shape[:-1], logits.shape[-1])

    def mass(self, level: Tensor) -> Tensor:
        """Give log P(level); see `Levelled`."""
        shape = torch.broadcast_shapes(level.shape, self.batch_shape)
        index, logits = level.long().expand(shape)[..., None], self.logits.expand(*shape, self.levels)
        return logits.gather(-1, index)[..., 0] - self.logits.logsumexp(dim=-1)

    def draw(self, shape: torch.Size) -> Tensor:
        """Draw levels; see `Levelled`. The largest of the logits with Gumbel noise is a draw."""
        noise = torch.empty(*shape, self.levels, dtype=self.logits.dtype, device=self.logits.device)
        return (self.logits - noise.exponential_().log_()).argmax(dim=-1).to(self.logits.dtype)

    @property
    def mean(self) -> Tensor:
        """The mean of the values."""
        values = torch.linspace(0.0, 1.0, self.levels, dtype=self.logits.dtype, device=self.logits.device)
        return (self.logits.softmax(dim=-1) * values).sum(dim=-1)
