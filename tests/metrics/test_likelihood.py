"""log p(x): against the exact likelihood, by importance sampling and by annealing."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import kl_divergence

from latentia.core.compiling import Compiled
from latentia.core.errors import ConfigError
from latentia.data.loader import Loader
from latentia.data.transforms import Binarise, Dequantise, Identity, Jittered, Scale, dequantising
from latentia.metrics.annealing import annealed
from latentia.metrics.likelihood import importance_weighted, scorer
from latentia.metrics.terms import per_example
from latentia.models import VAE
from latentia.networks import MLP
from latentia.objectives import ELBO
from latentia.probability import Bernoulli, Gaussian
from tests.metrics.conftest import Linear


def test_at_the_exact_posterior_every_weight_is_the_likelihood(known):
    estimates = importance_weighted(known.model, known.loader, 20)
    assert np.allclose(estimates.log_likelihood, known.log_likelihood(), atol=1e-4)
    assert np.allclose(estimates.effective, 20, rtol=1e-4)
    assert estimates.sampling_error < 1e-4
    assert estimates.untrusted == 0


def test_the_estimate_agrees_with_the_exact_likelihood_within_its_own_error(known):
    known.spoil(shift=0.2, widen=0.6)
    exact = known.log_likelihood()
    for seed in range(5):
        estimates = importance_weighted(known.model, known.loader, 500, seed=seed)
        gap = estimates.log_likelihood.mean() - exact.mean()
        assert abs(gap) < 3.5 * estimates.sampling_error
        assert 0 < estimates.sampling_error < 0.01


def test_the_sampling_error_is_the_spread_over_seeds(known):
    known.spoil(widen=1.0)
    runs = [importance_weighted(known.model, known.loader, 200, limit=100, seed=seed) for seed in range(40)]
    spread = np.std([run.log_likelihood.mean() for run in runs], ddof=1)
    said = np.mean([run.sampling_error for run in runs])
    assert said == pytest.approx(spread, rel=0.35)  # 40 seeds give the spread to within 11 %


def test_the_bound_rises_with_the_number_of_samples(known):
    known.spoil(widen=1.5)
    bounds = [
        importance_weighted(known.model, known.loader, k).log_likelihood.mean() for k in (1, 10, 100, 1000)
    ]
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(known.log_likelihood().mean(), abs=0.02)
    elbo = np.concatenate(
        [-(t["distortion"] + t["rate"]).numpy() for t in per_example(known.model, ELBO(), known.loader)]
    )
    assert elbo.mean() < bounds[1]


def test_it_depends_neither_on_how_much_is_decoded_at_once_nor_on_how_many_are_looked_at(known):
    known.spoil(widen=0.5)
    whole = importance_weighted(known.model, known.loader, 1500, rows=1024)
    for rows in (1, 17, 300):
        part = importance_weighted(known.model, known.loader, 1500, rows=rows, limit=9)
        assert np.allclose(part.log_likelihood, whole.log_likelihood[:9], rtol=1e-6)
    again = importance_weighted(known.model, known.loader, 1500, rows=1024)
    assert np.array_equal(again.log_likelihood, whole.log_likelihood)
    other = importance_weighted(known.model, known.loader, 1500, seed=1)
    assert not np.array_equal(other.log_likelihood, whole.log_likelihood)


@pytest.mark.slow
def test_compiled_code_gives_the_same_to_float_accuracy():
    torch.manual_seed(0)
    vae = VAE((1, 6, 6), 2, network=MLP((8,)), likelihood=Bernoulli()).eval().requires_grad_(False)
    loader = Loader(torch.randint(0, 256, (12, 1, 6, 6), dtype=torch.uint8), torch.arange(12), Binarise())
    said: list[str] = []
    score = Compiled(scorer(vae), said.append, constant=True)
    compiled = [importance_weighted(vae, loader, 40, score=score) for _ in range(2)]
    assert not said and not score.reason
    plain = importance_weighted(vae, loader, 40)
    for found in compiled:
        assert np.allclose(found.log_likelihood, plain.log_likelihood, rtol=1e-5)
    assert np.array_equal(compiled[0].log_likelihood, compiled[1].log_likelihood)


def test_a_posterior_in_the_wrong_place_is_not_trusted(known):
    known.spoil(shift=3.0)
    estimates = importance_weighted(known.model, known.loader, 50)
    assert estimates.untrusted > 0.9
    assert estimates.log_likelihood.mean() < known.log_likelihood().mean() - 0.5


def test_the_tail_tells_of_weights_that_were_not_drawn_where_the_sample_size_does_not(known):
    """Of a normal posterior with the share v of the true variance the weights have the tail index 1 - v."""
    known.spoil(widen=math.log(0.15))
    estimates = importance_weighted(known.model, known.loader, 20_000, limit=40)
    bias = known.log_likelihood()[:40].mean() - estimates.log_likelihood.mean()
    assert estimates.few < 0.05 and np.median(estimates.effective) > 100  # nothing seems to be wrong
    assert bias > 5 * estimates.sampling_error  # and is
    assert estimates.heavy > 0.8 and estimates.untrusted >= estimates.heavy
    known.spoil(widen=-math.log(0.15) + math.log(0.6))
    estimates = importance_weighted(known.model, known.loader, 20_000, limit=40)
    assert np.median(estimates.tail) == pytest.approx(0.4, abs=0.06)
    assert estimates.heavy == estimates.untrusted == 0
    assert abs(known.log_likelihood()[:40].mean() - estimates.log_likelihood.mean()) < 0.01


def test_the_mean_of_the_log_weights_is_the_elbo_and_never_above(known):
    known.spoil(widen=0.7)
    estimates = importance_weighted(known.model, known.loader, 4000, limit=50)
    q = known.model.encode(torch.from_numpy(known.x[:50]))
    known.spoil(widen=-0.7)
    gap = kl_divergence(q, known.model.encode(torch.from_numpy(known.x[:50]))).numpy()
    found = estimates.log_likelihood - estimates.mean_log_weight
    assert (found >= 0).all()
    assert found.mean() == pytest.approx(gap.mean(), abs=0.02)  # KL(q(z|x) || p(z|x))


def test_one_sample_says_nothing_of_its_error(known):
    estimates = importance_weighted(known.model, known.loader, 1, limit=10)
    assert np.isnan(estimates.sampling_error) and estimates.untrusted == 1


def test_no_sample_is_refused(known):
    with pytest.raises(ConfigError, match=r"'samples' must be at least 1, not 0"):
        importance_weighted(known.model, known.loader, 0)


def test_annealing_agrees_with_the_exact_likelihood_without_the_encoder(known):
    known.spoil(shift=5.0)  # the encoder plays no part
    estimates = annealed(known.model, known.loader, chains=16, temperatures=200, limit=60)
    gap = estimates.log_likelihood.mean() - known.log_likelihood()[:60].mean()
    assert abs(gap) < max(4 * estimates.sampling_error, 0.02)
    assert estimates.effective.mean() > 8
    again = annealed(known.model, known.loader, chains=16, temperatures=200, limit=60)
    assert np.array_equal(again.log_likelihood, estimates.log_likelihood)


class Quadratic(nn.Module):
    """A decoder whose posterior has two modes: z and -z explain the same x."""

    def forward(self, z):
        return torch.cat([z**2, z**2], dim=1) * 2


def test_the_weights_of_annealing_are_unbiased_where_the_posterior_is_no_normal():
    model = VAE((2,), 1, network=Linear(), likelihood=Gaussian(0.5)).eval()
    model.decoder = Quadratic()
    x = torch.tensor([[1.0, 1.3]])
    grid = torch.linspace(-8, 8, 20_001, dtype=torch.float64)
    joint = model.prior().log_prob(grid[:, None]) + model.decode(grid[:, None].float()).log_prob(x[0])
    exact = float(torch.trapezoid(joint.double().exp(), grid).log())
    loader = Loader(x.expand(256, 2).contiguous(), torch.arange(256), Identity())
    for temperatures in (20, 100):
        estimates = annealed(model, loader, chains=4, temperatures=temperatures)
        ratio = np.exp(estimates.log_likelihood - exact)  # its mean is 1 if the weights are unbiased
        assert abs(ratio.mean() - 1) < 4 * ratio.std(ddof=1) / np.sqrt(len(ratio))


def test_annealing_does_not_depend_on_the_limit(known):
    few, more = (annealed(known.model, known.loader, 2, 10, limit=limit) for limit in (3, 70))
    assert np.array_equal(few.log_likelihood, more.log_likelihood[:3])


def test_annealing_and_importance_sampling_see_the_same_binarised_data():
    torch.manual_seed(0)
    vae = VAE((1, 6, 6), 2, network=MLP((8,)), likelihood=Bernoulli()).eval().requires_grad_(False)
    data = torch.randint(0, 256, (12, 1, 6, 6), dtype=torch.uint8)
    loader = Loader(data, torch.arange(12), Binarise())
    first = importance_weighted(vae, loader, 2000).log_likelihood
    second = annealed(vae, loader, chains=32, temperatures=300).log_likelihood
    # Were they other draws of the binary pixels, single examples would differ by a nat and more.
    assert np.abs(first - second).max() < 0.3
    assert first.mean() == pytest.approx(second.mean(), abs=0.06)
    with pytest.raises(ConfigError, match="at least 1 chain and 2 temperatures"):
        annealed(vae, loader, chains=0)


@pytest.mark.parametrize("size", [1, 50, 120, 121, 784, 787])
def test_the_summed_bernoulli_is_the_cross_entropy(size):
    rng = torch.Generator().manual_seed(size)
    h = torch.randn(4, 3, size, generator=rng) * 20
    for x in (torch.rand(3, size, generator=rng), (torch.rand(3, size, generator=rng) > 0.5).float()):
        losses = F.binary_cross_entropy_with_logits(
            h.double(), x.double().expand(4, 3, size), reduction="none"
        )
        with torch.no_grad():
            got = Bernoulli()(h, 1).log_prob(x)
            one = Bernoulli()(h[:, 0], 1).log_prob(x[0])
        assert torch.allclose(got.double(), -losses.sum(-1), rtol=1e-5, atol=1e-4)
        assert torch.allclose(one, got[:, 0], rtol=1e-5, atol=1e-4)
        assert torch.allclose(Bernoulli()(h.requires_grad_(), 1).log_prob(x), got, rtol=1e-5, atol=1e-4)
        h = h.detach()


def test_certain_pixels_never_have_more_than_certainty():
    h = torch.full((3, 12_288), 40.0)
    with torch.no_grad():
        certain = Bernoulli()(h, 1).log_prob(torch.ones(12_288))
        mixed = Bernoulli()(torch.randn(3, 12_288) * 20, 1).log_prob((torch.rand(12_288) > 0.5).float())
    assert (certain <= 0).all() and (certain > -1e-3).all()
    assert (mixed < 0).all()


def test_dequantised_values_stay_where_the_density_is():
    whole = torch.arange(256, dtype=torch.uint8).reshape(256, 1, 1, 1)
    unbounded = dequantising(Scale(), 255.0, (-np.inf, np.inf))
    assert isinstance(unbounded, Jittered)
    values = unbounded(whole) * 255 - whole
    assert float(values.min()) >= -0.5 and float(values.max()) <= 0.5 and float(values.std()) > 0.2
    assert torch.equal(unbounded.expected(whole), Scale().expected(whole))
    assert unbounded.log2_unit == Scale().log2_unit
    bounded = dequantising(Scale(), 255.0, (0.0, 1.0))
    assert isinstance(bounded, Dequantise)
    assert float(bounded(whole).min()) >= 0 and float(bounded(whole).max()) < 1
    assert bounded.log2_unit == 8.0
    assert isinstance(dequantising(Dequantise(), 255.0, (0.0, 1.0)), Dequantise)
    assert isinstance(dequantising(Identity(), 255.0, (-np.inf, np.inf)), Jittered)


def test_a_dequantised_bound_is_a_bound_on_the_probability_of_whole_numbers():
    """One pixel, a Gaussian: E_u log p(x + u) is below the log of the probability of the interval."""
    from torch.distributions import Normal

    density = Normal(torch.tensor(100.0), torch.tensor(2.0))
    raw = torch.full((20_000, 1), 101, dtype=torch.uint8)
    torch.manual_seed(0)
    bound = density.log_prob(Jittered(Identity())(raw)).mean()
    exact = (density.cdf(torch.tensor(101.5)) - density.cdf(torch.tensor(100.5))).log()
    assert float(bound) <= float(exact) + 0.001
    assert float(bound) == pytest.approx(float(exact), abs=0.02)
