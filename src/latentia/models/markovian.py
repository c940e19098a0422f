"""The Markovian hierarchical variational autoencoder: levels in a chain, inferred from the bottom up."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from latentia.core.errors import ConfigError
from latentia.core.event import Event
from latentia.core.needs import BOUND, CONTINUOUS, DENSITY, PATH, PRIOR_DENSITY, Words
from latentia.core.registry import register
from latentia.core.types import Batch, Pass
from latentia.models.decoding import DecodingModel, check_sizes
from latentia.models.hierarchical import beside, check_level_sizes, read
from latentia.networks import MLP, Chain, Inputs, Network
from latentia.networks.base import Activation, check_positive
from latentia.probability import Bernoulli, DiagonalGaussian, Hierarchy, Likelihood, Walked
from latentia.probability.hierarchy import Choose


@register("model", "markovian_vae")
class MarkovianVAE(DecodingModel):
    r"""p(x, z) = N(z_1; 0, I) prod_l p(z_l | z_{l-1}) p(x | z_L), inferred from the bottom up.

    ```
    x (B, *event) ─ encoder ─ z_L ─ up ─ z_{L-1} ─ ... ─ up ─ z_1        q: each level from the one below
    p(x|z_L) ─ likelihood ─ decoder ─ z_L ─ down ─ ... ─ down ─ z_1      p: each level from the one above
    ```

    All factors are normals with diagonal covariance. Both ways are Markov chains: q(z_L | x) prod_l
    q(z_l | z_{l+1}) and p as above, so that a level knows of all others only what its neighbour says. That
    is what coding a level as soon as the one above is drawn needs (Bit-Swap), and what
    `hierarchical_vae`, whose posterior goes down the ladder with the prior, has not; that one trains better
    in many levels.

    A latent is all levels side by side, shape `(D,)`, the top one first. The rate of a level is the estimate
    log q(z_l | z_{l+1}) - log p(z_l | z_{l-1}) at the sample, which may be negative: what a level says of
    the one below it is paid for once.

    References:
        Danilo Rezende, Shakir Mohamed, Daan Wierstra, "Stochastic Backpropagation and Approximate
        Inference in Deep Generative Models", 2014.
        Yuri Burda, Roger Grosse, Ruslan Salakhutdinov, "Importance Weighted Autoencoders", 2015 (two levels).
        Friso Kingma, Pieter Abbeel, Jonathan Ho, "Bit-Swap: Recursive Bits-Back Coding for Lossless
        Compression with Hierarchical Latent Variables", 2019.
        Calvin Luo, "Understanding Diffusion Models: A Unified Perspective", 2022 (the name).

    Example:
        >>> vae = MarkovianVAE((1, 8, 8), (2, 4))
        >>> vae.encode(torch.rand(5, 1, 8, 8)).rsample((3,)).shape
        torch.Size([3, 5, 6])
    """

    defaults: ClassVar[dict[str, str]] = {"objective": "elbo"}
    # Without a rate no gradient reaches the levels above the lowest one.
    needs: ClassVar[Words] = frozenset({BOUND})
    gives: ClassVar[Words] = frozenset({CONTINUOUS, DENSITY, PRIOR_DENSITY, PATH})

    def __init__(
        self,
        event: tuple[int, ...],
        levels: tuple[int, ...] = (8, 32),
        links: tuple[int, ...] = (128, 128),
        activation: Activation = "silu",
        *,
        network: Network | None = None,
        likelihood: Likelihood | None = None,
        inputs: Inputs | None = None,
    ) -> None:
        """Wire the parts.

        Args:
            event: shape of one example.
            levels: latents of each level, the top one first.
            links: widths of the hidden layers between a level and the one above, on the way up; on the way
                down in reverse.
            activation: what follows each of them.
            network: the recipe for what stands between the data and the lowest level; an MLP by default.
            likelihood: p(x|z_L); Bernoulli by default.
            inputs: what stands before the encoder, for data with holes or categories.

        Raises:
            ConfigError: if there is no level or an empty one, or a network's latents are no vectors.
        """
        super().__init__()
        check_level_sizes(levels)
        check_positive(links, "model.links")
        network, link = network or MLP(), MLP(links, activation)
        self.event = Event.of(event)
        check_sizes(self.event, ())
        if network.latent(self.event, levels[-1]) != (levels[-1],):
            raise ConfigError(
                "levels of 'markovian_vae' are vectors, and the network's latents lie on a grid; use "
                "network.name=conv or network.name=mlp"
            )
        self.levels, self.latent = levels, (sum(levels),)
        self.normals = [DiagonalGaussian((size,)) for size in levels]  # no weights: they read numbers
        self.likelihood = likelihood or Bernoulli()
        self.take(inputs)
        numbers = [normal.features for normal in self.normals]
        self.encoder = network.encoder(self.entrance, numbers[-1])
        self.decoder = network.decoder((levels[-1],), self.likelihood.features(self.event))
        self.chain = Chain(levels, numbers, link)

    def prior(self, c: Tensor | None = None) -> Hierarchy:
        """Give p(z), batch shape `()`; see `LatentModel`."""
        return Hierarchy(self._descend, self.levels, torch.Size())

    def encode(self, x: Tensor, c: Tensor | None = None) -> Hierarchy:
        """Give q(z|x), whose factors depend on the levels below; see `LatentModel`."""
        return self._posterior(self.encoder(self.seen(x)))

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        """Give p(x|z), which the lowest level alone decides; see `LatentModel`."""
        return self.likely(self._outputs(z))

    def forward(self, batch: Batch, samples: int = 1) -> Pass:
        """Compute everything that an objective reads; see `LatentModel`."""
        numbers, shape = self.encoder(self.seen(batch.x)), torch.Size((samples, len(batch.x)))
        way = self._climb(numbers, shape, lambda _, normal: normal.rsample())
        h = self._outputs(way.z)
        if self.training:
            self.likelihood.observe(h, batch.x)
        return Pass(batch, self._posterior(numbers, way), way.z, self.prior(), self.likely(h))

    def _outputs(self, z: Tensor) -> Tensor:
        """Give what the likelihood reads, shape `(*batch, *features)`, its `features` of the event."""
        lowest = z[..., -self.levels[-1] :]
        return self.decoder(lowest.reshape(-1, self.levels[-1])).unflatten(0, z.shape[:-1]).float()

    def _posterior(self, numbers: Tensor, known: Walked | None = None) -> Hierarchy:
        def walk(shape: torch.Size, choose: Choose) -> Walked:
            return self._climb(numbers, shape, choose)

        return Hierarchy(walk, self.levels, numbers.shape[:1], known, upward=True)

    def _climb(self, numbers: Tensor, shape: torch.Size, choose: Choose) -> Walked:
        """Go from the data's numbers to the top, with a batch shape whose last dimension is theirs."""
        low = len(self.levels) - 1
        found: list[tuple[Tensor, Normal]] = []
        for level in range(low, -1, -1):
            if level < low:
                numbers = self.chain.up[level](found[-1][0].reshape(-1, self.levels[level + 1]))
            else:
                numbers = numbers.expand(*shape, numbers.shape[-1]).reshape(-1, numbers.shape[-1])
            given = read(self.normals[level], numbers, shape)
            found.append((choose(level, given), given))
        return _walked(found[::-1])

    def _descend(self, shape: torch.Size, choose: Choose) -> Walked:
        """Go from the top to the lowest level."""
        found: list[tuple[Tensor, Normal]] = []
        for level, size in enumerate(self.levels):
            if level:
                above = found[-1][0].reshape(-1, self.levels[level - 1])
                given = read(self.normals[level], self.chain.down[level - 1](above), shape)
            else:
                weight = next(self.decoder.parameters())
                zeros = torch.zeros((), device=weight.device).expand(*shape, size)
                given = Normal(zeros, zeros + 1, validate_args=False)
            found.append((choose(level, given), given))
        return _walked(found)


def _walked(found: list[tuple[Tensor, Normal]]) -> Walked:
    """Put levels side by side."""
    return Walked(torch.cat([z for z, _ in found], dim=-1), beside([given for _, given in found]))
