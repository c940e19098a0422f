"""The prior over codes in whole numbers: near the float one, and the same however it is computed."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentia.coding import symbols_of
from latentia.coding.code_prior import CodePrior, shape_of, tables_of
from latentia.coding.codes import CodeCoder
from latentia.coding.masses import cost
from latentia.core.errors import ConfigError
from latentia.data.transforms import Scale
from latentia.models import VQVAE
from latentia.networks import Grid
from latentia.networks.transformer import CausalTransformer
from latentia.probability import DiscretisedLogistic, FiniteScalar, ResidualCodebook


def transformer(size, length, seed=0):
    torch.manual_seed(seed)
    network = CausalTransformer(size, length, width=16, layers=2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def choices(prior, codes):
    """Give the choices and the probabilities that codes are coded by, `(places, rounds, B)`."""
    parts = [masses.choices(codes[:, at]) for at, masses in enumerate(prior.masses(codes))]
    return np.stack([bits for bits, _ in parts]), np.stack([chances for _, chances in parts])


def test_the_exact_prior_is_the_float_one_in_any_batch():
    network = transformer(11, 9)
    prior = CodePrior(shape_of(network), tables_of(network))
    codes = np.random.default_rng(0).integers(0, 11, (40, 9))
    with torch.no_grad():
        odds = network(torch.from_numpy(codes)).log_softmax(-1)
    want = -odds.gather(-1, torch.from_numpy(codes)[..., None])[..., 0].sum(1).numpy() / math.log(2)
    bits, chances = choices(prior, codes)
    found = cost(bits.reshape(-1, 40), chances.reshape(-1, 40))
    assert np.abs(found - want).max() < 0.05 and abs(found.mean() / want.mean() - 1) < 1e-3
    alone = [choices(prior, codes[at : at + 1])[1] for at in range(40)]
    assert (np.concatenate(alone, axis=-1) == chances).all()


def test_a_prior_of_too_many_codes_is_refused():
    network = CausalTransformer(2, 4097, width=4, layers=1)
    with pytest.raises(ConfigError, match=r"4,097 codes, and 4,096 are the most.*model\.downsample"):
        shape_of(network)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_codes_and_any_data_given_them_come_back(data):
    residual = data.draw(st.booleans())
    dim = data.draw(st.integers(1, 3))
    side = 2 * data.draw(st.integers(1, 2))
    seed = data.draw(st.integers(0, 99))
    torch.manual_seed(seed)
    latent = (dim, side // 2, side // 2)
    posterior = ResidualCodebook(latent, size=5, levels=2) if residual else FiniteScalar(latent, (3,))
    event = (1, side, side)
    likelihood = DiscretisedLogistic(9) if data.draw(st.booleans()) else None
    parts: Any = {"likelihood": likelihood} if likelihood else {}
    model = VQVAE(event, dim, 2, network=Grid(4, 1, downsample=2), posterior=posterior, **parts).eval()
    symbols = None
    if likelihood is not None:
        symbols = symbols_of(model, Scale(0.0, 8.0))
    length = math.prod(posterior.code_shape)
    coder = CodeCoder.make(
        model, symbols, transformer(posterior.size, length, seed), None, "" if symbols else "x"
    )
    rng = np.random.default_rng(seed)
    coder.choose = lambda x: rng.integers(0, posterior.size, (len(x), *posterior.code_shape))
    x = rng.integers(0, 9, (data.draw(st.integers(1, 140)), *event)).astype(np.uint8)
    found = coder.of(x.reshape(len(x), -1))
    (block,) = coder.encode([found])
    (back,) = coder.decode([block], [len(x)])
    assert back is not None and (back == found).all()
    if symbols is not None:
        assert (coder.values(back, np.uint8) == x.reshape(len(x), -1)).all()
    assert 8 * len(block.content) < block.bound * 1.001 + 64
