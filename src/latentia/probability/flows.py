"""Normalising flows, as priors and as posteriors. zuko does the mathematics (extra `flows`)."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal, constraints

from latentia.core.errors import ConfigError
from latentia.core.extras import optional
from latentia.core.registry import register
from latentia.probability.posteriors import Posterior, deviation
from latentia.probability.precision import exact
from latentia.probability.priors import Prior

if TYPE_CHECKING:
    from torch.distributions import Transform

MEASURED = 512
"""Fixed draws of the base behind the moments of a flow."""
MEASURED_EACH = 32
"""As many where there is a flow for each example."""


class Flowed(Distribution):
    r"""The distribution of z = f(u), u ~ N(mu, diag(sigma^2)), with f invertible.

    log p(z) = log N(u; mu, sigma^2) - log |det df/du|, u = f^-1(z). The density of a draw is known from
    drawing it and is kept, so that a flow which is slow to invert (an inverse autoregressive one) is
    never inverted in training.

    A flow has no closed form for its moments. `mean` and `variance` are those of f(u) over a fixed set of
    draws u, in pairs mirrored at mu: an estimate, but the same at every call and for every batch. Where f is
    the identity the mean is mu exactly.
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore
    support: constraints.Constraint = constraints.real_vector  # pyright: ignore

    def __init__(self, base: Normal, transform: Transform, latent: tuple[int, ...]) -> None:
        """Push a normal through a flow.

        Args:
            base: N(mu, sigma^2) of each dimension, batch shape `(*batch, D)`.
            transform: f, over vectors of D.
            latent: the shape of one latent, of D numbers.
        """
        self.base = base
        self.transform = transform
        self._drawn: tuple[Tensor, Tensor] | None = None
        super().__init__(base.batch_shape[:-1], torch.Size(latent), validate_args=False)

    def rsample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw f(u), shape `(*sample_shape, *batch, *latent)`, differentiable in everything."""
        u = self.base.rsample(torch.Size(sample_shape))
        flat, change = _through(self.transform, u)
        z = flat.unflatten(-1, self.event_shape)
        self._drawn = z, self.base.log_prob(u).sum(dim=-1) - change
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        """Give log p(z), shape of the draws and the batch."""
        if self._drawn is not None and value is self._drawn[0]:
            return self._drawn[1]
        flat = value.flatten(-len(self.event_shape))
        flat = flat.expand(torch.broadcast_shapes(flat.shape, self.base.batch_shape))
        u, change = _through(self.transform.inv, flat)
        return self.base.log_prob(u).sum(dim=-1) + change

    @property
    def mean(self) -> Tensor:
        """The mean of f over the fixed draws, shape `(*batch, *latent)`."""
        return self._measured().mean(dim=0).unflatten(-1, self.event_shape)

    @property
    def variance(self) -> Tensor:
        """The variance of f over the fixed draws, shape `(*batch, *latent)`."""
        return self._measured().var(dim=0).unflatten(-1, self.event_shape)

    def _measured(self) -> Tensor:
        loc = self.base.loc
        count = MEASURED_EACH if self.batch_shape else MEASURED
        noise = _fixed_noise(count, loc.shape[-1]).to(loc)
        noise = noise.reshape(count, *(1,) * len(self.batch_shape), -1)
        return _through(self.transform, loc + self.base.scale * noise)[0]


@functools.lru_cache(maxsize=8)
def _fixed_noise(count: int, size: int) -> Tensor:
    """Draw the same standard normal numbers at every call, in mirrored pairs, shape `(count, size)`."""
    noise = torch.randn(count // 2, size, generator=torch.Generator().manual_seed(0))
    return torch.cat([noise, -noise])


def _through(transform: Any, u: Tensor) -> tuple[Tensor, Tensor]:
    """Give f(u) and log |det df/du| in one pass; zuko gives every transform the method.

    The networks within are part of the density: a draw that they moved must be found again by its inverse.
    """
    with exact(u):
        return transform.call_and_ladj(u)


def build(
    name: str, kind: str, size: int, transforms: int, hidden: Sequence[int], **arguments: Any
) -> nn.Module:
    """Build a zuko flow that is the identity, but for the least of its parameters, before it is trained.

    Args:
        name: the class in `zuko.flows`.
        kind: the section it stands in, for messages.
        size: dimensions D.
        transforms: how many transformations follow each other, in alternating orders.
        hidden: widths of the hidden layers of each one's network.
        arguments: what else the class takes.

    Returns:
        A module that gives the transform from data to noise for a context.

    Raises:
        ConfigError: if there is no transformation or a layer without width.
        MissingExtra: if zuko is not installed.
    """
    if transforms < 1:
        raise ConfigError(f"'{kind}.transforms' must be at least 1, not {transforms}")
    if any(width < 1 for width in hidden):
        raise ConfigError(f"'{kind}.hidden' must be positive widths, not {list(hidden)}")
    flows = optional("zuko.flows", "flows", f"a flow as {kind}")
    flow = getattr(flows, name)(size, transforms=transforms, hidden_features=tuple(hidden), **arguments)
    for step in flow.transform.transforms:
        last = [*step.hyper.modules()][-1] if hasattr(step, "hyper") else None
        with torch.no_grad():
            for parameter in last.parameters() if last is not None else step.parameters():
                parameter.mul_(0.01)
    return flow.transform


class FlowPrior(Prior):
    r"""p(z) of z = f(u), u ~ N(0, I): a flow whose direction from latents to noise is the fast one.

    The density of a latent, which training asks for, takes one pass; a draw takes as many passes as there
    are dimensions, or two where the flow is a coupling. A latent with height and width is flattened.
    """

    zero: Tensor
    one: Tensor
    flow: ClassVar[str]
    """The class in `zuko.flows`."""
    options: ClassVar[Mapping[str, Any]] = {}
    """What else it is given."""
    section: ClassVar[str] = "prior"
    """The section of its settings, for messages."""

    def __init__(
        self, latent: tuple[int, ...], transforms: int = 3, hidden: Sequence[int] = (128, 128)
    ) -> None:
        """Build the flow.

        Args:
            latent: shape of one latent.
            transforms: how many transformations follow each other.
            hidden: widths of the hidden layers of each one's network.
        """
        super().__init__(latent)
        self.transforms, self.hidden = transforms, tuple(hidden)
        size = math.prod(latent)
        self.normalise = build(self.flow, self.section, size, transforms, hidden, **self.options)
        self.register_buffer("zero", torch.zeros(size), persistent=False)
        self.register_buffer("one", torch.ones(size), persistent=False)

    def forward(self, c: Tensor | None = None) -> Distribution:
        """Give the flow's distribution; see `Prior`."""
        base = Normal(self.zero, self.one, validate_args=False)
        with exact(self.zero):
            transform = self.normalise(None)
        return Flowed(base, transform.inv, self.latent)


@register("prior", "maf")
class MAFPrior(FlowPrior):
    """A masked autoregressive flow: each dimension affine in itself, given those before it.

    References:
        George Papamakarios, Theo Pavlakou, Iain Murray, "Masked Autoregressive Flow for Density
        Estimation", 2017.
    """

    flow: ClassVar[str] = "MAF"


@register("prior", "spline")
class SplinePrior(FlowPrior):
    """A neural spline flow: each dimension through a monotone spline on [-5, 5], given those before it.

    References:
        Conor Durkan, Artur Bekasov, Iain Murray, George Papamakarios, "Neural Spline Flows", 2019.
    """

    flow: ClassVar[str] = "NSF"


@register("prior", "coupling")
class CouplingPrior(SplinePrior):
    """A spline flow in two halves: the second given the first. Draws take two passes for any dimension.

    An odd number of dimensions is split into halves that differ by one.

    References:
        Laurent Dinh, Jascha Sohl-Dickstein, Samy Bengio, "Density estimation using Real NVP", 2017.
        Conor Durkan, Artur Bekasov, Iain Murray, George Papamakarios, "Neural Spline Flows", 2019.
    """

    options: ClassVar[Mapping[str, Any]] = {"passes": 2}


class FlowPosterior(Posterior):
    r"""q(z|x) of z = f(u; h(x)), u ~ N(mu(x), diag(sigma(x)^2)).

    The encoder gives mu, log sigma^2 and a context h, on which every transformation of the flow depends.
    Before training f is the identity nearly, and q the diagonal Gaussian.
    """

    flow: ClassVar[str]
    """The class in `zuko.flows`."""

    def __init__(
        self,
        latent: tuple[int, ...],
        transforms: int = 2,
        hidden: Sequence[int] = (128,),
        context: int = 32,
    ) -> None:
        """Build the flow.

        Args:
            latent: shape of one latent; one with height and width is flattened.
            transforms: how many transformations follow each other.
            hidden: widths of the hidden layers of each one's network.
            context: channels of the context h.
        """
        super().__init__(latent)
        if context < 1:
            raise ConfigError(f"'posterior.context' must be at least 1, not {context}")
        self.context = context
        given = context * math.prod(latent[1:])
        self.map = build(self.flow, "posterior", math.prod(latent), transforms, hidden, context=given)

    @property
    def features(self) -> tuple[int, ...]:
        """Means, log variances and the context, side by side in the channels."""
        return (2 * self.latent[0] + self.context, *self.latent[1:])

    def forward(self, features: Tensor) -> Distribution:
        """Give the flow's distribution for each example."""
        channels = self.latent[0]
        parts = features.split([channels, channels, self.context], dim=1)
        mean, log_variance, context = (part.flatten(1) for part in parts)
        base = Normal(mean, deviation(log_variance), validate_args=False)
        with exact(context):
            transform = self.map(context)
        return Flowed(base, self.direct(transform), self.latent)

    def direct(self, transform: Transform) -> Transform:
        """Choose the direction that samples: the one that takes a single pass."""
        return transform


@register("posterior", "iaf")
class IAFPosterior(FlowPosterior):
    """An inverse autoregressive flow: affine given the noise before it, so that a draw takes one pass.

    References:
        Diederik Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow", 2016.
    """

    flow: ClassVar[str] = "MAF"


@register("posterior", "spline")
class SplinePosterior(FlowPosterior):
    """As `iaf`, with monotone rational-quadratic splines on [-5, 5] in place of affine maps.

    References:
        Conor Durkan, Artur Bekasov, Iain Murray, George Papamakarios, "Neural Spline Flows", 2019.
    """

    flow: ClassVar[str] = "NSF"


@register("posterior", "maf")
class MAFPosterior(FlowPosterior):
    """A masked autoregressive flow: any latent has its density in one pass, a draw takes D of them.

    Slower to train than `iaf` by about the number of dimensions; for small latents.

    References:
        George Papamakarios, Theo Pavlakou, Iain Murray, "Masked Autoregressive Flow for Density
        Estimation", 2017.
    """

    flow: ClassVar[str] = "MAF"

    def direct(self, transform: Transform) -> Transform:
        """Choose the inverse of what samples fast."""
        return transform.inv
