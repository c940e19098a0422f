"""Priors that are mixtures: of learned Gaussians, or of the posteriors of learned pseudo-inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from latentia.core.errors import ConfigError
from latentia.core.needs import DENSITY, Words
from latentia.core.registry import register
from latentia.probability.priors import Prior

ENTRIES = 4_000_000
"""Values of all components at a time, where no gradient keeps them anyway."""
TRIES = 5
"""Fits of expectation-maximisation from other beginnings, of which the likeliest is taken."""
LIMIT = 10.0
"""log sigma of a component is held within plus and minus this."""


class Mixture(MixtureSameFamily):
    r"""sum_k w_k p_k(z), in memory that grows neither with the draws nor with the components.

    torch's own holds every component's values of every draw; of 500 components and thousands of
    latents that is gigabytes. Where no gradient is asked for, this one takes some draws at a time.
    """

    def __init__(self, logits: Tensor, components: Distribution) -> None:
        """Mix.

        Args:
            logits: log w_k up to a constant, shape `(K,)`.
            components: the p_k, batch shape `(K,)` and event shape `latent`.
        """
        super().__init__(Categorical(logits=logits, validate_args=False), components, validate_args=False)
        self._rows = max(1, ENTRIES // (len(logits) * self.event_shape.numel()))

    def log_prob(self, value: Tensor) -> Tensor:
        """Give log sum_k w_k p_k(z), shape of the draws."""
        shape = value.shape[: value.dim() - len(self.event_shape)]
        flat = value.reshape(-1, *self.event_shape)
        if torch.is_grad_enabled() or len(flat) <= self._rows:
            return super().log_prob(value)
        return torch.cat([super(Mixture, self).log_prob(part) for part in flat.split(self._rows)]).view(shape)

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw a component, then from it, shape `(*sample_shape, *latent)`."""
        count = torch.Size(sample_shape).numel()
        sizes = [min(self._rows, count - done) for done in range(0, count, self._rows)]
        drawn = torch.cat([super(Mixture, self).sample(torch.Size((size,))) for size in sizes])
        return drawn.reshape(*sample_shape, *self.event_shape)


@register("prior", "mixture")
class MixturePrior(Prior):
    r"""sum_k w_k N(z; mu_k, diag(sigma_k^2)), all learned.

    References:
        Nat Dilokthanakul et al., "Deep Unsupervised Clustering with Gaussian Mixture Variational
        Autoencoders", 2016.
        Jakub Tomczak, Max Welling, "VAE with a VampPrior", 2018 (there as the baseline "MoG").
    """

    def __init__(self, latent: tuple[int, ...], components: int = 10) -> None:
        """Start with equal weights, unit sigmas, and means drawn from N(0, I).

        Args:
            latent: shape of one latent.
            components: how many Gaussians, K.
        """
        super().__init__(latent)
        if components < 1:
            raise ConfigError(f"'prior.components' must be at least 1, not {components}")
        self.logits = nn.Parameter(torch.zeros(components))
        self.means = nn.Parameter(torch.randn(components, *latent))
        self.log_sigmas = nn.Parameter(torch.zeros(components, *latent))

    @torch.no_grad()
    def begin_at(self, latents: Callable[[], Tensor]) -> None:
        """Start at the mixture that expectation-maximisation fits, the likeliest of some; see `Prior`."""
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import threadpool_limits

        z = latents().flatten(1).double().numpy()
        count, seed = len(self.logits), int(torch.randint(2**31, ()))
        if len(z) < 2 * count:
            raise ConfigError(
                f"'prior.components' is {count}, and a mixture is to be fitted to {len(z)} latents; that "
                "takes two for each component"
            )
        mixture = GaussianMixture(
            count, covariance_type="diag", n_init=TRIES, random_state=seed, max_iter=200
        )
        with threadpool_limits(1, user_api="blas"):  # threads wait, spinning, where others hold the cores
            mixture.fit(z)
        self.logits.copy_(torch.from_numpy(mixture.weights_).log())
        self.means.copy_(torch.from_numpy(mixture.means_).view_as(self.means))
        sigmas = torch.from_numpy(mixture.covariances_).log() / 2
        self.log_sigmas.copy_(sigmas.clamp(-LIMIT, LIMIT).view_as(self.log_sigmas))

    def components(self, z: Tensor) -> Tensor:
        """Give p(k|z) by Bayes' rule: which cluster a latent belongs to.

        Args:
            z: latents, shape `(*batch, *latent)`.

        Returns:
            Shape `(*batch, K)`.
        """
        mixture = self()
        apart = mixture.component_distribution.log_prob(z.unsqueeze(-1 - len(self.latent)))
        return (mixture.mixture_distribution.logits + apart).softmax(dim=-1)

    def forward(self, c: Tensor | None = None) -> Mixture:
        """Give the mixture; see `Prior`."""
        sigmas = F.hardtanh(self.log_sigmas, -LIMIT, LIMIT).exp()
        normals = Normal(self.means, sigmas, validate_args=False)
        return Mixture(self.logits, Independent(normals, len(self.latent), validate_args=False))


@register("prior", "vamp")
class VampPrior(Prior):
    r"""sum_k w_k q(z|u_k): the mixture of the posteriors of K learned pseudo-inputs u_k.

    The best prior for the bound is the aggregate posterior, which is the mixture of the posteriors of
    all data. This is its affordable form: a few made-up examples in place of the data. The encoder
    is the model's own, which hands it over in `attach`; it is not a part of this module, so its weights
    are saved once.

    References:
        Jakub Tomczak, Max Welling, "VAE with a VampPrior", 2018.
    """

    needs: ClassVar[Words] = Prior.needs | {DENSITY}
    MARGIN = 0.01
    """Pseudo-inputs begin this share of the range inside of its ends, where they still have a gradient."""

    def __init__(
        self,
        latent: tuple[int, ...],
        event: tuple[int, ...],
        pseudo_inputs: int = 500,
        low: float = 0.0,
        high: float = 1.0,
    ) -> None:
        """Start from noise over the data's range; training begins from examples, see `begin`.

        Args:
            latent: shape of one latent.
            event: shape of one example.
            pseudo_inputs: how many pseudo-inputs, K.
            low: the least value of the transformed data.
            high: the greatest value of the transformed data.
        """
        super().__init__(latent)
        if pseudo_inputs < 1:
            raise ConfigError(f"'prior.pseudo_inputs' must be at least 1, not {pseudo_inputs}")
        if high <= low:
            raise ConfigError(f"'prior.high' must be greater than 'prior.low', not {high} and {low}")
        self.low, self.high = low, high
        self.logits = nn.Parameter(torch.zeros(pseudo_inputs))
        self.inputs = nn.Parameter(torch.empty(pseudo_inputs, *event).uniform_(low, high))
        self._encode: Callable[[Tensor], Distribution] | None = None

    def attach(self, encode: Callable[[Tensor], Distribution]) -> None:
        """Keep the model's encoder; see `Prior`."""
        self._encode = encode

    def begin(self, x: Tensor) -> None:
        """Put training examples in the place of the noise; see `Prior`."""
        margin = self.MARGIN * (self.high - self.low)
        count = min(len(x), len(self.inputs))
        with torch.no_grad():
            self.inputs[:count] = x[:count].clamp(self.low + margin, self.high - margin)

    def forward(self, c: Tensor | None = None) -> Distribution:
        """Give the mixture of the pseudo-inputs' posteriors; see `Prior`."""
        if self._encode is None:
            raise TypeError("a VampPrior needs the encoder of its model: call attach first")
        return Mixture(self.logits, self._encode(F.hardtanh(self.inputs, self.low, self.high)))
