"""The optimiser is torch's Adam, bit for bit."""

import pytest
import torch

from latentia.training.optimiser import Adam


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adam_takes_the_steps_of_torchs_fused_adam(weight_decay):
    def network():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(7, 33), torch.nn.Tanh(), torch.nn.Linear(33, 3))

    ours, theirs = network(), network()
    kind = torch.optim.AdamW if weight_decay else torch.optim.Adam
    reference = kind(theirs.parameters(), lr=1e-3, weight_decay=weight_decay, fused=True)
    adam = Adam(list(ours.parameters()), weight_decay)
    for step in range(50):
        x = torch.randn(16, 7, generator=torch.Generator().manual_seed(step))
        lr = 1e-3 * (1 + step)
        for group in reference.param_groups:
            group["lr"] = lr
        for model, optimiser in ((ours, adam), (theirs, reference)):
            optimiser.zero_grad()
            model(x).square().sum().backward()
        adam.step(lr)
        reference.step()
    for a, b in zip(ours.parameters(), theirs.parameters()):
        assert torch.equal(a, b)


def test_a_parameter_without_a_gradient_stays():
    used, unused = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    adam = Adam([used, unused])
    used.sum().backward()
    adam.step(0.1)
    assert torch.equal(unused, torch.ones(3))
    assert torch.allclose(used, torch.full((3,), 0.9))


def subnormal(moment):
    size = moment.abs()
    return int(((size > 0) & (size < torch.finfo(moment.dtype).smallest_normal)).sum())


@pytest.mark.parametrize("beta", [0.9, 0.5])
def test_moments_that_fade_never_become_subnormal_and_their_loss_moves_no_weight(beta):
    ours, theirs = (torch.nn.Parameter(torch.linspace(0.1, 1, 64)) for _ in range(2))
    adam = Adam([ours], betas=(beta, 0.999))
    reference = torch.optim.Adam([theirs], lr=1e-3, betas=(beta, 0.999), fused=True)
    theirs_subnormal = 0
    for step in range(1500):
        gradient = torch.ones(64) * (1e-3 if step == 0 else 0.0)  # a pixel that is black from here on
        gradient[:8] = torch.randn(8, generator=torch.Generator().manual_seed(step))
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        adam.step(1e-3)
        reference.step()
        assert not subnormal(adam.first[0]), step
        theirs_subnormal += subnormal(reference.state[theirs]["exp_avg"])
    assert theirs_subnormal
    assert torch.equal(ours, theirs)
    assert (adam.first[0][8:] == 0).all()


def test_second_moments_that_fade_never_become_subnormal_either():
    ours, theirs = (torch.nn.Parameter(torch.linspace(0.1, 1, 8)) for _ in range(2))
    adam = Adam([ours], betas=(0.9, 0.9))
    reference = torch.optim.Adam([theirs], lr=1e-3, betas=(0.9, 0.9), fused=True)
    for step in range(1000):
        gradient = torch.full((8,), 1e-3 if step == 0 else 0.0)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        adam.step(1e-3)
        reference.step()
        assert not subnormal(adam.second[0]), step
    assert (adam.second[0] == 0).all()
    assert (reference.state[theirs]["exp_avg_sq"] > 0).all()
    assert torch.equal(ours, theirs)
