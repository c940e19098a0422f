"""Runs whose latent is a grid, evaluated and shown as codecs."""

from importlib import metadata

import numpy as np
import pytest

from latentia import api
from latentia.evaluation.facets import channels, codec
from latentia.metrics.reconstruction import principal_components
from latentia.report import inputs
from latentia.report.facets import codec as shown
from latentia.report.group import gather
from latentia.report.words import title

TABLE = {"codec_bytes", "codec_psnr", "codec_ssim", "codec_distance", "codec_frechet"}
JUDGED = {"distance_lite2", "frechet_lite2_reconstructed", "frechet_lite2_interpolated", "frechet_lite2_real"}
HEALTH = {"channel_mean", "channel_std", "latent_spectrum", "data_spectrum"}
GRID = {"name": "grid", "channels": 8, "blocks": 1, "downsample": 4}


@pytest.fixture(scope="module")
def waves():
    """Colour images of 16x16 with waves of random direction and colour."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16] / 16
    turn, wide, phase = rng.uniform(0, np.pi, 420), rng.uniform(3, 9, 420), rng.uniform(0, 6, (420, 3))
    along = np.cos(turn)[:, None, None] * x + np.sin(turn)[:, None, None] * y
    waves = np.sin(wide[:, None, None, None] * along[:, None] + phase[:, :, None, None])
    return np.rint(255 * (0.5 + 0.4 * waves)).astype(np.uint8)


@pytest.fixture(scope="module")
def run(waves, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "codec"
    data = {"test": 0.4, "validation": 0.05}
    return api.train(waves, out=out, network=GRID, latent_dim=3, data=data, training={"epochs": 3}, seed=0)


@pytest.fixture(scope="module")
def found(run):
    return api.evaluate(run, only=("health", "reconstruction"))


def test_a_codec_stands_beside_other_codes_of_equal_size(run, found):
    assert set(found.figures) >= TABLE | JUDGED | HEALTH
    size = found.figures["codec_bytes"]
    assert size.parts[:3] == ("this run", "block PCA", "bicubic")
    assert size.value[:2] == (48.0, 48.0) and max(size.value) <= 48 and size.error is None
    for name in TABLE:
        figure = found.figures[name]
        assert figure.parts == size.parts and figure.examples == 168
        assert set(figure.parts) | {"JPEG", "WebP"} == {"this run", "block PCA", "bicubic", "JPEG", "WebP"}
    for part, key in (("JPEG", "codec_jpeg"), ("WebP", "codec_webp")):
        assert (part in size.parts) != (key in found.missing)
    own = found.figures["codec_psnr"].value[0]
    assert own >= found.figures["psnr"].value - 1e-4  # what is out of range is clipped
    assert found.figures["codec_distance"].value[0] == pytest.approx(found.figures["distance_lite2"].value)
    assert found.figures["codec_frechet"].value[0] == found.figures["frechet_lite2_reconstructed"].value
    assert found.figures["frechet_lite2_real"].value < found.figures["frechet_lite2_reconstructed"].value
    assert len(found.figures["distance_lite2"].values) == len(found.figures["distance_lite2"].rows) == 168


def test_the_floor_is_the_pca_of_blocks(run, found, waves):
    blocks = waves.reshape(420, 3, 4, 4, 4, 4).transpose(0, 2, 4, 1, 3, 5).reshape(420, 16, 48) / 255
    train, test = (blocks[run.dataset.splits[name]] for name in ("train", "test"))
    _, _, back = principal_components(train.reshape(-1, 48), test.reshape(-1, 48), 3)
    error = ((back.clip(0, 1).reshape(test.shape) - test) ** 2).mean(axis=(1, 2))
    assert found.figures["codec_psnr"].value[1] == pytest.approx(
        float(-10 * np.log10(error).mean()), abs=1e-3
    )


def test_channels_have_a_mean_a_deviation_and_a_spectrum(run, found):
    z = run.encode_examples(run.dataset.splits["test"]).reshape(-1, 3, 4, 4)
    assert found.figures["channel_mean"].value == pytest.approx(z.mean(axis=(0, 2, 3)).tolist(), abs=1e-4)
    assert found.figures["channel_std"].value == pytest.approx(z.std(axis=(0, 2, 3)).tolist(), rel=1e-4)
    assert found.figures["channel_std"].parts == ("channel 1", "channel 2", "channel 3")
    for name in ("latent_spectrum", "data_spectrum"):
        assert sum(found.figures[name].value) == pytest.approx(1)


def test_without_the_judge_the_other_figures_stand_and_the_reason_is_told(run, monkeypatch, tmp_path):
    known = metadata.distribution

    def absent(name):
        if "lite2" in name:
            raise metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    found = api.evaluate(run, only=("reconstruction",), seed=1)
    assert {"codec_bytes", "codec_psnr", "codec_ssim"} <= set(found.figures)
    for name in {"codec_distance", "codec_frechet"} | JUDGED:
        assert "pip install 'latentia[perceptual]'" in found.missing[name]


def test_samples_of_pictures_without_labels_are_judged_by_the_same_network(run, monkeypatch):
    asked = {"only": ("generation",), "samplers": ("prior",)}
    found = api.evaluate(run, **asked)
    figure = found.figures["frechet_prior"]
    assert "EfficientNet-Lite2" in figure.protocol and figure.basis["number of samples"] == "168"
    assert found.figures["frechet_real"].value < figure.value

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    missing = api.evaluate(run, seed=2, **asked).missing
    assert "--inception FILE" in missing["frechet_prior"]
    assert "pip install 'latentia[perceptual]'" in missing["frechet_prior"]


def test_codes_take_the_bytes_of_their_bits(waves, tmp_path):
    settings = {
        "model": {"name": "vqvae", "latent_dim": 4, "downsample": 4},
        "network": {"name": "grid", "channels": 8, "blocks": 1},
        "posterior": {"name": "ema_codebook", "size": 16},
        "training": {"epochs": 1},
    }
    run = api.train(waves, out=tmp_path / "run", **settings)
    found = api.evaluate(run, only=("health", "reconstruction"))
    assert found.figures["codec_bytes"].value[0] == found.figures["code_bits"].value / 8 == 8
    assert found.missing["frechet_lite2_interpolated"] == "the mean of two codes is no code"
    assert "codec_pca" not in found.missing  # one number for a block
    assert "121 examples, not" in found.missing["frechet_lite2_reconstructed"]


def test_only_grids_of_images_are_codecs(tmp_path):
    run = api.train("digits", out=tmp_path / "run", latent_dim=2, training={"epochs": 1})
    assert not codec.has(run) and not channels.has(run)
    assert not TABLE & set(api.evaluate(run, only=("reconstruction",)).figures)


def test_the_report_shows_where_the_errors_are_and_the_table(run, found, monkeypatch):
    monkeypatch.setattr(inputs, "MAPPED", 100)
    group = gather([run], 0, [found])
    (panel,) = shown.section(group).panels
    assert [exhibit.words.title for exhibit in panel.exhibits] == [
        "Where the errors are", "Details, four times as large", "Energy by frequency",
    ]  # fmt: skip
    assert panel.facts[0].label == "codec" and panel.facts[1].label == "block PCA"
    assert len(panel.columns) == len(panel.facts[0].cells) == 5
    assert "3x4x4" in panel.note and "4x4 pixels" in panel.exhibits[1].words.caption
    (plain,) = shown.section(gather([run], 0)).panels
    assert not plain.facts and len(plain.exhibits) == 2


def test_a_detail_is_where_the_contrast_is():
    image = np.zeros((1, 20, 30))
    image[0, 11:15, 21:25] = np.indices((4, 4)).sum(axis=0) % 2
    top, left = shown.busiest(image, 8)
    assert top <= 11 and left <= 21 and top + 8 >= 15 and left + 8 >= 25
    assert shown.busiest(np.zeros((3, 5, 5)), 5) == (0, 0)


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("distance_lite2", "Distance (EfficientNet-Lite2)"),
        ("frechet_lite2_reconstructed", "Fréchet distance (EfficientNet-Lite2), reconstructions"),
        ("frechet_lite2_real", "Fréchet distance (EfficientNet-Lite2), other real examples"),
        ("codec_psnr", "PSNR, beside other codes"),
    ],
)
def test_figures_have_titles(name, called):
    assert title(name) == called
