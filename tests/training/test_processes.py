"""Several processes train the run that one would train, stop together, and go on in any number."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.core.processes import Processes
from latentia.runs import session
from latentia.training.folder import RunFolder

WORKER = """
import json, sys
from latentia.core.errors import LatentiaError
from latentia.runs import session
for number, job in enumerate(json.loads(sys.argv[1])):
    try:
        if "resume" in job:
            session.resume(job["resume"], job.get("changes"), quiet=True, say=print)
        else:
            session.start(job.get("source", "digits"), job["settings"], out=job["out"], quiet=True, say=print)
    except LatentiaError as error:
        print(f"{type(error).__name__} {number}: {error}")
"""


LEAVER = """
import atexit
from pathlib import Path
def left():  # registered first, so it is called last
    print(sum("gloo" in name.read_text() for name in Path("/proc/self/task").glob("*/comm")))
atexit.register(left)
from latentia.core.processes import join
join().tell("well met")
"""


def spawn(command, count, **environment):
    """Start processes as torchrun does, without its agent, which would take as long to start as they do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    base |= {"WORLD_SIZE": str(count), "TORCH_CPP_LOG_LEVEL": "ERROR", **environment}
    return [
        subprocess.Popen(
            [sys.executable, *command],
            env={**base, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(count)
    ]  # fmt: skip


def ended(processes, timeout=300):
    found = [process.communicate(timeout=timeout) for process in processes]
    return [(process.returncode, *texts) for process, texts in zip(processes, found, strict=True)]


def work(jobs, count=2):
    """Let processes do some jobs one after another, and give what each printed."""
    results = ended(spawn(["-c", WORKER, json.dumps(jobs)], count))
    assert all(code == 0 for code, _, _ in results), results
    return [out for _, out, _ in results]


def settings(model="vae", objective="elbo", network="mlp", training=None, **sections):
    return {
        "model": {"name": model}, "objective": {"name": objective},
        "network": {"name": network, **({"hidden": [32]} if network == "mlp" else {})},
        "training": {
            "epochs": 3, "accumulate": 2, "batch_size": 256, "log_every": 4, "device": "cpu",
            "ema": 0.9, **(training or {}),
        },
        **sections,
    }  # fmt: skip


RUNS = {
    "vae": settings(model="vae", training={"skip": 1e6}),  # an optimal sigma, which follows the data
    "factor": settings(objective="factor"),
    "patches": settings(objective="adversarial", training={"clip": 1.0}),
    "patches in shards": settings(objective="adversarial", training={"sharding": "full", "skip": 1e6}),
    "shards": settings(training={"sharding": "full", "clip": 10.0, "frozen": ["encoder"]}),
    "shards of blocks": settings("hierarchical_vae", "elbo", "ladder_mlp", {"sharding": "full", "epochs": 1}),
    "codes": settings("vqvae", "vq", "grid", {"ema": 0.0}),
    "labels": settings("semi_supervised_vae", "semi_supervised", training={"epochs": 1}),
    "crops": settings(training={"epochs": 2}, data={"crop": 6, "flip": True}),
    "table": settings(data={"label": "none"}),  # of words, dates and numbers, with holes
    "three parts": settings(training={"accumulate": 3, "batch_size": 255, "frozen": ["encoder"]}),
    "diffusion": settings("conditional_diffusion", "density", "identity", training={"epochs": 1}),
}
for name, more in (("patches", {"lecam": 0.01}), ("patches in shards", {"start": 0.0})):
    RUNS[name]["objective"] |= {"layers": 1, "channels": 8, **more}
RUNS["diffusion"]["prior"] = {
    "name": "diffusion",
    "denoiser": {"name": "denoiser_unet", "widths": [16], "blocks": 1},
}
RUNS["codes"]["network"] |= {"channels": 8, "blocks": 1}
RUNS["codes"]["posterior"] = {"name": "ema_codebook", "size": 16}
RUNS["shards of blocks"] |= {"model": {"name": "hierarchical_vae", "levels": [2, 2]}}
RUNS["shards of blocks"]["network"] = {"name": "ladder_mlp"}


BRIEF = {"max_minutes": 1e-6}
"""Stops a run after the first step of a session."""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory, mixed_table):
    """The runs of two processes, and what these said."""
    root = tmp_path_factory.mktemp("pairs")
    x = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    x[20] = 1e38  # its square is too much, for the process that works on it
    np.save(root / "huge.npy", x)
    jobs = [
        {"settings": spec, "out": str(root / name), "source": source_of(name, mixed_table)}
        for name, spec in RUNS.items()
    ]
    jobs.append({"settings": settings(training=BRIEF | {"accumulate": 1}), "out": str(root / "broken")})
    refused = [
        {"settings": settings(training={"accumulate": 1, "batch_size": 127}), "out": str(root / "odd")},
        {"settings": settings(training={"device": "cuda"}), "out": str(root / "gpu")},
        {"settings": settings(training={"device": "cuda:1"}), "out": str(root / "one gpu")},
        {"settings": settings(), "out": str(root / "vae")},
        {
            "source": str(root / "huge.npy"), "out": str(root / "huge"),
            "settings": settings(training={"batch_size": 16}, likelihood={"name": "gaussian"},
                                 transform={"name": "none"}, data={"validation": 0.0, "test": 0.0}),
        },
    ]  # fmt: skip
    return root, work(jobs + refused)


def source_of(name, table):
    return str(table) if name == "table" else "digits"


def rows(path, logs):
    keys = (
        "loss",
        "distortion",
        "rate",
        "penalty",
        "adversarial",
        "adversary",
        "adversary_accuracy",
        "mse",
        "skipped",
        "perplexity",
        "active_units",
    )
    return [
        (row["split"], row["step"], {key: row[key] for key in keys if key in row})
        for row in RunFolder(path).metrics()
        if row["split"] in logs
    ]


def same_curve(first, second, logs=("train", "validation", "health", "test")):
    a, b = rows(first, logs), rows(second, logs)
    assert [row[:2] for row in a] == [row[:2] for row in b]
    for one, other in zip(a, b, strict=True):
        assert other[2] == pytest.approx(one[2], rel=2e-5, abs=1e-6)
    left, right = (storage.load_tensors(RunFolder(path).weights_file)[0] for path in (first, second))
    assert left.keys() == right.keys()
    assert all(torch.allclose(left[key], right[key], rtol=1e-4, atol=2e-6) for key in left)


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_give_the_curve_of_one(pairs, tmp_path, name, mixed_table):
    alone = {**RUNS[name], "training": {**RUNS[name]["training"], "sharding": "none"}}
    session.start(source_of(name, mixed_table), alone, out=tmp_path / "one", quiet=True)
    same_curve(tmp_path / "one", pairs[0] / name)


def test_only_the_first_process_speaks(pairs):
    first, second = pairs[1]
    assert "2 processes work on 2 parts of a batch; one process with training.accumulate=2 gives" in first
    assert not [line for line in second.splitlines() if not line.startswith("ToldElsewhere")]


def test_what_several_processes_cannot_do_is_one_line(pairs):
    root, (first, second) = pairs
    lines = [line.partition(": ")[::2] for line in first.splitlines() if line.startswith(("Conf", "Run"))]
    found = dict(lines)
    count = len(RUNS) + 1
    assert (
        "'training.batch_size' (127) must be a multiple of the 2 processes" in found[f"ConfigError {count}"]
    )
    assert "cuda" in found[f"ConfigError {count + 1}"]
    assert "2 processes need one each" in found[f"ConfigError {count + 2}"]
    assert "holds a run already" in found[f"RunError {count + 3}"]
    assert second.count("ToldElsewhere") == 5
    assert not any((root / name).exists() for name in ("odd", "gpu", "one gpu"))


def test_a_loss_that_is_not_finite_in_one_process_stops_all_with_one_line(pairs):
    root, (first, second) = pairs
    (line,) = [line for line in first.splitlines() if line.startswith("TrainingError")]
    assert "the distortion is inf at step" in line or "the distortion is nan at step" in line
    assert second.splitlines()[-1].startswith("ToldElsewhere")
    tensors, _ = storage.load_tensors(root / "huge" / "failed-batch.safetensors")
    assert 20 in tensors["index"].tolist()  # of the whole batch, whoever worked on it


def test_shards_need_several_processes(tmp_path):
    with pytest.raises(ConfigError, match="there is one; start several with: torchrun"):
        session.start("digits", RUNS["shards"], out=tmp_path / "run")


def test_any_number_of_processes_goes_on_with_a_run(pairs, tmp_path):
    broken, lone = pairs[0] / "broken", tmp_path / "lone"
    assert RunFolder(broken).spec()["training"]["accumulate"] == 2  # raised to the number of processes
    assert not session.resume(broken, BRIEF, quiet=True).finished
    session.start("digits", settings(training=BRIEF | {"accumulate": 1}), out=lone, quiet=True)
    said = work(
        [
            {"resume": str(broken), "changes": {"max_minutes": 10.0}},
            {"resume": str(lone), "changes": BRIEF},
        ]
    )
    assert "2 processes work on 1 part of a batch (who has none helps to evaluate); one process" in said[0]
    session.resume(lone, {"max_minutes": 10.0}, quiet=True)
    for path, parts in ((broken, 2), (lone, 1)):
        whole = settings(training={"accumulate": parts})
        session.start("digits", whole, out=tmp_path / f"{parts} at once", quiet=True)
        same_curve(tmp_path / f"{parts} at once", path, logs=("validation",))


LONG = [
    "train", "digits", "--quiet", "--latent-dim", "3", "--epochs", "8", "--network", "mlp", "--hidden", "48",
    "training.checkpoint_seconds=0.1", "training.log_every=3", "training.ema=0.9",
]  # fmt: skip


def wait_for(path, step, processes):
    end = time.monotonic() + 300
    while time.monotonic() < end:
        found = RunFolder(path).metrics()
        if found and found[-1]["step"] >= step:
            return
        assert all(process.poll() is None for process in processes), ended(processes)
        time.sleep(0.005)
    raise AssertionError(f"step {step} was never reached")


def bits(path):
    return storage.load_tensors(RunFolder(path).weights_file)


def test_a_killed_process_takes_the_others_along_and_the_run_goes_on(tmp_path):
    """Either rank; the weights at the end are, bit for bit, those of the run that nobody killed."""
    results = ended(spawn(["-m", "latentia", *LONG, "--out", str(tmp_path / "unbroken")], 2))
    assert [code for code, _, _ in results] == [0, 0], results
    path = tmp_path / "killed"
    command = ["-m", "latentia", *LONG, "--out", str(path)]
    for rank, step in ((0, 12), (1, 50)):
        processes = spawn(command, 2)
        wait_for(path, step, processes)
        processes[rank].send_signal(signal.SIGKILL)
        code, _, error = ended(processes)[1 - rank]
        assert code == 2
        assert f"latentia: process {1 - rank} of 2 stops: another one has ended" in error
        assert "Traceback" not in error
        command = ["-m", "latentia", "train", "--resume", str(path), "--quiet"]
    results = ended(spawn(command, 2))
    assert [code for code, _, _ in results] == [0, 0], results
    (left, header), (right, other) = bits(tmp_path / "unbroken"), bits(path)
    assert header == other
    assert all(torch.equal(left[key], right[key]) for key in left)
    steps = [row["step"] for row in RunFolder(path).metrics() if row["split"] == "train"]
    assert steps == sorted(set(steps))


def test_torchrun_starts_them_and_a_signal_stops_them_together(tmp_path):
    path = tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    process = subprocess.Popen(
        [*launcher, "-m", "latentia", *LONG, "--epochs", "4000", "--out", str(path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_for(path, 10, [process])
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=300)
    finally:
        process.terminate()  # a second one ends torchrun and its processes where the first was lost
    assert (
        error.count(f"-m latentia train --resume {path}") == error.count("interrupted, and saved; go on") == 1
    )
    last = RunFolder(path).metrics()[-1]["step"]
    assert int(sorted(RunFolder(path).checkpoints.glob("*.safetensors"))[-1].stem) >= last


SLOW_TO_CLOSE = """
import sys, time
from latentia.training.records import FolderRecord
close = FolderRecord.close
def slow(self, model):
    print("stopped", flush=True)
    sys.stdin.readline()
    close(self, model)
FolderRecord.close = slow
from latentia.cli import main
main()
"""


def test_a_signal_that_comes_to_one_process_late_is_not_a_second_one(tmp_path):
    """It comes while the process, stopped for the other's, still writes; it ended without a word once."""
    path = tmp_path / "run"
    first, second = processes = spawn(["-c", SLOW_TO_CLOSE, *LONG, "--epochs", "4000", "--out", str(path)], 2)
    wait_for(path, 10, processes)
    second.send_signal(signal.SIGTERM)
    assert [process.stdout.readline() for process in processes] == ["stopped\n"] * 2
    first.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    found = [process.communicate("\n", timeout=300) for process in (first, second)]
    assert [process.returncode for process in processes] == [128 + signal.SIGTERM] * 2, found
    assert found[0][1].count("interrupted, and saved") == 1 and found[1][1] == ""


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="threads are counted by /proc, which is not here"
)
def test_no_thread_of_the_others_is_left_when_the_interpreter_ends():
    """One that is left may abort the process after its work is done."""
    found = ended(spawn(["-c", LEAVER], 2))
    assert [(code, out.strip()) for code, out, _ in found] == [(0, "0")] * 2, found


def test_a_port_in_use_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ((code, _, error),) = ended(spawn(["-m", "latentia", "train"], 1, WORLD_SIZE="2", MASTER_PORT=port))
    assert code == 2
    assert error.strip() == f"latentia: 127.0.0.1:{port} is in use; give torchrun another --master-port"


def test_another_verb_is_refused(tmp_path):
    ((code, _, error),) = ended(spawn(["-m", "latentia", "demo"], 1, WORLD_SIZE="2"))
    assert code == 2
    assert "'demo' is the work of one process" in error


def test_parts_are_dealt_in_turn_and_everybody_does_as_many():
    assert Processes(1, 2).deal(5) == [(1, True), (3, True), (0, False)]
    assert Processes(2, 3).deal(2) == [(0, False)]
