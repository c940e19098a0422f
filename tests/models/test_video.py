"""The codec of video: it streams exactly, begins at a linear code, and is diffusers' function."""

import pytest
import torch

from latentia.core.errors import ConfigError
from latentia.models import VAE
from latentia.networks import Causal3d
from latentia.networks.causal import pieces
from latentia.networks.clip_code import blocks_of, components, cosines
from latentia.probability import DeltaPosterior, Gaussian, SharedGaussian

SMALL = {
    "first frame alone": Causal3d((8, 12, 16), (1, 1, 2, 1), patch=2),
    "without a linear code": Causal3d((8, 12, 16), (1, 1, 1, 1), patch=2, linear=False),
    "groups of frames": Causal3d((8, 12), (1, 1, 1), patch=2, first=False),
}
PLANS = {
    "1+4x6": [1, 4, 4, 4, 4, 4, 4],
    "1+8x3": [1, 8, 8, 8],
    "9+8+8": [9, 8, 8],
    "1+24": [1, 24],
    "17+8": [17, 8],
}


def _model(network, frames=25, dim=6, side=(16, 24)):
    """A model all of whose weights count."""
    event = (3, frames, *side)
    latent = network.latent(event, dim)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = VAE(event, dim, network=network, posterior=SharedGaussian(latent), likelihood=Gaussian())
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        x = torch.rand(2, *event)
    return model.eval(), x


def _parts(x, plan):
    at = 0
    for size in plan:
        yield x[:, :, at : at + size]
        at += size


def _streamed(network, x, plan):
    found, past = [], None
    for part in _parts(x, plan):
        y, past = network.step(part, past)
        found.append(y)
    return torch.cat(found, dim=2)


@torch.no_grad()
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", ["first frame alone", "without a linear code"])
def test_pieces_of_any_plan_give_what_the_whole_gives(name, plan):
    model, x = _model(SMALL[name])
    whole = model.encoder(x)
    assert whole.shape == (2, 7, 7, 2, 3)
    pieces = _streamed(model.encoder, x, PLANS[plan])
    assert float((pieces - whole).abs().max()) <= 1e-5 * float(whole.abs().max())
    z = whole[:, :6]
    decoded = model.decoder(z)
    assert decoded.shape == x.shape
    latents = [(1 + (size - 1) // 4) if size % 4 == 1 else size // 4 for size in PLANS[plan]]
    pieces = _streamed(model.decoder, z, latents)
    assert float((pieces - decoded).abs().max()) <= 1e-5 * float(decoded.abs().max())


@torch.no_grad()
def test_groups_of_frames_stream_as_well():
    model, x = _model(SMALL["groups of frames"], frames=12)
    whole = model.encoder(x)
    assert whole.shape[2] == 6
    assert model.decoder(whole[:, :6]).shape == x.shape
    for plan in ([2] * 6, [4, 8], [6, 2, 4]):
        pieces = _streamed(model.encoder, x, plan)
        assert float((pieces - whole).abs().max()) <= 1e-5 * float(whole.abs().max())


@torch.no_grad()
def test_no_output_depends_on_later_frames():
    model, x = _model(SMALL["first frame alone"])
    changed = x.clone()
    changed[:, :, 9:] += 1
    before, after = model.encoder(x), model.encoder(changed)
    assert torch.equal(before[:, :, :3], after[:, :, :3])
    assert not torch.equal(before[:, :, 3:], after[:, :, 3:])
    alone = model.encoder(x[:, :, :1])
    assert float((alone - before[:, :, :1]).abs().max()) <= 1e-5 * float(before.abs().max())


@torch.no_grad()
def test_long_clips_go_through_in_pieces(monkeypatch):
    model, x = _model(SMALL["first frame alone"])
    whole = model.encoder(x)
    monkeypatch.setattr("latentia.networks.causal.PIXELS", 16 * 24 * 2 * 4)
    seen = []
    step = model.encoder.step
    monkeypatch.setattr(
        model.encoder, "step", lambda part, past: seen.append(part.shape[2]) or step(part, past)
    )
    found = pieces(model.encoder, x)
    assert seen == [5, 4, 4, 4, 4, 4]
    assert float((found - whole).abs().max()) <= 1e-5 * float(whole.abs().max())


def test_a_clip_of_any_length_and_size_goes_in_and_comes_back():
    model, _ = _model(SMALL["first frame alone"])
    assert model.strides == (4, 8, 8)
    x = torch.rand(1, 3, 12, 17, 30)  # becomes 13 frames of 24x32
    with torch.no_grad():
        q = model.encode(x)
        assert q.mean.shape == (1, 6, 4, 3, 4)
        assert model.decode(q.mean).mean.shape == (1, 3, 13, 24, 32)


def test_components_of_blocks_are_orthonormal_and_say_what_they_miss():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(300, 3, generator=generator) * torch.tensor([3.0, 2.0, 1.0])
    directions = torch.linalg.qr(torch.randn(2 * 2 * 4 * 4, 3, generator=generator)).Q
    blocks = (drawn @ directions.T).view(300, 2, 2, 4, 4)
    found = components(blocks, 3)
    flat = found.basis.flatten(1)
    assert torch.allclose(flat @ flat.T, torch.eye(3).double(), atol=1e-5)
    given = blocks.flatten(1).double()
    z = given @ flat.T
    assert torch.allclose(z.square().mean(dim=0), found.variances, rtol=1e-4)
    error = (given - z @ flat).square().mean()
    assert float(found.rest) == pytest.approx(float(error), rel=1e-4)
    assert float(error) < 0.7 * float(given.square().mean())
    clip = torch.arange(2 * 1 * 4 * 4 * 4).view(2, 1, 4, 4, 4).float()
    assert torch.equal(blocks_of(clip, (2, 2, 2))[1], clip[0, :, :2, :2, 2:])


def test_a_linear_code_begins_better_than_as_many_cosines_and_has_unit_variance():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        coarse = torch.rand(60, 3, 3, 4, 4)
    x = torch.nn.functional.interpolate(coarse, size=(9, 16, 16), mode="trilinear")
    network = SMALL["first frame alone"]
    latent = network.latent((3, 9, 16, 16), 12)
    model = VAE((3, 9, 16, 16), 12, network=network, posterior=DeltaPosterior(latent), likelihood=Gaussian())
    model.begin(x)
    model.eval()
    with torch.no_grad():
        z = model.encode(x).mean
        back = model.decode(z).mean
    apart = (x - x.mean(dim=(0, 2, 3, 4), keepdim=True))[:, :, 1:]
    spectrum = blocks_of(apart, (4, 8, 8)).double()
    for axis, side in enumerate((4, 8, 8), start=2):
        spectrum = torch.tensordot(spectrum, cosines(side), dims=([axis], [1])).movedim(-1, axis)
    power = spectrum.flatten(1).square().mean(dim=0).sort(descending=True).values
    floor = float(power[12:].sum()) / len(power)
    assert float((back - x)[:, :, 1:].square().mean()) < floor
    assert torch.allclose(z[:, :, 1:].square().mean(dim=(0, 2, 3, 4)), torch.ones(12), rtol=0.05)


@pytest.mark.parametrize(
    ("event", "words"),
    [((3, 16, 16), "needs clips"), ((3, 10, 16, 16), "data.frames=9"), ((3, 9, 20, 16), "data.crop=16")],
)
def test_what_is_not_made_of_places_is_refused_with_what_to_set(event, words):
    with pytest.raises(ConfigError, match=words):
        SMALL["first frame alone"].latent(event, 4)


@torch.no_grad()
@pytest.mark.parametrize("channels", [(8, 12, 16), (8, 16, 16, 16)])
def test_the_function_is_that_of_diffusers(channels):
    diffusers = pytest.importorskip("diffusers")
    count = len(channels)
    network = Causal3d(channels, (1,) * (count + 1), patch=2, linear=False)
    model, x = _model(network, frames=17, side=(32, 16))
    scaling = (True,) * (count - 1) + (False,)
    common = {"block_out_channels": channels, "layers_per_block": (1,) * (count + 1)}
    theirs = diffusers.AutoencoderKLLTXVideo(
        latent_channels=6,
        **common,
        **{f"decoder_{key}": value for key, value in common.items()},
        down_block_types=("LTXVideoDownBlock3D",) * count,
        spatio_temporal_scaling=scaling,
        decoder_spatio_temporal_scaling=scaling,
        downsample_type=("conv",) * count,
        decoder_inject_noise=(False,) * (count + 1),
        upsample_residual=(False,) * count,
        upsample_factor=(1,) * count,
        patch_size=2,
        decoder_causal=True,
    ).eval()
    weights = {
        name: value for name, value in model.state_dict().items() if name.startswith(("encoder.", "decoder."))
    }
    missing, unexpected = theirs.load_state_dict(weights, strict=False)
    assert not unexpected
    assert set(missing) <= {"latents_mean", "latents_std"}
    own, other = model.encode(x), theirs.encode(x).latent_dist
    assert float((own.mean - other.mean).abs().max()) <= 1e-5 * float(other.mean.abs().max())
    assert torch.allclose(own.stddev, other.std, rtol=1e-4)
    decoded, expected = model.decode(other.mean).mean, theirs.decode(other.mean).sample
    assert float((decoded - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
