"""Distances of pictures where they are known."""

import pytest
import torch
from torch.distributions import Independent, Normal

from latentia.core.types import Batch, Pass
from latentia.networks import ConvFeatures
from latentia.objectives import ELBO, MultiScaleSSIM, Perceptual, Reconstruction

EVENT = (1, 28, 28)


def objectives():
    return [
        MultiScaleSSIM(EVENT, ELBO(), data_range=1.0, weight=2.0),
        Perceptual(EVENT, ELBO(), ConvFeatures((4, 8)), weight=2.0),
    ]


@pytest.mark.parametrize("objective", objectives())
def test_equal_pictures_have_no_distance_and_others_have_one(objective):
    torch.manual_seed(0)
    x = torch.rand(3, *EVENT)
    assert objective.distance(x, x).abs().max() < 1e-5
    assert (objective.distance(torch.rand(3, *EVENT), x) > 1e-2).all()


def test_the_similarity_of_two_plain_pictures_is_that_of_their_means():
    """Without structure SSIM is (2ab + c) / (a^2 + b^2 + c), c = 0.01^2; taken as (1 + s) / 2."""
    a, b, c = 0.2, 0.8, 1e-4
    plain = MultiScaleSSIM(EVENT, Reconstruction(), data_range=1.0, scales=1)
    found = plain.distance(torch.full((2, *EVENT), a), torch.full((2, *EVENT), b))
    similarity = (2 * a * b + c) / (a**2 + b**2 + c)
    assert found.tolist() == pytest.approx([1 - (1 + similarity) / 2] * 2, rel=1e-3)


@pytest.mark.parametrize("objective", objectives())
def test_the_penalty_is_in_nats_and_its_gradient_reaches_the_decoder(
    objective,
):
    torch.manual_seed(0)
    x, z = torch.rand(3, *EVENT), torch.randn(2, 3, 2)
    h = torch.rand(2, 3, *EVENT, requires_grad=True)
    q = Independent(Normal(torch.zeros(3, 2), 1.0), 1)
    p_z = Independent(Normal(torch.zeros(2), 1.0), 1)
    state = Pass(Batch(x, torch.arange(3)), q, z, p_z, Independent(Normal(h, 1.0), 3))
    terms, plain = objective(state), ELBO()(state)
    assert torch.equal(terms.elbo, plain.elbo)
    expected = sum(objective.distance(h[s], x) for s in (0, 1)) / 2
    assert torch.allclose(terms.penalty, 2.0 * 784 * expected, rtol=1e-4)
    terms.penalty.mean().backward()
    assert torch.isfinite(h.grad).all() and (h.grad != 0).any()
    if isinstance(objective, Perceptual):
        assert all(parameter.grad is None for parameter in objective.network.parameters())
