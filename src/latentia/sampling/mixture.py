"""The aggregate posterior as a Gaussian mixture: where the latents of real data are."""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from torch import Tensor

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.sampling.base import Sampler, Source

LARGEST = 512
"""Numbers of a latent up to which a component has a whole covariance; it grows with their square."""


@register("sampler", "mixture")
class MixtureSampler(Sampler):
    """A mixture of Gaussians with full covariances, fitted by expectation-maximisation.

    Of a run that is told labels each label has a mixture of its own, p(z|y), and p(z) = sum_y p(y) p(z|y).
    Covariances of more than 512 dimensions, such as those of a grid, are diagonal; with K labels those of
    more than 512 / sqrt(K), so that they take no more room.

    References:
        Partha Ghosh et al., "From Variational to Deterministic Autoencoders", 2020.
    """

    weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, latent: tuple[int, ...], components: int = 10, *, labels: int = 0) -> None:
        """Make room for the mixture.

        Args:
            latent: shape of one latent.
            components: how many Gaussians, of each label where there are labels; those beyond one for every
                two latents, of a label for every 2 D, stay without weight.
            labels: how many labels the run is told; 0 for none.
        """
        super().__init__(latent)
        if components < 1:
            raise ConfigError(f"'components' must be at least 1, not {components}")
        size, parts = math.prod(latent), max(1, labels)
        self.labels, self.components = labels, components
        self.register_buffer("weights", torch.zeros(parts * components, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(parts * components, size, dtype=torch.float64))
        self.whole = parts * size**2 <= LARGEST**2
        shape = (parts * components, size, size) if self.whole else (parts * components, size)
        self.register_buffer("factors", torch.zeros(shape, dtype=torch.float64))

    def fit(self, source: Source, quiet: bool = True) -> None:
        """Fit the mixture to the aggregate posterior, label by label where there are any; see `Sampler`."""
        z, c = source.aggregate, source.aggregate_c
        if not self.labels or c is None:
            self.fit_latents(z)
            return
        c = np.asarray(c)
        known = ~np.isnan(c).any(axis=1)
        label = np.where(known, np.nan_to_num(c).argmax(axis=1), -1)
        for number in np.unique(label[known]):
            own = z[label == number]
            self.fit_latents(own, int(number), len(own) / int(known.sum()))

    def fit_latents(self, z: np.ndarray, label: int = 0, share: float = 1.0) -> None:
        """Fit the mixture, or that of a label, with scikit-learn.

        Args:
            z: latents, shape `(N, *latent)`.
            label: which label they have, where there are labels.
            share: how many of all have it.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import threadpool_limits

        flat = z.reshape(len(z), -1).astype("float64")
        each = 2 * flat.shape[1] if self.labels else 2
        count = max(1, min(self.components, len(flat) // each))
        # The regularisation must follow the scale of the codes: an autoencoder's can be any size.
        floor = 1e-6 * max(float(flat.var(axis=0).mean()), 1e-12)
        if len(flat) == 1:  # a label that was seen once: there is nothing to fit, and no spread to draw from
            flat = np.repeat(flat, 2, axis=0)
        seed = int(torch.randint(2**31, ()))
        mixture = GaussianMixture(
            count,
            covariance_type="full" if self.whole else "diag",
            reg_covar=floor,
            random_state=seed,
            max_iter=200,
        )
        # Many small products: threads bring nothing here, and where another process holds a core they wait,
        # spinning, for a hundred times as long as the fit takes.
        with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
            # A fit stopped at its iteration limit is still a mixture to sample from.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(flat)
        at = slice(label * self.components, label * self.components + count)
        self.weights[at] = share * torch.from_numpy(mixture.weights_)
        self.means[at] = torch.from_numpy(mixture.means_)
        covariances = torch.from_numpy(mixture.covariances_)
        self.factors[at] = torch.linalg.cholesky(covariances) if self.whole else covariances.sqrt()

    def log_prob(self, z: Tensor) -> Tensor:
        """Give the log density of latents.

        Args:
            z: shape `(*batch, *latent)`.

        Returns:
            In nats, shape `batch`.
        """
        used = self.weights > 0
        means, factors = self.means[used], self.factors[used]
        batch = z.shape[: z.dim() - len(self.latent)]
        flat = z.reshape(-1, means.shape[1]).double()
        apart = (flat[None] - means[:, None]).mT
        if self.whole:
            white = torch.linalg.solve_triangular(factors, apart, upper=False)
            volume = factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        else:
            white, volume = apart / factors.unsqueeze(2), factors.log().sum(dim=1)
        constant = self.weights[used].log() - volume - 0.5 * means.shape[1] * math.log(2 * math.pi)
        logs = constant[:, None] - 0.5 * white.square().sum(dim=1)
        return logs.logsumexp(dim=0).to(z.dtype).reshape(batch)

    def draw(self, n: int, c: Tensor | None = None) -> Tensor:
        """Draw a component, then from it; see `Sampler`."""
        chosen = self._chosen(n, c)
        noise = torch.randn(n, self.means.shape[1], dtype=torch.float64, device=self.means.device)
        drawn = self.means[chosen]
        for component in range(len(self.weights)):
            own = chosen == component
            factor = self.factors[component]
            drawn[own] += noise[own] @ factor.T if self.whole else noise[own] * factor
        return drawn.unflatten(1, self.latent)

    def _chosen(self, n: int, c: Tensor | None) -> Tensor:
        """Draw components: of all, or of the label that a condition is, where data of it were seen."""
        if not self.labels:
            return torch.multinomial(self.weights, n, replacement=True)
        by_label = self.weights.view(self.labels, -1)
        shares = by_label.sum(dim=1)
        told = self.weights.new_full((n, self.labels), math.nan) if c is None else c.double() * (shares > 0)
        told = torch.where(told.sum(dim=1, keepdim=True) > 0, told, shares)  # NaN is not over 0
        label = torch.multinomial(told, 1)
        return (label * self.components + torch.multinomial(by_label[label[:, 0]], 1))[:, 0]
