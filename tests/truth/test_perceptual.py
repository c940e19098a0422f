"""Distances of pictures where they are known."""

import pytest
import torch
from torch.distributions import Independent, Normal

from latentia.core.errors import ConfigError
from latentia.core.types import Batch, Pass
from latentia.networks import ConvFeatures
from latentia.objectives import ELBO, MultiScaleSSIM, Perceptual, Reconstruction, Temporal

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


def test_a_clip_is_as_far_as_its_frames_are_on_average():
    torch.manual_seed(0)
    one, other = torch.rand(2, 1, 3, 28, 28), torch.rand(2, 1, 3, 28, 28)
    clip = (1, 3, 28, 28)
    whole = [
        MultiScaleSSIM(clip, ELBO(), data_range=1.0, weight=2.0),
        Perceptual(clip, ELBO(), ConvFeatures((4, 8)), weight=2.0),
    ]
    for objective, framed in zip(whole, objectives(), strict=True):
        expected = torch.stack([framed.distance(one[:, :, t], other[:, :, t]) for t in range(3)]).mean(dim=0)
        assert torch.allclose(objective.distance(one, other), expected, rtol=1e-4)


def test_the_distance_in_time_is_that_of_the_errors_change():
    torch.manual_seed(0)
    clip = (1, 5, 6, 7)
    objective = Temporal(clip, ELBO(), weight=3.0)
    x = torch.rand(4, *clip)
    assert objective.distance(x + 0.3, x).abs().max() < 1e-6
    jumping = x + 0.2 * (torch.arange(5) % 2).view(-1, 1, 1)
    assert objective.distance(jumping, x).tolist() == pytest.approx([0.2] * 4, rel=1e-5)
    once = x.clone()
    once[:, :, 2:] += 0.2  # one change of four
    assert objective.distance(once, x).tolist() == pytest.approx([0.05] * 4, rel=1e-4)
    for event in ((1, 6, 7), (1, 1, 6, 7)):
        with pytest.raises(ConfigError, match=r"compares the frames of clips.*data\.frames=17"):
            Temporal(event, ELBO())
