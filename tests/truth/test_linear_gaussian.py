"""The linear-Gaussian VAE is probabilistic PCA, whose likelihood is known exactly.

References:
    Michael Tipping, Christopher Bishop, "Probabilistic Principal Component Analysis", 1999.
"""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from latentia.core.types import Batch, Pass
from latentia.models import VAE
from latentia.objectives import ELBO
from latentia.probability import DiagonalGaussian, GaussianLearned
from tests.metrics.conftest import Linear

FEATURES, LATENTS = 8, 2


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(2000, LATENTS)) * np.array([2.0, 1.0])
    loadings = rng.normal(size=(LATENTS, FEATURES))
    return (factors @ loadings + 0.5 * rng.normal(size=(2000, FEATURES)) + 1.0).astype(np.float32)


@pytest.fixture(scope="module")
def pca(data):
    return PCA(LATENTS).fit(data)


def exact(pca):
    """The VAE at the maximum of the likelihood: Tipping and Bishop's W, mu, sigma and posterior."""
    sigma2 = pca.noise_variance_
    w = pca.components_.T * np.sqrt(np.maximum(pca.explained_variance_ - sigma2, 0))
    m = w.T @ w + sigma2 * np.eye(LATENTS)  # diagonal, because the components are orthogonal
    vae = VAE(
        (FEATURES,),
        LATENTS,
        network=Linear(),
        posterior=DiagonalGaussian((LATENTS,)),
        likelihood=GaussianLearned(),
    )
    inverse = np.linalg.inv(m) @ w.T
    log_variance = np.log(sigma2 * np.diag(np.linalg.inv(m)))
    with torch.no_grad():
        vae.decoder.weight.copy_(torch.tensor(w))
        vae.decoder.bias.copy_(torch.tensor(pca.mean_))
        vae.encoder.weight.zero_()
        vae.encoder.weight[:LATENTS].copy_(torch.tensor(inverse))
        vae.encoder.bias.copy_(torch.tensor(np.concatenate([-inverse @ pca.mean_, log_variance])))
        vae.likelihood.log_sigma.copy_(torch.tensor(0.5 * np.log(sigma2)))
    return vae.eval()


def elbo(vae, data, samples=400):
    torch.manual_seed(0)
    batch = Batch(torch.from_numpy(data), torch.arange(len(data)))
    with torch.no_grad():
        return float(ELBO(samples=samples)(vae(batch, samples)).elbo.mean())


def test_the_elbo_equals_the_exact_likelihood_at_the_exact_posterior(data, pca):
    assert elbo(exact(pca), data) == pytest.approx(pca.score(data), abs=0.01)


def test_the_elbo_is_below_the_likelihood_by_the_kl_to_the_exact_posterior(data, pca):
    vae = exact(pca)
    batch = Batch(torch.from_numpy(data), torch.arange(len(data)))
    right = vae.encode(batch.x)
    with torch.no_grad():
        vae.encoder.bias[:LATENTS] += 0.3
        vae.encoder.bias[LATENTS:] += 0.5
    wrong = vae.encode(batch.x)
    gap = torch.distributions.kl_divergence(wrong, right).mean().detach()
    assert elbo(vae, data) == pytest.approx(pca.score(data) - float(gap), abs=0.02)


def test_the_importance_weighted_bound_rises_to_the_likelihood(data, pca):
    vae = exact(pca)
    with torch.no_grad():
        vae.encoder.bias[:LATENTS] += 0.1
        vae.encoder.bias[LATENTS:] += 0.5
    torch.manual_seed(0)
    batch = Batch(torch.from_numpy(data), torch.arange(len(data)))
    with torch.no_grad():
        state: Pass = vae(batch, 512)
        weights = state.p_x.log_prob(batch.x) + state.p_z.log_prob(state.z) - state.q.log_prob(state.z)
        bounds = [
            float((weights.reshape(-1, k, len(data)).logsumexp(dim=1) - np.log(k)).mean())
            for k in (1, 8, 64, 512)
        ]
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(pca.score(data), abs=0.01)


def test_training_reaches_the_likelihood(data, pca):
    torch.manual_seed(1)
    vae = VAE((FEATURES,), LATENTS, network=Linear(), likelihood=GaussianLearned())
    optimiser = torch.optim.Adam(vae.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 1500)
    batch = Batch(torch.from_numpy(data), torch.arange(len(data)))
    for _ in range(1500):
        optimiser.zero_grad()
        ELBO()(vae(batch)).loss.mean().backward()
        optimiser.step()
        schedule.step()
    reached = elbo(vae, data)
    assert reached <= pca.score(data) + 0.01
    assert reached == pytest.approx(pca.score(data), abs=0.03)
