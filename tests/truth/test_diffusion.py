"""Diffusion against what is known of Gaussians and mixtures, whose exact score has a closed form."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal

from latentia.core.noise import seeded
from latentia.networks import DenoiserMLP
from latentia.probability import Diffusion, DiffusionPrior, Walk
from latentia.probability.diffusion import Levels
from latentia.probability.noising import CURVES, Schedule, amounts, noised, split, target_of

TARGETS = ("v", "eps", "x", "flow")
WEIGHTS = torch.tensor([0.3, 0.7])
MEANS = torch.tensor([[1.2, -0.4], [-0.7, 0.5]])
DEVIATIONS = torch.tensor([[0.5, 0.4], [0.6, 0.3]])


class Known(torch.nn.Module):
    """What the best denoiser says of a mixture of Gaussians: E[x | z], as its target wants it."""

    def __init__(self, schedule, target, weights=WEIGHTS, means=MEANS, deviations=DEVIATIONS):
        super().__init__()
        self.schedule, self.target = schedule, target
        self.weights, self.means, self.variances = weights, means, deviations**2

    def forward(self, z, t, c=None):
        level = self.schedule.level(t.double())[:, None, None]
        alpha, sigma = amounts(level)
        z = z.double()[:, None]
        spread = alpha**2 * self.variances + sigma**2
        logs = self.weights.log() + Normal(alpha * self.means, spread.sqrt()).log_prob(z).sum(-1)
        each = self.means + alpha * self.variances / spread * (z - alpha * self.means)
        x = (logs.softmax(dim=1)[..., None] * each).sum(dim=1)
        alpha, sigma = alpha[:, 0], sigma[:, 0]
        eps = (z[:, 0] - alpha * x) / sigma
        p, q = target_of(self.target, level[:, 0])
        return (p * x + q * eps).float()


def mixture():
    return MixtureSameFamily(Categorical(WEIGHTS), Independent(Normal(MEANS, DEVIATIONS), 1))


def known(target="v", name="cosine", **told):
    schedule = Schedule(name)
    return Diffusion(Known(schedule, target, **told), (2,), schedule, target)


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_a_schedule_has_its_ends_its_slope_and_its_inverse(name, shift):
    schedule = Schedule(name, shift)
    t = torch.linspace(0, 1, 21, dtype=torch.float64)
    level = schedule.level(t)
    assert level[0] == pytest.approx(12) and level[-1] == pytest.approx(-10)
    assert (level.diff() < 0).all()
    assert torch.allclose(schedule.time(level), t, atol=1e-12)
    step = 1e-6
    slope = (schedule.level(t[1:-1] + step) - schedule.level(t[1:-1] - step)) / (2 * step)
    assert torch.allclose(slope, schedule.slope(t[1:-1]), rtol=1e-6)


def test_the_chain_of_small_steps_is_the_closed_form():
    """z_k = sqrt(1 - b_k) z_{k-1} + sqrt(b_k) eps_k, iterated, has the mean and the variance of one step."""
    schedule = Schedule("linear")
    kept = amounts(schedule.level(torch.linspace(0, 1, 401, dtype=torch.float64)))[0].square()
    ratios = torch.cat([kept[:1], kept[1:] / kept[:-1]])
    mean, variance = torch.ones((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for ratio in ratios:
        mean, variance = ratio.sqrt() * mean, ratio * variance + (1 - ratio)
    assert float(mean) == pytest.approx(float(kept[-1].sqrt()), rel=1e-9)
    assert float(variance) == pytest.approx(float(1 - kept[-1]), rel=1e-9)
    with seeded(0):  # and so do draws, by the reparametrisation of one step
        x = torch.full((200_000, 1), 1.5)
        z = noised(x, torch.randn_like(x), torch.zeros(len(x)))
    assert float(z.mean()) == pytest.approx(1.5 * math.sqrt(0.5), abs=0.01)
    assert float(z.var()) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("target", TARGETS)
def test_an_output_is_taken_apart_into_what_it_was_made_of(target):
    with seeded(0):
        x, eps = torch.randn(2, 50, 3, dtype=torch.float64)
        level = torch.linspace(-8, 8, 50, dtype=torch.float64)
    alpha, sigma = amounts(level[:, None])
    p, q = target_of(target, level[:, None])
    found = split(target, p * x + q * eps, alpha * x + sigma * eps, level)
    assert torch.allclose(found[0], x, atol=1e-9) and torch.allclose(found[1], eps, atol=1e-9)


def test_a_fresh_prior_is_the_standard_normal():
    for latent in ((5,), (3, 6, 7), (2, 2, 4, 4)):
        prior = DiffusionPrior(latent)
        z = torch.randn(4, *latent)
        want = Independent(Normal(torch.zeros(latent), 1.0), len(latent)).log_prob(z)
        assert torch.allclose(prior().log_prob(z), want, atol=1e-3)
        assert torch.allclose(prior.eval()().log_prob(z), want, atol=1e-3)


@pytest.mark.parametrize("target", TARGETS)
def test_the_bound_of_a_gaussian_is_its_density(target):
    deviation, mean = torch.tensor([[0.5, 1.6]]), torch.tensor([[0.4, -1.0]])
    process = known(target, weights=torch.ones(1), means=mean, deviations=deviation)
    exact = MultivariateNormal(mean[0], torch.diag(deviation[0] ** 2))
    with seeded(0):
        x = exact.sample((3,))
        found = torch.stack([process.bound(x.repeat_interleave(4000, 0), None, 8).view(3, -1)])[0]
    error = found.std(dim=1) / math.sqrt(found.shape[1])
    assert (error < 0.05).all()
    assert ((found.mean(dim=1) - exact.log_prob(x)).abs() < 4 * error + 2e-3).all()


def test_levels_are_drawn_where_the_integrand_is_large_and_their_density_is_known():
    levels = Levels(-10.0, 12.0)
    u = (torch.arange(100_000) + 0.5) / 100_000
    level, density = levels.draw(u)
    assert torch.allclose(level, -10 + 22 * u, atol=1e-3) and torch.allclose(density, torch.tensor(1 / 22))
    noise = torch.Generator().manual_seed(0)
    for _ in range(200):
        level, _ = levels.draw(torch.rand(64, generator=noise))
        levels.observe(level, 5 * torch.exp(-(level**2) / 8) * torch.randn(64, generator=noise))
    level, density = levels.draw(u)
    assert torch.equal(level, level.sort().values)
    # An even grid of u is an exact quadrature: E[f / density] is the integral of f over lambda.
    points = torch.linspace(-10, 12, 22_001)
    whole = (torch.ones_like(points), torch.cos(points), points**2)
    want = [float(torch.trapezoid(values, points)) for values in whole]
    found = [float((f / density).mean()) for f in (torch.ones_like(level), torch.cos(level), level**2)]
    assert found == pytest.approx(want, rel=2e-2, abs=0.05)
    near = level.abs() < 3
    assert float(near.float().mean()) > 0.7 and float(density[level > 8].max()) < 0.02
    assert float(density.min()) > 0.09 / 22  # no part is forgotten


def test_a_network_that_gives_zeros_draws_levels_evenly():
    prior = DiffusionPrior((4,)).train()
    for _ in range(20):
        prior().log_prob(torch.randn(64, 4))
    assert torch.allclose(prior.process.levels.draw(torch.rand(9))[1], torch.tensor(1 / 22))


def test_the_bound_of_a_mixture_holds_and_draws_from_the_schedule_agree():
    process, exact = known(), mixture()
    with seeded(1):
        x = exact.sample((4000,))
        bound = torch.stack([process.bound(x, None, 8) for _ in range(8)]).mean(dim=0)
        other = torch.stack([process.scored(x, None)[0] for _ in range(64)]).mean(dim=0)
    gap = exact.log_prob(x) - bound
    error = float(gap.std() / math.sqrt(len(gap)))
    # In the mean over the distribution itself the exact score leaves no gap in continuous time.
    assert float(gap.mean()) == pytest.approx(0.0, abs=4 * error + 5e-3)
    apart = bound - other
    assert float(apart.mean()) == pytest.approx(0.0, abs=4 * float(apart.std()) / math.sqrt(len(x)))


def test_no_network_has_a_bound_with_more_mass_than_one():
    """exp(E[bound]) is at most a density, whatever the network says: its integral is at most 1."""
    for seed in range(3):
        with seeded(seed):
            net = DenoiserMLP(16, 2).build((1,))
            for parameter in net.parameters():
                parameter.data.normal_(std=0.4)
            process = Diffusion(net, (1,), Schedule(), "v")
            z = torch.linspace(-8, 8, 161)[:, None]
            with torch.no_grad():
                bound = torch.stack([process.bound(z, None, 8) for _ in range(200)]).mean(dim=0)
        assert float(torch.trapezoid(bound.exp(), z[:, 0])) < 1.02


@pytest.mark.parametrize("solver", ["ddim", "heun", "dpm", "ancestral"])
def test_draws_have_the_moments_of_the_mixture(solver):
    process = known()
    with seeded(0):
        drawn = process.made(torch.randn(20_000, 2), None, Walk(100, solver))
    mean = WEIGHTS @ MEANS
    second = WEIGHTS @ (DEVIATIONS**2 + MEANS**2)
    assert torch.allclose(drawn.mean(dim=0), mean, atol=0.04)
    assert torch.allclose(drawn.square().mean(dim=0), second, atol=0.06)
    share = float(
        (mixture().component_distribution.log_prob(drawn[:, None]) + WEIGHTS.log()).argmax(1).float().mean()
    )
    with seeded(1):
        own = mixture().sample((20_000,))
    want = float(
        (mixture().component_distribution.log_prob(own[:, None]) + WEIGHTS.log()).argmax(1).float().mean()
    )
    assert share == pytest.approx(want, abs=0.02)


def test_solvers_of_second_order_come_closer():
    process = known()
    with seeded(0):
        noise = torch.randn(200, 2)
    best = process.made(noise, None, Walk(800, "heun"))
    errors = {
        solver: [float((process.made(noise, None, Walk(n, solver)) - best).norm()) for n in (25, 50, 100)]
        for solver in ("ddim", "heun", "dpm")
    }
    assert errors["ddim"][0] / errors["ddim"][2] == pytest.approx(4, rel=0.15)
    assert errors["heun"][0] / errors["heun"][2] > 0.6 * 4**2
    # Of as many evaluations: heun takes two for a step.
    assert all(dpm < 0.15 * ddim for dpm, ddim in zip(errors["dpm"], errors["ddim"], strict=True))
    assert errors["dpm"][1] < 0.4 * errors["heun"][0]


def test_the_straight_path_is_the_same_step():
    """Euler's method along dy/dtau = eps - x is DDIM's step."""
    process = known("flow", "flow")
    with seeded(0):
        z = torch.randn(50, 2)
    (made, _), *_ = process.path(z, None, Walk(10, "ddim"))
    alpha, sigma = process.amounts(1.0)
    alpha1, sigma1 = process.amounts(0.9)
    x, eps = process.field()(z, 1.0)
    step = sigma1 / (alpha1 + sigma1) - sigma / (alpha + sigma)
    euler = z / (alpha + sigma) + step * (eps - x)
    assert torch.allclose(made, euler * (alpha1 + sigma1), atol=1e-5)


def test_the_density_of_the_flow_is_the_mixtures():
    process, exact = known(), mixture()
    with seeded(0):
        x = exact.sample((100,))
    found = process.flow_log_prob(x, steps=200)
    assert torch.allclose(found, exact.log_prob(x), atol=0.02)


def test_encoding_to_noise_and_back_gives_the_example():
    process = known()
    with seeded(0):
        x = mixture().sample((500,))
    noise = process.noise_of(x, steps=200)
    assert torch.allclose(noise.std(dim=0), torch.ones(2), atol=0.1)
    assert float((process.made(noise, None, Walk(200, "heun")) - x).abs().max()) < 0.02


def test_guidance_of_one_is_none_and_of_nothing_forgets():
    with seeded(0):
        prior = DiffusionPrior((3,), condition=2).eval()
        for parameter in prior.parameters():
            parameter.data.normal_(std=0.2)
        z = torch.randn(7, 3)
        c = torch.eye(2)[torch.arange(7) % 2]
    plain = prior.process.field(c)(z, 0.5)
    for w, want in ((1.0, plain), (0.0, prior.process.field(None)(z, 0.5))):
        found = prior.process.field(c, w)(z, 0.5)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, want, strict=True))
    free = prior.process.field(None)(z, 0.5)
    third = prior.process.field(c, 3.0)(z, 0.5)
    assert torch.allclose(third[1], free[1] + 3 * (plain[1] - free[1]), atol=1e-4)
