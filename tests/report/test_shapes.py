"""The table of a codec's shapes: of the lecture's video autoencoder, of crops, of pictures."""

import tomllib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from latentia import api
from latentia.networks import Causal3d, DeepCodec, Grid, KLCodec, Layer, followed, layers
from latentia.report.facets import shapes

RECIPES = Path(__file__).parents[2] / "recipes"


def lecture():
    recipe = tomllib.loads((RECIPES / "lecture-video.toml").read_text(encoding="utf-8"))
    settings = {key: value for key, value in recipe["network"].items() if key != "name"}
    network = Causal3d(**{key: tuple(v) if isinstance(v, list) else v for key, v in settings.items()})
    event = (3, recipe["data"]["frames"], recipe["data"]["size"], recipe["data"]["size"])
    return network, event, network.latent(event, recipe["model"]["latent_dim"])


def test_the_lectures_clip_becomes_its_latent_by_a_ratio_of_exactly_192():
    network, event, latent = lecture()
    assert (event, latent) == ((3, 64, 512, 512), (128, 8, 16, 16))
    assert np.prod(event) == 192 * np.prod(latent)
    inward = layers(network.encoder(event, latent), event)
    assert [layer.shape for layer in inward] == [
        (48, 64, 128, 128),
        (32, 64, 128, 128),
        (32, 32, 64, 64),
        (64, 32, 64, 64),
        (64, 16, 32, 32),
        (128, 16, 32, 32),
        (128, 8, 16, 16),
    ]
    assert inward[0].name == "squares of pixels as channels"
    outward = layers(network.decoder(latent, event), latent)
    assert [layer.shape for layer in outward] == [
        (128, 8, 16, 16),
        (128, 16, 32, 32),
        (64, 16, 32, 32),
        (64, 32, 64, 64),
        (32, 32, 64, 64),
        (32, 64, 128, 128),
        (48, 64, 128, 128),
        (3, 64, 512, 512),
    ]


@pytest.mark.parametrize(
    ("network", "event"),
    [
        (Causal3d((4, 8), (1, 1, 1), patch=2), (3, 5, 8, 12)),
        (Causal3d((4, 8), (1, 1, 1), patch=1, first=False, linear=False), (3, 4, 8, 12)),
        (KLCodec((8, 16), blocks=1, attention=True), (3, 8, 12)),
        (DeepCodec((8, 8, 16), (0, 1, 1)), (3, 8, 12)),
        (Grid(channels=8, blocks=1, downsample=4), (3, 8, 12)),
    ],
)
def test_shapes_are_those_of_the_values_that_the_layers_give(network, event):
    latent = network.latent(event, 6)
    halves = (network.encoder(event, latent), event), (network.decoder(latent, event), latent)
    for half, given in halves:
        weights = {name: value.clone() for name, value in half.state_dict().items()}
        assert followed(half)
        found = layers(half, given)
        with torch.no_grad():
            assert found[-1].shape == tuple(half(torch.zeros(1, *given)).shape[1:])
        assert all(one.shape != other.shape for one, other in pairwise(found))
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in half.modules())
        assert all(torch.equal(value, half.state_dict()[name]) for name, value in weights.items())
    assert not followed(torch.nn.Linear(2, 2))


def test_layers_are_counted_and_named():
    found = layers(KLCodec((8, 16), blocks=2).encoder((3, 8, 8), (4, 4, 4)), (3, 8, 8))
    assert found == [
        Layer("convolution, 2 residual blocks", (8, 8, 8)),
        Layer("convolution of stride 2", (8, 4, 4)),
        Layer("4 residual blocks", (16, 4, 4)),
        Layer("2 convolutions", (4, 4, 4)),
    ]


def _rows(group):
    (panel,) = shapes.section(group).panels
    return panel, [(row.label, *row.cells, row.note) for row in panel.facts]


def test_a_report_of_crops_of_clips_has_the_shapes_of_whole_clips(group_of, tmp_path):
    clips = np.random.default_rng(0).integers(0, 256, (24, 3, 4, 16, 24), dtype=np.uint8)
    np.save(tmp_path / "clips.npy", clips)
    network = {"name": "causal3d", "channels": [4, 8], "blocks": [1, 1, 1], "patch": 2, "first": False}
    run = api.train(
        str(tmp_path / "clips.npy"), out=tmp_path / "run", model={"name": "vae", "latent_dim": 6},
        network=network,
        posterior="shared_gaussian", transform="signed",
        likelihood="gaussian_optimal", data={"crop": 8}, training={"epochs": 1, "batch_size": 8},
    )  # fmt: skip
    panel, rows = _rows(group_of(run))
    assert rows[0] == ("Clip", "3 × 4 × 16 × 24", "4,608", "")
    latent = rows.index(("Latent", "6 × 2 × 4 × 6", "288", ""))
    assert rows[latent - 1] == (
        "Encoder: convolution", "7 × 2 × 4 × 6", "336", "what the posterior is made of"
    )  # fmt: skip
    assert rows[-3][0].startswith("Decoder: ") and rows[-3][1] == "3 × 4 × 16 × 24"
    assert rows[-2] == ("Compression ratio", "1:16", "", "numbers, not bits")
    assert rows[-1] == ("Of each place", "1:16", "96 to 6", "3 × 2 × 4 × 4 to 6")
    assert "Trained on crops of 8x8, the network takes whole ones of 16x24" in panel.note


def test_pictures_and_codes_have_shapes_too(group_of, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    training = {"epochs": 1, "batch_size": 8}
    settings = {"transform": "signed", "training": training}
    kl = {"name": "kl_codec", "channels": [8, 8], "blocks": 1}
    run = api.train(
        str(tmp_path / "x.npy"), out=tmp_path / "kl", model={"name": "vae", "latent_dim": 3}, network=kl,
        likelihood="gaussian_optimal", **settings,
    )  # fmt: skip
    _, rows = _rows(group_of(run))
    assert rows[0] == ("Image", "3 × 16 × 16", "768", "")
    assert rows[-1] == ("Of each place", "1:4", "12 to 3", "3 × 2 × 2 to 3")
    run = api.train(
        str(tmp_path / "x.npy"), out=tmp_path / "vq", model={"name": "vqvae", "latent_dim": 3},
        network={"name": "grid", "channels": 8, "blocks": 1}, **settings,
    )  # fmt: skip
    _, rows = _rows(group_of(run))
    assert not any(row[0] == "Compression ratio" for row in rows)
    assert next(row for row in rows if row[0] == "Latent")[3].startswith("codes")
