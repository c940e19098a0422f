"""The lighter normal and Bernoulli distributions give what torch's own give."""

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from latentia.probability import Bernoulli as BernoulliLikelihood
from latentia.probability import DiagonalGaussian
from latentia.probability.normal import PlainNormal, UnitNormal


@pytest.fixture
def pair():
    torch.manual_seed(0)
    loc, log_scale = torch.randn(5, 3), torch.randn(5, 3)
    own = PlainNormal(loc, log_scale.exp(), log_scale=log_scale)
    return own, Normal(loc, log_scale.exp())


def test_the_plain_normal_has_torchs_density_entropy_and_draws(pair):
    own, theirs = pair
    x = torch.randn(7, 5, 3)
    assert torch.equal(own.log_prob(x), theirs.log_prob(x))
    assert torch.equal(own.entropy(), theirs.entropy())
    draws = []
    for each in pair:
        torch.manual_seed(1)
        draws.append(each.rsample((4,)))
    assert torch.allclose(*draws, rtol=1e-6, atol=1e-6)
    assert draws[0].shape == (4, 5, 3)


def test_its_kl_from_the_unit_normal_is_torchs_with_its_logarithm_known_or_not(pair):
    own, theirs = pair
    zero, one = torch.zeros(3), torch.ones(3)
    expected = kl_divergence(theirs, Normal(zero, one))
    for q in (own, PlainNormal(own.loc, own.scale), theirs):
        assert torch.allclose(kl_divergence(q, UnitNormal(zero, one)), expected, rtol=1e-5, atol=1e-6)


def test_it_expands_and_is_made_anew_by_its_parameters(pair):
    own, theirs = pair
    for q in (own.expand((2, 5, 3)), Independent(own, 1).expand((2, 5)).base_dist):
        assert torch.equal(q.mean, theirs.expand((2, 5, 3)).mean)
        assert torch.equal(q.stddev, theirs.expand((2, 5, 3)).stddev)
    assert torch.equal(
        kl_divergence(own.expand((2, 5, 3)), UnitNormal(torch.zeros(3), torch.ones(3)))[1],
        kl_divergence(own, UnitNormal(torch.zeros(3), torch.ones(3))),
    )
    half = type(own)(loc=own.loc[::2], scale=own.scale[::2], validate_args=False)
    assert torch.equal(half.mean, theirs.mean[::2])


def test_the_gradient_of_bound_terms_is_that_of_the_textbook():
    torch.manual_seed(0)
    features = torch.randn(4, 6, requires_grad=True)
    q = DiagonalGaussian((3,))(features)
    torch.manual_seed(2)
    z = q.rsample((1,))
    kl = kl_divergence(q.base_dist, UnitNormal(torch.zeros(3), torch.ones(3)))
    (own,) = torch.autograd.grad(z.square().sum() + kl.sum(), features)
    mean, log_variance = features.chunk(2, dim=1)
    torch.manual_seed(2)
    z = mean + (0.5 * log_variance).exp() * torch.randn(1, 4, 3)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
    (expected,) = torch.autograd.grad(z.square().sum() + kl.sum(), features)
    assert torch.allclose(own, expected, rtol=1e-5, atol=1e-6)


def test_the_bernoulli_likelihood_is_torchs_and_expands():
    torch.manual_seed(0)
    h, x = torch.randn(2, 5, 1, 4, 4), torch.rand(5, 1, 4, 4).round()
    own = BernoulliLikelihood()(h, 3)
    theirs = Independent(Bernoulli(logits=h), 3)
    assert torch.allclose(own.log_prob(x), theirs.log_prob(x), rtol=1e-5, atol=1e-4)
    assert torch.equal(own.mean, theirs.mean)
    assert torch.equal(own.variance, theirs.variance)
    pixels = own.base_dist.expand((3, 2, 5, 1, 4, 4))
    assert torch.equal(pixels.mean, theirs.base_dist.expand((3, 2, 5, 1, 4, 4)).mean)
    h.requires_grad_()
    (ours,) = torch.autograd.grad(BernoulliLikelihood()(h, 3).log_prob(x).sum(), h)
    assert torch.allclose(ours, x - torch.sigmoid(h), rtol=1e-5, atol=1e-6)
