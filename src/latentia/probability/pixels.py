"""Mixtures over whole pixels: colours that depend on each other, without dequantisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Size, Tensor
from torch.distributions import Distribution, Independent, constraints

from latentia.core.errors import DataError
from latentia.core.registry import register
from latentia.probability.discrete import DiscretisedLogistic
from latentia.probability.levels import LOG_SCALE, LOG_SCALES, DiscretisedLogisticMixture

POINTS = 16
"""Values of the colours before it that the mean of a colour is an average over, for each component."""
GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples fall evenly between whole numbers."""


class PixelMixture(Distribution):
    r"""The colours of pixels in order, each given those before it; a pixel has one weight for each component.

    P(x_1, ..., x_C) = sum_k pi_k prod_c P_k(x_c | x_1, ..., x_{c-1}), where P_k is a discretised logistic
    around mu_kc + sum_{j<c} a_kcj (x_j - 1/2). Entries are the factors of the chain rule: log P of an entry
    is that of a colour given the colours before it, and their sum is log P of the pixel.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore
    support: constraints.Constraint = constraints.unit_interval  # pyright: ignore

    def __init__(
        self, logits: Tensor, loc: Tensor, scale: Tensor, slopes: Tensor, places: int, levels: int = 256
    ) -> None:
        """Place the components.

        Args:
            logits: log pi up to a constant, shape `(*batch, K, *places)`.
            loc: mu, in the units of the values, shape `(*batch, K, C, *places)`.
            scale: s, in the same units; same shape.
            slopes: a, of the second colour on the first, of the third on the first and the second, and so
                on, shape `(*batch, K, C (C - 1) / 2, *places)`.
            places: how many dimensions `places` has.
            levels: how many values a colour may take.
        """
        self.logits, self.loc, self.scale, self.slopes, self.levels = logits, loc, scale, slopes, levels
        # Counted from the end, where draws and batches move nothing: the axis of colours in values and in
        # `loc`, which has its components in front of it, and that of components in `logits`.
        self.axis = -places - 1
        self.colours = loc.shape[self.axis]
        super().__init__(loc.select(self.axis - 1, 0).shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Give log P of each colour given those before it, in nats; shape of the entries."""
        logs, weights, found = self._logs(value), self.logits.log_softmax(self.axis), []
        for log_p in logs.unbind(self.axis):
            joint = weights + log_p
            found.append(joint.logsumexp(self.axis))
            weights = joint - found[-1].unsqueeze(self.axis)
        return torch.stack(found, self.axis)

    def of_pixels(self, value: Tensor) -> Tensor:
        """Give log P of each pixel.

        Args:
            value: shape `(*batch, C, *places)`.

        Returns:
            In nats, shape `(*batch, *places)`.
        """
        return (self.logits.log_softmax(self.axis) + self._logs(value).sum(self.axis)).logsumexp(self.axis)

    def _logs(self, value: Tensor) -> Tensor:
        """Give log P_k of each colour given those before it, `(*batch, K, C, *places)`."""
        value = value.unsqueeze(self.axis - 1)
        before = [colour - 0.5 for colour in value.unbind(self.axis)]
        loc = [self._given(self.loc, self.slopes, before[:colour]) for colour in range(self.colours)]
        loc = torch.stack(torch.broadcast_tensors(*loc), self.axis)
        return DiscretisedLogistic(loc, self.scale, self.levels).log_prob(value)

    def _given(self, loc: Tensor, slopes: Tensor, before: Sequence[Tensor]) -> Tensor:
        """Give where a colour lies given those before it, from which 1/2 is taken."""
        colour = len(before)
        found = loc.select(self.axis, colour)
        for place, value in enumerate(before, start=colour * (colour - 1) // 2):
            found = found + slopes.select(self.axis, place) * value
        return found

    def sample(self, sample_shape: Size | tuple[int, ...] = ()) -> Tensor:
        """Draw a component for each pixel, then its colours in order."""
        with torch.no_grad():
            logits = self.logits.expand(*sample_shape, *self.logits.shape)
            noise = torch.empty_like(logits, memory_format=torch.contiguous_format).exponential_().log_()
            chosen = (logits - noise).argmax(self.axis, keepdim=True).unsqueeze(self.axis - 1)
            parts = (part.expand(*sample_shape, *part.shape) for part in (self.loc, self.scale, self.slopes))
            loc, scale, slopes = (
                part.take_along_dim(chosen, self.axis - 1).squeeze(self.axis - 1) for part in parts
            )
            drawn: list[Tensor] = []
            for own in scale.unbind(self.axis):
                here = self._given(loc, slopes, [value - 0.5 for value in drawn])
                drawn.append(DiscretisedLogistic(here, own, self.levels).sample())
            return torch.stack(drawn, self.axis)

    @property
    def mean(self) -> Tensor:
        r"""The mean of each colour, whatever the others are: exact for the first, close for the others.

        E x_c = sum_k pi_k E_k[E_k[x_c | x_1, ..., x_{c-1}]]. The inner mean is that of the logistic held
        within the range; the outer one an average over `POINTS` evenly spread values of the colours before.
        """
        means = torch.stack(self._means(), self.axis)
        return (self.logits.softmax(self.axis).unsqueeze(self.axis) * means).sum(self.axis - 1)

    def _means(self) -> list[Tensor]:
        """Give the mean of each colour in each component, each `(*batch, K, *places)`."""
        scales = self.scale.unbind(self.axis)
        first = DiscretisedLogistic(self.loc.select(self.axis, 0), scales[0], self.levels).mean
        found = [torch.zeros_like(first) for _ in scales[1:]]
        for point in range(POINTS):
            before: list[Tensor] = []
            for colour, scale in enumerate(scales):
                loc = self._given(self.loc, self.slopes, before)
                if colour:
                    found[colour - 1] = found[colour - 1] + DiscretisedLogistic(loc, scale, self.levels).held
                # Lattices of powers of the golden ratio; the first coordinate is as even as may be.
                share = (point + 0.5) * (GOLDEN**colour if colour else 1 / POINTS) % 1
                before.append((loc + scale * math.log(share / (1 - share))).clamp(0, 1) - 0.5)
        return [first, *(total / POINTS for total in found)]

    def check_holes(self, missing: Tensor) -> None:
        """Refuse pixels of which a colour is missing and one behind it is known.

        Args:
            missing: which values are, bool, shape `(*batch, C, *places)`.

        Raises:
            DataError: if there is one.
        """
        colours = missing.unbind(self.axis)
        if any(bool((one & ~other).any()) for one, other in pairwise(colours)):
            raise DataError(
                "a colour of a pixel is missing while one behind it is known, and likelihood "
                "'pixel_logistic_mixture' has no probability of it; let whole pixels be missing, or train "
                "with --likelihood discretised_logistic_mixture"
            )


class _Pixels(Independent):
    """Pixels that are independent of each other: their log P costs one sum over components each."""

    def log_prob(self, value: Tensor) -> Tensor:
        """Give log P of examples; see `torch.distributions.Distribution`."""
        pixels: Tensor = self.base_dist.of_pixels(value)
        return pixels.flatten(len(self.batch_shape)).sum(dim=-1)


@register("likelihood", "pixel_logistic_mixture")
class PixelLogisticMixture(DiscretisedLogisticMixture):
    """A mixture of logistics for each pixel, whose colours depend on each other; for whole numbers.

    In each component the location of green moves with red, that of blue with red and green, by slopes within
    plus and minus 1: of C channels each with all those before it. Where there is one channel, or rows of
    numbers, it is `discretised_logistic_mixture`.

    References:
        Tim Salimans et al., "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture
        Likelihood and Other Modifications", 2017.
    """

    def features(self, event: tuple[int, ...]) -> tuple[int, ...]:
        """Give K (1 + 2 C + C (C - 1) / 2) channels; see `Likelihood`."""
        if len(event) == 1 or event[0] == 1:
            return super().features(event)
        return (sum(self.split(event[0])), *event[1:])

    def split(self, colours: int) -> tuple[int, int, int, int]:
        """Divide the decoder's channels among the logits, mu, log s and the slopes before tanh.

        Of all but the logits the channels of the first component come first.

        Args:
            colours: C.

        Returns:
            How many each takes.
        """
        parts = self.numbers // 3
        return parts, parts * colours, parts * colours, parts * (colours * (colours - 1) // 2)

    def colours(self, features: int) -> int:
        """Give C from the decoder's channels."""
        return next(count for count in range(1, features + 1) if sum(self.split(count)) >= features)

    def forward(self, h: Tensor, event_dims: int) -> Distribution:
        """Give p(x|z); see `Likelihood`."""
        if event_dims == 1 or h.shape[-event_dims] == self.numbers:
            return super().forward(h, event_dims)
        parts = self.numbers // 3
        split = self.split(self.colours(h.shape[-event_dims]))
        logits, *others = h.split(split, dim=-event_dims)
        offset, log_scale, slopes = (part.unflatten(-event_dims, (parts, -1)) for part in others)
        loc = self.centres.view(-1, *[1] * event_dims) + offset
        scale = F.hardtanh(LOG_SCALE + log_scale, *LOG_SCALES).exp()
        mixture = PixelMixture(logits, loc, scale, slopes.tanh(), event_dims - 1, self.levels)
        return _Pixels(mixture, event_dims, validate_args=False)
