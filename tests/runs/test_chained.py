"""A run over the latents of another: what it draws, what is refused, and that nothing stops it for good."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import latentia
from latentia.cli import main
from latentia.core import storage
from latentia.core.errors import ConfigError, RunError
from latentia.runs import encoding, session
from latentia.runs.chained import same_condition
from latentia.sampling import Sampler
from latentia.training.folder import RunFolder

SMALL = {"prior": {"name": "diffusion", "denoiser": {"name": "denoiser_mlp", "width": 32, "blocks": 1}}}


def latentia_says(capsys, *arguments):
    """Run the command line; give its status and what it wrote to standard error."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code, capsys.readouterr().err


def refusal(capsys, *arguments):
    """Run what has to be refused, with one line."""
    code, error = latentia_says(capsys, *arguments)
    assert code == 2 and "Traceback" not in error
    lines = error.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("latentia: "), error
    return lines[0]


def train(source, out, model, **sections):
    training = {"epochs": 2, "device": "cpu", "threads": 1, **sections.pop("training", {})}
    session.start(
        str(source), {"model": {"name": model}, "training": training, **sections}, out=out, quiet=True
    )
    return out


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A codec, another one, the first one's latents, and runs over these."""
    root = tmp_path_factory.mktemp("chain")
    network = {"name": "mlp", "hidden": [16]}
    for name, dim in (("codec", 4), ("other", 4), ("wide", 5)):
        model = {"name": "vae", "latent_dim": dim}
        training = {"epochs": 2, "device": "cpu", "seed": len(name + "x" * (name == "other"))}
        session.start(
            "digits", {"model": model, "network": network, "training": training},
            out=root / name, quiet=True,
        )  # fmt: skip
    latentia.encode(root / "codec", None, root / "moments", latents="moments")
    latentia.encode(root / "codec", None, root / "means")
    train(root / "moments", root / "told", "conditional_diffusion", **SMALL)
    train(root / "moments", root / "untold", "diffusion", **SMALL)
    train(root / "means", root / "of means", "diffusion", **SMALL)
    always = {"prior": {**SMALL["prior"], "drop": 0.0}}
    train(root / "moments", root / "always told", "conditional_diffusion", **always)
    return root


@pytest.mark.parametrize("name", ["told", "untold", "of means"])
def test_what_another_run_draws_is_decoded_by_the_codec(chain, name):
    codec, other = (latentia.Run.open(chain / each) for each in ("codec", name))
    drawn = codec.draw(5, sampler="run", path=str(chain / name), seed=1)
    assert drawn.shape == (5, 4)
    np.testing.assert_array_equal(drawn, codec.draw(5, sampler="run", path=str(chain / name), seed=1))
    assert codec.sample(5, sampler="run", path=str(chain / name)).shape == (5, 1, 8, 8)
    assert other.latent == (4,) and other.event == ((4,) if name == "of means" else (8,))


@pytest.mark.parametrize("solver", ["dpm", "heun", "ddim", "ancestral"])
def test_the_way_from_noise_ends_at_the_draw(chain, solver):
    codec, other = latentia.Run.open(chain / "codec"), latentia.Run.open(chain / "told")
    sampler = codec.sampler("run", path=str(chain / "told"), condition="3", steps=12, solver=solver)
    seen = sampler.denoising(6, seed=2, looks=5)
    assert sampler.denoises and seen.shape == (5, 6, 4)
    np.testing.assert_array_equal(seen[-1], sampler.sample(6, seed=2))
    assert (np.abs(np.diff(seen, axis=0)).max(axis=(1, 2)) > 0).all()
    prior, rows = other.sampler("prior", steps=12, solver=solver), other.condition_tensor(["1"] * 6, 6)
    np.testing.assert_array_equal(prior.denoising(6, 2, rows, 3)[-1], prior.sample(6, 2, rows))


def test_a_walk_of_fewer_steps_is_looked_at_less_often_and_other_priors_have_none(chain):
    codec = latentia.Run.open(chain / "codec")
    sampler = codec.sampler("run", path=str(chain / "untold"), steps=3)
    assert len(sampler.denoising(2, looks=8)) == 3
    assert len(sampler.denoising(2, looks=1)) == 1
    plain = codec.sampler("prior")
    assert not plain.denoises
    with pytest.raises(ConfigError, match="drawn at once"):
        plain.denoising(2)


def test_guidance_of_one_is_the_condition_and_more_is_something_else(chain):
    codec = latentia.Run.open(chain / "codec")
    given = {"sampler": "run", "path": str(chain / "told"), "condition": "7"}

    def drawn(**settings):
        return codec.draw(8, seed=3, **given, **settings)

    np.testing.assert_array_equal(drawn(guidance=1.0), drawn())
    assert np.abs(drawn(guidance=4.0) - drawn()).max() > 1e-4


def test_latents_are_drawn_under_the_condition_that_they_are_decoded_under(tmp_path, capsys):
    train("digits", tmp_path / "codec", "conditional_vae", network={"name": "mlp", "hidden": [16]})
    latentia.encode(tmp_path / "codec", None, tmp_path / "moments", latents="moments")
    train(tmp_path / "moments", tmp_path / "told", "conditional_diffusion", **SMALL)
    train(tmp_path / "moments", tmp_path / "untold", "diffusion", **SMALL)
    codec, path = latentia.Run.open(tmp_path / "codec"), str(tmp_path / "told")
    assert same_condition(codec, latentia.Run.open(path))
    assert not same_condition(codec, latentia.Run.open(tmp_path / "untold"))
    assert not same_condition(latentia.Run.open(tmp_path / "untold"), latentia.Run.open(tmp_path / "untold"))
    threes = codec.conditions([3] * 6)

    def drawn(c, path=path, **settings):
        return codec.draw(6, c, "run", path=path, seed=1, **settings)

    np.testing.assert_array_equal(drawn(threes), drawn(threes, condition="3"))
    assert np.abs(drawn(threes) - drawn(codec.conditions([5] * 6))).max() > 1e-4
    assert np.abs(drawn(threes) - drawn(threes, condition="5")).max() > 1e-4
    sampler = codec.sampler("run", path=path)
    rows = codec.condition_tensor(threes, 6)
    np.testing.assert_array_equal(sampler.denoising(6, 1, rows)[-1], drawn(threes))
    assert sampler.guides and drawn(threes, path=str(tmp_path / "untold")).shape == (6, 16)
    out = tmp_path / "threes.npy"
    words = ("--sampler", "run", "--with", path, "--condition", "3", "-n", "6", "--seed", "1", "-o", out)
    assert latentia_says(capsys, "sample", codec.folder.path, *words)[0] in (0, None)
    made = codec.inference.decode(drawn(threes), threes)
    np.testing.assert_allclose(np.load(out).reshape(made.shape), made, atol=1e-5)


SAMPLE = ("-o", "out.npy", "-n", "2")
REFUSED = {
    "latents of another size": (("wide", "--sampler", "run", "--with", "told"), "arrays of 4, .* are of 5"),
    "other weights": (("other", "--sampler", "run", "--with", "told"), "trained on latents of other weights"),
    "guidance without a dropped condition": (
        ("codec", "--sampler", "run", "--with", "always told", "--condition", "1", "--guidance", "2"),
        "trained with all of them; .* prior.drop=0.1",
    ),
    "guidance below nothing": (
        ("codec", "--sampler", "run", "--with", "told", "--condition", "1,2", "--guidance", "-1"),
        "must not be negative",
    ),
    "guidance of a diffusion that is told nothing": (
        ("codec", "--sampler", "run", "--with", "untold", "--guidance", "2"),
        "this diffusion is told none; leave guidance out",
    ),
    "no steps": (("codec", "--sampler", "run", "--with", "told", "--steps", "0"), "'steps' must be at"),
    "no steps of the run itself": (("untold", "--steps", "0"), "'steps' must be at least 1"),
    "a class of an unconditional run": (
        ("codec", "--sampler", "run", "--with", "untold", "--condition", "3"),
        "takes no condition",
    ),
    "an unknown class": (("codec", "--sampler", "run", "--with", "told", "--condition", "x"), "x"),
    "--with alone": (("codec", "--with", "told"), "belong together"),
    "--sampler run alone": (("codec", "--sampler", "run"), "belong together"),
    "a folder that is no run": (("codec", "--sampler", "run", "--with", "means"), "means"),
    "a folder that is not there": (("codec", "--sampler", "run", "--with", "nowhere"), "nowhere"),
    "an unknown solver": (("codec", "--sampler", "run", "--with", "told", "--solver", "rk4"), "solver"),
    "steps of a normal prior": (("codec", "--steps", "5"), "of a diffusion, and this run's prior is none"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_sampled_is_refused_in_one_line(chain, case, capsys, monkeypatch):
    words, said = REFUSED[case]
    monkeypatch.chdir(chain)
    line = refusal(capsys, "sample", *words, *SAMPLE)
    assert re.search(said, line), line
    assert not (chain / "out.npy").exists()


def test_a_codec_that_was_trained_on_since_is_told_from_the_one_that_encoded(chain, tmp_path, capsys):
    shutil.copytree(chain / "codec", tmp_path / "codec")
    weights = RunFolder(tmp_path / "codec").weights_file
    tensors, header = storage.load_tensors(weights)
    name = next(name for name, value in tensors.items() if value.is_floating_point() and value.dim() == 2)
    tensors[name] = tensors[name] * 1.01
    storage.save_tensors(weights, tensors, header)
    with pytest.raises(RunError, match=r"latents of other weights .* latentia encode"):
        latentia.Run.open(tmp_path / "codec").sample(2, sampler="run", path=str(chain / "told"))


def test_a_latent_without_variance_is_named(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    x[:, 1] = 2.5
    np.save(tmp_path / "flat.npy", x)
    with pytest.raises(ConfigError, match=r"1 of 3 channels are constant \(1\)"):
        train(tmp_path / "flat.npy", tmp_path / "run", "diffusion", **SMALL)


@pytest.mark.parametrize("verb", ["reconstruct", "interpolate", "traverse"])
def test_what_says_nothing_of_a_prior_alone_is_refused(chain, verb, capsys, tmp_path):
    line = refusal(capsys, verb, chain / "untold", "-o", tmp_path / "x.npy")
    assert f"nothing to {verb}" in line and "with the run that encoded them" in line


def test_no_figure_of_a_prior_alone_is_about_what_it_did_not_learn(chain):
    for name in ("untold", "told"):
        found = latentia.evaluate(chain / name, quiet=True)
        assert {"elbo", "rate", "aggregate_mmd", "latent_spread"} <= found.figures.keys()
        wrong = {"mse", "mse_mean", "active_units", "decoder_use", "frechet_prior", "linear_probe_accuracy"}
        assert not wrong & found.figures.keys() and wrong <= found.missing.keys()
        assert not found.diagnosis
        # Bits of a number of the latent, not of its mean and its variance.
        per = found.figures["rate"].value / (4 * np.log(2))
        assert found.figures["bits_per_dim"].value == pytest.approx(per)
        assert "mse" not in latentia.Run.open(chain / name).metrics("test")[-1]


def test_the_list_of_runs_says_what_there_is(chain, capsys):
    with pytest.raises(SystemExit):
        main(["list", str(chain)])
    lines = {line.split()[0].rpartition("/")[2]: line for line in capsys.readouterr().out.splitlines()[1:]}
    assert "MSE" in lines["codec"] and "MSE" not in lines["untold"] and "itself" in lines["untold"]


def test_every_sampler_is_told_whether_to_show_progress(chain, monkeypatch):
    """A bar of a long draw is the walking distribution's; each door hands on whether to show it."""
    from latentia.probability import Diffused

    seen = []
    begun = Diffused._walked
    monkeypatch.setattr(
        Diffused, "_walked", lambda self, *given: seen.append(self.quiet) or begun(self, *given)
    )
    codec, other = latentia.Run.open(chain / "codec"), latentia.Run.open(chain / "told")
    for quiet in (True, False):
        codec.sample(2, sampler="run", path=str(chain / "untold"), quiet=quiet)
        other.sample(2, condition="1", quiet=quiet)
        codec.sample(2, sampler="diffusion", fit_steps=2, quiet=quiet)
        assert seen == [quiet] * 3
        seen.clear()


def test_a_killed_run_ends_bit_for_bit_as_the_one_that_was_not(chain, tmp_path):
    given = {"training": {"epochs": 12, "checkpoint_seconds": 0.02, "log_every": 2, "ema": 0.95}, **SMALL}
    train(chain / "moments", tmp_path / "whole", "conditional_diffusion", **given)
    code = (
        "import sys, json; from latentia.runs import session\n"
        "session.start(sys.argv[1], json.loads(sys.argv[2]), out=sys.argv[3], quiet=True)"
    )
    training = {"device": "cpu", "threads": 1, **given.pop("training")}
    settings = {"model": {"name": "conditional_diffusion"}, "training": training, **given}
    words = [str(chain / "moments"), json.dumps(settings), str(tmp_path / "killed")]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    killed, end = RunFolder(tmp_path / "killed"), time.monotonic() + 120
    while not any(killed.checkpoints.glob("*.safetensors")):
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    session.resume(tmp_path / "killed", quiet=True)
    first, second = (
        storage.load_tensors(RunFolder(tmp_path / name).weights_file) for name in ("whole", "killed")
    )
    assert first[1] == second[1] and first[0].keys() == second[0].keys()
    assert all(torch.equal(first[0][name], second[0][name]) for name in first[0])


def test_moments_that_were_interrupted_are_encoded_to_the_same_bytes(chain, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "_SHARD", 200 * 64)
    write, done = encoding.write_shard, []

    def stopped(*given, **named):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(write(*given, **named))

    monkeypatch.setattr(encoding, "write_shard", stopped)
    with pytest.raises(KeyboardInterrupt):
        latentia.encode(chain / "codec", None, tmp_path / "broken", latents="moments")
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "broken").glob("t*.npy")}
    monkeypatch.setattr(encoding, "write_shard", write)
    for name in ("broken", "whole"):
        latentia.encode(chain / "codec", None, tmp_path / name, latents="moments")
    broken, whole = (
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("*.npy")}
        for name in ("broken", "whole")
    )
    assert broken == whole and len(whole) > 3 and kept
    assert all((tmp_path / "broken" / name).stat().st_mtime_ns == when for name, when in kept.items())


def test_a_sampler_says_so_where_it_does_not_walk():
    with pytest.raises(ConfigError, match="not step by step"):
        Sampler((2,)).on_the_way(1)
