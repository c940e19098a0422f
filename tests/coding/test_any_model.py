"""Random data of any shape survive any model of the family, whatever its weights are."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentia.assembly import assemble
from latentia.coding import BitsBackCompressor, symbols_of
from latentia.coding.masses import cost
from latentia.coding.stages import choices_of

FLAT: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": [7], "activation": "gelu"},
    "conv": {"channels": [3, 4], "activation": "leaky_relu"},
    "resnet": {"channels": [4, 8]},
    "grid": {"channels": 4, "blocks": 1, "downsample": 4},
}
CHAINS: dict[str, dict[str, Any]] = {"chain of mlp": FLAT["mlp"], "chain of conv": FLAT["conv"]}
LADDERS: dict[str, dict[str, Any]] = {"ladder_mlp": {"width": 6}, "ladder_conv": {"channels": 4}}
LIKELIHOODS: dict[str, dict[str, Any]] = {
    "bernoulli": {},
    "discretised_logistic": {"levels": 256},
    "discretised_logistic_mixture": {"levels": 256, "components": 3},
    "pixel_logistic_mixture": {"levels": 256, "components": 3},
    "beta_binomial": {"levels": 256},
    "categorical": {"levels": 256},
}


def drawn_model(data, network):
    """Build a model with weights that nobody trained, some of them large."""
    likelihood = data.draw(st.sampled_from(sorted(LIKELIHOODS)))
    side = st.sampled_from([4, 8, 12])
    event = (data.draw(st.integers(1, 3)), data.draw(side), data.draw(side))
    if network in ("mlp", "ladder_mlp", "chain of mlp") and data.draw(st.booleans()):
        event = (data.draw(st.integers(1, 20)),)
    model: dict[str, Any] = {"name": "vae", "latent_dim": data.draw(st.integers(1, 5))}
    if network in LADDERS:
        model = {"name": "hierarchical_vae", "levels": [2, 3]}
    if network in CHAINS:
        model = {
            "name": "markovian_vae",
            "levels": data.draw(st.sampled_from([[4], [2, 3], [1, 3, 2]])),
            "links": [6],
        }
    spec: dict[str, Any] = {
        "model": model,
        "network": {"name": network.rpartition(" ")[2], **(FLAT | LADDERS | CHAINS)[network]},
        "likelihood": {"name": likelihood, **LIKELIHOODS[likelihood]},
        "objective": {"name": "elbo"},
        "transform": {"name": "scale", "low": 0.0, "high": 255.0},
    }
    if network in FLAT:
        spec |= {"posterior": {"name": "diagonal_gaussian"}, "prior": {"name": "standard_normal"}}
    torch.manual_seed(data.draw(st.integers(0, 99)))
    parts = assemble(spec, event)
    spread = data.draw(st.sampled_from([0.0, 0.3, 3.0]))
    with torch.no_grad():
        for parameter in parts.model.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return parts, event, likelihood


@pytest.mark.parametrize("network", sorted(FLAT | LADDERS | CHAINS))
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_random_bytes_survive_any_model(network, data):
    parts, event, likelihood = drawn_model(data, network)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    counts = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    ends = np.array([0, 255], np.uint8)
    x = rng.choice(
        ends if likelihood == "bernoulli" else np.arange(256, dtype=np.uint8), (sum(counts), *event)
    )
    x[rng.random(x.shape) < 0.3] = rng.choice(ends)
    symbols = symbols_of(parts.model, parts.transform)
    coder = BitsBackCompressor.make(parts.model, symbols, x)
    blocks = np.split(coder.of(x.reshape(len(x), -1)), np.cumsum(counts)[:-1])
    written = coder.encode(blocks)
    found = coder.decode(written, counts)
    assert all(part is not None for part in found)
    assert (coder.values(np.concatenate(found), x.dtype) == x.reshape(len(x), -1)).all()
    alone = coder.encode(blocks[:1])[0]
    assert alone.content == written[0].content


@pytest.mark.parametrize("likelihood", sorted(LIKELIHOODS))
def test_examples_take_the_bits_that_the_float_decoder_says(likelihood):
    torch.manual_seed(0)
    spec: dict[str, Any] = {
        "model": {"name": "vae", "latent_dim": 3},
        "network": {"name": "conv", **FLAT["conv"]},
        "likelihood": {"name": likelihood, **LIKELIHOODS[likelihood]},
        "objective": {"name": "elbo"},
        "transform": {"name": "scale", "low": 0.0, "high": 255.0},
        "posterior": {"name": "diagonal_gaussian"},
        "prior": {"name": "standard_normal"},
    }
    parts = assemble(spec, (3, 8, 8))
    with torch.no_grad():
        for parameter in parts.model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    coder = BitsBackCompressor.make(parts.model, symbols_of(parts.model, parts.transform))
    z = coder.cells.of(np.random.default_rng(0).normal(0, 2.0**14, (40, 3)))
    p = parts.model.eval().decode(coder.cells.middle(z).float() * 2.0**-12)
    values = p.sample()
    with torch.no_grad():
        want = -p.log_prob(values).double().numpy() / math.log(2)
    raw = (255 * values).round().numpy().astype(np.uint8).reshape(len(z), -1)
    got = sum(cost(*part) for part in choices_of(coder.p(z), coder.of(raw)))
    assert np.allclose(got, want, rtol=5e-3)
    assert got.sum() == pytest.approx(want.sum(), rel=5e-4)
