"""Arrays in files: every index as numpy has it, every example once an epoch, memory set by the buffer."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch

from latentia.core.errors import DataError
from latentia.data import load
from latentia.data.loader import loaders
from latentia.data.shards import Shards, open_shard
from latentia.data.transforms import Identity
from latentia.runs import session

BUFFER = 1
"""MiB: what the arrays here are larger than."""


@pytest.fixture
def images(rng, tmp_path):
    """Write 3.4 MiB of colour images; give their path."""
    np.save(tmp_path / "a.npy", rng.integers(0, 256, (3000, 20, 20, 3), dtype=np.uint8))
    return tmp_path / "a.npy"


INDICES = [
    3, -1, np.int64(7), slice(5, 50, 3), slice(None), slice(10, 2, -2), slice(0, 0), [4, 2, 2, -1], [],
    np.array([2999, 0, 1500]), np.arange(3000) % 7 == 0, np.arange(2999, -1, -1), np.arange(0, 3000, 200),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_a_file_is_indexed_as_an_array(images, index):
    streamed, resident = load(images, buffer=BUFFER), load(images)
    assert isinstance(streamed.x, Shards)
    assert (streamed.x.shape, streamed.x.dtype) == (resident.x.shape, resident.x.dtype)
    np.testing.assert_array_equal(streamed.x[index], resident.x[index])
    some = np.arange(0, 3000, 3)
    if isinstance(index, slice):
        np.testing.assert_array_equal(streamed.x.over(some)[index], resident.x[some][index])


def test_many_files_are_one_array(rng, tmp_path):
    array = rng.normal(size=(50, 4)).astype(np.float32)
    edges = (0, 7, 7, 30, 50)
    parts = []
    for number, (start, stop) in enumerate(itertools.pairwise(edges)):
        np.save(tmp_path / f"{number}.npy", array[start:stop])
        parts.append(open_shard(tmp_path / f"{number}.npy")[0])
    x = Shards(parts, (4,), array.dtype)
    for index in (*range(50), slice(5, 40), [31, 6, 7, 6], rng.permutation(50)):
        np.testing.assert_array_equal(x[index], array[index])
    with pytest.raises(IndexError, match="out of range"):
        x[50]
    with pytest.raises(TypeError, match="stay in their files"):
        np.asarray(x)


@pytest.mark.parametrize("kind", ["float64", "int16", "bool", "big-endian", "zeros and ones", "small ints"])
def test_a_streamed_file_becomes_what_a_resident_one_becomes(rng, tmp_path, kind):
    array = {
        "float64": rng.normal(size=(40_000, 5)),
        "int16": rng.integers(-300, 300, (80_000, 10)).astype(np.int16),
        "bool": rng.integers(0, 2, (9000, 12, 12)).astype(bool),
        "big-endian": rng.integers(0, 256, (80_000, 10)).astype(">u2"),
        "zeros and ones": rng.integers(0, 2, (9000, 12, 12)).astype(np.uint8),
        "small ints": rng.integers(0, 17, (9000, 12, 12)).astype(np.int64),
    }[kind]
    np.save(tmp_path / "a.npy", array)
    streamed, resident = load(tmp_path / "a.npy", buffer=BUFFER), load(tmp_path / "a.npy")
    assert isinstance(streamed.x, Shards)
    assert (streamed.x.dtype, streamed.high, streamed.event) == (
        resident.x.dtype,
        resident.high,
        resident.event,
    )
    np.testing.assert_array_equal(streamed.x[:], resident.x)
    assert streamed.observed == resident.observed


def test_numbers_that_cannot_be_used_are_found_in_a_streamed_file(rng, tmp_path, refused):
    array = rng.normal(size=(400_000, 2)).astype(np.float32)
    array[399_000, 1] = np.nan
    np.save(tmp_path / "a.npy", array)
    assert np.isnan(load(tmp_path / "a.npy", buffer=BUFFER).x[399_000]).tolist() == [False, True]
    array[399_000, 1] = np.inf
    np.save(tmp_path / "a.npy", array)
    refused(tmp_path / "a.npy", "row 399001, column 2", "infinity", buffer=BUFFER)
    with (tmp_path / "a.npy").open("r+b") as handle:
        handle.truncate(2_000_000)
    refused(tmp_path / "a.npy", "cannot be read", buffer=BUFFER)


@pytest.fixture
def loader(images):
    return loaders(load(images, buffer=BUFFER), Identity())["train"]


def epoch(loader, number, size=64):
    return [loader.chosen(5, number, start, start + size) for start in range(0, len(loader), size)]


def test_an_epoch_has_each_example_once_and_batches_are_the_files_content(images, loader):
    x = torch.from_numpy(load(images).x)
    orders = []
    for number in (0, 1):
        pieces = epoch(loader, number)
        for index in pieces:
            batch = loader.batch(index)
            assert torch.equal(batch.x, x[index].float())
            assert torch.equal(batch.index, index)
        orders.append(torch.cat(pieces))
        assert torch.equal(orders[-1].sort().values, loader.rows)
    assert not torch.equal(*orders)


def test_the_order_is_a_function_of_seed_and_epoch(images, loader):
    whole = torch.cat(epoch(loader, 3))
    again = loaders(load(images, buffer=BUFFER), Identity())["train"]
    assert torch.equal(again.chosen(5, 3, 700, 1900), whole[700:1900])
    assert not torch.equal(again.chosen(6, 3, 700, 1900), whole[700:1900])


def test_examples_outside_of_the_buffer_are_read_from_the_file(images, loader):
    x = torch.from_numpy(load(images).x)
    loader.chosen(5, 0, 0, 64)
    index = torch.arange(2999, -1, -7)
    assert torch.equal(loader.stored(index), x[index])
    assert torch.equal(loader.shuffled(1).batch(index[:3]).x, x[index[:3]].float())
    twice = loader.over(np.array([5, 5, 9]))
    assert torch.equal(torch.cat(epoch(twice, 0)).sort().values, torch.tensor([5, 5, 9]))


def test_a_reader_that_fails_says_so_in_one_line(images, loader):
    with images.open("r+b") as handle:
        handle.truncate(100_000)
    with pytest.raises(DataError, match="is cut short"):
        epoch(loader, 0)


def test_a_streamed_run_resumes_in_mid_epoch_bit_for_bit(rng, tmp_path):
    np.save(tmp_path / "a.npy", rng.integers(0, 256, (40_000, 30), dtype=np.uint8))
    settings = {
        "data": {"buffer": BUFFER},
        "network": {"hidden": [8]},
        "training": {"epochs": 2, "batch_size": 1000, "log_every": 7},
    }

    def weights(name):
        return (tmp_path / name / "model.safetensors").read_bytes()

    session.start(str(tmp_path / "a.npy"), settings, out=tmp_path / "whole", quiet=True)
    broken = {**settings, "training": {**settings["training"], "max_minutes": 1e-9}}
    session.start(str(tmp_path / "a.npy"), broken, out=tmp_path / "broken", quiet=True)  # one step
    for _ in range(4):
        assert not session.resume(tmp_path / "broken", quiet=True).finished
    session.resume(tmp_path / "broken", {"max_minutes": 5.0}, quiet=True)
    assert weights("whole") == weights("broken")


WEIGH = """
import resource, sys
import numpy as np
from latentia.data import load
from latentia.data.loader import loaders
from latentia.data.transforms import Scale
import torch
low = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loader = loaders(load(sys.argv[1], buffer=32), Scale())["train"]
for start in range(0, 160_000, 1000):
    loader.batch(loader.chosen(0, 0, start, start + 1000)).x.sum()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - low) // 1024)
"""


def test_memory_is_set_by_the_buffer_not_by_the_data(tmp_path):
    sparse = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (1 << 20, 1024))  # 1 GiB, on paper
    sparse[::100_000] = 200
    del sparse
    done = subprocess.run(
        [sys.executable, "-c", WEIGH, str(tmp_path / "a.npy")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 110  # MiB: the buffer, positions of a million examples, a batch; 160 are read
