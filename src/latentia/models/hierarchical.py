"""The hierarchical variational autoencoder: levels of latents, each given those above it."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from latentia.core.errors import ConfigError
from latentia.core.event import Event
from latentia.core.needs import CONTINUOUS, DENSITY, PRIOR_DENSITY, Words
from latentia.core.registry import register
from latentia.core.types import Batch, Pass
from latentia.models.decoding import DecodingModel, check_sizes
from latentia.networks import Inputs, Ladder, LadderMLP
from latentia.networks.ladder import Stage
from latentia.probability import Bernoulli, DiagonalGaussian, Hierarchy, Likelihood, Walked
from latentia.probability.hierarchy import Choose


class Way(NamedTuple):
    """What a walk down the ladder passed.

    Attributes:
        z: the latents chosen, the levels side by side, shape `(*batch, D)`.
        p: p(z_l | z above) of each number.
        q: q(z_l | z above, x) of each number; that of the prior where no data were given.
        state: the last state, shape `(rows, *state)`.
    """

    z: Tensor
    p: Normal
    q: Normal
    state: Tensor


@register("model", "hierarchical_vae")
class HierarchicalVAE(DecodingModel):
    r"""p(x, z) = N(z_1; 0, I) prod_l p(z_l | z_{<l}) p(x | z), inferred from the top down.

    ```
    x (B, *event) ─ encoder ─ d_L ─ ... ─ d_2 ─ d_1           the way up: features for each level
    start ─ h_1 ─ z_1 ─ h_2 ─ z_2 ─ ... ─ h_L ─ z_L ─ h       the way down, one for q and p
    p(x|z) ─ likelihood ─ finish ─────────────────┘
    ```

    On the way down, p(z_l | z_{<l}) = N(mu, sigma^2) is read off the state h_l, and the posterior is
    written in its terms: q(z_l | z_{<l}, x) = N(mu + sigma dmu, (sigma dsigma)^2) with dmu and dsigma from
    h_l and d_l, so that dmu = 0, dsigma = 1 costs nothing whatever the prior is. The top level's prior is
    N(0, I): an affine map of it is the next layer's business.

    A latent is all levels side by side, shape `(D,)`, the top one first.

    References:
        Casper Kaae Sonderby et al., "Ladder Variational Autoencoders", 2016.
        Diederik Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow", 2016
        (bidirectional inference).
        Arash Vahdat, Jan Kautz, "NVAE: A Deep Hierarchical Variational Autoencoder", 2020 (residual
        posteriors).
        Rewon Child, "Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on Images",
        2021.

    Example:
        >>> vae = HierarchicalVAE((1, 8, 8), (2, 3, 4))
        >>> vae.encode(torch.rand(5, 1, 8, 8)).rsample((3,)).shape
        torch.Size([3, 5, 9])
    """

    defaults: ClassVar[dict[str, str]] = {"objective": "elbo"}
    # A level reaches the decoder and the levels below before z is whole: no `PATH` is given.
    gives: ClassVar[Words] = frozenset({CONTINUOUS, DENSITY, PRIOR_DENSITY})

    def __init__(
        self,
        event: tuple[int, ...],
        levels: tuple[int, ...] = (8, 16, 32),
        *,
        network: Ladder | None = None,
        likelihood: Likelihood | None = None,
        inputs: Inputs | None = None,
    ) -> None:
        """Wire the parts.

        Args:
            event: shape of one example.
            levels: latents of each level, or its channels in a convolutional ladder; the top one first.
            network: the recipe for both ways; dense by default.
            likelihood: p(x|z); Bernoulli by default.
            inputs: what stands before the encoder, for data with holes or categories.

        Raises:
            ConfigError: if there is no level or an empty one, or the network does not fit the event.
        """
        super().__init__()
        check_level_sizes(levels)
        network = network or LadderMLP()
        self.event = Event.of(event)
        check_sizes(self.event, ())
        shapes = network.shapes(self.event, levels)
        self.levels = tuple(math.prod(shape) for shape in shapes)
        self.latent = (sum(self.levels),)
        self.normals = [DiagonalGaussian(shape) for shape in shapes]  # no weights: they read numbers
        self.likelihood = likelihood or Bernoulli()
        self.take(inputs)
        self.encoder = network.bottom_up(self.entrance, levels)
        self.decoder = network.top_down(self.likelihood.features(self.event), levels)

    def prior(self, c: Tensor | None = None) -> Hierarchy:
        """Give p(z), batch shape `()`; see `LatentModel`."""
        return self._prior()

    def encode(self, x: Tensor, c: Tensor | None = None) -> Hierarchy:
        """Give q(z|x), whose factors depend on the levels above; see `LatentModel`."""
        return self._posterior(self.encoder(self.seen(x)))

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        """Give p(x|z); see `LatentModel`."""
        state = self.decoder.start
        for stage, normal, part in zip(self.decoder, self.normals, z.split(self.levels, dim=-1), strict=True):
            state = _merged(stage, normal, stage.arrive(state), part)
        return self.likely(self._outputs(state, z.shape[:-1]))

    def forward(self, batch: Batch, samples: int = 1) -> Pass:
        """Walk once and compute everything that an objective reads; see `LatentModel`."""
        features, shape = self.encoder(self.seen(batch.x)), torch.Size((samples, len(batch.x)))
        way = self._walk(shape, lambda _, normal: normal.rsample(), features)
        h = self._outputs(way.state, shape)
        if self.training:
            self.likelihood.observe(h, batch.x)
        q = self._posterior(features, Walked(way.z, way.q))
        return Pass(batch, q, way.z, self._prior(Walked(way.z, way.p)), self.likely(h))

    def _prior(self, known: Walked | None = None) -> Hierarchy:
        def walk(shape: torch.Size, choose: Choose) -> Walked:
            way = self._walk(shape, choose)
            return Walked(way.z, way.p)

        return Hierarchy(walk, self.levels, torch.Size(), known)

    def _posterior(self, features: list[Tensor], known: Walked | None = None) -> Hierarchy:
        def walk(shape: torch.Size, choose: Choose) -> Walked:
            way = self._walk(shape, choose, features)
            return Walked(way.z, way.q)

        return Hierarchy(walk, self.levels, features[0].shape[:1], known)

    def _walk(self, shape: torch.Size, choose: Choose, features: list[Tensor] | None = None) -> Way:
        """Go down the ladder with the batch shape `shape`, whose last dimension is that of the features."""
        state = self.decoder.start.expand(math.prod(shape), *self.decoder.start.shape[1:])
        z, ps, qs = [], [], []
        for level, (stage, normal) in enumerate(zip(self.decoder, self.normals, strict=True)):
            h = stage.arrive(state)
            p = q = read(normal, stage.prior(h), shape)
            if features is not None:
                d = features[level].expand(*shape, *h.shape[1:]).reshape(h.shape)
                by = read(normal, stage.posterior(torch.cat([h, d], dim=1)), shape)
                q = Normal(p.loc + p.scale * by.loc, p.scale * by.scale, validate_args=False)
            z.append(choose(level, q))
            ps.append(p)
            qs.append(q)
            state = _merged(stage, normal, h, z[-1])
        return Way(torch.cat(z, dim=-1), beside(ps), beside(qs), state)

    def _outputs(self, state: Tensor, batch: torch.Size) -> Tensor:
        """Give what the likelihood reads, shape `(*batch, *features)`, its `features` of the event."""
        return self.decoder.finish(state).unflatten(0, batch).float()


def check_level_sizes(levels: tuple[int, ...]) -> None:
    """Refuse a hierarchy without levels, or with an empty one.

    Args:
        levels: the size of each level.

    Raises:
        ConfigError: if that is so.
    """
    if not levels:
        raise ConfigError("'model.levels' is empty; give the size of each level, such as 8,16,32")
    if min(levels) < 1:
        raise ConfigError(f"'model.levels' must hold sizes of at least 1, not {list(levels)}")


def read(normal: DiagonalGaussian, numbers: Tensor, shape: torch.Size) -> Normal:
    """Give the normal that a level's numbers mean.

    Args:
        normal: how they are read.
        numbers: what a network gave, shape `(rows, 2 C, ...)`.
        shape: batch shape, of as many rows.

    Returns:
        Batch shape `(*shape, D_l)`.
    """
    # Networks may run in bfloat16; probabilities are sums over many terms and need float32.
    base = normal(numbers.float()).base_dist
    return Normal(base.loc.reshape(*shape, -1), base.scale.reshape(*shape, -1), validate_args=False)


def _merged(stage: Stage, normal: DiagonalGaussian, h: Tensor, z: Tensor) -> Tensor:
    """Add a level's latents, shape `(*batch, D_l)`, to the state."""
    return h + stage.merge(z.reshape(-1, *normal.latent))


def beside(normals: list[Normal]) -> Normal:
    """Put the normals of levels side by side.

    Args:
        normals: batch shapes `(*batch, D_l)`.

    Returns:
        Batch shape `(*batch, D)`.
    """
    loc, scale = (torch.cat([getattr(n, name) for n in normals], dim=-1) for name in ("loc", "scale"))
    return Normal(loc, scale, validate_args=False)
