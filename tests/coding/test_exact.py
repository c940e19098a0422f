"""Networks in whole numbers: near the float ones, and the same however they are computed."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from latentia.coding.curves import ACTIVATIONS, GRID_BITS, activation, activation_table
from latentia.coding.exact import OUT_BITS, ExactNetwork
from latentia.coding.normed import standardised
from latentia.core.errors import ConfigError
from latentia.networks import MLP, Conv, ResNet


def tabled(name):
    return activation(name, activation_table(name))


def exact(network):
    return ExactNetwork(network, tabled, "net", 8 << GRID_BITS)


def grid(x):
    return (x.double() * 2**GRID_BITS).round()


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", ["relu", "silu", "gelu", "tanh", "elu", "leaky_relu", "identity"])
def test_an_exact_network_is_the_float_one_to_a_rounding(name):
    network = MLP(hidden=(64, 64), activation=name).encoder((1, 6, 6), (10,))
    x = 3 * torch.randn(50, 1, 6, 6)
    want, got = network(x).detach(), exact(network)(grid(x)) / 2**OUT_BITS
    assert got.dtype == torch.float64
    assert (got - want).abs().max() < 0.004 * want.abs().max()


@pytest.mark.parametrize("side", [8, 11])
def test_convolutions_of_both_directions_are_exact_too(side):
    network = Conv(channels=(6, 9), hidden=(20,))
    for part, shape in (
        (network.encoder((2, side, side), (8,)), (2, side, side)),
        (network.decoder((4,), (2, side, side)), (4,)),
    ):
        x = torch.randn(20, *shape)
        want, got = part(x).detach(), exact(part)(grid(x)) / 2**OUT_BITS
        assert got.shape == want.shape
        assert (got - want).abs().max() < 0.004


def test_no_order_of_summation_changes_a_bit():
    network = Conv(channels=(16, 32), hidden=(300,)).decoder((16,), (1, 28, 28))
    found, z = exact(network), grid(2 * torch.randn(40, 16))
    whole = found(z)
    assert (torch.cat([found(row[None]) for row in z]) == whole).all()
    layer: Any = next(step for step in found.steps if hasattr(step, "weight"))
    order = torch.randperm(16)
    shuffled = layer.weight[:, order] @ z[:, order].T  # the sums in another order
    assert (shuffled == layer.weight @ z.T).all()
    assert shuffled.abs().max() > 2**24  # which float32 would not hold


def test_a_layer_that_cannot_be_exact_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"layer 'net\.1' is a BatchNorm2d.*network\.name=conv"):
        exact(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))


def test_normalised_residual_blocks_are_the_float_ones_to_a_rounding():
    network = ResNet(channels=(8, 16)).encoder((1, 8, 8), (4,))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    x = torch.randn(20, 1, 8, 8)
    want, found = network(x).detach(), exact(network)
    assert (found(grid(x)) / 2**OUT_BITS - want).abs().max() < 0.01 * want.abs().max()
    assert (torch.cat([found(row[None]) for row in grid(x)]) == found(grid(x))).all()


@pytest.mark.parametrize("size", [1e-3, 1.0, 4e3])
def test_normalisation_keeps_its_accuracy_at_every_scale_and_sums_in_any_order(size):
    x = grid(size * torch.randn(50, 96))
    want = torch.nn.functional.layer_norm(x / 2**GRID_BITS, (96,))
    found = standardised(x, 1e-5)
    assert (found / 2**GRID_BITS - want).abs().max() < 2e-3
    order = torch.randperm(96)
    assert (standardised(x[:, order], 1e-5) == found[:, order]).all()
    assert (standardised(torch.full((2, 7), 5.0, dtype=torch.float64), 1e-5) == 0).all()
    layer = nn.LayerNorm(4)
    layer.weight.data.fill_(1e7)
    with pytest.raises(ConfigError, match="layer 'net' has weights that are too large"):
        exact(layer)


def test_weights_whose_sums_float64_does_not_hold_are_refused_by_name():
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    with torch.no_grad():
        network[2].get_parameter("weight").fill_(2.0**30)
    with pytest.raises(ConfigError, match=r"layer 'net\.2 \(Linear\)': sums may reach 2\^\d+"):
        exact(network)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_table_goes_on_beyond_its_ends(name):
    module = {"silu": nn.SiLU, "gelu": nn.GELU, "elu": nn.ELU, "tanh": nn.Tanh}[name]()
    x = torch.linspace(-40, 40, 4001, dtype=torch.float64)
    got = tabled(name)(grid(x)) / 2**GRID_BITS
    assert (got - module(x)).abs().max() < 2.0 ** (1 - GRID_BITS)
    assert np.all(np.diff(got.numpy()[x.numpy() > 0]) >= 0)
