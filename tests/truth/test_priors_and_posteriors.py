"""Priors and posteriors against closed forms, explicit sums and integrals."""

import math
import sys

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch.distributions import Categorical, Independent, MultivariateNormal, Normal

from latentia.core import registry
from latentia.core.errors import ConfigError, MissingExtra
from latentia.models import VAE
from latentia.networks import MLP
from latentia.probability import (
    CouplingPrior,
    DiagonalGaussian,
    FullGaussian,
    IAFPosterior,
    MAFPosterior,
    MAFPrior,
    Mixture,
    MixturePrior,
    SplinePosterior,
    SplinePrior,
    StandardNormal,
    VampPrior,
    kl_per_dimension,
)

FLOWS = [MAFPrior, SplinePrior, CouplingPrior]
FLOW_POSTERIORS = [IAFPosterior, SplinePosterior, MAFPosterior]


def bent(flow, spread=0.2):
    """A flow far from the identity that it starts as."""
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += spread * torch.randn_like(parameter)
    return flow


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("kind", FLOWS)
def test_a_flow_inverts(kind, size):
    torch.manual_seed(0)
    transform = bent(kind((size,), hidden=(32,)).double()).normalise(None)
    z = 2 * torch.randn(50, size, dtype=torch.float64)
    u = transform(z)
    assert float((u - z).detach().abs().max()) > 0.1
    assert torch.allclose(transform.inv(u), z, atol=1e-6)


@pytest.mark.parametrize("kind", FLOWS)
def test_the_density_of_a_flow_integrates_to_one(kind):
    torch.manual_seed(0)
    line = torch.linspace(-30, 30, 10_001, dtype=torch.float64)
    p = bent(kind((1,)).double())()
    with torch.no_grad():
        assert float(torch.trapezoid(p.log_prob(line[:, None]).exp(), line)) == pytest.approx(1, abs=1e-3)
        side = torch.linspace(-10, 10, 251, dtype=torch.float64)
        p = bent(kind((2,), hidden=(16,)).double())()
        grid = torch.cartesian_prod(side, side)
        density = p.log_prob(grid).exp().view(251, 251)
        assert float(torch.trapezoid(torch.trapezoid(density, side), side)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("kind", FLOW_POSTERIORS)
def test_a_flow_posterior_obeys_the_change_of_variables(kind):
    torch.manual_seed(0)
    posterior = bent(kind((3,), hidden=(16,)).double())
    q = posterior(torch.randn(1, *posterior.features, dtype=torch.float64))
    u = q.base.rsample()
    jacobian = torch.autograd.functional.jacobian(lambda v: q.transform(v[None])[0], u[0])
    exact = q.base.log_prob(u).sum() - torch.linalg.slogdet(jacobian).logabsdet
    z = q.transform(u)
    assert float((z - u).detach().abs().max()) > 0.1
    assert float(q.log_prob(z).detach()) == pytest.approx(float(exact.detach()), abs=1e-6)


@pytest.mark.parametrize("kind", FLOW_POSTERIORS)
def test_a_flow_posterior_starts_as_the_diagonal_gaussian_nearly(kind):
    torch.manual_seed(0)
    posterior = kind((3,))
    features = torch.randn(4, *posterior.features)
    q, plain = posterior(features), DiagonalGaussian((3,))(features[:, :6])
    assert torch.allclose(q.mean, plain.mean, atol=0.05)
    assert torch.allclose(q.variance.mean(), plain.variance.mean(), rtol=0.3)


def test_a_flow_learns_a_density_that_is_known():
    # z2 given z1 is N(z1^2 / 2, 1): a banana whose entropy is that of N(0, I), log(2 pi e) in two dimensions.
    torch.manual_seed(0)
    flow = MAFPrior((2,), transforms=2, hidden=(32,))
    optimiser = torch.optim.Adam(flow.parameters(), lr=1e-2)

    def draw(count):
        z = torch.randn(count, 2)
        return torch.stack([z[:, 0], z[:, 1] + z[:, 0] ** 2 / 2], dim=1)

    for _ in range(250):
        optimiser.zero_grad()
        (-flow().log_prob(draw(512)).mean()).backward()
        optimiser.step()
    entropy = math.log(2 * math.pi * math.e)
    assert float(-flow().log_prob(draw(20_000)).mean().detach()) == pytest.approx(entropy, abs=0.05)


def test_the_mixture_prior_is_the_sum_of_its_gaussians():
    torch.manual_seed(0)
    prior = MixturePrior((2,), components=4)
    with torch.no_grad():
        prior.logits.normal_()
        prior.log_sigmas.normal_()
    weights = torch.softmax(prior.logits, 0).detach().numpy()
    means, sigmas = prior.means.detach().numpy(), prior.log_sigmas.exp().detach().numpy()
    z = np.random.default_rng(0).normal(size=(50, 2)) * 2
    exact = sum(w * norm.pdf(z, m, s).prod(axis=1) for w, m, s in zip(weights, means, sigmas))
    given = prior().log_prob(torch.from_numpy(z).float()).detach()
    assert np.allclose(given, np.log(exact), atol=1e-4)
    drawn = prior().sample((100_000,))
    mean = (weights[:, None] * means).sum(axis=0)
    variance = (weights[:, None] * (means**2 + sigmas**2)).sum(axis=0) - mean**2
    assert np.allclose(prior().mean.detach(), mean, atol=1e-5)
    assert np.allclose(prior().variance.detach(), variance, rtol=1e-4)
    assert (np.abs(drawn.mean(dim=0).numpy() - mean) < 5 * np.sqrt(variance / len(drawn))).all()
    assert np.allclose(drawn.var(dim=0), variance, rtol=0.05)


def test_a_mixture_looked_at_in_pieces_is_the_same():
    torch.manual_seed(0)
    p = Mixture(torch.randn(7), Independent(Normal(torch.randn(7, 3), torch.rand(7, 3) + 0.1), 1))
    z = torch.randn(5, 11, 3)
    with torch.no_grad():
        whole = p.log_prob(z)
        p._rows = 4
        assert torch.equal(p.log_prob(z), whole)
        assert p.sample((3, 5)).shape == (3, 5, 3)


def test_a_vamp_prior_whose_pseudo_inputs_are_the_data_is_the_aggregate_posterior():
    torch.manual_seed(0)
    x = 0.1 + 0.8 * torch.rand(20, 6)
    model = VAE((6,), 2, network=MLP(hidden=(8,)), prior=VampPrior((2,), (6,), pseudo_inputs=20))
    model.begin(x)
    z = torch.randn(4, 9, 2)
    q = model.encode(x)
    exact = q.log_prob(z.unsqueeze(2)).logsumexp(dim=2) - math.log(20)
    assert torch.allclose(model.prior().log_prob(z), exact, atol=1e-5)


def test_a_vamp_prior_does_not_save_the_encoder_again():
    def count(prior):
        model = VAE((6,), 2, network=MLP(hidden=(8,)), prior=prior)
        return set(model.state_dict()), sum(p.numel() for p in model.parameters())

    (plain, few), (vamp, many) = count(None), count(VampPrior((2,), (6,), pseudo_inputs=5))
    assert vamp - plain == {"prior.logits", "prior.inputs"}
    assert many - few == 5 + 5 * 6


def test_pseudo_inputs_stay_within_the_range_of_the_data():
    seen = []
    prior = VampPrior((2,), (6,), pseudo_inputs=5, low=-1.0, high=2.0)

    def encode(x):
        seen.append(x)
        return Independent(Normal(x[:, :2], 1.0), 1)

    prior.attach(encode)
    with torch.no_grad():
        prior.inputs.normal_(std=10.0)
    prior()
    assert float(seen[0].detach().min()) == -1 and float(seen[0].detach().max()) == 2


def full(mean, log_variance, entries):
    return FullGaussian((mean.shape[1],))(torch.cat([mean, log_variance, entries], dim=1))


def test_a_full_gaussian_without_covariance_is_the_diagonal_one():
    torch.manual_seed(0)
    mean, log_variance = torch.randn(4, 3), torch.randn(4, 3)
    q, plain = (
        full(mean, log_variance, torch.zeros(4, 3)),
        DiagonalGaussian((3,))(torch.cat([mean, log_variance], 1)),
    )
    z = torch.randn(7, 4, 3)
    assert torch.allclose(q.log_prob(z), plain.log_prob(z), atol=1e-4)
    assert torch.allclose(q.variance, plain.variance)
    p = StandardNormal((3,))()
    assert torch.allclose(kl_per_dimension(q, p, z)[:, 0], kl_per_dimension(plain, p, z).sum(1), atol=1e-5)


def test_a_full_gaussian_reads_its_factor_row_by_row():
    mean, log_variance = torch.zeros(1, 3), torch.tensor([[0.0, math.log(4.0), math.log(9.0)]])
    q = full(mean, log_variance, torch.tensor([[1.0, 2.0, 3.0]]))
    factor = torch.tensor([[1.0, 0, 0], [2.0 * 1, 2.0, 0], [3.0 * 2, 3.0 * 3, 3.0]])
    assert torch.allclose(q.covariance_matrix[0], factor @ factor.T)


def test_the_kl_of_a_full_gaussian_is_torchs_and_monte_carlos():
    torch.manual_seed(0)
    q = full(torch.randn(4, 3), torch.randn(4, 3), torch.randn(4, 3))
    z = q.sample((100_000,))
    for p, dense in (
        (StandardNormal((3,))(), MultivariateNormal(torch.zeros(3), torch.eye(3))),
        (
            Independent(Normal(torch.tensor([1.0, 0, -1]), torch.tensor([0.5, 1.0, 2.0])), 1),
            MultivariateNormal(torch.tensor([1.0, 0, -1]), torch.diag(torch.tensor([0.25, 1.0, 4.0]))),
        ),
    ):
        exact = kl_per_dimension(q, p, z)
        assert exact.shape == (4, 1)
        assert torch.allclose(exact[:, 0], torch.distributions.kl_divergence(q, dense), rtol=1e-4)
        values = q.log_prob(z) - p.log_prob(z)
        error = values.std(dim=0) / math.sqrt(len(z))
        assert ((exact[:, 0] - values.mean(dim=0)).abs() < 4.5 * error).all()


def test_a_full_gaussian_against_a_product_that_is_not_normal_is_estimated():
    torch.manual_seed(0)
    q = full(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 3))
    p = Independent(torch.distributions.StudentT(torch.full((3,), 5.0)), 1)
    z = q.sample((1000,))
    assert torch.allclose(kl_per_dimension(q, p, z)[:, 0], (q.log_prob(z) - p.log_prob(z)).mean(dim=0))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MixturePrior((2,), components=0), r"'prior\.components' must be at least 1, not 0"),
        (lambda: VampPrior((2,), (6,), pseudo_inputs=0), r"'prior\.pseudo_inputs' must be at least 1, not 0"),
        (lambda: VampPrior((2,), (6,), low=1.0), r"'prior\.high' must be greater"),
        (lambda: MAFPrior((2,), transforms=0), r"'prior\.transforms' must be at least 1, not 0"),
        (lambda: SplinePrior((2,), hidden=(0,)), r"'prior\.hidden' must be positive widths"),
        (lambda: IAFPosterior((2,), transforms=-1), r"'posterior\.transforms' must be at least 1, not -1"),
        (lambda: IAFPosterior((2,), context=0), r"'posterior\.context' must be at least 1, not 0"),
    ],
)
def test_impossible_sizes_are_refused_in_one_line(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def test_a_flow_without_zuko_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "zuko", None)
    monkeypatch.setitem(sys.modules, "zuko.flows", None)
    with pytest.raises(MissingExtra, match=r"a flow as prior needs the package zuko.*latentia\[flows\]"):
        MAFPrior((2,))


def test_weights_of_a_mixture_are_shares():
    p = Mixture(
        torch.tensor([0.0, math.log(3.0)]), Independent(Normal(torch.tensor([[0.0], [10.0]]), 1.0), 1)
    )
    torch.manual_seed(0)
    share = (p.sample((20_000,)) > 5).float().mean()
    assert isinstance(p.mixture_distribution, Categorical)
    assert float(share) == pytest.approx(0.75, abs=0.015)


@pytest.mark.parametrize("kind", ["iaf", "spline", "maf"])
def test_a_flow_has_the_density_of_every_latent_under_every_example(kind):
    torch.manual_seed(0)
    posterior = registry.lookup("posterior", kind)((2,), 1, (4,), 3)
    features = torch.randn(3, *posterior.features)
    z = torch.randn(5, 2)
    with torch.no_grad():
        pairs = posterior(features).log_prob(z.unsqueeze(1))
        each = [posterior(row[None].expand(5, -1)).log_prob(z) for row in features]
    assert torch.allclose(pairs, torch.stack(each, dim=1), atol=1e-5)
