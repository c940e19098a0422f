"""Objectives of the aggregate posterior: total correlation, discrepancy, capacity."""

import math

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from latentia.core.types import Batch, Pass
from latentia.objectives import WAE, BetaTC, Capacity, Constant, FactorVAE, InfoVAE, Linear
from latentia.objectives.total_correlation import split_rate
from latentia.probability import Delta, discrepancy
from latentia.training.discriminator import TrainedDiscriminator


def product(mean, scale):
    return Independent(Normal(mean, scale), 1)


def standard(dims):
    return product(torch.zeros(dims), torch.ones(dims))


def state_of(q, z, p_z):
    x = torch.zeros(z.shape[1], 2)
    p_x = Independent(Normal(z[..., :1].expand(*z.shape[:2], 2), 1.0), 1)
    return Pass(Batch(x, torch.arange(len(x))), q, z, p_z, p_x)


def test_the_three_parts_add_up_to_the_kl_where_the_batch_is_all_the_data():
    torch.manual_seed(0)
    q = product(torch.randn(5, 3), torch.rand(5, 3) + 0.3)
    z = q.sample((40_000,))
    parts = split_rate(q, standard(3), z)
    exact = kl_divergence(q, standard(3)).mean()
    assert float(sum(part.mean() for part in parts)) == pytest.approx(float(exact), rel=0.01)


def test_the_parts_are_those_of_the_mixture_enumerated():
    """Two examples at two places of a square: one bit of information, the rest by integration."""
    mean = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
    q = product(mean, torch.full((2, 2), 0.5))
    grid = torch.linspace(-5, 5, 401)
    points = torch.stack(torch.meshgrid(grid, grid, indexing="ij"), dim=-1).reshape(-1, 2)
    cell = float(grid[1] - grid[0]) ** 2
    each = Normal(mean, 0.5).log_prob(points.unsqueeze(1)).double()  # (points, examples, dims)
    joint = each.sum(2).logsumexp(1) - math.log(2)
    marginals = (each.logsumexp(1) - math.log(2)).sum(1)
    mass = joint.exp() * cell
    total_correlation = float((mass * (joint - marginals)).sum())
    dimension_wise = float((mass * (marginals - Normal(0.0, 1.0).log_prob(points).sum(1))).sum())
    information = float(kl_divergence(q, standard(2)).mean()) - total_correlation - dimension_wise
    torch.manual_seed(0)
    parts = split_rate(q, standard(2), q.sample((40_000,)))
    for part, value in zip(parts, (information, total_correlation, dimension_wise)):
        assert float(part.mean()) == pytest.approx(value, abs=0.01)


def test_minibatch_weights_of_the_paper_add_constants_alone():
    """1/(N M) instead of 1/M for each component: (D - 1) log N on the correlation, the same gradient."""
    torch.manual_seed(0)
    mean = torch.randn(6, 3, requires_grad=True)
    q, n = product(mean, torch.ones(6, 3)), 1000
    z = q.rsample((1,))
    each = q.base_dist.log_prob(z.unsqueeze(2))[0] - math.log(n * 6)
    paper = (each.sum(2) + 2 * math.log(n * 6)).logsumexp(1) - each.logsumexp(1).sum(1)
    ours = split_rate(q, standard(3), z)[1]
    assert torch.allclose(paper, ours + 2 * math.log(n), atol=1e-4)
    gradients = [torch.autograd.grad(tc.sum(), mean, retain_graph=True)[0] for tc in (paper, ours)]
    assert torch.allclose(*gradients, atol=1e-5)


def test_the_parts_of_a_single_example_are_its_kl_alone():
    q = product(torch.randn(1, 3), torch.ones(1, 3))
    information, correlation, dimension_wise = split_rate(q, standard(3), q.sample((4,)))
    assert float(information.abs() + correlation.abs()) == pytest.approx(0, abs=1e-5)
    assert torch.isfinite(dimension_wise).all()


def test_beta_tc_weighs_the_parts():
    torch.manual_seed(0)
    q = product(torch.randn(6, 2), torch.rand(6, 2) + 0.3)
    state = state_of(q, q.sample((3,)), standard(2))
    information, correlation, dimension_wise = split_rate(q, standard(2), state.z)
    terms = BetaTC(beta=5.0, alpha=0.5, gamma=2.0)(state)
    expected = -0.5 * information + 4 * correlation + dimension_wise
    assert torch.allclose(terms.penalty, expected, atol=1e-5)
    assert torch.allclose(terms.rate, kl_divergence(q, standard(2)))
    plain = BetaTC(beta=5.0, schedule=Linear(0.5))(state, 0.0)
    assert torch.equal(plain.loss, plain.distortion + plain.rate)
    assert BetaTC(beta=1.0)(state).penalty.abs().max() == 0


def test_the_discriminator_learns_the_total_correlation_of_a_correlated_gaussian():
    """TC of two unit normals with correlation r is -1/2 log(1 - r^2)."""
    torch.manual_seed(0)
    r = 0.8
    aggregate = MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, r], [r, 1.0]]))
    objective = FactorVAE((2,), gamma=3.0, hidden=(64, 64), lr=3e-3)
    discriminator = TrainedDiscriminator(objective.adversary)
    for _ in range(500):
        z = aggregate.sample((1, 512))
        discriminator.optimiser.zero_grad()
        state = state_of(product(z[0], torch.ones(512, 2)), z, standard(2))
        objective.adversary.loss(state)[0].mean().backward()
        discriminator.optimiser.step(discriminator.lr)
    z = aggregate.sample((1, 20_000))
    terms = objective(state_of(product(z[0], torch.ones(20_000, 2)), z, standard(2)))
    exact = -0.5 * math.log(1 - r**2)
    assert float(terms.diagnostics["total_correlation"].mean()) == pytest.approx(exact, abs=0.05)
    assert float(terms.adversarial.mean()) == pytest.approx(3 * exact, abs=0.15)


def test_the_discrepancy_is_zero_in_expectation_for_equal_distributions_and_has_no_bias():
    """Exact by enumeration: two points each, all pairs of samples of two."""
    a, b, scales = torch.tensor([0.0, 1.0]), torch.tensor([0.0, 3.0]), (1.0, 4.0)

    def kernel(one, two):
        return sum(c / (c + (one[:, None] - two[None]) ** 2) for c in scales) / len(scales)

    def expected(one, two):
        values = []
        for i in range(16):
            left, right = one[[i & 1, i >> 1 & 1]], two[[i >> 2 & 1, i >> 3 & 1]]
            values.append(discrepancy(left[:, None], right[:, None], scales))
        return float(torch.stack(values).mean())

    def exact(one, two):
        return float(kernel(one, one).mean() + kernel(two, two).mean() - 2 * kernel(one, two).mean())

    assert expected(a, a) == pytest.approx(0, abs=1e-6)
    assert expected(a, b) == pytest.approx(exact(a, b), rel=1e-5)
    assert exact(a, b) > 0.05


def test_the_discrepancy_pulls_equal_points_without_a_nan():
    a = torch.zeros(3, 2, requires_grad=True)
    discrepancy(a, torch.randn(3, 2), [1.0]).backward()
    assert torch.isfinite(a.grad).all()


def test_info_vae_weighs_the_rate_and_the_discrepancy():
    torch.manual_seed(0)
    q = product(3 + torch.randn(200, 2), torch.ones(200, 2))
    state = state_of(q, q.sample((1,)), standard(2))
    terms = InfoVAE(alpha=0.25, mmd=10.0)(state)
    assert terms.weight == 0.75
    value = float(terms.penalty[0]) / 9.25
    assert 0.3 < value < 2
    assert (terms.penalty == terms.penalty[0]).all()
    near = product(torch.zeros(200, 2), torch.ones(200, 2))
    assert abs(float(WAE(1.0)(state_of(near, near.sample((1,)), standard(2))).penalty[0])) < 0.05


def test_wae_takes_a_point_and_its_gradient_moves_the_codes_to_the_prior():
    torch.manual_seed(0)
    codes = (3 + torch.randn(100, 2)).requires_grad_()
    state = state_of(Delta(codes, 1), codes.unsqueeze(0), standard(2))
    terms = WAE(50.0)(state)
    assert terms.rate.abs().max() == 0
    terms.penalty.mean().backward()
    assert (codes.grad.mean(dim=0) > 0).all()  # going down the gradient lowers the mean of 3


def test_the_capacity_costs_the_distance_of_the_rate_from_its_target():
    mean = torch.tensor([[0.0], [1.0], [2.0], [3.0]], requires_grad=True)
    q = product(mean, torch.ones(4, 1))  # rates mean^2 / 2: 0, 0.5, 2, 4.5
    state = state_of(q, mean.unsqueeze(0), standard(1))
    terms = Capacity(4.0, gamma=10.0, schedule=Linear(1.0))(state, 0.5)  # C = 2
    assert terms.weight == 0
    assert terms.penalty.tolist() == pytest.approx([20.0, 15.0, 0.0, 25.0])
    (slope,) = torch.autograd.grad(terms.penalty.sum(), mean)
    assert slope.flatten().tolist() == pytest.approx([0.0, -10.0, 0.0, 30.0])  # gamma * sign * mean
    held = Capacity(4.0, gamma=10.0, schedule=Constant())
    assert held(state).penalty.tolist() == pytest.approx([40.0, 35.0, 20.0, 5.0])
    assert not Capacity(schedule=Linear(0.5)).settled(0.4) and Capacity(schedule=Linear(0.5)).settled(0.5)
