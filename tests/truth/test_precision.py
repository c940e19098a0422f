"""Densities and draws are those of float32 where networks run in bfloat16."""

import pytest
import torch

from latentia.probability import (
    ConditionalNormal,
    CouplingPrior,
    DiagonalGaussian,
    FullGaussian,
    GumbelCodebook,
    IAFPosterior,
    MAFPosterior,
    MAFPrior,
    MixturePrior,
    SplinePosterior,
    SplinePrior,
    StandardNormal,
    kl_per_dimension,
)

LATENT = (4,)


def alike(make):
    """Compute with and without autocast, from the same noise."""
    torch.manual_seed(1)
    plain = make()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.manual_seed(1)
        mixed = make()
    for one, other in zip(plain, mixed, strict=True):
        assert other.dtype == torch.float32
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-6)


def moved(part):
    """Give the weights of a part a size at which bfloat16 would show."""
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return part


@pytest.mark.parametrize(
    "kind", [DiagonalGaussian, FullGaussian, IAFPosterior, MAFPosterior, SplinePosterior]
)
def test_posteriors(kind):
    torch.manual_seed(0)
    posterior, prior = moved(kind(LATENT)), StandardNormal(LATENT)
    features = torch.randn(7, *posterior.features)

    def make():
        q = posterior(features)
        z = q.rsample((3,))
        return z, q.log_prob(z), q.log_prob(z + 0.1), kl_per_dimension(q, prior(), z), q.mean

    alike(make)


@pytest.mark.parametrize("kind", [MAFPrior, SplinePrior, CouplingPrior, MixturePrior, ConditionalNormal])
def test_priors(kind):
    torch.manual_seed(0)
    prior, z, c = moved(kind(LATENT)), torch.randn(5, 7, *LATENT), torch.randn(7, 1)

    def make():
        p = prior(c)
        return p.sample((5,)), p.log_prob(z), p.mean

    alike(make)


def test_a_random_choice_of_codes():
    torch.manual_seed(0)
    posterior = moved(GumbelCodebook(LATENT, size=8))
    features = torch.randn(7, *posterior.features)

    def make():
        q = posterior(features)
        return q.rsample((3,)), q.variance, q.log_prob(q.mean.unsqueeze(0))

    alike(make)


def test_a_flow_finds_its_draws_again_under_autocast():
    torch.manual_seed(0)
    posterior = moved(IAFPosterior(LATENT))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        q = posterior(torch.randn(7, *posterior.features))
        z = q.rsample((3,))
        kept = q.log_prob(z)
        torch.testing.assert_close(q.log_prob(z.clone()), kept, rtol=1e-4, atol=1e-4)
