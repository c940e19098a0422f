"""A run that was killed and resumed ends with the weights of the run that never was."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from latentia.core import storage
from latentia.core.errors import RunError
from latentia.runs import session
from latentia.training.folder import RunFolder

SETTINGS = [
    "digits", "--quiet", "--latent-dim", "3", "--epochs", "12", "--network", "mlp", "--hidden", "48,24",
    "training.checkpoint_seconds=0.05", "training.ema=0.95", "objective.schedule=linear",
    "training.log_every=3", "transform=binarise", "--likelihood", "bernoulli",
]  # fmt: skip


def latentia(*arguments, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
    command = [sys.executable, "-c", "from latentia.cli import main; main()", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
    )


def run(*arguments, **options):
    process = latentia(*arguments, **options)
    out, error = process.communicate(timeout=300)
    return process.returncode, out, error


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "unbroken"
    code, _, error = run("train", *SETTINGS, "--out", path)
    assert code == 0, error
    return path


def wait_for_step(path, step, process):
    """Wait until the log has reached a step; the kill then falls somewhere after it."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        rows = RunFolder(path).metrics()
        if rows and rows[-1]["step"] >= step:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    raise AssertionError(f"step {step} was never reached")


def same_weights(first, second):
    a, header_a = storage.load_tensors(RunFolder(first).weights_file)
    b, header_b = storage.load_tensors(RunFolder(second).weights_file)
    assert header_a == header_b
    assert a.keys() == b.keys()
    return all(torch.equal(a[key], b[key]) for key in a)


def same_end(first, second):
    a, b = (sorted(RunFolder(path).checkpoints.glob("*.safetensors"))[-1] for path in (first, second))
    assert a.name == b.name
    left, right = storage.load_tensors(a)[0], storage.load_tensors(b)[0]
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize("moment", ["before the first checkpoint", "early", "late"])
def test_a_killed_run_ends_bit_for_bit_as_the_unbroken_one(unbroken, tmp_path, moment):
    path = tmp_path / "killed run"
    process = latentia("train", *SETTINGS, "--out", path)
    if moment == "before the first checkpoint":
        while not (path / "run.toml").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.001)
    else:
        wait_for_step(path, {"early": 15, "late": 90}[moment], process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = RunFolder(path).metrics()
    assert not killed or killed[-1]["step"] < 144

    code, _, error = run("train", "--resume", path, "--quiet")
    assert code == 0, error
    assert same_weights(unbroken, path)
    assert same_end(unbroken, path)
    # The log has no step twice: what the checkpoint did not know was forgotten and logged again.
    steps = [row["step"] for row in RunFolder(path).metrics() if row["split"] == "train"]
    assert steps == sorted(set(steps))


def test_a_run_killed_twice_ends_the_same(unbroken, tmp_path):
    path = tmp_path / "run"
    process = latentia("train", *SETTINGS, "--out", path)
    for step in (20, 70):
        wait_for_step(path, step, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = latentia("train", "--resume", path, "--quiet")
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, out + error
    assert same_weights(unbroken, path)


@pytest.mark.parametrize(
    "settings",
    [
        ["objective.name=factor"],  # the adversary and its moments
        # the same, with averages that move, and no term before it starts
        ["objective.name=adversarial", "objective.layers=1", "objective.channels=8", "objective.lecam=0.01"],
        ["objective.name=perceptual", "objective.base=control_vae", "objective.base.rate=3"],  # what moves
        ["data.crop=6", "data.flip=true"],  # what is seen of each image
        ["data.label=none"],  # a table of words, dates and numbers, with holes
    ],
)
def test_a_killed_run_ends_bit_for_bit_the_same_whatever_it_needs(settings, tmp_path, mixed_table):
    if settings == ["data.label=none"]:
        common = [str(mixed_table), *SETTINGS[1 : SETTINGS.index("transform=binarise")]]
    else:
        common = SETTINGS
    settings = [*(s for s in common if s != "objective.schedule=linear"), *settings]
    code, _, error = run("train", *settings, "--out", tmp_path / "unbroken")
    assert code == 0, error
    process = latentia("train", *settings, "--out", tmp_path / "killed")
    wait_for_step(tmp_path / "killed", 40, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    code, _, error = run("train", "--resume", tmp_path / "killed", "--quiet")
    assert code == 0, error
    assert same_weights(tmp_path / "unbroken", tmp_path / "killed")
    assert same_end(tmp_path / "unbroken", tmp_path / "killed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_saves_and_says_how_to_resume(unbroken, tmp_path, number):
    path = tmp_path / "run"
    process = latentia("train", *SETTINGS, "--out", path)
    wait_for_step(path, 10, process)
    process.send_signal(number)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert f"latentia train --resume {path}" in error
    assert "Traceback" not in error
    last = RunFolder(path).metrics()[-1]["step"]
    newest = sorted(RunFolder(path).checkpoints.glob("*.safetensors"))[-1]
    assert int(newest.stem) >= last  # nothing of what was logged is lost
    code, _, error = run("train", "--resume", path, "--quiet")
    assert code == 0, error
    assert same_weights(unbroken, path)


def test_a_second_process_is_refused(tmp_path):
    path = tmp_path / "run"
    process = latentia("train", *SETTINGS, "--epochs", "4000", "--out", path)
    wait_for_step(path, 10, process)
    code, _, error = run("train", "--resume", path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert code == 2
    assert error.strip().splitlines()[-1].startswith("latentia: ") and "in use" in error


@pytest.fixture
def half_done(tmp_path):
    """A run stopped in the middle, with two checkpoints."""
    path = tmp_path / "run"
    settings = {
        "model": {"name": "vae", "latent_dim": 2},
        "network": {"name": "mlp", "hidden": [16]},
        "training": {"epochs": 4000, "max_minutes": 0.02, "checkpoint_seconds": 0.2},
    }
    ended = session.start("digits", settings, out=path, quiet=True)
    assert not ended.finished
    return path


def test_a_damaged_checkpoint_falls_back_to_the_one_before(half_done):
    files = sorted(RunFolder(half_done).checkpoints.glob("*.safetensors"))
    assert len(files) == 2
    whole = bytearray(files[-1].read_bytes())
    whole[-100] ^= 0xFF
    files[-1].write_bytes(whole)
    said = []
    session.resume(half_done, {"max_minutes": 0.03}, quiet=True, say=said.append)
    assert any("damaged" in line and files[-1].name in line for line in said)


def test_truncated_checkpoints_without_a_whole_one_are_an_error(half_done):
    for file in RunFolder(half_done).checkpoints.glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(RunError, match=r"no checkpoint in .* is whole"):
        session.resume(half_done, quiet=True)


def test_a_resumed_run_may_go_on_for_longer_but_not_change_otherwise(half_done):
    ended = session.resume(half_done, {"max_minutes": 0.03}, quiet=True)
    assert not ended.finished
    code, _, error = run("train", "--resume", half_done, "--lr", "0.1")
    assert code == 2
    assert "--lr does not go with --resume" in error


def test_metrics_are_json_lines_with_the_terms(unbroken):
    rows = [json.loads(line) for line in (unbroken / "metrics.jsonl").read_text().splitlines()]
    train = [row for row in rows if row["split"] == "train"]
    assert train[-1]["step"] == 144
    for row in train:
        assert row["loss"] <= (row["distortion"] + row["rate"]) * (
            1 + 1e-6
        )  # the warm-up weighs the rate by at most 1
    assert [row["split"] for row in rows].count("test") == 1
