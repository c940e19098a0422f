"""The Gaussian-mixture variational autoencoder: a VAE that finds clusters."""

from __future__ import annotations

from typing import ClassVar

from latentia.core.needs import BOUND, Words
from latentia.core.registry import register
from latentia.models.vae import VAE


@register("model", "gmvae")
class GMVAE(VAE):
    r"""p(x, z) = sum_k w_k N(z; mu_k, diag(sigma_k^2)) p(x|z): `VAE` whose prior is a learned mixture.

    The cluster of an example is read off its latent by Bayes' rule, p(k|z) ∝ w_k N(z; mu_k, diag(sigma_k^2)).
    That is the q(k|x) which makes the bound of "Variational Deep Embedding" greatest, and with it that bound
    is the ELBO of this model: the sum over k is exact, and no objective of its own is needed.

    References:
        Zhuxi Jiang et al., "Variational Deep Embedding: An Unsupervised and Generative Approach to
        Clustering", 2017.
        Nat Dilokthanakul et al., "Deep Unsupervised Clustering with Gaussian Mixture Variational
        Autoencoders", 2016.
    """

    defaults: ClassVar[dict[str, str]] = {**VAE.defaults, "prior": "mixture"}
    needs: ClassVar[Words] = VAE.needs | {BOUND}
