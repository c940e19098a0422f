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
