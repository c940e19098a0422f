"""Diffusions and their codecs as pipelines of diffusers: whose pictures they draw, and what is refused."""

import copy
import json
import sys

import numpy as np
import pytest
import torch

import latentia
from latentia.cli import main
from latentia.core import config, storage
from latentia.core.errors import ConfigError, MissingExtra, RunError
from latentia.export import TARGETS, drawn, pipelines
from latentia.probability import Schedule, Walk
from tests.export.pictures import KL, VQ, pictures, trained

DIT = {"width": 16, "blocks": 2, "heads": 2}
CONDITIONED = {"model": {"name": "conditional_diffusion"}}
RUNS = {
    "denoiser_dit": {**CONDITIONED, "prior": {"denoiser": {"name": "denoiser_dit", "patch": 2, **DIT}}},
    "diffusers_dit": {
        **CONDITIONED,
        "prior": {"target": "eps", "schedule": "linear", "denoiser": {"name": "diffusers_dit", **DIT}},
    },
    "without labels": {
        "prior": {"target": "x", "schedule": "flow", "denoiser": {"name": "denoiser_dit", **DIT}}
    },
    "diffusers_unet": {
        "prior": {"shift": 0.5, "denoiser": {"name": "diffusers_unet", "widths": [8, 16], "blocks": 1}}
    },
}


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("codec") / "run", training={"epochs": 1})


@pytest.fixture(scope="module")
def latents(codec, tmp_path_factory):
    """Moments of 96 pictures of three classes, as `latentia encode` stores them."""
    return latentia.encode(
        codec.folder.path,
        (pictures(), np.arange(96) % 3),
        tmp_path_factory.mktemp("latents") / "out",
        latents="moments",
    )


def diffusion(latents, out, settings):
    settings = {"model": {"name": "diffusion"}, **settings}
    return latentia.train(latents, out=out, training={"epochs": 1, "batch_size": 32}, **settings)


@pytest.fixture(scope="module")
def runs(latents, tmp_path_factory):
    """Trained for a moment, and then with weights that leave no layer without a part in the result."""
    pytest.importorskip("diffusers", reason="make install brings it")
    root, found = tmp_path_factory.mktemp("runs"), {}
    for name, settings in RUNS.items():
        found[name] = diffusion(latents, root / name, settings)
        generator = torch.Generator().manual_seed(0)
        for weight in found[name].model.prior.process.denoiser.parameters():
            size = weight[0].numel() ** -0.5 if weight.dim() > 1 else 0.3
            weight.data.copy_(size * torch.randn(weight.shape, generator=generator))
    return found


@pytest.mark.parametrize("name", RUNS)
def test_diffusers_draws_what_the_run_draws_from_the_same_noise(runs, codec, tmp_path, name):
    run, folder = runs[name], tmp_path / "folder"
    lines = list(TARGETS["diffusers"](run, folder, lambda line: None, codec=codec))
    assert any("opens it, and differs, in float64," in line for line in lines)
    made = pipelines.pipelined(run, codec)
    assert made.cls == ("LDMPipeline" if name == "diffusers_unet" else "DiTPipeline")
    pipeline, classes, guided = drawn.opened(folder, made), [2, 0, 1, 1], 1.0 + 2 * bool(made.labels)
    prior = copy.deepcopy(run.model.prior).double()
    c = torch.eye(3).double()[classes] if made.labels else None
    for steps in (5, 50):
        got = drawn.pictures(pipeline, made, classes, guided, steps, seed=3)
        noise = drawn.noise_of(made, run.latent, seed=3)
        z = prior.process.made(noise, c, Walk(steps, "ddim", guided)) * prior.scale + prior.shift
        with torch.no_grad():
            want = (copy.deepcopy(codec.model).double().decoder(z) / 2 + 0.5).clamp(0, 1).numpy()
        assert want.std() > 0.01  # not all black or white
        assert np.abs(got - want).max() < 1e-4
    if made.labels:
        other = drawn.pictures(pipeline, made, classes[::-1], guided, 5, seed=3)
        assert np.abs(other - drawn.pictures(pipeline, made, classes, guided, 5, seed=3)).max() > 1e-3


def test_the_folder_is_what_diffusers_writes_and_names_the_classes(runs, codec, tmp_path):
    import diffusers

    run, folder, theirs = runs["denoiser_dit"], tmp_path / "folder", tmp_path / "theirs"
    list(TARGETS["diffusers"](run, folder, lambda line: None, codec=codec))
    pipeline = diffusers.DiTPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    assert pipeline.get_label_ids(["2"]) == [2]
    pipeline.save_pretrained(theirs)
    for part in ("transformer/config.json", "vae/config.json", "scheduler/scheduler_config.json"):
        own, other = (json.loads((root / part).read_text()) for root in (folder, theirs))
        for key in ("_diffusers_version", "_name_or_path"):
            own.pop(key, None), other.pop(key, None)
        assert {key: other[key] for key in own} == own, part
    for part in ("transformer", "vae"):
        own, other = (
            storage.load_tensors(root / part / "diffusion_pytorch_model.safetensors")[0]
            for root in (folder, theirs)
        )
        assert own.keys() == other.keys()
    own, _ = storage.load_tensors(folder / "transformer/diffusion_pytorch_model.safetensors")
    table = own["transformer_blocks.1.norm1.emb.class_embedder.embedding_table.weight"]
    unknown = run.model.prior.process.denoiser.told.condition.unknown
    assert table.shape == (1001, 16) and torch.equal(table[1000], unknown)
    for path in folder.rglob("*.*"):
        assert str(run.folder.path).encode() not in path.read_bytes()


@pytest.mark.parametrize("schedule", [Schedule("cosine"), Schedule("linear"), Schedule("flow", 3.0)])
def test_the_rates_of_1000_steps_multiply_to_the_schedules_levels(schedule):
    rates = torch.tensor(pipelines.betas(schedule), dtype=torch.float32)
    assert ((rates > 0) & (rates < 1)).all()
    left = (1 - rates).cumprod(dim=0).double()
    want = torch.sigmoid(schedule.level(torch.arange(1, 1001).double() / 1000))
    torch.testing.assert_close(left, want, rtol=2e-7, atol=6e-8)


def test_a_layer_told_later_hears_the_next_step():
    weight = torch.randn(5, 32).double()
    waves = 1e4 ** (-torch.arange(16).double() / 15)

    def heard(step):
        return torch.cat([(step * waves).cos(), (step * waves).sin()])

    later = pipelines.told_later(weight, 15)
    torch.testing.assert_close(later @ heard(41), weight @ heard(42), rtol=1e-12, atol=1e-12)


REFUSED = {
    "unet": ({}, r"denoiser 'denoiser_unet' has no counterpart .*; train with prior\.denoiser=denoiser_dit"),
    "mlp": ({"prior": {"denoiser": {"name": "denoiser_mlp", "width": 8, "blocks": 1}}},
            r"denoiser 'denoiser_mlp' has no .*; train with prior\.denoiser=denoiser_dit"),
    "target": ({"prior": {"target": "flow"}}, r"prior\.target 'flow' .*; train with prior\.target=v"),
    "prior": ({"prior": {"name": "mixture"}, "objective": {"weighting": "bound"}},
              r"prior 'mixture' has no .*; train with prior\.name=diffusion"),
    "drop": ({**CONDITIONED, "prior": {"drop": 0, "denoiser": {"name": "denoiser_dit", **DIT}}},
             r"prior\.drop=0, .*; train with prior\.drop=0\.1"),
    "width": ({"prior": {"denoiser": {"name": "denoiser_dit", **DIT, "width": 18}}},
              r"width 18, no multiple of 4, .*; train with prior\.denoiser\.width=20"),
    "labelled unet": ({**CONDITIONED, "prior": {"denoiser": {"name": "diffusers_unet", "widths": [8]}}},
                      r"a U-Net that is told labels has no .*; train with prior\.denoiser=denoiser_dit"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_has_no_counterpart_is_refused_with_the_setting_to_change(latents, codec, tmp_path, what):
    settings, message = REFUSED[what]
    if "diffusers" in str(settings):
        pytest.importorskip("diffusers", reason="make install brings it")
    run = diffusion(latents, tmp_path / "run", settings)
    with pytest.raises(ConfigError, match=message):
        list(TARGETS["diffusers"](run, tmp_path / "folder", lambda line: None, codec=codec))
    assert not (tmp_path / "folder").exists()


def test_conditions_that_are_no_labels_or_too_many_are_refused(runs, codec, monkeypatch):
    run = runs["denoiser_dit"]
    monkeypatch.setattr(run.model.prior, "condition", 1001)
    with pytest.raises(
        ConfigError, match=r"a condition of 1,001 classes has no counterpart .* 1,000 classes"
    ):
        pipelines.pipelined(run, codec)
    monkeypatch.setattr(run, "condition", object())
    with pytest.raises(ConfigError, match=r"condition 'labels' has .*; train with condition\.name=labels"):
        pipelines.pipelined(run, codec)


def test_latents_that_are_not_square_are_refused(tmp_path):
    codec = trained(tmp_path / "codec", source=pictures(48)[:, :, :8], training={"epochs": 1})
    out = latentia.encode(codec.folder.path, pictures(48)[:, :, :8], tmp_path / "out", latents="moments")
    run = diffusion(out, tmp_path / "run", {"prior": {"denoiser": {"name": "denoiser_dit", **DIT}}})
    with pytest.raises(
        ConfigError, match=r"a latent of 8x4 has no counterpart .*; train with square pictures"
    ):
        pipelines.pipelined(run, codec)


def test_runs_that_do_not_belong_together_are_refused(runs, codec, tmp_path):
    run = runs["denoiser_dit"]

    def export(*given, **more):
        list(TARGETS["diffusers"](*given, tmp_path / "folder", lambda line: None, **more))

    with pytest.raises(ConfigError, match=r"by the codec that gave them; name its run: --with CODEC_RUN"):
        export(run)
    with pytest.raises(ConfigError, match=r"is no prior over stored latents; .* export DIFFUSION --to"):
        export(codec, codec=run)
    other = trained(tmp_path / "other", training={"epochs": 1, "seed": 5})
    with pytest.raises(RunError, match=r"was trained on latents of other weights than"):
        export(run, codec=other)
    codes = trained(tmp_path / "vq", VQ, training={"epochs": 1})
    with pytest.raises(ConfigError, match=r"becomes VQModel; train the codec with network\.name=kl_codec"):
        export(run, codec=codes)
    wide = trained(
        tmp_path / "wide", {**KL, "model": {"name": "vae", "latent_dim": 2}}, training={"epochs": 1}
    )
    with pytest.raises(ConfigError, match=r"draws arrays of 3x8x8, and the latents of this run are of 2x8x8"):
        export(run, codec=wide)


@pytest.mark.parametrize("name", ["diffusers_unet", "diffusers_dit"])
def test_a_denoiser_of_diffusers_says_which_extra_it_needs(latents, tmp_path, monkeypatch, name):
    said = r"denoiser '" + name + r"' needs the package diffusers: pip install 'latentia\[diffusers\]'"
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingExtra, match=said):
        config.build("denoiser", {"name": name}).build((4, 8, 8))
    with pytest.raises(MissingExtra, match=said):
        diffusion(latents, tmp_path / "run", {"prior": {"denoiser": {"name": name}}})


def test_from_pictures_to_a_pipeline_on_the_command_line(tmp_path, capsys):
    diffusers = pytest.importorskip("diffusers", reason="make install brings it")

    def cli(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return ended.value.code, capsys.readouterr()

    codec, stored, run, out = (tmp_path / name for name in ("codec", "latents", "run", "pipeline"))
    small = [f"prior.denoiser.{name}={value}" for name, value in DIT.items()]
    steps = [
        ("train", "digits", "--network", "kl_codec", "--latent-dim", 2, "network.channels=8,16",
         "network.linear=false", "transform.name=signed", "--likelihood", "mse", "likelihood.link=identity",
         "--beta", 1e-3, "--epochs", 1, "--batch-size", 64, "--out", codec),
        ("encode", codec, "digits", "--moments", "-o", stored),
        ("train", stored, "--model", "conditional_diffusion", "prior.denoiser=denoiser_dit", *small,
         "--epochs", 2, "--out", run),
        ("export", run, "--to", "diffusers", "--with", codec, "-o", out),
    ]  # fmt: skip
    for step in steps:
        code, said = cli(*step)
        assert code == 0, said.err
    assert "diffusers.DiTPipeline.from_pretrained(" in said.out and "10 classes" in said.out
    pipeline = diffusers.DiTPipeline.from_pretrained(out, low_cpu_mem_usage=False)
    pipeline.set_progress_bar_config(disable=True)
    assert np.shape(pipeline(class_labels=[3, 7], num_inference_steps=5, output_type="np").images) == (
        2,
        8,
        8,
        1,
    )
    code, said = cli("export", run, "--to", "onnx", "--with", codec, "-o", tmp_path / "other")
    assert code == 2 and "--with makes a pipeline of diffusers" in said.err
    code, said = cli("export", run, "--to", "diffusers", "-o", tmp_path / "other")
    assert code == 2 and "--with CODEC_RUN" in said.err and not (tmp_path / "other").exists()
