"""Packing: the same data as without it, whatever stops it; a damaged shard is named and made anew."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import latentia
from latentia.core.errors import ConfigError, DataError, LatentiaError
from latentia.data import load
from latentia.data.layout import Layout
from latentia.data.packing import images as packing_images
from latentia.data.packing import workers as decoding
from latentia.data.packing.pack import pack
from latentia.data.packing.writer import plan
from latentia.data.shards import Shards
from latentia.runs import session


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch):
    monkeypatch.setenv("LATENTIA_CACHE", "off")


@pytest.fixture
def files(encoded):
    """Make 60 grey images of 8x8 in two classes, one of them in colour."""
    made = {f"{'ab'[i % 2]}/{i:03d}.png": encoded(mode="L") for i in range(60)}
    return made | {"b/031.png": encoded(mode="RGB")}


def alike(one, other):
    for split, rows in one.splits.items():
        at = other.splits[split]
        np.testing.assert_array_equal(one.x[rows], other.x[at])
        for what in ("labels", "factors"):
            left, right = getattr(one, what), getattr(other, what)
            assert (left is None) == (right is None)
            if left is not None:
                np.testing.assert_array_equal(left[rows], right[at])
    names = "event high label_names columns factor_names given_test given_validation layout label left_out"
    for what in names.split():
        assert getattr(one, what) == getattr(other, what), what
    assert one.observed == other.observed


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "tar.gz"])
def test_packed_images_are_those_that_load_decodes(packed, files, tmp_path, kind):
    source = packed(files, kind)
    pack(source, tmp_path / "out")
    alike(load(source), load(tmp_path / "out"))
    assert not list((tmp_path / "out").glob(".*tar"))


def test_given_splits_are_kept(packed, encoded, tmp_path):
    source = packed({f"{part}/{i}.png": encoded() for part in ("train", "test") for i in range(12)})
    pack(source, tmp_path / "out")
    alike(load(source), load(tmp_path / "out"))


@pytest.mark.parametrize("source", ["digits", "sprites", "npz", "memory", "bands"])
def test_other_sources_are_packed_as_load_reads_them(rng, tmp_path, source):
    if source == "npz":
        source = tmp_path / "a.npz"
        np.savez(
            source,
            x=rng.normal(size=(50, 3)),
            y=np.array(["red", "blue"] * 25),
            factors=np.arange(50)[:, None],
        )
    elif source == "bands":
        source = rng.integers(-900, 900, (12, 9, 9, 5), dtype=np.int16)
    elif source == "memory":
        source = (rng.normal(size=(9, 3)), np.arange(9))
    pack(source, tmp_path / "out", shard_mb=1)
    alike(load(source), load(tmp_path / "out"))


def test_more_than_the_buffer_stays_in_the_shards(rng, tmp_path):
    array = rng.integers(0, 256, (3000, 1, 28, 28), dtype=np.uint8)
    pack(array, tmp_path / "out", shard_mb=1)
    packed = load(tmp_path / "out", buffer=1)
    assert isinstance(packed.x, Shards) and len(list((tmp_path / "out").glob("train-0000?.npy"))) == 2
    alike(load(array), packed)


def test_many_processes_decode_the_same(packed, files, tmp_path, monkeypatch):
    monkeypatch.setattr("latentia.data.packing.pack.FEW", 1)
    source = packed(files, "zip")
    pack(source, tmp_path / "out", workers=2)
    alike(load(source), load(tmp_path / "out"))


def test_unreadable_images_are_left_out_or_named(packed, files, tmp_path):
    source = packed(files | {"a/000.png": b"nothing", "b/057.png": b"nothing"})
    with pytest.raises(DataError, match=r"'a/000.png' \(image 1 of 60\) cannot be decoded") as caught:
        pack(source, tmp_path / "out")
    assert "\n" not in str(caught.value)
    pack(source, tmp_path / "other", skip_bad=True)
    want, got = load(source, skip_bad=True), load(tmp_path / "other")
    assert got.skipped == ("a/000.png", "b/057.png")
    assert len(got) == 58
    assert sorted(x.tobytes() for x in want.x) == sorted(x.tobytes() for x in got.x)


def test_a_packing_that_failed_takes_the_advice_that_it_gave(packed, files, encoded, tmp_path):
    source = packed(files | {"b/057.png": b"nothing", "b/059.png": encoded(9, 9)})
    with pytest.raises(DataError, match="--skip-bad"):
        pack(source, tmp_path / "out")
    with pytest.raises(DataError, match="--size"):
        pack(source, tmp_path / "out", skip_bad=True)
    pack(source, tmp_path / "out", skip_bad=True, size=8)
    want, got = load(source, skip_bad=True, size=8), load(tmp_path / "out")
    assert sorted(x.tobytes() for x in want.x) == sorted(x.tobytes() for x in got.x)


def test_whole_shards_stay_when_unreadable_images_may_be_left_out(packed, files, tmp_path, monkeypatch):
    monkeypatch.setattr("latentia.data.packing.pack.plan", lambda job, size: plan(job, 8 * 64))
    source = packed(files | {"b/031.png": files["b/033.png"], "b/057.png": b"nothing"})
    with pytest.raises(DataError, match="--skip-bad"):
        pack(source, tmp_path / "out", workers=1)
    whole = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("train-*.npy")}
    assert whole
    pack(source, tmp_path / "out", workers=1, skip_bad=True)
    assert all(path.stat().st_mtime_ns == made for path, made in whole.items())
    assert load(tmp_path / "out").skipped == ("b/057.png",)
    with pytest.raises(ConfigError, match="was begun with skip_bad=True, not False"):
        pack(source, tmp_path / "out")


def test_sizes_that_differ_are_refused_or_brought_to_one(packed, files, encoded, tmp_path):
    source = packed(files | {"b/059.png": encoded(9, 9)})
    with pytest.raises(DataError, match=r"images differ in size .* '\w/\d+.png' is 8x8, 'b/059.png' is 9x9"):
        pack(source, tmp_path / "out")
    pack(source, tmp_path / "other", size=8)
    alike(load(source, size=8), load(tmp_path / "other"))


SLOW = """
import sys, time
from latentia.data.readers import stack
from latentia.data.packing import images as packing_images, workers as decoding
from latentia.data.layout import Layout
from latentia.data.packing.pack import pack
def slow(*args, decode=stack.decode_one):
    time.sleep(0.004)
    return decode(*args)
decoding.decode_one = slow
packing_images._TASK_IMAGES = 4
import latentia.data.packing.writer as packing
import latentia.data.packing.pack as whole
whole.plan = lambda job, size: packing.plan(job, 8 * 64)
print("begun", flush=True)
pack(sys.argv[1], sys.argv[2])
"""


def test_a_packing_that_is_killed_goes_on(packed, files, tmp_path):
    source, out = packed(files), tmp_path / "out"
    command = [sys.executable, "-c", SLOW, str(source), str(out)]
    kept = []
    for seed in range(3):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        while len(list(out.glob("t*[0-9].json"))) <= seed:
            time.sleep(0.001)
        time.sleep(0.03 * random.Random(seed).random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(DataError):
            load(out)
        kept.append(len(list(out.glob("t*[0-9].json"))))
    assert kept == sorted(kept) and 0 < kept[-1] < 9
    subprocess.run(command, check=True, capture_output=True)
    alike(load(source), load(out))
    assert not list(out.glob(".*.part"))


def test_a_full_disk_is_one_line_and_nothing_lost(packed, files, tmp_path, monkeypatch):
    source, out = packed(files), tmp_path / "out"

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(LatentiaError, match="No space left on device; free some space") as caught:
            pack(source, out)
    assert "\n" not in str(caught.value)
    assert not list(out.glob(".*.part"))
    pack(source, out)
    alike(load(source), load(out))


def test_a_worker_that_dies_is_one_line(packed, files, tmp_path, monkeypatch):
    def kill_workers(*task):
        for process in multiprocessing.active_children():
            process.kill()
        return decoding.Task(*task)

    monkeypatch.setattr("latentia.data.packing.pack.FEW", 1)
    monkeypatch.setattr(packing_images, "_TASK_IMAGES", 8)
    monkeypatch.setattr(packing_images, "Task", kill_workers)
    source = packed(files)
    with pytest.raises(DataError, match="a process that decoded images died") as caught:
        pack(source, tmp_path / "out", workers=2)
    assert "\n" not in str(caught.value)


@pytest.fixture
def digits(tmp_path):
    return pack("digits", tmp_path / "digits")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda at: (at / "train-00000.npy").unlink(), "train-00000.npy: the shard is missing"),
        (
            lambda at: os.truncate(at / "test-00000.npy", 900),
            "test-00000.npy: the shard has 900 bytes instead",
        ),
        (lambda at: (at / "train-00000.labels.npy").unlink(), "train-00000.labels.npy: the shard is missing"),
        (lambda at: os.truncate(at / "index.json", 300), "index.json: is damaged"),
        (lambda at: (at / "index.json").unlink(), "is not packed to the end"),
    ],
)
def test_damage_is_named_and_packing_again_repairs_it(digits, refused, harm, said):
    harm(digits)
    refused(digits, said, f"latentia pack SOURCE {digits}")
    pack("digits", digits)
    alike(load("digits"), load(digits))


def test_a_flipped_bit_is_named_and_repaired(digits, refused):
    path = digits / "train-00000.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    refused(digits, "train-00000.npy: the shard is damaged", f"latentia pack SOURCE {digits}")
    pack("digits", digits)
    alike(load("digits"), load(digits))


def test_what_does_not_fit_is_refused(packed, files, digits, tmp_path):
    source = packed(files)
    for given, target, said in (
        (source, source, "is the source or lies in it"),
        (source, source / "in", "is the source or lies in it"),
        (source, packed(files, name="other"), "holds something else"),
        ("sprites", digits, "was begun with source=digits, not sprites"),
        (source, source / "a" / "001.png", "lies in it"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            pack(given, target)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="was begun with seed=0, not 1"):
        pack("digits", digits, seed=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty folder"):
        pack(tmp_path / "empty", tmp_path / "out")


def test_a_source_that_changed_is_refused(packed, files, encoded, tmp_path):
    source = packed(files)
    pack(source, tmp_path / "out")
    (source / "a" / "zzz.png").write_bytes(encoded())
    with pytest.raises(DataError, match="has changed since"):
        pack(source, tmp_path / "out")


def test_a_run_is_not_resumed_on_other_shards(digits, tmp_path):
    settings = {"network": {"hidden": [8]}, "training": {"epochs": 1}}
    session.start(str(digits), settings, out=tmp_path / "run", quiet=True)
    assert latentia.open_run(tmp_path / "run").dataset.fingerprint
    shutil.rmtree(digits)
    pack("digits", digits, seed=1)
    with pytest.raises(DataError, match="now hold other examples; give the old data back"):
        session.resume(tmp_path / "run", quiet=True)


def test_an_index_of_an_earlier_version_is_read(rng, tmp_path):
    pack(rng.integers(0, 256, (12, 9, 9, 5), dtype=np.uint8), tmp_path / "out")
    path = tmp_path / "out" / "index.json"
    index = json.loads(path.read_text())
    for name in ("layout", "label", "left_out"):
        del index[name]
    path.write_text(json.dumps(index))
    data = load(tmp_path / "out")
    assert (data.event, data.layout, data.left_out) == ((5, 9, 9), Layout(), {})


def test_a_setting_that_pack_does_not_have_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(LatentiaError, match=r"pack has no setting 'sise'; did you mean 'size'"):
        pack("digits", tmp_path / "out", sise=8)
    assert not (tmp_path / "out").exists()
