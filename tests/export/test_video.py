"""Codecs of video as folders of diffusers, and trainings that begin at such folders."""

import json

import numpy as np
import pytest
import torch

from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.export import TARGETS, parity
from tests.export.pictures import LTX, clips, trained


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("video") / "run", LTX, clips(), {"epochs": 2, "batch_size": 4})


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    place = tmp_path_factory.mktemp("exported") / "ltx"
    lines = list(TARGETS["diffusers"](run, place, lambda line: None))
    assert any("latents_mean and latents_std of each channel" in line for line in lines)
    return place


def test_the_buffers_are_mean_and_deviation_of_the_training_latents(run, folder):
    weights, _ = storage.load_tensors(folder / "diffusion_pytorch_model.safetensors")
    mean, deviation = run.inference.posterior(run.dataset.x[run.dataset.splits["train"]])
    assert weights["latents_mean"].numpy() == pytest.approx(mean.mean(axis=(0, 2, 3, 4)), abs=1e-5)
    variance = mean.var(axis=(0, 2, 3, 4)) + np.square(deviation).mean(axis=(0, 2, 3, 4))
    assert weights["latents_std"].numpy() == pytest.approx(np.sqrt(variance), rel=1e-4)
    assert "AutoencoderKLLTXVideo" in (folder / "README.md").read_text()


def test_diffusers_loads_it_and_gives_the_runs_numbers(run, folder):
    diffusers = pytest.importorskip("diffusers", reason="make install brings it")
    codec = diffusers.AutoencoderKLLTXVideo.from_pretrained(folder, low_cpu_mem_usage=False).eval()
    assert dict(codec.config) | json.loads((folder / "config.json").read_text()) == dict(codec.config) | {
        "_class_name": "AutoencoderKLLTXVideo",
        "_diffusers_version": "0.32.0",
    }
    x = run.dataset.x[:4]
    with torch.no_grad():
        z = codec.encode(torch.from_numpy(x.astype(np.float32) / 127.5 - 1)).latent_dist.mean
        back = (codec.decode(z).sample.numpy() + 1) * 127.5
    want = run.inference.reconstruct(x)
    assert np.abs(back - want).max() <= parity.TOLERANCE * np.abs(want).max()


def test_a_training_begins_at_such_a_folder(run, folder, tmp_path):
    again = trained(
        tmp_path / "again",
        {},
        clips(seed=1),
        {"epochs": 1, "batch_size": 4, "frozen": ["encoder"]},
        start=folder,
    )
    assert again.recipe["network"]["name"] == "causal3d"
    own, other = again.model.state_dict(), run.model.state_dict()
    assert all(torch.equal(own[name], other[name]) for name in own if name.startswith("encoder."))
    changed = json.loads((folder / "config.json").read_text()) | {"decoder_causal": False}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text(json.dumps(changed))
    with pytest.raises(ConfigError, match=r"decoder_causal=False, which has no counterpart here; True would"):
        trained(tmp_path / "no", {}, clips(), start=tmp_path / "other")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"network": {**LTX["network"], "linear": True}}, r"train with network\.linear=false"),
        ({"posterior": "diagonal_gaussian"}, r"posterior\.name=shared_gaussian \(AutoencoderKLLTXVideo\)"),
    ],
)
def test_what_has_no_counterpart_is_refused_with_what_to_set(settings, words, tmp_path):
    made = trained(tmp_path / "run", {**LTX, **settings}, clips(16), {"epochs": 1, "batch_size": 8})
    with pytest.raises(ConfigError, match=words):
        list(TARGETS["diffusers"](made, tmp_path / "out", lambda line: None))
