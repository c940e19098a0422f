"""What mathematics says of mixtures over pixels: all colours together, chain rule, means, draws, limits."""

import itertools
import math

import numpy as np
import pytest
import torch

from latentia.core.errors import DataError
from latentia.core.types import Batch
from latentia.models import VAE
from latentia.networks import Conv
from latentia.objectives import ELBO
from latentia.probability import (
    DiscretisedLogistic,
    DiscretisedLogisticMixture,
    PixelLogisticMixture,
    entries,
)

EXTREMES = (-1e4, -30.0, -3.0, 0.0, 3.0, 30.0, 1e4)


def outputs(likelihood, colours, count=40, spread=2.0, seed=0):
    """A decoder's outputs for a row of pixels, float64, shape `(1, features, 1, count)`."""
    generator = torch.Generator().manual_seed(seed)
    shape = likelihood.features((colours, 1, count))
    return spread * torch.randn(1, *shape, generator=generator, dtype=torch.float64)


def every(levels, colours):
    """All values of a pixel, shape `(levels^colours, colours, 1, 1)`."""
    known = torch.linspace(0, 1, levels, dtype=torch.float64)
    return torch.cartesian_prod(*[known] * colours).reshape(-1, colours, 1, 1)


def joint(likelihood, h, colours):
    """Log P of all values of each pixel, shape `(levels^colours, count)`."""
    base = likelihood(h, 3).base_dist
    return base.of_pixels(every(likelihood.levels, colours).to(h.dtype))[:, 0]


@pytest.mark.parametrize(("levels", "colours"), [(2, 3), (8, 3), (5, 4), (17, 2)])
def test_all_colours_of_a_pixel_sum_to_one(levels, colours):
    likelihood = PixelLogisticMixture(components=3, levels=levels)
    for spread in (0.3, 2.0, 10.0, 1e3):
        h = outputs(likelihood, colours, spread=spread)
        total = joint(likelihood, h, colours).exp().sum(dim=0)
        assert torch.allclose(total, torch.ones_like(total), atol=1e-9)
        single = joint(likelihood, h.float(), colours).exp().sum(dim=0)
        assert torch.allclose(single, torch.ones_like(single), atol=1e-3)


def test_it_is_the_formula_of_the_paper():
    likelihood = PixelLogisticMixture(components=2, levels=256)
    h = outputs(likelihood, 3, count=1, spread=1.0)
    logits, mu, log_s, coefficients = (part.flatten().numpy() for part in h.split([2, 6, 6, 6], dim=1))
    pi = np.exp(logits) / np.exp(logits).sum()
    mu = (mu.reshape(2, 3) + np.array([[0.25], [0.75]])) * 2 - 1  # the paper's colours are from -1 to 1
    s, (alpha, beta, gamma) = 2 * np.exp(log_s.reshape(2, 3) - 2), np.tanh(coefficients.reshape(2, 3)).T
    for r, g, b in itertools.product((0, 100, 255), repeat=3):
        x = np.array([r, g, b]) / 127.5 - 1
        located = np.stack([mu[:, 0], mu[:, 1] + alpha * x[0], mu[:, 2] + beta * x[0] + gamma * x[1]], axis=1)
        above = 1 / (1 + np.exp(-(x + 1 / 255 - located) / s))
        below = 1 / (1 + np.exp(-(x - 1 / 255 - located) / s))
        mass = np.where(x > 0.999, 1.0, above) - np.where(x < -0.999, 0.0, below)
        want = math.log((pi * mass.prod(axis=1)).sum())
        found = likelihood(h, 3).log_prob(
            torch.tensor([r, g, b], dtype=torch.float64).reshape(1, 3, 1, 1) / 255
        )
        assert float(found) == pytest.approx(want, rel=1e-6)


def test_entries_are_the_factors_of_the_chain_rule():
    likelihood = PixelLogisticMixture(components=3, levels=4)
    h = outputs(likelihood, 3)
    whole = joint(likelihood, h, 3).exp().reshape(4, 4, 4, -1)
    x = every(4, 3)
    found = likelihood(h, 3).base_dist.log_prob(x).exp().reshape(4, 4, 4, 3, -1)
    red, green = whole.sum(dim=(1, 2), keepdim=True), whole.sum(dim=2, keepdim=True)
    for colour, want in enumerate((red, green / red, whole / green)):
        assert torch.allclose(found[:, :, :, colour], want.expand(4, 4, 4, -1), atol=1e-12)
    assert torch.allclose(found.prod(dim=3), whole, atol=1e-12)


def test_without_slopes_one_component_is_three_logistics():
    likelihood, plain = PixelLogisticMixture(components=1), DiscretisedLogistic()
    h = outputs(likelihood, 3)
    h[:, 7:] = 0.0
    x = torch.randint(0, 256, (5, 3, 1, 40)) / 255.0
    assert torch.allclose(likelihood(h, 3).log_prob(x), plain(h[:, 1:7], 3).log_prob(x), atol=1e-9)


@pytest.mark.parametrize("event", [(1, 4, 4), (7,), (1, 3, 4, 4)], ids=str)
def test_one_channel_and_rows_are_those_of_the_plain_mixture(event):
    pixels, plain = PixelLogisticMixture(components=3), DiscretisedLogisticMixture(components=3)
    assert pixels.features(event) == plain.features(event)
    h = torch.randn(2, *plain.features(event))
    x = torch.randint(0, 256, (2, *event)) / 255.0
    p, q = (each(h, len(event)) for each in (pixels, plain))
    assert torch.equal(p.log_prob(x), q.log_prob(x)) and torch.equal(p.mean, q.mean)


def test_a_video_is_its_frames():
    likelihood = PixelLogisticMixture(components=2)
    h, x = torch.randn(2, *likelihood.features((3, 5, 4, 4))), torch.rand(2, 3, 5, 4, 4)
    frames = [likelihood(part, 3).log_prob(own) for part, own in zip(h.unbind(2), x.unbind(2))]
    assert torch.allclose(likelihood(h, 4).log_prob(x), torch.stack(frames).sum(dim=0), rtol=1e-5)


def test_probabilities_and_gradients_are_finite_at_the_extremes():
    likelihood = PixelLogisticMixture(components=2)
    count = sum(likelihood.split(3))
    pairs = torch.tensor(list(itertools.product(EXTREMES, repeat=3)))
    h = torch.stack([pairs.roll(turn, dims=1).repeat(1, -(-count // 3))[:, :count] for turn in range(3)])
    h = h.transpose(1, 2).unsqueeze(2).contiguous().requires_grad_()
    for x in itertools.product((0.0, 0.5, 1.0), repeat=3):
        p = likelihood(h, 3)
        log_p = p.log_prob(torch.tensor(x).reshape(3, 1, 1))
        factors = p.base_dist.log_prob(torch.tensor(x).reshape(3, 1, 1))
        assert torch.isfinite(log_p).all() and torch.isfinite(factors).all() and torch.isfinite(p.mean).all()
        for value in (log_p, factors, p.mean):
            (slope,) = torch.autograd.grad(value.sum(), h, retain_graph=True)
            assert torch.isfinite(slope).all()


@pytest.mark.parametrize(
    ("spread", "first", "usual", "most"), [(0.5, 0.002, 0.7, 2.0), (2.0, 0.002, 2.0, 9.0)], ids=str
)
def test_the_mean_is_near_that_of_the_enumerated_probabilities(spread, first, usual, most):
    likelihood = PixelLogisticMixture(components=2, levels=48)
    h = outputs(likelihood, 3, count=60, spread=spread)
    exact = (joint(likelihood, h, 3).exp()[:, None] * every(48, 3)[..., 0]).sum(dim=0)
    gap = (likelihood(h, 3).mean[0, :, 0] - exact).abs() * 255
    assert float(gap[0].max()) < first * 255 / 47
    assert float(gap[1:].mean()) < usual and float(gap[1:].max()) < most


def test_draws_follow_the_probabilities():
    from scipy.stats import chisquare

    likelihood = PixelLogisticMixture(components=3, levels=4)
    h = outputs(likelihood, 3, count=1, spread=1.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = likelihood(h.float(), 3).sample((20_000,))
    assert draws.shape == (20_000, 1, 3, 1, 1)
    codes = (draws[:, 0, :, 0, 0] * 3).round() @ torch.tensor([16.0, 4.0, 1.0])
    counts = np.bincount(codes.long().numpy(), minlength=64)
    expected = joint(likelihood, h, 3)[:, 0].exp().numpy() * 20_000
    kept = expected >= 5
    found, hoped = (np.append(each[kept], each[~kept].sum()) for each in (counts, expected))
    assert chisquare(found, hoped * found.sum() / hoped.sum()).pvalue > 1e-3


def test_draws_of_a_component_move_together():
    likelihood = PixelLogisticMixture(components=1)
    h = torch.zeros(1, *likelihood.features((3, 8, 8)))
    h[:, 4:7], h[:, 7:] = -4.0, 3.0  # narrow, but for red; both slopes of blue near 1
    h[:, 4] = 0.0
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = likelihood(h, 3).sample((50,))
    red, green, blue = x[:, 0].transpose(0, 1).flatten(1)
    assert float(torch.corrcoef(torch.stack([red, green]))[0, 1]) > 0.95
    assert float(torch.corrcoef(torch.stack([red, blue]))[0, 1]) > 0.9


def test_whole_pixels_may_be_missing_and_the_first_colour_alone_may_not():
    likelihood = PixelLogisticMixture(components=2)
    p = likelihood(torch.randn(1, *likelihood.features((3, 2, 2))), 3)
    x = torch.rand(1, 3, 2, 2)
    whole = entries(p, x)
    pixel, last = x.clone(), x.clone()
    pixel[:, :, 0, 0] = math.nan
    last[:, 2] = math.nan
    assert torch.equal(entries(p, pixel)[:, :, 1], whole[:, :, 1])
    assert (entries(p, pixel)[:, :, 0, 0] == 0).all()
    assert torch.equal(entries(p, last)[:, :2], whole[:, :2])
    x[:, 0, 1, 1] = math.nan
    with pytest.raises(DataError, match=r"a colour of a pixel is missing.*discretised_logistic_mixture"):
        entries(p, x)


def test_a_model_of_colours_can_be_compiled_as_a_whole_and_trains_every_parameter():
    torch.manual_seed(0)
    model = VAE((3, 8, 8), latent_dim=3, network=Conv(), likelihood=PixelLogisticMixture(components=2))
    x = torch.randint(0, 256, (4, 3, 8, 8)) / 255.0
    ELBO()(model(Batch(x, torch.arange(4)), 2)).loss.mean().backward()
    assert all(torch.isfinite(each.grad).all() for each in model.parameters())

    def score(z):
        return model.decode(z).log_prob(x[0])

    z = torch.randn(6, 3)
    torch._dynamo.reset()
    with torch.no_grad():
        traced = torch.compile(score, fullgraph=True, dynamic=False, backend="eager")
        assert torch.allclose(traced(z), score(z))
