"""Codecs as folders of diffusers: what is in them, whose numbers they give, and what is refused."""

import copy
import json

import numpy as np
import pytest
import torch

from latentia.cli import main
from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.export import TARGETS, parity
from latentia.export.diffusers import exported
from latentia.runs.diffusers import inward, rescaled
from tests.export.pictures import CODECS, KL, trained


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("codecs")
    return {name: trained(root / name, settings) for name, settings in CODECS.items()}


@pytest.fixture(scope="module")
def folders(runs, tmp_path_factory):
    """Each run as a folder, and the lines that were said of it."""
    root = tmp_path_factory.mktemp("folders")
    return {
        name: (root / name, list(TARGETS["diffusers"](run, root / name, lambda line: None)))
        for name, run in runs.items()
    }


LAYERS = {
    "in_channels": 3, "out_channels": 3, "act_fn": "silu", "block_out_channels": [8, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2,
    "latent_channels": 3, "layers_per_block": 1, "mid_block_add_attention": False, "norm_num_groups": 8,
    "sample_size": 16, "_diffusers_version": "0.32.0",
}  # fmt: skip
GOLDEN = {
    "AutoencoderKL": {
        **LAYERS, "_class_name": "AutoencoderKL", "force_upcast": True, "latents_mean": None,
        "latents_std": None, "scaling_factor": 1.0, "shift_factor": None, "use_post_quant_conv": True,
        "use_quant_conv": True,
    },
    "VQModel": {
        **LAYERS, "_class_name": "VQModel", "force_upcast": False, "lookup_from_codebook": False,
        "norm_type": "group", "num_vq_embeddings": 16, "vq_embed_dim": 3,
    },
    "AutoencoderDC": {
        "_class_name": "AutoencoderDC", "_diffusers_version": "0.32.0", "attention_head_dim": 32,
        "decoder_act_fns": "silu", "decoder_block_out_channels": [8, 8, 16],
        "decoder_block_types": ["ResBlock"] * 3, "decoder_conv_act_fn": "relu",
        "decoder_in_shortcut": False, "decoder_layers_per_block": [0, 1, 1],
        "decoder_norm_types": "rms_norm", "decoder_qkv_multiscales": [[], [], []],
        "downsample_block_type": "pixel_unshuffle", "encoder_block_out_channels": [8, 8, 16],
        "encoder_block_types": ["ResBlock"] * 3, "encoder_layers_per_block": [0, 1, 1],
        "encoder_out_shortcut": False, "encoder_qkv_multiscales": [[], [], []], "in_channels": 3,
        "latent_channels": 3, "upsample_block_type": "pixel_shuffle",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_the_configuration_is_what_diffusers_writes(runs, folders, name):
    folder, _ = folders[name]
    config = json.loads((folder / "config.json").read_text())
    factor = config.pop("scaling_factor")
    want = dict(GOLDEN[name])
    assert factor == pytest.approx(want.pop("scaling_factor", factor)) and factor > 0
    assert config == want
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "config.json", "diffusion_pytorch_model.safetensors",
    ]  # fmt: skip
    for path in folder.iterdir():
        assert str(runs[name].folder.path).encode() not in path.read_bytes()


@pytest.mark.parametrize("name", CODECS)
def test_diffusers_loads_it_and_gives_the_runs_numbers(runs, folders, name):
    diffusers = pytest.importorskip("diffusers", reason="make install brings it")
    run, (folder, lines) = runs[name], folders[name]
    codec = getattr(diffusers, name).from_pretrained(folder, low_cpu_mem_usage=False).eval()
    assert any("loads it, and differs" in line for line in lines)
    x = run.dataset.x[:8]
    pixels = torch.from_numpy(x.astype(np.float32) / 127.5 - 1)
    with torch.no_grad():
        said = codec.encode(pixels)
        z = {"AutoencoderKL": lambda: said.latent_dist.mean, "VQModel": lambda: said.latents,
             "AutoencoderDC": lambda: said.latent}[name]()  # fmt: skip
        back = (codec.decode(z).sample.numpy() + 1) * 127.5
    want = run.inference.reconstruct(x)
    assert np.abs(back - want).max() <= parity.TOLERANCE * np.abs(want).max()


def test_the_latents_of_the_training_data_have_mean_0_and_deviation_1(runs, folders):
    run, (folder, _) = runs["AutoencoderKL"], folders["AutoencoderKL"]
    made = exported(run)
    assert (made.latents.examples, made.latents.of) == (len(run.dataset.splits["train"]),) * 2
    weights, _ = storage.load_tensors(folder / "diffusion_pytorch_model.safetensors")
    before, _ = run.inference.posterior(run.dataset.x[run.dataset.splits["train"]])
    assert np.abs(before.mean(axis=(0, 2, 3))).max() > 1e-3  # there is something to take away
    white = copy.deepcopy(run.model)
    white.load_state_dict({inward(name): value for name, value in weights.items()}, strict=False)
    with torch.no_grad():
        x = run.transform.expected(torch.from_numpy(run.dataset.x[run.dataset.splits["train"]]))
        q = white.encode(x)
        variance = q.mean.var(dim=(0, 2, 3), correction=0) + q.variance.mean(dim=(0, 2, 3))
        assert q.mean.mean(dim=(0, 2, 3)).numpy() == pytest.approx(0, abs=1e-5)
        assert variance.numpy() == pytest.approx(1, rel=1e-4)
        want = run.model.decode(run.model.encode(x).mean).mean
        torch.testing.assert_close(white.decode(q.mean).mean, want, rtol=1e-5, atol=1e-5)


def test_a_change_of_scale_leaves_reconstructions_and_can_be_undone(runs):
    model = runs["AutoencoderKL"].model
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    shift, scale = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.2, 3.0, 1.0])
    there = rescaled(weights, shift, scale)
    back = rescaled(there, -shift * scale, 1 / scale)
    x = runs["AutoencoderKL"].transform.expected(torch.from_numpy(runs["AutoencoderKL"].dataset.x[:4]))
    with torch.no_grad():
        q, want = model.encode(x), model.decode(model.encode(x).mean).mean
        model.load_state_dict(there)
        moved, got = model.encode(x), model.decode(model.encode(x).mean).mean
        model.load_state_dict(weights)
    torch.testing.assert_close(moved.mean, (q.mean - shift.view(-1, 1, 1)) * scale.view(-1, 1, 1))
    torch.testing.assert_close(moved.stddev, q.stddev * scale.view(-1, 1, 1))
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    assert all(torch.allclose(back[name], weights[name], atol=1e-6) for name in weights)


REFUSED = {
    "linear": ({"network": {"name": "kl_codec", "channels": [8, 16]}}, r"train with network.linear=false"),
    "network": ({"network": {"name": "mlp", "hidden": [8]}}, r"network 'mlp' .* network.name=kl_codec or"),
    "units": ({"transform": "scale", "likelihood": {"name": "mse", "link": "identity"}},
              r"transform 'scale', .* transform.name=signed"),
    "link": ({"likelihood": {"name": "mse", "link": "sigmoid"}}, r"train with likelihood.link=identity"),
    "posterior": ({"posterior": {"name": "delta"}, "model": {"name": "autoencoder", "latent_dim": 3},
                   "objective": {"name": "reconstruction"}},
                  r"posterior 'delta' .* posterior.name=diagonal_gaussian \(AutoencoderKL\) or post"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_has_no_counterpart_is_refused_with_the_setting_to_change(tmp_path, what):
    settings, message = REFUSED[what]
    run = trained(tmp_path / "run", {**KL, **settings}, training={"epochs": 1, "batch_size": 96})
    with pytest.raises(ConfigError, match=message):
        list(TARGETS["diffusers"](run, tmp_path / "folder", lambda line: None))
    assert not (tmp_path / "folder").exists()


def test_the_command_says_what_it_wrote_and_leaves_nothing_where_it_fails(
    runs, tmp_path, capsys, monkeypatch
):
    pytest.importorskip("diffusers", reason="make install brings it")

    def cli(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return ended.value.code, capsys.readouterr()

    path = runs["AutoencoderKL"].folder.path
    monkeypatch.setattr(runs["AutoencoderKL"].__class__, "dataset", runs["AutoencoderKL"].dataset)
    code, said = cli("export", path, "--to", "diffusers", "-o", tmp_path / "new")
    assert code == 0, said.err
    assert "diffusers.AutoencoderKL.from_pretrained(" in said.out and "encoded" in said.out
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    code, said = cli("export", path, "--to", "diffusers", "-o", tmp_path / "other")
    assert code == 2 and "differs from the run" in said.err
    assert [each.name for each in tmp_path.iterdir()] == ["new"]
