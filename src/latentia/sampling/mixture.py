"""The aggregate posterior as a Gaussian mixture: where the latents of real data are."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latentia.errors import ConfigError

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture


@dataclass(frozen=True)
class Mixture:
    """A mixture fitted to latents.

    Attributes:
        mixture: scikit-learn's estimator, over flattened latents.
        latent: shape of one latent.
    """

    mixture: GaussianMixture
    latent: tuple[int, ...]

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """Draw latents.

        Args:
            n: how many.
            seed: seed of the draw.

        Returns:
            Shape `(n, *latent)`, float32, in random order.

        Raises:
            ConfigError: if `n` is not positive.
        """
        if n <= 0:
            raise ConfigError(f"'n' must be positive, not {n}")
        self.mixture.random_state = seed
        codes, _ = self.mixture.sample(n)
        # scikit-learn gives them component by component
        codes = np.random.default_rng(seed).permutation(codes)
        return codes.astype(np.float32).reshape(n, *self.latent)


def fit_mixture(codes: np.ndarray, components: int = 10, seed: int = 0) -> Mixture:
    """Fit a Gaussian mixture with full covariances to the latents of some examples.

    Args:
        codes: samples of the aggregate posterior, shape `(N, *latent)`.
        components: how many Gaussians; fewer where there are fewer than two examples for each.
        seed: seed of the fit.

    Returns:
        The mixture.

    Raises:
        ConfigError: if `components` is not positive.

    References:
        Partha Ghosh et al., "From Variational to Deterministic Autoencoders", 2020.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    if components < 1:
        raise ConfigError(f"'components' must be at least 1, not {components}")
    flat = codes.reshape(len(codes), -1).astype(np.float64)
    count = max(1, min(components, len(flat) // 2))
    # The regularisation must follow the scale of the codes: an autoencoder's can be any size.
    floor = 1e-6 * max(float(flat.var(axis=0).mean()), 1e-12)
    mixture = GaussianMixture(count, covariance_type="full", reg_covar=floor, random_state=seed, max_iter=200)
    # Many small products: threads bring nothing here, and where another process holds a core they wait,
    # spinning, for a hundred times as long as the fit takes.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        # A fit stopped at its iteration limit is still a mixture to sample from.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(flat)
    return Mixture(mixture, codes.shape[1:])
