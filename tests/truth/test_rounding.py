"""Rounded latents against what is known of them in closed form."""

import itertools
import math

import pytest
import torch
from torch.distributions import Independent, Normal

from latentia.core.errors import ConfigError
from latentia.core.types import Batch, Pass
from latentia.objectives import RateDistortion
from latentia.probability import Factorised, Hyperprior, Rounded, RoundedPosterior
from latentia.probability.rounded_priors import log_mass

STEP = 0.7


def grid_of(prior, count=400, step=STEP):
    """Every multiple of a step from -count to count, in every number of a latent."""
    k = torch.arange(-count, count + 1) * step
    return k.view(-1, *[1] * len(prior.latent)).expand(-1, *prior.latent)


def shaken(prior, seed=0):
    torch.manual_seed(seed)
    for parameter in prior.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return prior


@pytest.mark.parametrize("step", [0.05, 0.7, 3.0])
def test_the_masses_of_all_cells_are_one(step):
    prior = shaken(Factorised((4,)))
    masses = (prior().at(step).entries(grid_of(prior, 20_000, step)) + math.log(step)).exp()
    assert torch.allclose(masses.sum(dim=0), torch.ones(4), atol=1e-3)


def test_the_masses_of_numbers_given_those_before_them_are_one():
    prior = shaken(Hyperprior((20,), slices=3))
    assert len(prior.readers) == 3
    z = grid_of(prior)
    masses = prior.log_masses(z, torch.tensor(STEP), torch.full_like(z, 2 * STEP)).exp()
    assert torch.allclose(masses[:, prior.side :].sum(dim=0), torch.ones(16), atol=1e-4)


def test_a_number_is_given_by_what_is_coded_before_it_alone():
    torch.manual_seed(0)
    prior = shaken(Hyperprior((10, 2, 3), slices=3))
    ends = [0, prior.side]
    for reader in prior.readers:
        ends.append(ends[-1] + reader.own)
    z = (5 * torch.randn(1, 10, 2, 3)).round()
    masses = prior.log_masses(z, torch.tensor(1.0))
    for first, end in itertools.pairwise(ends):
        other = z.clone()
        other[:, first:end] += 1
        changed = (prior.log_masses(other, torch.tensor(1.0)) != masses).flatten(2).any(dim=2)[0]
        assert changed[first:].all() and not changed[:first].any()


def test_the_rate_of_training_has_noise_and_reads_what_is_rounded():
    torch.manual_seed(0)
    prior, loc = shaken(Hyperprior((6,), slices=2)), torch.randn(4, 6)
    step = torch.full((4, 1), 0.5)
    certain = prior().rate(Rounded(loc, step, noisy=False))
    whole = (loc / step).round() * step
    assert torch.allclose(certain, -prior.log_masses(whole, step))
    torch.manual_seed(1)
    noisy = prior().rate(Rounded(loc, step, noisy=True))
    torch.manual_seed(1)
    z = loc + step * (torch.rand_like(loc) - 0.5)
    assert torch.allclose(noisy, -prior.log_masses(z, step, whole))


def test_a_mass_is_right_far_outside_where_differences_of_cumulative_functions_are_zero():
    apart = torch.tensor([0.0, 3.0, 12.0, 40.0], requires_grad=True)
    found = log_mass(torch.special.log_ndtr, apart, torch.ones(()), torch.ones(()))
    # log(ndtr(v + 0.5) - ndtr(v - 0.5)) by mpmath with 50 digits
    want = [-0.959916334, -5.119830445, -69.493714788, -784.720879104]
    assert found.detach().tolist() == pytest.approx(want, rel=1e-5)
    found.sum().backward()
    assert torch.isfinite(apart.grad).all() and (apart.grad[1:] < 0).all()


def test_the_rate_with_noise_is_the_entropy_of_cells_on_average():
    """E[-log p(y + u)] is the differential entropy of y + u, known where the noise u is small."""
    torch.manual_seed(0)
    prior = Factorised((1,), components=1)
    with torch.no_grad():
        prior.logistics.log_scales.fill_(math.log(2.0))
    z = prior().at(1.0).sample((200_000,))
    rate = -prior().at(1.0).log_prob(z).mean()
    # A logistic of scale s has the entropy log s + 2 nats; noise of variance 1 / 12 adds 1 / 24 times its
    # Fisher information, 1 / (3 s^2), and terms of higher order.
    assert float(rate.detach()) == pytest.approx(math.log(2) + 2 + 1 / (24 * 3 * 4), abs=0.01)


def test_draws_are_multiples_of_the_step_and_pass_their_gradient_straight_through():
    loc = torch.tensor([[0.3, -1.6, 2.24]], requires_grad=True)
    q = Rounded(loc, torch.tensor([[0.5]]), noisy=True)
    z = q.rsample((2,))
    assert torch.equal(z[0], torch.tensor([[0.5, -1.5, 2.0]])) and torch.equal(z[0], z[1])
    z.sum().backward()
    assert torch.equal(loc.grad, torch.full((1, 3), 2.0))
    assert q.log_prob(z).flatten().tolist() == pytest.approx(2 * [3 * math.log(2)])
    assert torch.isneginf(q.log_prob(z + 0.5)).all()
    torch.manual_seed(0)
    noise = torch.stack([q.dithered().detach() - loc.detach() for _ in range(2000)])
    assert float(noise.abs().max()) <= 0.25 and float(noise.std()) == pytest.approx(0.5 / 12**0.5, rel=0.05)
    assert torch.equal(Rounded(loc, torch.tensor([[0.5]]), noisy=False).dithered(), z[0])


def test_examples_have_steps_of_their_own_in_training_and_one_outside():
    posterior = RoundedPosterior((3,), finest=0.25, coarsest=4.0)
    steps = posterior(torch.zeros(4000, 3)).step
    assert steps.shape == (4000, 1) and 0.25 <= float(steps.min()) < 0.26 and 3.9 < float(steps.max()) <= 4
    assert float(steps.log().mean()) == pytest.approx(0.0, abs=0.05)  # log-uniform around 1
    assert torch.equal(posterior.eval()(torch.zeros(2, 3)).step, torch.ones(2, 1))
    with pytest.raises(ConfigError, match=r"'posterior\.finest' must be positive.*not 2 and 1"):
        RoundedPosterior((3,), finest=2, coarsest=1)


def test_distortion_and_rate_are_those_of_the_formula():
    x, mean = torch.rand(2, 4), torch.rand(1, 2, 4)
    prior, posterior = Factorised((3,)), RoundedPosterior((3,), 0.5, 0.5).eval()
    q = posterior(torch.randn(2, 3))
    z = q.rsample((1,))
    p_x = Independent(Normal(mean, 1.0), 1)
    terms = RateDistortion(sigma=0.2, beta=2.0)(Pass(Batch(x, torch.arange(2)), q, z, prior(), p_x))
    want = -Independent(Normal(mean, 0.1), 1).log_prob(x)[0]
    assert torch.allclose(terms.distortion, want, atol=1e-5)
    masses = prior.log_masses(z, torch.tensor(0.5)).sum(dim=-1)[0]
    assert torch.allclose(terms.rate, -masses, atol=1e-5)
    assert torch.allclose(terms.loss, want - 2 * masses, atol=1e-4)


def test_side_information_is_what_the_network_says():
    class Knows:
        side = 3

    assert Hyperprior((20, 4, 4), network=Knows()).side == 3
    assert Hyperprior((20, 4, 4)).side == 4
    with pytest.raises(ConfigError, match=r"two sides, or vectors, not 4x2x2x2; use prior\.name=factorised"):
        Hyperprior((4, 2, 2, 2))
