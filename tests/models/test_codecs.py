"""Codec networks: where they begin, what sizes they take, what they refuse."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import latentia
from latentia import assembly
from latentia.core.errors import ConfigError
from latentia.core.types import Batch
from latentia.models import VAE
from latentia.models.equivariance import moved
from latentia.networks import DeepCodec, KLCodec
from latentia.probability import DeltaPosterior, EMACodebook, Gaussian
from latentia.training import Training

SMALL = {
    "kl_codec": KLCodec((8, 16, 16), blocks=1),
    "kl_codec with attention": KLCodec((8, 16), blocks=1, attention=True, linear=False),
    "deep_codec": DeepCodec((8, 8, 16), (0, 1, 1)),
    "deep_codec of whole pixels": DeepCodec((8, 16), (1, 1), linear=False),
}


@pytest.fixture(scope="module")
def pictures():
    """Smooth pictures of three channels, which a few components describe."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        coarse = torch.rand(200, 3, 5, 5)
    return torch.nn.functional.interpolate(coarse, size=(16, 16), mode="bilinear")


@pytest.mark.parametrize("name", SMALL)
def test_any_size_that_its_halvings_divide_goes_in_and_comes_back(name):
    network = SMALL[name]
    model = VAE((3, 16, 16), 4, network=network, likelihood=Gaussian()).eval()
    stride = network.downsample
    assert model.latent == (4, 16 // stride, 16 // stride)
    assert model.strides == (stride, stride)
    x = torch.rand(2, 3, 8, 24)
    q = model.encode(x)
    assert q.mean.shape == (2, 4, 8 // stride, 24 // stride)
    assert model.decode(q.mean).mean.shape == x.shape


@pytest.mark.parametrize("network", [KLCodec((8, 16, 16)), DeepCodec((8, 8, 16), (0, 1, 1))])
@pytest.mark.parametrize("dim", [1, 3])
def test_a_linear_code_begins_at_the_principal_components_of_blocks(pictures, network, dim):
    model = VAE(
        (3, 16, 16), dim, network=network, posterior=DeltaPosterior((dim, 4, 4)), likelihood=Gaussian()
    )
    model.begin(pictures)
    model.eval()
    with torch.no_grad():
        z = model.encode(pictures).mean
        back = model.decode(z).mean
    mean = pictures.mean(dim=(0, 2, 3), keepdim=True)
    blocks = (
        (pictures - mean).unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(-1, 48).numpy()
    )
    # Blocks are about the mean of each channel already, and have no other mean taken from them.
    vectors = np.linalg.svd(blocks.astype(np.float64), full_matrices=False)[2][:dim]
    error = np.square(blocks - blocks @ vectors.T @ vectors).mean()
    assert float((back - pictures).square().mean()) == pytest.approx(error, rel=1e-3)
    assert z.square().mean(dim=(0, 2, 3)).numpy() == pytest.approx(np.ones(dim), rel=1e-3)


def test_the_posterior_begins_as_probabilistic_principal_components_do(pictures):
    network = DeepCodec((8, 8, 16), (0, 1, 1))
    model = VAE((3, 16, 16), 2, network=network, likelihood=Gaussian())
    model.begin(pictures)
    mean = pictures.mean(dim=(0, 2, 3), keepdim=True)
    blocks = (
        (pictures - mean).unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(-1, 48).numpy()
    )
    blocks = np.concatenate([blocks, -blocks])  # of mean 0, so that sklearn takes none away
    fitted = PCA(2).fit(blocks.astype(np.float64))
    with torch.no_grad():
        variance = model.encode(pictures).variance.mean(dim=(0, 2, 3))
    assert variance.numpy() == pytest.approx(fitted.noise_variance_ / fitted.explained_variance_, rel=1e-2)


def test_without_a_linear_code_nothing_begins_there(pictures):
    model = VAE((3, 16, 16), 2, network=DeepCodec((8, 8, 16), (0, 1, 1), linear=False), likelihood=Gaussian())
    model.begin(pictures)
    with torch.no_grad():
        assert model.encode(pictures).mean.std() > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VAE((3, 18, 16), 4, network=SMALL["kl_codec"]), r"18x16 does .*; use data.crop=16"),
        (lambda: VAE((5,), 4, network=SMALL["kl_codec"]), r"network 'kl_codec' needs images"),
        (lambda: KLCodec(()), r"'network.channels' must name the channels"),
        (lambda: KLCodec((8, 0)), r"'network.channels' must hold positive sizes"),
        (lambda: KLCodec((8, 8), blocks=0), r"'network.blocks' must hold positive sizes"),
        (lambda: DeepCodec((8, 8), (0, 1, 1)), r"must have a number for each of the 2 levels"),
        (lambda: DeepCodec((8, 8, 8), (0, 1, 0)), r"at least 1 beyond the first"),
        (lambda: DeepCodec((8, 6), (1, 1)), r"go from 8 to 6: a level must have a multiple of 4"),
        (lambda: DeepCodec((8,), (0,)), r"must be at least 1, not 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_short_run_has_a_linear_code_and_no_link_and_a_long_one_the_network_alone():
    dataset = latentia.load("digits")
    for epochs, linear in ((5, True), (100_000, False)):
        settings = {
            "network": "kl_codec",
            "likelihood": "gaussian_optimal",
            "training": {"epochs": epochs, "batch_size": 64},
        }
        spec = assembly.complete(settings, dataset, Training)
        assert spec["network"]["linear"] is linear
        assert spec["likelihood"]["link"] == "identity"


def test_latents_move_as_their_pictures_do():
    network = DeepCodec((4, 4, 8), (0, 1, 1))
    model = VAE((3, 16, 16), 2, equivariance=1.0, network=network, likelihood=Gaussian())
    batch = Batch(torch.rand(2, 3, 16, 16), torch.arange(2))
    shapes = set()
    for seed in range(20):
        torch.manual_seed(seed)
        state = model(batch, samples=2)
        assert state.z.shape == (2, 2, 2, 4, 4)  # as the rate has it
        assert state.p_x.mean.shape == (2, *state.batch.x.shape)
        assert state.batch.x.min() >= 0 and state.batch.x.max() <= 1
        shapes.add(tuple(state.batch.x.shape[2:]))
    assert len(shapes) > 2 and max(shapes) <= (16, 16) and min(shapes) >= (4, 4)
    assert model.eval()(batch).batch is batch


def test_scaling_and_turning_are_those_of_the_picture():
    column = torch.arange(8.0).expand(1, 1, 8, 8)
    for seed in range(5):
        torch.manual_seed(seed)
        z, x = moved(column.unsqueeze(0), column, (1, 1))
        assert z.shape[-2:] == x.shape[-2:]
        # Away from the edges, a ramp stays the same ramp along its new axis, whatever antialiasing does.
        middle = (slice(None), slice(None), slice(2, -2), slice(2, -2))
        assert torch.allclose(z[0][middle], x[middle], atol=0.51)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"equivariance": 2.0, "network": SMALL["kl_codec"]}, "is a share of the steps, not 2.0"),
        ({"equivariance": 0.5}, "moves latents on a grid of numbers"),
        (
            {"equivariance": 0.5, "network": SMALL["kl_codec"], "posterior": EMACodebook((4, 4, 4))},
            "of numbers",
        ),
    ],
)
def test_what_cannot_be_moved_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        VAE((3, 16, 16), 4, likelihood=Gaussian(), **settings)
