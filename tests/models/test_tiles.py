"""Tiles that join without a seam, and sizes that no stride divides."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentia.models import VAE
from latentia.networks import DeepCodec, KLCodec, cropped, reflected
from latentia.networks import tiles as tiling
from latentia.networks.tiles import through, tiled
from latentia.probability import Gaussian

NETWORKS = {
    "group norms": (KLCodec((8, 16, 16), 1, linear=False), 1e-5),
    "group norms and attention": (KLCodec((8, 16), 1, attention=True), 1e-5),
    "norms of places": (DeepCodec((8, 8, 16), (0, 1, 1)), 1e-6),
    "norms of places of whole pixels": (DeepCodec((8, 16, 16), (1, 1, 2), linear=False), 1e-6),
}


def pair(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NETWORKS[name][0]
        encoder, decoder = network.encoder((3, 16, 16), (8, 4, 4)), network.decoder((4, 4, 4), (3, 16, 16))
        for parameter in [*encoder.parameters(), *decoder.parameters()]:
            torch.nn.init.normal_(parameter, 0.0, 0.2)  # what begins at zero would agree whatever it is given
    return encoder.eval(), decoder.eval(), network.downsample


PAIRS = {name: pair(name) for name in NETWORKS}


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(sorted(NETWORKS)),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    side=st.integers(1, 60),
    budget=st.sampled_from([0, 3000, 1 << 28]),
    seed=st.integers(0, 100),
)
def test_tiles_of_any_size_give_what_the_whole_gives(name, height, width, side, budget, seed):
    encoder, decoder, stride = PAIRS[name]
    x = torch.rand(1, 3, height * stride, width * stride, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        z = encoder(x)[:, :4]
        for network, given_, part in ((encoder, x, side), (decoder, z, max(1, side // stride))):
            whole = network(given_)
            gap = (tiled(network, given_, part, budget) - whole).abs().max() / whole.abs().max()
            assert gap <= NETWORKS[name][1]


def test_large_pictures_go_in_tiles_only_where_no_gradient_is_wanted(monkeypatch):
    monkeypatch.setattr(tiling, "SIDE", 16)
    asked = []
    monkeypatch.setattr(tiling, "tiled", lambda *parts: asked.append(parts[1].shape) or tiled(*parts))
    encoder, decoder, stride = PAIRS["group norms"]
    x = torch.rand(2, 3, 40, 32)
    with torch.no_grad():
        whole = encoder(x)
        assert torch.allclose(through(encoder, x), whole, atol=1e-4 * float(whole.abs().max()))
        assert asked == [(1, 3, 40, 32)] * 2
        through(encoder, x[..., :32, :32])
        assert len(asked) == 2
        through(decoder, whole[:1, :4], stride)
        assert len(asked) == 3
    through(encoder, x)
    assert len(asked) == 3


def test_a_tiled_network_is_left_as_it_was():
    encoder, _, _ = PAIRS["group norms"]
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    tiled(encoder, torch.rand(1, 3, 24, 24), 8, 0)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert all(getattr(module, "statistics", None) is None for module in encoder.modules())


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 11])
@pytest.mark.parametrize("stride", [1, 4, 8])
def test_what_lies_beyond_the_edge_is_mirrored(size, stride):
    x = torch.rand(2, 1, size, 3)
    padded = reflected(x, (stride, 1))
    want = -(-size // stride) * stride
    assert padded.shape == (2, 1, want, 3)
    assert np.array_equal(padded, np.pad(x, ((0, 0), (0, 0), (0, want - size), (0, 0)), mode="reflect"))
    assert torch.equal(cropped(padded, x), x)
    assert torch.equal(cropped(padded.unsqueeze(0), x), x.unsqueeze(0))


@pytest.mark.parametrize("size", [(1, 1), (7, 20), (16, 16)])
def test_a_model_scores_and_decodes_examples_of_any_size(size):
    from latentia.core.types import Batch

    model = VAE((3, 16, 16), 4, network=KLCodec((8, 8), 1), likelihood=Gaussian())
    x = torch.rand(2, 3, *size)
    state = model(Batch(x, torch.arange(2)), samples=3)
    assert state.p_x.mean.shape == (3, *x.shape)
    assert state.p_x.log_prob(x).shape == (3, 2)
    assert state.z.shape == (3, 2, 4, *(-(-side // 2) for side in size))
