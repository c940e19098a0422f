"""Latents that keep height and width: a VAE on a network that says so, through every room."""

import numpy as np
import pytest

import latentia
from latentia import assembly
from latentia.core.errors import ConfigError, DataError
from latentia.explorer.view import View
from latentia.export import write_onnx
from latentia.models import VAE, VQVAE
from latentia.networks import MLP, Grid
from latentia.report import build
from latentia.training import Training

SMALL = {"network": {"name": "grid", "channels": 8, "blocks": 1}, "latent_dim": 3, "epochs": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return latentia.train("digits", out=tmp_path_factory.mktemp("runs") / "grid", **SMALL)


def refused(**settings):
    with pytest.raises(ConfigError) as caught:
        latentia.train("digits", out="never-made", **{**SMALL, **settings})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_network_says_what_shape_a_latent_has():
    assert VAE((1, 8, 8), 3, network=Grid()).latent == (3, 2, 2)
    assert VAE((1, 8, 12), 3, network=Grid(downsample=2)).latent == (3, 4, 6)
    assert VAE((1, 8, 8), 3, network=MLP()).latent == (3,)
    assert VQVAE((1, 8, 8), 3, downsample=2, network=MLP()).latent == (3, 4, 4)  # whatever the network
    assert VQVAE((5,), 3).latent == (3,)


def test_a_grid_goes_through_every_room(run, tmp_path):
    x = run.dataset.x[:6]
    mean, deviation = run.posterior(x)
    assert run.latent == mean.shape[1:] == deviation.shape[1:] == (3, 2, 2)
    assert run.sample(4).shape == run.sample(4, sampler="mixture").shape == (4, 1, 8, 8)
    assert run.interpolate(x[0], x[1], steps=5).shape == (5, 1, 8, 8)
    with pytest.raises(ConfigError, match="needs a flat latent"):
        run.traverse(x[0])
    figures = latentia.evaluate(run, samples=8, limit=5).figures
    assert {"elbo", "active_units", "mse"} <= figures.keys()
    assert len(build([run], quiet=True).read_text(encoding="utf-8")) > 100_000
    assert View(run, 0).state()["latent"] == (3, 2, 2)
    assert write_onnx(run, tmp_path / "onnx")["latent"] == [3, 2, 2]


def test_one_setting_of_the_grid_is_enough_and_two_that_differ_are_refused():
    dataset = latentia.load("digits")
    for section in ("model", "network"):
        settings = {"model": {"name": "vqvae"}, "network": {"name": "grid"}}
        settings[section] = {**settings[section], "downsample": 2}
        spec = assembly.complete(settings, dataset, Training)
        assert (spec["model"]["downsample"], spec["network"]["downsample"]) == (2, 2)
        assert assembly.assemble(spec, dataset.event).model.latent == (8, 4, 4)
    assert "they are one setting" in refused(
        model={"name": "vqvae", "downsample": 2}, network={"name": "grid", "downsample": 4}
    )
    assert "network.downsample=3 does not divide images of 8x8; use network.downsample=2" in refused(
        network={"name": "grid", "downsample": 3}
    )


def test_models_and_parts_that_need_a_vector_say_so():
    assert "network.name=conv, or --model vae" in refused(model="conditional_vae")
    assert "needs a flat latent" in refused(posterior="full_gaussian")


def test_a_convolutional_model_takes_other_sizes(run):
    rng = np.random.default_rng(0)
    large = rng.integers(0, 17, (3, 12, 20), dtype=np.uint8)[:, None]
    z = run.encode(large)
    assert z.shape == (3, 3, 3, 5)
    made = run.reconstruct(large)
    assert made.shape == large.shape and np.allclose(made, run.decode(z), atol=1e-5)
    assert run.posterior(large[0])[0].shape == (1, 3, 3, 5)  # one example without N
    own = run.dataset.x[:4]
    wide = np.concatenate([own, np.zeros_like(own)], axis=3)
    assert run.encode(wide).shape == (4, 3, 2, 4)
    odd = rng.integers(0, 17, (2, 1, 9, 7), dtype=np.uint8)
    mirrored = np.pad(odd, ((0, 0), (0, 0), (0, 3), (0, 1)), mode="reflect")
    assert np.allclose(run.encode(odd), run.encode(mirrored), atol=1e-6)
    assert np.array_equal(run.reconstruct(odd), run.reconstruct(mirrored)[:, :, :9, :7])
    with pytest.raises(DataError, match="1x8x8"):
        run.encode(np.zeros((2, 3, 8, 8), np.uint8))


def test_codes_come_in_other_sizes_too(tmp_path):
    quantised = {
        **SMALL,
        "model": "vqvae",
        "posterior": {"name": "residual_codebook", "size": 4, "levels": 2},
    }
    run = latentia.train("digits", out=tmp_path / "vq", **quantised)
    large = np.zeros((3, 1, 12, 20), np.uint8)
    codes = run.codes(large)
    assert codes.shape == (3, 3, 5, 2)
    assert np.allclose(run.decode(codes), run.reconstruct(large), atol=1e-4)


def test_a_model_with_dense_layers_does_not(tmp_path):
    for settings in ({"network": "mlp"}, {"posterior": "iaf"}):
        run = latentia.train("digits", out=tmp_path / next(iter(settings)), **{**SMALL, **settings})
        with pytest.raises(DataError, match=r"trained on examples of shape 1x8x8, and these have 1x12x12$"):
            run.encode(np.zeros((2, 1, 12, 12), np.uint8))
