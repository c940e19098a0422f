"""Numbers that mathematics gives."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

from latentia.core.types import Batch, Pass
from latentia.models import VAE, Autoencoder
from latentia.networks import LectureCounted, LectureTanh, lecture_256_64, lecture_conv
from latentia.objectives import ELBO, Cosine, Cyclical, Linear, Reconstruction
from latentia.probability import (
    Delta,
    DiagonalGaussian,
    Gaussian,
    GaussianOptimal,
    StandardNormal,
    kl_per_dimension,
    l1,
    mse,
)


def normal(mean, std):
    return Independent(Normal(torch.as_tensor(mean), torch.as_tensor(std)), 1)


def test_the_lecture_kl_of_n_1_half_is_its_closed_form():
    # KL(N(1, 0.25) || N(0, 1)) = (0.25 + 1 - 1 - ln 0.25) / 2
    q, p = normal([[1.0]], [[0.5]]), normal([0.0], [1.0])
    kl = kl_per_dimension(q, p, q.sample((1,)))
    assert kl.shape == (1, 1)
    assert float(kl) == pytest.approx(0.5 * (0.25 + 1 - 1 - math.log(0.25)), abs=1e-6)
    assert float(kl) == pytest.approx(0.8181471806, abs=1e-6)


def test_closed_form_kl_agrees_with_monte_carlo():
    torch.manual_seed(0)
    q = normal(torch.randn(4, 3), torch.rand(4, 3) + 0.2)
    p = StandardNormal((3,))()
    z = q.sample((200_000,))
    exact = kl_per_dimension(q, p, z).sum(dim=1)
    values = q.log_prob(z) - p.log_prob(z)
    error = values.std(dim=0) / math.sqrt(len(z))
    assert ((exact - values.mean(dim=0)).abs() < 4.5 * error).all()


def test_a_pair_without_a_closed_form_is_estimated_from_the_samples():
    torch.manual_seed(0)
    q = normal(torch.zeros(2, 3), torch.ones(2, 3))
    p = Independent(torch.distributions.StudentT(torch.full((3,), 5.0)), 1)
    z = q.sample((50_000,))
    kl = kl_per_dimension(q, p, z)
    assert kl.shape == (2, 1)
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    density = Normal(0.0, 1.0).log_prob(x)
    exact = 3 * torch.trapezoid(density.exp() * (density - torch.distributions.StudentT(5.0).log_prob(x)), x)
    assert torch.allclose(kl, exact.float().expand(2, 1), atol=0.02)


def test_an_autoencoder_has_no_finite_bound():
    q = Delta(torch.randn(2, 3), 1)
    kl = kl_per_dimension(q, StandardNormal((3,))(), q.rsample((1,)))
    assert torch.isinf(kl).all()


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_the_lecture_networks_have_the_parameters_that_the_lectures_count():
    assert parameters(Autoencoder((1, 28, 28), 16, network=lecture_256_64())) == 437_664
    vae = VAE((1, 28, 28), 2, network=LectureTanh(), likelihood=mse())
    # (784·196+196) + (196·48+48), twice (48·16+16) + (16·2+2), and the way back
    assert parameters(vae.encoder) == 153_860 + 9_456 + 2 * (784 + 34)
    assert parameters(vae.decoder) == 48 + 816 + 9_604 + 154_448
    assert parameters(vae) == 329_868


def test_the_lecture_s_vae_has_a_head_for_the_means_and_one_for_the_log_variances():
    vae = VAE((1, 28, 28), 2, network=LectureTanh(), likelihood=mse())
    means, log_variances = vae.encoder[-1].heads
    x = torch.rand(3, 1, 28, 28)
    trunk = vae.encoder[:-1](x)
    q = vae.encode(x)
    torch.testing.assert_close(q.mean, means(trunk))
    torch.testing.assert_close(q.variance, log_variances(trunk).exp())
    assert vae.decode(100 * torch.randn(50, 2)).mean.abs().max() <= 1


def test_the_lecture_s_loss_is_the_elbo_of_squared_error_with_beta_784():
    vae = VAE((1, 28, 28), 2, network=LectureTanh(), likelihood=mse())
    torch.manual_seed(0)
    batch = Batch(torch.rand(5, 1, 28, 28), torch.arange(5))
    state = vae(batch)
    terms = ELBO(beta=784)(state)
    constant = 784 * 0.5 * math.log(math.pi)  # of the Gaussian with sigma^2 = 1/2
    printed = torch.nn.functional.mse_loss(state.p_x.mean[0], batch.x)
    mu, log_variance = state.q.mean, state.q.variance.log()
    printed = printed + (0.5 * (log_variance.exp() + mu**2 - 1 - log_variance).sum(dim=-1)).mean()
    assert (terms.loss - constant).mean().item() / 784 == pytest.approx(printed.item(), rel=1e-5)


def test_the_convolutional_lecture_pair_differs_by_the_head_of_the_log_variances():
    count = {
        kind: sum(p.numel() for p in kind((1, 28, 28), 16, network=lecture_conv()).parameters())
        for kind in (Autoencoder, VAE)
    }
    flat = 128 * 3 * 3
    assert count[VAE] - count[Autoencoder] == 16 * flat + 16


def test_a_pair_has_the_counts_and_the_megabytes_of_the_lecture_s_tables():
    event, network = (1, 28, 28), LectureCounted()
    plain, vae = Autoencoder(event, 16, network=network), VAE(event, 16, network=network)
    assert (parameters(plain.encoder), parameters(plain.decoder)) == (394_896, 339_009)
    assert (parameters(vae.encoder), parameters(vae.decoder)) == (427_680, 339_009)
    assert (parameters(plain), parameters(vae)) == (733_905, 766_689)
    megabytes = [4 * parameters(model) / 2**20 for model in (plain, vae)]  # of float32, and binary ones
    assert megabytes == pytest.approx([2.80, 2.92], abs=0.005)


def test_a_lecture_s_sign_of_the_kl_would_reward_what_it_should_cost():
    mu, variance = 1.0, 0.25  # KL to N(0, 1): 0.818 nats
    printed = -0.5 * (1 + math.log(variance) - mu**2 - variance)  # as it stands behind the log-likelihood
    q, p = normal([[mu]], [[math.sqrt(variance)]]), normal([0.0], [1.0])
    kl = float(kl_per_dimension(q, p, q.sample((1,))))
    assert printed == pytest.approx(kl)  # added, where the bound subtracts it
    assert printed > 0


def test_the_best_guess_between_two_values_is_their_mean_but_for_absolute_error():
    # Of a pixel that is 0 or 1 with equal probability the decoder may say any h in [0, 1].
    h = torch.linspace(0.01, 0.99, 99)
    squared = 0.5 * (h**2 + (1 - h) ** 2)
    entropy = -0.5 * (h.log() + (1 - h).log())
    absolute = 0.5 * (h + (1 - h))
    assert h[squared.argmin()] == pytest.approx(0.5)
    assert h[entropy.argmin()] == pytest.approx(0.5)
    assert absolute.max() == pytest.approx(absolute.min())  # every guess between them is as good


def test_lecture_compression_ratios():
    assert 3 * 64 * 512 * 512 / (128 * 8 * 16 * 16) == 192
    assert 784 / 16 == 49
    assert 3 * 512 * 512 / (4 * 64 * 64) == 48


def test_mse_and_l1_are_the_losses_that_they_are_named_after():
    torch.manual_seed(0)
    h, x = torch.randn(1, 5, 7), torch.randn(5, 7)
    squared = -mse()(h, 1).log_prob(x)[0] - ((h[0] - x) ** 2).sum(dim=1)
    assert torch.allclose(squared, torch.full((5,), 7 * 0.5 * math.log(math.pi)), atol=1e-4)
    absolute = -l1()(h, 1).log_prob(x)[0] - (h[0] - x).abs().sum(dim=1)
    assert torch.allclose(absolute, torch.full((5,), 7 * math.log(2)), atol=1e-4)


def test_the_optimal_sigma_maximises_the_likelihood():
    torch.manual_seed(0)
    h, x = torch.randn(1, 50, 20), torch.randn(50, 20)
    likelihood = GaussianOptimal()
    likelihood.observe(h, x)
    best = likelihood(h, 1).log_prob(x).sum()
    sigma = float(((h - x) ** 2).mean().sqrt())
    assert float(likelihood.variance.sqrt()) == pytest.approx(sigma, rel=1e-5)
    for factor in (0.98, 1.02):
        assert float(Gaussian(sigma=factor * sigma)(h, 1).log_prob(x).sum()) < float(best)


def elbo_state(mean, std, event=4):
    batch = Batch(torch.zeros(len(mean), event), torch.arange(len(mean)))
    q = normal(mean, std)
    z = q.rsample((1,))
    return Pass(
        batch, q, z, StandardNormal((mean.shape[1],))(), Gaussian()(torch.zeros(1, len(mean), event), 1)
    )


def test_beta_multiplies_the_rate_and_nothing_else():
    state = elbo_state(torch.ones(3, 2), torch.full((3, 2), 0.5))
    one, four = ELBO()(state), ELBO(beta=4.0)(state)
    assert torch.equal(one.distortion, four.distortion)
    assert torch.equal(one.rate, four.rate)
    assert torch.allclose(four.loss, four.distortion + 4 * four.rate)
    assert torch.equal(one.elbo, four.elbo)


def test_free_bits_charge_no_dimension_below_the_threshold():
    mean = torch.tensor([[0.0, 2.0], [0.1, 0.1]])
    state = elbo_state(mean, torch.ones(2, 2))
    kl = 0.5 * mean**2  # for unit variance
    terms = ELBO(free_bits=0.5)(state)
    assert torch.allclose(terms.rate, kl.sum(dim=1))
    assert torch.allclose(terms.rate + terms.penalty, kl.clamp(min=0.5).sum(dim=1))


def test_more_samples_average_the_distortion():
    torch.manual_seed(0)
    vae = VAE((1, 4, 4), 2, likelihood=Gaussian()).eval()
    batch = Batch(torch.rand(3, 1, 4, 4), torch.arange(3))
    state = vae(batch, 5)
    terms = ELBO(samples=5)(state)
    each = torch.stack([-vae.decode(state.z[s]).log_prob(batch.x) for s in range(5)])
    assert torch.allclose(terms.distortion, each.mean(dim=0), rtol=1e-5)


def test_reconstruction_has_no_rate():
    model = Autoencoder((1, 4, 4), 2)
    terms = Reconstruction()(model(Batch(torch.rand(3, 1, 4, 4), torch.arange(3))))
    assert torch.equal(terms.rate, torch.zeros(3))
    assert torch.equal(terms.loss, terms.distortion)


def test_schedules_at_their_corners():
    assert [Linear(warmup=0.5)(t) for t in (0, 0.25, 0.5, 1)] == [0, 0.5, 1, 1]
    assert Cosine(warmup=0.0)(0.5) == pytest.approx(0.5)
    assert Cosine(warmup=0.0, final=0.1)(1.0) == pytest.approx(0.1)
    assert Cosine(warmup=0.5, rise=True)(0.25) == pytest.approx(0.5)
    cyclical = Cyclical(cycles=2, rise=0.5)
    assert [cyclical(t) for t in (0, 0.125, 0.25, 0.49, 0.5, 0.625, 1)] == [0, 0.5, 1, 1, 0, 0.5, 1]


def test_the_diagonal_gaussian_reads_means_then_log_variances():
    q = DiagonalGaussian((2,))(torch.tensor([[1.0, 2.0, math.log(4.0), math.log(9.0)]]))
    assert torch.allclose(q.mean, torch.tensor([[1.0, 2.0]]))
    assert torch.allclose(q.variance, torch.tensor([[4.0, 9.0]]))


def test_bits_per_dimension_of_uniform_bytes_is_eight():
    from latentia.data.transforms import Dequantise
    from latentia.metrics.terms import bits_per_dim

    # A density of 1 on [0, 1) is -log p = 0 nats, and uniform over 256 values.
    assert bits_per_dim(0.0, 784, Dequantise(255.0).log2_unit) == pytest.approx(8.0)
    assert bits_per_dim(784 * math.log(2), 784, 0.0) == pytest.approx(1.0)
    assert np.isclose(bits_per_dim(86.76, 784, 0.0), 0.1597, atol=1e-4)
