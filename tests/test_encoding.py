"""Encoding into shards: every row once and in order, however many work on it and whatever stops them."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import latentia
from latentia.cli import main
from latentia.core.errors import ConfigError, LatentiaError
from latentia.data.packing import writer as packing
from latentia.data.packing.claims import Claims
from latentia.data.packing.pack import pack
from latentia.data.shards import Shards
from latentia.runs import encoding, session

ROWS = 64


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run, and the data of another source as 10 shards of up to 64 rows."""
    root = tmp_path_factory.mktemp("made")
    settings = {
        "network": {"hidden": [8]},
        "model": {"latent_dim": 3},
        "training": {"epochs": 1, "device": "cpu"},
    }
    session.start("digits", settings, out=root / "run", quiet=True)
    data = latentia.load("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            latentia.data.packing.pack, "plan", lambda job, size: packing.plan(job, ROWS * job.each)
        )
        pack((data.x[:600], data.labels[:600]), root / "packed")
    return root / "run", root / "packed"


def content(folder):
    """Every file that is to be the same, however it came about."""
    return {path.name: path.read_bytes() for path in folder.glob("*[!g].*") if path.name != "packing.json"}


def test_the_shards_hold_each_row_once_and_in_order(made, tmp_path):
    run, source = made
    data, found = latentia.load(source), latentia.load(latentia.encode(run, source, tmp_path / "out"))
    assert {p.name for p in (tmp_path / "out").glob("*.npy")} == {p.name for p in source.glob("*.npy")}
    np.testing.assert_allclose(found.x, latentia.open_run(run).encode(data.x), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.labels, data.labels)
    assert all(np.array_equal(found.splits[split], data.splits[split]) for split in data.splits)
    assert found.observed == (found.x.min(), found.x.max())


def test_latents_are_data_to_train_on(made, tmp_path):
    latentia.encode(made[0], made[1], tmp_path / "out")
    session.start(str(tmp_path / "out"), {"training": {"epochs": 1}}, out=tmp_path / "run", quiet=True)
    assert latentia.open_run(tmp_path / "run").dataset.event == (3,)


def test_data_that_are_not_packed_are_cut_into_shards(made, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "_SHARD", 200 * 64)
    latentia.encode(made[0], None, tmp_path / "out")
    latentia.encode(made[0], "digits", tmp_path / "out")
    data, found = latentia.load("digits"), latentia.load(tmp_path / "out")
    for split, rows in data.splits.items():
        expected = latentia.open_run(made[0]).encode(data.x[rows])
        np.testing.assert_allclose(found.x[found.splits[split]], expected, rtol=0, atol=1e-6)
    assert len(list((tmp_path / "out").glob("train*.labels.npy"))) == 8


def test_more_than_memory_should_hold_is_read_block_by_block(made, tmp_path, monkeypatch):
    x = np.random.default_rng(0).integers(0, 17, (20_000, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "big.npy", x)
    monkeypatch.setattr(encoding, "_LARGEST", 700)
    job = encoding.Encoding(latentia.open_run(made[0]), tmp_path / "big.npy", "mean", 0)
    assert isinstance(job.dataset.x, Shards)
    sizes = [len(block) for block in job._blocks(0, lambda count: None)]
    assert max(sizes) == 700 and sum(sizes) == len(job.shards[0].rows)


def test_noise_is_that_of_the_seed_and_the_place(made, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        latentia.encode(*made, tmp_path / name, latents="sample", seed=seed)
    a, b, c = (content(tmp_path / name) for name in "abc")
    assert a == b and a["train-00000.npy"] != c["train-00000.npy"]
    noise = latentia.load(tmp_path / "a").x - latentia.open_run(made[0]).encode(latentia.load(made[1]).x)
    assert len(np.unique(noise)) > 0.99 * noise.size  # no two shards or blocks draw the same


def test_codes_are_whole_numbers(tmp_path):
    settings = {
        "model": {"name": "vqvae"}, "objective": {"name": "vq"},
        "posterior": {"name": "ema_codebook", "size": 16},
        "network": {"name": "grid", "channels": 8, "blocks": 1}, "training": {"epochs": 1},
    }  # fmt: skip
    session.start("digits", settings, out=tmp_path / "run", quiet=True)
    found = latentia.load(latentia.encode(tmp_path / "run", None, tmp_path / "out", latents="codes"))
    opened = latentia.open_run(tmp_path / "run")
    codes = opened.codes(*opened.take(None, "test"))
    assert found.x.dtype == np.uint8 and found.high == 15
    np.testing.assert_array_equal(found.x[found.splits["test"]], codes)


@pytest.mark.parametrize(
    ("model", "objective"), [("conditional_vae", "elbo"), ("semi_supervised_vae", "semi_supervised")]
)
def test_each_example_is_encoded_under_its_own_condition(tmp_path, model, objective):
    settings = {"model": {"name": model}, "objective": {"name": objective}, "network": {"hidden": [8]}}
    session.start("digits", {**settings, "training": {"epochs": 1}}, out=tmp_path / "run", quiet=True)
    found = latentia.load(latentia.encode(tmp_path / "run", None, tmp_path / "out"))
    expected = latentia.open_run(tmp_path / "run").encode_splits()
    for split, rows in found.splits.items():
        np.testing.assert_allclose(found.x[rows], expected[f"x_{split}"], rtol=1e-5, atol=1e-5)


WORKER = """
import sys, time
import numpy as np
from latentia.runs import encoding
from latentia.runs.inference import Inference
encode = Inference.encode
def slow(self, *args, **more):
    time.sleep(float(sys.argv[1]))
    return encode(self, *args, **more)
Inference.encode = slow
encoding.encode(*sys.argv[2:5], latents="sample")
"""


def spawn(count, *words):
    """Start processes as torchrun does; they need not meet."""
    base = {**os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(count)}
    return [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, *map(str, words)],
            env={**base, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE, text=True,
        )
        for rank in range(count)
    ]  # fmt: skip


def test_two_processes_write_what_one_writes_and_neither_is_needed(made, tmp_path):
    latentia.encode(*made, tmp_path / "one", latents="sample")
    out = tmp_path / "two"
    first, second = spawn(2, 0.02, *made, out)
    while len(list(out.glob("t*[0-9].json"))) < 3:
        assert first.poll() is None, first.communicate()
        time.sleep(0.001)
    second.kill()
    assert first.wait(300) == 0, first.communicate()
    assert content(out) == content(tmp_path / "one")
    assert not list(out.glob(".*.part"))


def test_an_encoding_that_is_killed_goes_on_and_keeps_what_is_whole(made, tmp_path):
    out, chance = tmp_path / "out", random.Random(0)
    kept = {}
    for _ in range(2):
        (process,) = spawn(1, 0.02, *made, out)
        while len(list(out.glob("t*[0-9].json"))) <= len(kept):
            assert process.poll() is None, process.communicate()
            time.sleep(0.001)
        time.sleep(0.03 * chance.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(LatentiaError, match=r"go on with: latentia encode .* --sample --seed 0"):
            latentia.load(out)
        now = {path: path.stat().st_mtime_ns for path in out.glob("t*[0-9].json")}
        assert kept.items() <= now.items() and len(now) < 11
        kept = now
    latentia.encode(*made, out, latents="sample")
    latentia.encode(*made, tmp_path / "whole", latents="sample")
    assert content(out) == content(tmp_path / "whole") and not list(out.glob(".*.part"))
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in out.glob("t*.json")}.items()


@pytest.mark.parametrize(
    "harm",
    [
        lambda at: os.truncate(at / "test-00000.npy", 200),
        lambda at: (at / "train-00002.labels.npy").unlink(),
        lambda at: (at / "train-00001.json").write_text("{"),
        lambda at: os.truncate(at / "index.json", 300),
        lambda at: (at / "train-00000.npy").write_bytes((at / "train-00000.npy").read_bytes()[:-1] + b"!"),
    ],
)
def test_what_was_damaged_is_made_anew(made, tmp_path, harm):
    before = content(latentia.encode(*made, tmp_path / "out"))
    harm(tmp_path / "out")
    latentia.encode(*made, tmp_path / "out")
    assert content(tmp_path / "out") == before


def test_a_full_disk_is_one_line_and_nothing_lost(made, tmp_path, monkeypatch):
    written = []

    def full(path, *rest):
        if len(written) > 3:
            raise encoding.storage.cannot_write(path, OSError(28, "No space left on device"))
        written.append(path)
        write(path, *rest)

    write = packing.write_array
    monkeypatch.setattr(packing, "write_array", full)
    with pytest.raises(LatentiaError, match="No space left on device"):
        latentia.encode(*made, tmp_path / "out")
    monkeypatch.undo()
    assert content(latentia.encode(*made, tmp_path / "out")) == content(
        latentia.encode(*made, tmp_path / "new")
    )


def status(capsys, *words):
    with pytest.raises(SystemExit) as caught:
        main([*map(str, words)])
    return caught.value.code, capsys.readouterr()


def refused(capsys, said, *words):
    code, (_, line) = status(capsys, "encode", *words)
    assert code == 2 and said in line and line.count("\n") == 1, line


def test_what_does_not_fit_is_refused_in_one_line(made, tmp_path, capsys):
    run, source = made
    out = tmp_path / "out"
    code, (text, _) = status(capsys, "encode", run, source, "-o", out)
    assert code == 0 and f"latentia train {out}" in text
    refused(capsys, "latents=mean, not sample", run, source, "-o", out, "--sample")
    refused(capsys, "holds other data than", run, "digits", "-o", out)
    refused(capsys, "holds what latentia pack began", run, source, "-o", source)
    refused(capsys, "a folder takes every example", run, source, "-o", out, "-n", "3")
    refused(capsys, "two kinds of latents", run, source, "-o", out, "--codes", "--sample")
    refused(capsys, "no codes", run, source, "-o", tmp_path / "codes", "--codes")
    refused(capsys, "holds something else", run, source, "-o", tmp_path)
    refused(capsys, "cannot write /dev/null/out", run, source, "-o", "/dev/null/out")
    code, (_, line) = status(capsys, "pack", "digits", out)
    assert code == 2 and "holds what latentia encode began" in line
    np.save(tmp_path / "wide.npy", np.zeros((20, 5), np.float32))
    refused(
        capsys, "examples of shape 1x8x8, and wide has 5", run, tmp_path / "wide.npy", "-o", tmp_path / "x"
    )
    assert not (tmp_path / "x").exists()


def test_damaged_shards_and_weights_are_named(made, tmp_path, capsys):
    run, source = (shutil.copytree(path, tmp_path / path.name) for path in made)
    out = tmp_path / "out"
    latentia.encode(run, source, out)
    opened = latentia.open_run(run)
    opened.model.load_state_dict({name: value + 1 for name, value in opened.model.state_dict().items()})
    opened.save_pretrained(run)
    refused(capsys, "has other weights than", run, source, "-o", out)
    os.truncate(run / "model.safetensors", 300)
    refused(capsys, "model.safetensors is damaged", run, source, "-o", tmp_path / "new")
    os.truncate(source / "train-00001.npy", 300)
    refused(capsys, "train-00001.npy: the shard has 300 bytes", made[0], source, "-o", tmp_path / "new")
    (source / "train-00001.npy").unlink()
    refused(capsys, "train-00001.npy: the shard is missing", made[0], source, "-o", tmp_path / "new")


def test_the_first_process_of_a_machine_has_the_word_first(made, monkeypatch):
    waited = []
    monkeypatch.setattr(encoding.time, "sleep", waited.append)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("LOCAL_RANK", rank)
        with pytest.raises(LatentiaError, match="holds what latentia pack began"):
            latentia.encode(*made, made[1])
        assert waited == [encoding.TURN] * int(rank)


def test_a_claim_is_held_by_one_process_and_ends_with_it(tmp_path):
    code = """
import pathlib, sys
from latentia.data.packing.claims import Claims
with Claims(pathlib.Path(sys.argv[1])) as claims, claims.held(3) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "True\n"
    with Claims(tmp_path) as claims:
        with claims.held(3) as mine, claims.held(4) as other:
            assert (mine, other) == (False, True)
        holder.kill()
        holder.wait()
        with claims.held(3) as mine:
            assert mine


def test_the_index_tells_what_it_was_made_with(made, tmp_path):
    plan = json.loads((latentia.encode(*made, tmp_path / "out") / "packing.json").read_text())
    assert (plan["verb"], plan["latents"]) == ("encode", "mean") and len(plan["model"]) == 16


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number, (height, width) in enumerate([(16, 16), (17, 30), (40, 16), (24, 24)] * 4):
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(folder / f"{number:02}.png")
    return folder


def test_whole_pictures_become_latents_of_their_own_sizes(photographs, tmp_path):
    small = {"name": "deep_codec", "channels": [4, 4, 8], "blocks": [0, 1, 1]}
    settings = {"network": small, "latent_dim": 3, "epochs": 1, "data": {"crop": 16}, "quiet": True}
    run = latentia.train(str(photographs), out=tmp_path / "run", **settings)
    folder = encoding.encode(run.folder.path, out=tmp_path / "latents", whole=True)
    again = latentia.load(str(folder), crop=4)
    whole, pictures = again.whole, run.dataset.whole
    assert again.event == (3, 4, 4) and len(again) == len(pictures) == 16
    for position, picture in zip(np.concatenate(list(run.dataset.splits.values())), whole, strict=True):
        own = pictures.whole(int(position))
        assert picture.shape == (3, -(-own.shape[1] // 4), -(-own.shape[2] // 4))
        assert np.allclose(picture, run.inference.encode(own[None])[0], atol=1e-5)
    before = [(folder / name).stat().st_mtime_ns for name in sorted(os.listdir(folder))]
    encoding.encode(run.folder.path, out=folder, whole=True)  # all are there: nothing is written
    assert before == [(folder / name).stat().st_mtime_ns for name in sorted(os.listdir(folder))]
    trained = latentia.train(
        str(folder),
        out=tmp_path / "prior",
        network="grid",
        latent_dim=2,
        epochs=1,
        data={"crop": 4},
        quiet=True,
    )
    assert trained.event == (3, 4, 4)
    plain = latentia.train("digits", out=tmp_path / "plain", network="grid", epochs=1, quiet=True)
    with pytest.raises(ConfigError, match="examples are whole as they are"):
        encoding.encode(plain.folder.path, out=tmp_path / "none", whole=True)
