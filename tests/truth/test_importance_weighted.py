"""IWAE and its two other gradients, where expectations can be computed exactly."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

from latentia.core.types import Batch, Pass
from latentia.objectives import ELBO, IWAE, DReG, StickingTheLanding
from tests.truth.test_linear_gaussian import data, exact, pca  # noqa: F401

ESTIMATORS = (IWAE, StickingTheLanding, DReG)


@pytest.fixture
def wrong(data, pca):  # noqa: F811
    vae = exact(pca)
    with torch.no_grad():
        vae.encoder.bias[:2] += 0.1
        vae.encoder.bias[2:] += 0.5
    return vae, Batch(torch.from_numpy(data), torch.arange(len(data)))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_bound_rises_with_k_to_the_exact_likelihood(wrong, data, pca, estimator):  # noqa: F811
    vae, batch = wrong
    bounds = []
    for k in (1, 8, 64, 512):
        torch.manual_seed(0)
        with torch.no_grad():
            bounds.append(float(-estimator(k)(vae(batch, k)).loss.mean()))
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(pca.score(data), abs=0.01)


def test_with_one_sample_the_bound_is_the_elbo_with_a_sampled_rate(wrong):
    vae, batch = wrong
    state = vae(batch, 1)
    sampled = state.q.log_prob(state.z) - state.p_z.log_prob(state.z)
    assert torch.allclose(IWAE(1)(state).loss, ELBO()(state).distortion + sampled[0], atol=1e-4)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_distortion_rate_and_elbo_are_those_of_every_objective_and_the_bound_has_its_own_name(
    wrong, estimator
):
    vae, batch = wrong
    state = vae(batch, 16)
    terms, plain = estimator(16)(state), ELBO(samples=16)(state)
    assert torch.equal(terms.distortion, plain.distortion) and torch.equal(terms.rate, plain.rate)
    assert torch.equal(terms.elbo, plain.elbo)
    weights = state.p_x.log_prob(batch.x) + state.p_z.log_prob(state.z) - state.q.log_prob(state.z)
    bound = weights.logsumexp(dim=0) - math.log(16)
    assert torch.allclose(terms.diagnostics["iwae_bound"], bound, atol=1e-4)
    assert torch.allclose(terms.loss, -bound, atol=1e-4)
    assert (bound.mean() - terms.elbo.mean()) > 0.1  # the bounds differ, and so must their names


class Enumerated:
    """One latent, p(x, z) = N(z; m, 1) N(x; w z, 1/2), q = N(mu, sigma); expectations by quadrature.

    Every tuple of k quadrature points is an example of its own, weighted by its probability, so that the
    sum over the batch is the expectation.
    """

    def __init__(self, k, points=40, mu=0.3, log_sigma=-0.4, exact=False):
        nodes, weights = np.polynomial.hermite_e.hermegauss(points)
        grid = np.stack(np.meshgrid(*[nodes] * k, indexing="ij")).reshape(k, -1)
        mass = np.stack(np.meshgrid(*[weights / weights.sum()] * k, indexing="ij")).reshape(k, -1).prod(0)
        x, w, m = 1.3, 0.8, 0.2
        if exact:
            precision = 1 + w**2 / 0.25
            mu, log_sigma = (m + w * x / 0.25) / precision, -0.5 * math.log(precision)
        self.noise, self.mass = torch.tensor(grid), torch.tensor(mass)
        self.x = torch.full((len(mass), 1), x, dtype=torch.float64)
        self.encoder = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (mu, log_sigma)]
        self.decoder = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (w, m)]

    def loss(self, estimator, k, mu, log_sigma):
        """The loss of every tuple; mu and log sigma may be of one example each."""
        w, m = self.decoder
        mu, sigma = mu.expand(len(self.mass)), log_sigma.exp().expand(len(self.mass))
        z = (mu + sigma * self.noise).unsqueeze(-1)
        q = Independent(Normal(mu.unsqueeze(-1), sigma.unsqueeze(-1)), 1)
        p_z = Independent(Normal(m.reshape(1), torch.ones(1, dtype=torch.float64)), 1)
        p_x = Independent(Normal(w * z, 0.5), 1)
        return estimator(k)(Pass(Batch(self.x, torch.arange(len(z[0]))), q, z, p_z, p_x)).loss

    def gradient(self, estimator, k):
        """The expected gradient by mu, log sigma, w and m."""
        expected = (self.mass * self.loss(estimator, k, *self.encoder)).sum()
        return torch.stack(torch.autograd.grad(expected, [*self.encoder, *self.decoder]))

    def per_draw(self, estimator, k):
        """The gradient by log sigma of each tuple."""
        mu, log_sigma = self.encoder
        each = log_sigma.detach().expand(len(self.mass)).clone().requires_grad_()
        return torch.autograd.grad(self.loss(estimator, k, mu, each).sum(), each)[0]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_expected_gradient_of_dreg_is_that_of_iwae(k):
    case = Enumerated(k, points={1: 60, 2: 60, 3: 24}[k])
    plain, doubly = case.gradient(IWAE, k), case.gradient(DReG, k)
    assert (plain.abs() > 1e-3).all()
    assert torch.allclose(plain, doubly, rtol=1e-5 if k < 3 else 1e-3)


def test_sticking_the_landing_is_unbiased_for_one_sample_and_biased_for_two():
    one, two = Enumerated(1, points=60), Enumerated(2, points=60)
    assert torch.allclose(one.gradient(StickingTheLanding, 1), one.gradient(IWAE, 1), rtol=1e-8)
    difference = two.gradient(StickingTheLanding, 2) - two.gradient(IWAE, 2)
    assert difference[:2].abs().max() > 1e-2  # of the posterior
    assert difference[2:].abs().max() < 1e-10  # not of decoder and prior


@pytest.mark.parametrize("k", [1, 2])
def test_at_the_exact_posterior_the_path_gradients_vanish_for_every_draw(k):
    case = Enumerated(k, exact=True)
    for estimator in (StickingTheLanding, DReG):
        assert case.per_draw(estimator, k).abs().max() < 1e-9
    assert case.per_draw(IWAE, k).abs().max() > 0.1


def test_dreg_has_less_variance_than_iwae():
    case = Enumerated(2, exact=False)

    def variance(estimator):
        each = case.per_draw(estimator, 2)
        mean = (case.mass * each).sum()
        return float((case.mass * (each - mean) ** 2).sum())

    assert variance(DReG) < 0.5 * variance(IWAE)
