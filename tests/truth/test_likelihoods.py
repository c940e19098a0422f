"""What mathematics says of the likelihoods: sums, means, limits, draws."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Normal

from latentia.data.loader import Loader
from latentia.data.transforms import Scale
from latentia.metrics.terms import average_terms
from latentia.models import VAE, VQVAE, ConditionalVAE, HierarchicalVAE
from latentia.networks import MLP, Conv, Grid, LadderConv, ResNet
from latentia.objectives import ELBO
from latentia.probability import (
    Bernoulli,
    BetaBinomial,
    Categorical,
    ContinuousBernoulli,
    DiscretisedLogistic,
    DiscretisedLogisticMixture,
    Gaussian,
    GaussianDiagonal,
    GaussianLearned,
    GaussianOptimal,
    Laplace,
    StudentT,
    StudentTDiagonal,
    bce,
    discrete,
    l1,
    mse,
)

OVER_LEVELS = [DiscretisedLogistic, DiscretisedLogisticMixture, BetaBinomial, Categorical]
EXTREMES = (-1e4, -30.0, -8.0, 0.0, 8.0, 30.0, 1e4)


def outputs(likelihood, dtype=torch.float64):
    """Random outputs of a decoder, and every extreme against every other, for one entry each."""
    generator = torch.Generator().manual_seed(0)
    numbers = likelihood.numbers
    random = [
        3 * torch.randn(20, numbers, generator=generator),
        torch.randn(20, numbers, generator=generator),
    ]
    corners = torch.cartesian_prod(*[torch.tensor(EXTREMES)] * 2).repeat(1, -(-numbers // 2))[:, :numbers]
    return torch.cat([*random, corners]).to(dtype)


def over_levels(likelihood, h):
    """log P of every level for every entry, shape `(levels, entries)`."""
    x = torch.linspace(0, 1, likelihood.levels, dtype=h.dtype)
    return likelihood(h, 1).log_prob(x[:, None, None])


@pytest.mark.parametrize("levels", [256, 17, 2])
@pytest.mark.parametrize("kind", OVER_LEVELS)
def test_a_discrete_likelihood_sums_to_one_over_its_levels(kind, levels):
    likelihood = kind(levels=levels)
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-3)):  # 1e4 is held to 1e-3
        total = over_levels(likelihood, outputs(likelihood, dtype)).exp().sum(dim=0)
        assert torch.allclose(total, torch.ones_like(total), atol=tolerance)


@pytest.mark.parametrize("kind", OVER_LEVELS)
def test_probabilities_and_gradients_are_finite_at_the_extremes(kind):
    likelihood = kind()
    h = outputs(likelihood, torch.float32).requires_grad_()
    log_p = over_levels(likelihood, h)
    assert torch.isfinite(log_p).all()
    log_p.sum().backward()
    assert torch.isfinite(h.grad).all()


@pytest.mark.parametrize("levels", [256, 17])
@pytest.mark.parametrize("kind", OVER_LEVELS)
def test_the_mean_is_that_of_the_enumerated_probabilities(kind, levels):
    likelihood = kind(levels=levels)
    h = outputs(likelihood)
    x = torch.linspace(0, 1, levels, dtype=torch.float64)[:, None]
    exact = (over_levels(likelihood, h).exp() * x).sum(dim=0)
    mean = likelihood(h, 1).mean[:, 0]
    assert float((mean - exact).abs().max()) * (levels - 1) < 2e-3  # of a level
    assert torch.isfinite(likelihood(h.float(), 1).mean).all()


@pytest.mark.parametrize("kind", OVER_LEVELS)
def test_the_variance_is_that_of_the_enumerated_probabilities(kind):
    likelihood = kind(levels=17)
    h = outputs(likelihood)[:40]
    x = torch.linspace(0, 1, 17, dtype=torch.float64)[:, None]
    p = over_levels(likelihood, h).exp()
    exact = (p * (x - (p * x).sum(dim=0)) ** 2).sum(dim=0)
    # A mean may be off by 0.002 of a level; a mixture's variance has the squares of its components' means.
    assert torch.allclose(likelihood(h, 1).variance[:, 0], exact, atol=2e-4)


@pytest.mark.parametrize("kind", OVER_LEVELS)
def test_draws_follow_the_probabilities(kind):
    from scipy.stats import chisquare

    likelihood = kind(levels=17)
    h = torch.randn(likelihood.numbers, generator=torch.Generator().manual_seed(1))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = likelihood(h, 1).sample((20_000,))
    counts = np.bincount((draws[:, 0] * 16).round().long().numpy(), minlength=17)
    expected = over_levels(likelihood, h[None].double())[:, 0].exp().numpy() * len(draws)
    rare = expected < 5  # too few for the chi-square approximation: one class together
    found, hoped = (
        np.append(counts[~rare], counts[rare].sum()),
        np.append(expected[~rare], expected[rare].sum()),
    )
    kept = hoped > 0
    assert chisquare(found[kept], hoped[kept] * len(draws) / hoped[kept].sum()).pvalue > 1e-3


def test_the_stable_form_of_the_logistic_is_the_difference_of_its_cdfs():
    loc, scale = torch.tensor(0.4, dtype=torch.float64), torch.tensor(0.05, dtype=torch.float64)
    k = torch.arange(256, dtype=torch.float64)
    above, below = ((k + 0.5) / 255 - loc) / scale, ((k - 0.5) / 255 - loc) / scale
    above[-1], below[0] = math.inf, -math.inf  # the ends take the tails
    exact = above.sigmoid() - below.sigmoid()
    assert torch.allclose(discrete.DiscretisedLogistic(loc, scale).log_prob(k / 255).exp(), exact, atol=1e-14)


def test_a_level_far_from_the_logistic_has_its_exact_probability_in_float32():
    # Two sigmoids would both be 1 there; the tail is e^{-t} (1 - e^{-1/s}) with t = (k - 1/2 - mu) / s.
    p = discrete.DiscretisedLogistic(torch.tensor(0.0), torch.tensor(1 / 255))
    exact = -(200 - 0.5) + math.log(1 - math.exp(-1))
    assert float(p.log_prob(torch.tensor(200 / 255))) == pytest.approx(exact, abs=1e-4)


def test_a_mixture_of_one_logistic_is_the_logistic():
    one, plain = DiscretisedLogisticMixture(components=1), DiscretisedLogistic()
    h = outputs(plain)
    mixed = over_levels(one, torch.cat([torch.full_like(h[:, :1], 3.0), h], dim=1))
    assert torch.allclose(mixed, over_levels(plain, h), atol=1e-9)


def test_the_beta_binomial_is_scipys():
    from scipy.stats import betabinom

    h = torch.tensor([[-3.0, 2.0], [0.5, -0.5], [4.0, 5.0], [0.0, 0.0]], dtype=torch.float64)
    found = over_levels(BetaBinomial(), h).numpy()
    for column, (a, b) in enumerate(h.exp().tolist()):
        assert np.allclose(found[:, column], betabinom.logpmf(np.arange(256), 255, a, b), atol=1e-8)


def test_a_beta_binomial_of_large_parameters_is_right_in_float32():
    from scipy.stats import binom

    # With alpha = beta -> infinity it is the binomial; at e^12 they differ by less than 255^2 / 2 e^-12.
    p = discrete.BetaBinomial(torch.tensor(math.exp(12.0)), torch.tensor(math.exp(12.0)))
    found = p.log_prob(torch.arange(100, 156) / 255).numpy()
    assert np.allclose(found, binom.logpmf(np.arange(100, 156), 255, 0.5), atol=5e-3)


@pytest.mark.parametrize("kind", [StudentT, StudentTDiagonal])
def test_students_t_tends_to_the_gaussian(kind):
    x = torch.linspace(-2, 2, 41)[:, None]
    gaps = []
    for df in (10.0, 1e3, 1e6):
        likelihood = kind(df=df)
        h = torch.tensor([0.3]) if likelihood.numbers == 1 else torch.tensor([0.3, math.log(0.3)])
        gap = likelihood(h, 1).log_prob(x).detach() - Normal(0.3, 0.3).log_prob(x)[:, 0]
        gaps.append(float(gap.abs().max()))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 2e-3


@pytest.mark.parametrize("df", [1.5, 5.0, 50.0])
def test_students_t_is_torchs(df):
    x = torch.linspace(-9, 9, 101, dtype=torch.float64)[:, None]
    found = StudentT(df=df, initial_scale=0.7)(torch.tensor([0.2], dtype=torch.float64), 1).log_prob(x)
    exact = torch.distributions.StudentT(df, 0.2, torch.tensor(0.7)).log_prob(x)[:, 0]
    assert torch.allclose(found, exact.to(found.dtype), atol=1e-5)


def test_learned_degrees_of_freedom_find_the_tails_of_the_data():
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(20_000, 4, generator=generator)
    x = normal[:, :1] / (normal[:, 1:] ** 2).mean(dim=1, keepdim=True).sqrt()  # t with 3 degrees of freedom
    likelihood = StudentT(df=10.0, learn_df=True)
    optimiser = torch.optim.LBFGS(likelihood.parameters(), max_iter=50)

    def loss():
        optimiser.zero_grad()
        value = -likelihood(torch.zeros(1), 1).log_prob(x).mean()
        value.backward()
        return value

    optimiser.step(loss)
    assert likelihood.df.item() == pytest.approx(3.0, abs=0.25)
    assert likelihood.log_scale.exp().item() == pytest.approx(1.0, abs=0.05)


def test_a_gaussian_of_constant_variance_per_entry_is_the_fixed_one():
    mean = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    h = torch.cat([mean, torch.full_like(mean, 2 * math.log(0.2))], dim=1)
    x = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(GaussianDiagonal()(h, 3).log_prob(x), Gaussian(sigma=0.2)(mean, 3).log_prob(x))


@pytest.mark.parametrize("event", [(6,), (3, 4, 4), (3, 2, 4, 4)], ids=str)
def test_the_numbers_of_an_entry_are_read_from_the_channels(event):
    """Whatever the rank, the first half of the channels is the mean, the other the log variance."""
    mean, log_variance = torch.randn(2, 7, *event, generator=torch.Generator().manual_seed(0))
    p = GaussianDiagonal()(torch.cat([mean, log_variance], dim=1), len(event))
    assert p.event_shape == event
    assert torch.equal(p.mean, mean)
    assert torch.allclose(p.variance, log_variance.exp())


@pytest.mark.parametrize(("levels", "bits"), [(256, 8.0), (16, 4.0)])
def test_a_uniform_categorical_costs_its_levels_in_bits(levels, bits):
    vae = VAE((1, 4, 4), 2, network=MLP((8,)), likelihood=Categorical(levels=levels))
    for layer in (vae.encoder[-1], vae.decoder[-2]):
        assert isinstance(layer, nn.Linear)
        nn.init.zeros_(layer.weight)  # p(x|z) is uniform, and q(z|x) the prior
        nn.init.zeros_(layer.bias)
    raw = torch.randint(0, levels, (50, 1, 4, 4), dtype=torch.uint8)
    found = average_terms(vae, ELBO(), Loader(raw, torch.arange(50), Scale(high=levels - 1.0)))
    assert found.bits_per_dim == pytest.approx(bits, abs=1e-5)


LOCATED = [
    Bernoulli(), ContinuousBernoulli(), Gaussian(), Gaussian(link="sigmoid"), GaussianLearned(),
    GaussianOptimal(), Laplace(link="sigmoid"), mse(), l1(), bce(), GaussianDiagonal(), StudentT(),
    StudentTDiagonal(), BetaBinomial(),
]  # fmt: skip


@pytest.mark.parametrize("likelihood", LOCATED, ids=lambda likelihood: type(likelihood).__name__)
def test_the_output_for_a_mean_gives_that_mean(likelihood):
    mean = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.05
    h = likelihood.output_for(mean)
    assert h.shape == likelihood.features((3, 4, 5))
    torch.testing.assert_close(likelihood(h, 3).mean, mean, rtol=1e-4, atol=1e-4)


def test_the_output_for_a_mean_centres_a_logistic():
    mean = torch.tensor([[0.2], [0.5], [0.9]])
    levels = DiscretisedLogistic()
    apart = levels.output_for(mean).unflatten(-2, (2, -1)).movedim(-3, -1)
    assert torch.allclose(levels.pixels(apart).loc / 255, mean)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("kind", [Bernoulli, ContinuousBernoulli, BetaBinomial])
def test_a_mean_at_the_edge_has_a_finite_output(kind, value):
    assert kind().output_for(torch.full((1, 2, 2), value)).abs().max() <= 50


DENSE, CONVOLVED = True, False
DECODERS = [
    (VAE, {"network": MLP(hidden=(8,))}, DENSE),
    (VAE, {"network": Conv(channels=(4, 8), hidden=())}, CONVOLVED),
    (VAE, {"network": ResNet(channels=(4, 8), hidden=())}, CONVOLVED),
    (ConditionalVAE, {"condition": 3}, DENSE),
    (VQVAE, {"network": Grid(channels=4)}, CONVOLVED),
    (HierarchicalVAE, {"levels": (2, 3)}, DENSE),
    (HierarchicalVAE, {"levels": (2, 3), "network": LadderConv(channels=4)}, CONVOLVED),
]


@pytest.mark.parametrize(("model", "arguments", "dense"), DECODERS)
def test_a_fresh_model_begins_around_the_mean_example(model, arguments, dense):
    torch.manual_seed(0)
    x = (torch.rand(50, 1, 8, 8) < torch.linspace(0.02, 0.3, 64).view(8, 8)).float()
    built = model((1, 8, 8), **arguments)
    first = next(m for m in built.encoder.modules() if getattr(m, "bias", None) is not None)
    before = first.bias.detach().clone()
    built.begin(x)
    logits = x.mean(dim=0).clamp(1e-3, 1 - 1e-3).logit()
    last = next(m for m in reversed([*built.decoder.modules()]) if getattr(m, "bias", None) is not None)
    wanted = logits.flatten() if dense else logits.mean().view(1)  # a convolution has one for the channel
    torch.testing.assert_close(last.bias.detach(), wanted)
    if dense:
        torch.testing.assert_close(before - first.bias, first.weight @ x.mean(dim=0).flatten())
    else:
        torch.testing.assert_close(before - first.bias, first.weight.sum(dim=(1, 2, 3)) * x.mean())
