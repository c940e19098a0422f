import gzip
import struct

import numpy as np
import pytest

from latentia.data import load

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array, code=None):
    """Write an array in IDX format, by the published description of it."""
    kind = array.dtype.str[1:]
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, code or CODES[kind], array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def mnist_like(tmp_path, rng):
    """Write a folder with MNIST's four files; give it and what is in it."""

    def write(pattern="{}-{}-idx{}-ubyte.gz", leave_out=()):
        content = {}
        for part, count in (("train", 40), ("t10k", 12)):
            content[part, "images"] = rng.integers(0, 256, (count, 6, 5), dtype=np.uint8)
            content[part, "labels"] = np.arange(count, dtype=np.uint8) % 10
        for (part, role), array in content.items():
            if (part, role) not in leave_out:
                name = pattern.format(part, role, array.ndim)
                data = idx(array)
                (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path, content

    return write


@pytest.mark.parametrize(
    "pattern", ["{}-{}-idx{}-ubyte.gz", "{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte", "{}-{}.idx{}-ubyte.gz"]
)
def test_folder_with_the_canonical_names(mnist_like, pattern):
    folder, content = mnist_like(pattern)
    data = load(folder)
    assert data.x.shape == (52, 1, 6, 5)
    assert data.x.dtype == np.uint8
    np.testing.assert_array_equal(data.x[:40, 0], content["train", "images"])
    np.testing.assert_array_equal(data.x[data.splits["test"], 0], content["t10k", "images"])
    np.testing.assert_array_equal(data.labels[:40], content["train", "labels"])
    np.testing.assert_array_equal(data.labels[40:], content["t10k", "labels"])
    assert data.given_test
    assert not data.given_validation
    assert [len(data.splits[name]) for name in ("train", "validation", "test")] == [38, 2, 12]
    assert data.high == 255


def test_folder_without_test_or_labels(mnist_like):
    folder, _ = mnist_like(leave_out=[("t10k", "images"), ("t10k", "labels"), ("train", "labels")])
    data = load(folder)
    assert len(data) == 40
    assert data.labels is None
    assert not data.given_test
    assert len(data.splits["test"]) == 4


def test_folder_with_labels_of_one_part(mnist_like):
    folder, _ = mnist_like(leave_out=[("t10k", "labels")])
    data = load(folder)
    assert set(data.labels[data.splits["test"]]) == {-1}
    assert data.classes == 10


@pytest.mark.parametrize("kind", CODES)
def test_every_type_of_value(tmp_path, kind):
    array = np.arange(-12 if kind != "u1" else 0, 12 if kind != "u1" else 24).reshape(4, 6).astype(kind)
    path = tmp_path / "x.idx2"
    path.write_bytes(idx(array))
    data = load(path)
    assert data.x.dtype == {"u1": np.uint8, "f8": np.float64}.get(kind, np.float32)
    np.testing.assert_array_equal(data.x, array)


def test_one_file_gzipped_or_not(tmp_path, rng):
    array = rng.integers(0, 256, (20, 7, 3), dtype=np.uint8)
    for name, data in (("a-idx3-ubyte", idx(array)), ("b-idx3-ubyte.gz", gzip.compress(idx(array)))):
        (tmp_path / name).write_bytes(data)
        loaded = load(tmp_path / name)
        np.testing.assert_array_equal(loaded.x[:, 0], array)
        assert loaded.name == name.removesuffix(".gz")


def test_truncated_gz(tmp_path, rng, refused):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    whole = gzip.compress(idx(rng.integers(0, 256, (50, 8, 8), dtype=np.uint8)))
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, path, "truncated or damaged", "again")
    path.write_bytes(whole[:-4])  # all values there, the checksum cut
    refused(path, path, "truncated or damaged")
    path.write_bytes(whole[:-8] + b"\0\0\0\0" + whole[-4:])  # a wrong checksum
    refused(path, path, "CRC")


@pytest.mark.parametrize("change", [-1, 1, -100])
def test_payload_of_another_length(tmp_path, refused, change):
    whole = idx(np.zeros((10, 4, 4), dtype=np.uint8))
    path = tmp_path / "x-idx3-ubyte"
    path.write_bytes(whole[:change] if change < 0 else whole + b"\0" * change)
    refused(path, path, "160 bytes", "more" if change > 0 else f"{160 + change}")


def test_wrong_magic(tmp_path, refused):
    path = tmp_path / "x-idx3-ubyte"
    path.write_bytes(b"\x89PNG and more")
    refused(path, path, "not an IDX file", "89 50 4e 47")
    path.write_bytes(b"")
    refused(path, path, "not an IDX file")
    path.write_bytes(b"\0\0\x08\x03\0\0")
    refused(path, path, "header")


def test_files_that_do_not_belong_together(mnist_like, refused):
    folder, _ = mnist_like()
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(11, dtype=np.uint8)))
    refused(folder, "t10k-labels-idx1-ubyte.gz", "(11,)", "12 examples")
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(idx(np.zeros((12, 9, 9), dtype=np.uint8)))
    refused(folder, "t10k-images-idx3-ubyte.gz", "(9, 9)", "(6, 5)")


def test_labels_are_no_data(tmp_path, refused):
    path = tmp_path / "train-labels-idx1-ubyte"
    path.write_bytes(idx(np.zeros(10, dtype=np.uint8)))
    refused(path, path, "(10,)")


@pytest.mark.parametrize("count", [0, 1])
def test_zero_or_one_example(tmp_path, refused, count):
    path = tmp_path / "x-idx3-ubyte"
    path.write_bytes(idx(np.zeros((count, 4, 4), dtype=np.uint8)))
    refused(path, path, f"{count} example", "at least 2")
