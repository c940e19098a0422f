"""A small generative video model: digits that move, drawn, mixed and traversed, by vectors and by grids."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import latentia
from latentia.cli import main

FRAMES, SIDE = 9, 16
GRID = {"name": "causal3d", "channels": [4, 8, 8], "blocks": [1, 1, 1, 1], "patch": 1}
DENOISER = {"name": "denoiser_dit", "width": 32, "blocks": 1, "heads": 2}


@pytest.fixture(scope="module")
def clips():
    """Digits of 8x8 pixels that cross a square of 16x16, uint8, shape `(64, 1, 9, 16, 16)`."""
    digits = (load_digits().images[:64] * (255 / 16)).astype(np.uint8)
    x = np.zeros((64, 1, FRAMES, SIDE, SIDE), np.uint8)
    for n, digit in enumerate(digits):
        for t in range(FRAMES):
            at = t if n % 2 else FRAMES - 1 - t
            x[n, 0, t, n % 9 : n % 9 + 8, at : at + 8] = digit
    return x


def trained(clips, out, epochs=10, **settings):
    training = {"epochs": epochs, "batch_size": 16, "lr": 3e-3, "validate_every": 5}
    return latentia.train(clips, out=out, training=training, transform="signed", **settings)


def test_clips_of_a_vector_are_drawn_mixed_and_traversed(clips, tmp_path):
    run = trained(
        clips, tmp_path / "run", epochs=40, model={"name": "vae", "latent_dim": 6},
        network={"name": "mlp", "hidden": [64]}, likelihood="gaussian_optimal",
    )  # fmt: skip
    drawn = run.sample(5, seed=1)
    assert drawn.shape == (5, 1, FRAMES, SIDE, SIDE)
    assert np.array_equal(drawn, run.sample(5, seed=1))
    mean = clips.astype(np.float32).mean(axis=0)
    made = run.reconstruct(clips).astype(np.float32)
    assert np.square(made - clips).mean() < 0.8 * np.square(mean - clips).mean()
    path = run.interpolate(clips[0], clips[1], steps=5)
    assert path.shape == (5, 1, FRAMES, SIDE, SIDE)
    assert path[0] == pytest.approx(made[0], abs=1e-2) and path[-1] == pytest.approx(made[1], abs=1e-2)
    walks = run.traverse(clips[0], dims=[0, 3], values=np.array([-2.0, 0.0, 2.0]))
    assert walks.shape == (2, 3, 1, FRAMES, SIDE, SIDE)
    assert np.abs(walks[:, 0] - walks[:, 2]).max() > 1


def test_clips_in_colour_are_mixed_traversed_and_drawn_into_films(clips, tmp_path, capsys):
    colours = np.array([[255, 40, 0], [0, 200, 90]]) / 255
    coloured = np.stack([clip[0] * colours[n % 2][:, None, None, None] for n, clip in enumerate(clips)])
    np.savez(tmp_path / "sprites.npz", x=coloured.astype(np.uint8), y=np.arange(len(clips)) % 2)
    run = trained(
        str(tmp_path / "sprites.npz"), tmp_path / "run", model={"name": "vae", "latent_dim": 6},
        network={"name": "mlp", "hidden": [32]}, likelihood="gaussian_optimal",
    )  # fmt: skip
    asked = {
        "interpolate": (["--between", "0", "1", "--steps", "3"], 3),
        "traverse": (["--example", "1", "--dims", "0,2", "--steps", "3"], 6),
        "sample": (["-n", "4", "--sampler", "diffusion", "fit_steps=20", "steps=4"], 4),
    }
    for verb, (words, count) in asked.items():
        path = tmp_path / f"{verb}.gif"
        with pytest.raises(SystemExit) as ended:
            main([verb, str(run.folder.path), *words, "-o", str(path)])
        assert ended.value.code == 0
        assert f"{count} clips of {FRAMES} frames" in capsys.readouterr().out
        with Image.open(path) as film:
            assert film.n_frames == FRAMES
    ends = run.interpolate(coloured[0], coloured[1], steps=2)
    assert ends.shape == (2, 3, FRAMES, SIDE, SIDE)


def test_a_diffusion_of_grids_of_clips_gives_clips(clips, tmp_path):
    run = trained(
        clips, tmp_path / "run", model={"name": "vae", "latent_dim": 3}, network=GRID,
        posterior="shared_gaussian", likelihood="gaussian_optimal", objective={"beta": 1e-4},
    )  # fmt: skip
    assert run.latent == (3, 3, 4, 4)
    dense = {"name": "denoiser_mlp", "width": 64, "blocks": 2}
    settings = {"fit_steps": 300, "denoiser": dense, "steps": 5}
    sampler = run.sampler("diffusion", **settings)
    z = sampler.sample(200)
    assert z.shape == (200, 3, 3, 4, 4)
    known = run.encode(clips).mean(axis=0)
    # Where in a clip its light is was learned; N(0, I) knows of no place.
    assert np.abs(z.mean(axis=0) - known).mean() < 0.7 * np.abs(known).mean()
    drawn = run.sample(3, sampler="diffusion", seed=0, **settings)
    assert drawn.shape == (3, 1, FRAMES, SIDE, SIDE)


def test_a_diffusion_prior_is_trained_with_the_codec_of_clips(clips, tmp_path):
    run = trained(
        clips, tmp_path / "run", model={"name": "vae", "latent_dim": 3}, network=GRID,
        prior={"name": "diffusion", "denoiser": DENOISER}, likelihood="gaussian_optimal",
    )  # fmt: skip
    assert run.latent == (3, 3, 4, 4)
    assert run.sample(2, seed=0).shape == (2, 1, FRAMES, SIDE, SIDE)
    rows = [row for row in run.folder.metrics() if row["split"] == "validation"]
    assert rows[-1]["loss"] < rows[0]["loss"]
