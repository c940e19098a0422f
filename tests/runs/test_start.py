"""Trainings that begin at the weights of a folder: of diffusers, of a run, of a model."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import latentia
from latentia.core import storage
from latentia.core.errors import ConfigError, LatentiaError, RunError
from latentia.export import TARGETS
from latentia.export.diffusers import exported
from latentia.runs import session
from latentia.runs.start import begin_at, check_fits, read_start
from latentia.training.folder import RunFolder
from tests.export.pictures import CODECS, KL, pictures, trained


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return {name: trained(root / name, settings) for name, settings in CODECS.items()}


@pytest.fixture(scope="module")
def folders(runs, tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    for name, run in runs.items():
        list(TARGETS["diffusers"](run, root / name, lambda line: None))
    return root


@pytest.mark.parametrize("name", CODECS)
def test_what_was_exported_begins_where_it_ended_and_goes_back_as_it_came(runs, folders, tmp_path, name):
    frozen = ["encoder", "decoder"] + ["posterior"] * (name == "VQModel")
    training = {"epochs": 1, "batch_size": 16, "frozen": frozen}
    run = latentia.train(
        pictures(),
        start=folders / name,
        likelihood="gaussian_learned",
        training=training,
        out=tmp_path / "run",
    )
    assert run.spec["start"]["kind"] == name
    x = runs[name].dataset.x[:6]
    want, got = (each.inference.reconstruct(x) for each in (runs[name], run))
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()
    if name == "AutoencoderKL":
        made, factor = exported(runs[name]), [-1, 1, 1]
        white = (runs[name].encode(x) - made.shift.numpy().reshape(factor)) * made.scale.numpy().reshape(
            factor
        )
        np.testing.assert_allclose(run.encode(x), white, rtol=1e-4, atol=1e-4)
    list(TARGETS["diffusers"](run, tmp_path / "again", lambda line: None))
    for file in ("config.json", "diffusion_pytorch_model.safetensors"):
        assert (tmp_path / "again" / file).read_bytes() == (folders / name / file).read_bytes()


def altered(folder, target, weights=None, **config):
    """A folder with other keys in its configuration, and weights passed through a function."""
    shutil.copytree(folder, target)
    held = json.loads((folder / "config.json").read_text()) | config
    (target / "config.json").write_text(
        json.dumps({key: value for key, value in held.items() if value != "gone"})
    )
    if weights:
        file = target / "diffusion_pytorch_model.safetensors"
        storage.save_tensors(file, weights(storage.load_tensors(file)[0]))
    return target


def reconstructed(start, run, x):
    """What a model with the parts of a run gives at the weights of a folder: means of latents, pictures."""
    from latentia import assembly

    model = assembly.fresh(run.spec, run.dataset.event, 0).model.eval()
    check_fits(start, model)
    begin_at(start, model, 16)
    with torch.no_grad():
        z = model.encode(run.transform.expected(torch.from_numpy(x))).mean
        return z, model.decode(z).mean


def written(name, folder):
    """A codec with random weights as diffusers makes and writes it, and that codec."""
    diffusers = pytest.importorskip("diffusers", reason="make install brings it")
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    layers = {**blocks, "block_out_channels": (32, 64), "latent_channels": 4}
    deep = {
        f"{half}_{key}": value
        for half in ("encoder", "decoder")
        for key, value in {
            "block_types": "ResBlock", "block_out_channels": (8, 8, 16), "layers_per_block": (0, 1, 2),
            "qkv_multiscales": ((),) * 3,
        }.items()
    }  # fmt: skip
    settings = {
        "AutoencoderKL": layers,
        "VQModel": {**layers, "num_vq_embeddings": 32},
        "AutoencoderDC": {"latent_channels": 4, "scaling_factor": 0.5, **deep},
    }[name]
    codec = getattr(diffusers, name)(**settings).eval()
    codec.save_pretrained(folder)
    return codec


@pytest.mark.parametrize("name", CODECS)
def test_a_folder_that_diffusers_wrote_trains_on_and_returns(tmp_path, name):
    codec = written(name, tmp_path / "pipeline" / "vae")
    (tmp_path / "pipeline" / "model_index.json").write_text("{}")
    frozen = ["encoder", "decoder"] + ["posterior"] * (name == "VQModel")
    run = latentia.train(
        pictures(),
        start=tmp_path / "pipeline",
        likelihood="gaussian_learned",
        out=tmp_path / "run",
        training={"epochs": 1, "batch_size": 48, "frozen": frozen},
    )
    x = run.transform.expected(torch.from_numpy(run.dataset.x[:4]))
    with torch.no_grad():
        said = codec.encode(x)
        z = said.latent_dist.mean if name == "AutoencoderKL" else said[0]
        want, got = codec.decode(z).sample, run.model.decode(run.model.encode(x).mean).mean
        factor = codec.config.scaling_factor if name == "AutoencoderKL" else 1
        torch.testing.assert_close(run.model.encoder(x)[:, :4], z * factor, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    lines = list(TARGETS["diffusers"](run, tmp_path / "again", lambda line: None))
    assert any("as they were in the folder" in line for line in lines)


def test_the_scale_that_pipelines_use_is_the_latents_own(runs, folders, tmp_path):
    run, x = runs["AutoencoderKL"], runs["AutoencoderKL"].dataset.x[:4]
    plain = reconstructed(read_start(folders / "AutoencoderKL"), run, x)
    folder = altered(folders / "AutoencoderKL", tmp_path / "scaled", scaling_factor=0.25, shift_factor=0.5)
    scaled = reconstructed(read_start(folder), run, x)
    torch.testing.assert_close(scaled[0], (plain[0] - 0.5) * 0.25)
    torch.testing.assert_close(scaled[1], plain[1], rtol=1e-4, atol=1e-5)


def test_a_folder_without_quant_conv_and_with_the_former_names_of_attention_is_read(tmp_path):
    network = {**KL["network"], "attention": True}
    run = trained(tmp_path / "run", {**KL, "network": network}, training={"epochs": 1, "batch_size": 96})
    list(TARGETS["diffusers"](run, tmp_path / "folder", lambda line: None))

    def former(weights):
        names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        found = {}
        for name, value in weights.items():
            for new, old in names.items():
                name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
            if not name.startswith(("quant_conv", "post_quant_conv")):
                found[name] = value
        return found

    folder = altered(
        tmp_path / "folder", tmp_path / "former", former, use_quant_conv=False, use_post_quant_conv=False
    )
    start = read_start(folder)
    assert torch.equal(start.weights["encoder.quant_conv.weight"].flatten(1), torch.eye(6))
    x = run.dataset.x[:2]
    z, _ = reconstructed(start, run, x)
    with torch.no_grad():
        quant, features = (
            run.model.encoder.quant_conv,
            run.model.encoder(run.transform.expected(torch.from_numpy(x))),
        )
        inverse = torch.linalg.inv(quant.weight.flatten(1))
        before = torch.einsum("ij,bjhw->bihw", inverse, features - quant.bias.view(-1, 1, 1))
    torch.testing.assert_close(z, before[:, :3], rtol=1e-3, atol=1e-3)


REFUSED = {
    "another class": (
        {"_class_name": "AutoencoderTiny"},
        "is of class AutoencoderTiny, .* AutoencoderKL, VQModel",
    ),
    "other blocks": (
        {"down_block_types": ["AttnDownEncoderBlock2D"] * 2},
        "down_block_types=AttnDownEncoderBlock2D",
    ),
    "another activation": ({"act_fn": "relu"}, "act_fn=relu, which has no counterpart here; silu has one"),
    "other groups": ({"norm_num_groups": 4}, "norm_num_groups=4, which has no counterpart here; 8 would"),
    "means of its own": ({"latents_mean": [0.0, 1.0, 2.0]}, "latents_mean="),
    "nonsense": ({"block_out_channels": 3}, "damaged, or of another program"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_layer_without_a_counterpart_is_refused_by_name(folders, tmp_path, what):
    config, message = REFUSED[what]
    with pytest.raises(LatentiaError, match=message):
        read_start(altered(folders / "AutoencoderKL", tmp_path / "other", **config))


def test_blocks_of_attention_and_spatial_norms_are_refused_by_name(folders, tmp_path):
    blocks = ["ResBlock", "ResBlock", "EfficientViTBlock"]
    with pytest.raises(ConfigError, match="encoder_block_types=EfficientViTBlock"):
        read_start(altered(folders / "AutoencoderDC", tmp_path / "a", encoder_block_types=blocks))
    with pytest.raises(ConfigError, match="norm_type=spatial"):
        read_start(altered(folders / "VQModel", tmp_path / "b", norm_type="spatial"))


def test_weights_of_another_width_are_refused_with_the_first_differences(folders, tmp_path):
    training = {"epochs": 1, "batch_size": 16}
    with pytest.raises(ConfigError) as refused:
        latentia.train(
            pictures(), start=folders / "AutoencoderKL", network={"channels": [8, 32]}, training=training,
            out=tmp_path / "run",
        )  # fmt: skip
    message = str(refused.value)
    assert "\n" not in message and "weights of" in message and message.count(" there") == 3
    assert "decoder.conv_in.weight is 16x3x3x3 there and 32x3x3x3 here" in message
    assert "more" in message
    with pytest.raises(ConfigError, match=r"reads pictures from -1 to 1, and transform.name=scale"):
        latentia.train(pictures(), start=folders / "AutoencoderKL", transform="scale", out=tmp_path / "run")
    with pytest.raises(RunError, match="is nothing that training can begin at"):
        latentia.train(pictures(), start=tmp_path, out=tmp_path / "run")
    with pytest.raises(ConfigError, match=r"unknown key 'start.foldr'"):
        latentia.train(pictures(), start={"foldr": "x"}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_and_a_model_are_begun_at_too_with_all_that_they_are_made_of(runs, tmp_path):
    run = runs["VQModel"]
    run.save_pretrained(tmp_path / "model")
    for number, folder in enumerate((run.folder.path, tmp_path / "model")):
        again = latentia.train(
            pictures(), start=folder, training={"epochs": 1, "lr": 1e-12}, out=tmp_path / str(number)
        )
        for section in ("network", "posterior", "transform", "likelihood"):
            assert again.spec[section] == run.spec[section]
        close = {name: value for name, value in run.model.state_dict().items() if name.startswith("encoder")}
        assert all(torch.allclose(again.model.state_dict()[name], value) for name, value in close.items())
        assert again.spec["start"]["kind"] == "latentia"


def test_a_codebook_that_moves_goes_on_from_its_vectors(runs, folders, tmp_path):
    training = {"epochs": 1, "batch_size": 16, "lr": 1e-12}
    run = latentia.train(
        pictures(),
        start=folders / "VQModel",
        training=training,
        out=tmp_path / "run",
        posterior={"decay": 0.999},
    )
    table = read_start(folders / "VQModel").weights["posterior.books.0.table"]
    used = np.unique(runs["VQModel"].inference.codes(runs["VQModel"].dataset.x))
    moved = (run.model.posterior.books[0].table - table).norm(dim=1) / table.norm(dim=1)
    assert float(moved[used].max()) < 0.2


def test_a_run_killed_before_its_first_checkpoint_begins_at_the_same_weights(folders, tmp_path):
    np.save(tmp_path / "x.npy", pictures())
    shutil.copytree(folders / "AutoencoderKL", tmp_path / "folder")
    words = ["train", tmp_path / "x.npy", "--start", tmp_path / "folder", "--epochs", "2", "--quiet"]
    words += ["--batch-size", "16", "training.frozen=encoder", "training.checkpoint_seconds=0"]
    command = [sys.executable, "-c", "from latentia.cli import main; main()", *map(str, words), "--out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, str(tmp_path / "whole")], check=True, env=environment)
    process = subprocess.Popen([*command, str(tmp_path / "killed")], env=environment)
    while not (tmp_path / "killed" / "run.toml").exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if list(RunFolder(tmp_path / "killed").checkpoints.glob("*.safetensors")):
        for file in RunFolder(tmp_path / "killed").checkpoints.glob("*"):
            file.unlink()  # it was faster than the signal
    session.resume(tmp_path / "killed", quiet=True)
    whole, killed = (
        storage.load_tensors(RunFolder(tmp_path / name).weights_file)[0] for name in ("whole", "killed")
    )
    assert all(torch.equal(whole[name], killed[name]) for name in whole)

    shutil.rmtree(tmp_path / "folder")  # with a checkpoint it is not asked for any more
    session.resume(tmp_path / "killed", quiet=True)
    for file in RunFolder(tmp_path / "killed").checkpoints.glob("*"):
        file.unlink()
    with pytest.raises(RunError, match="is nothing that training can begin at"):
        session.resume(tmp_path / "killed", quiet=True)
    shutil.copytree(folders / "VQModel", tmp_path / "folder")
    with pytest.raises(
        RunError, match=r"ended before its first checkpoint, .* begin anew with another --out"
    ):
        session.resume(tmp_path / "killed", quiet=True)
