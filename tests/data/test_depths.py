"""Pictures of more than 8 bits, signed, floating-point, masks and pages: no level is lost without a word."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from latentia.data import load
from latentia.data.layout import Layout
from latentia.data.packing.pack import pack


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LATENTIA_CACHE", str(tmp_path / "cache"))


def saved(array, form="PNG", **settings):
    file = io.BytesIO()
    Image.fromarray(array).save(file, form, **settings)
    return file.getvalue()


def tiff(array):
    """Write a TIFF of one strip by hand: Pillow writes no signed 16 bits."""
    height, width = array.shape
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    form = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    bits = 8 * array.dtype.itemsize
    entries = [(256, 3, width), (257, 3, height), (258, 3, bits), (259, 3, 1), (262, 3, 1), (273, 4, 8)]
    entries += [(277, 3, 1), (278, 3, height), (279, 4, len(data)), (339, 3, form)]
    packed = b"".join(
        struct.pack("<HHI", tag, kind, 1)
        + struct.pack("<HH" if kind == 3 else "<I", *([v, 0] if kind == 3 else [v]))
        for tag, kind, v in entries
    )
    return (
        b"II*\0"
        + struct.pack("<I", 8 + len(data))
        + data
        + struct.pack("<H", len(entries))
        + packed
        + b"\0" * 4
    )


def png_of_16_bit_colour(array):
    """Write a PNG of three channels of 16 bits by hand: Pillow writes none."""
    height, width, _ = array.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def all_ways(source, tmp_path, **settings):
    """Load a source, from the cache, and packed; the three must agree."""
    data, cached = load(source, **settings), load(source, **settings)
    pack(source, tmp_path / "out", **settings)
    packed = load(tmp_path / "out")
    for other in (cached, packed):
        assert other.x.dtype == data.x.dtype
        assert (other.high, other.layout, other.left_out) == (data.high, data.layout, data.left_out)
        for split, rows in data.splits.items():
            np.testing.assert_array_equal(other.x[other.splits[split]], data.x[rows])
    return data


CASES = {
    "twelve bits in 16": (np.uint16, 0, 4095, saved),
    "sixteen bits": (np.uint16, 3, 65535, lambda a: saved(a, "TIFF")),
    "Hounsfield units": (np.int16, -1000, 100, tiff),
    "a PGM of 12 bits": (
        np.uint16,
        0,
        4095,
        lambda a: b"P5\n%d %d\n4095\n" % a.shape[::-1] + a.astype(">u2").tobytes(),
    ),
    "floats": (np.float32, -0.25, 3.5, tiff),
    "signed 32 bits": (np.int32, -(2**30), 2**30 + 1, tiff),
    "unsigned 32 bits": (np.uint32, 0, 2**32 - 1, tiff),
}


@pytest.mark.parametrize("case", CASES)
def test_every_level_is_kept_in_the_files_own_units(case, rng, packed, tmp_path):
    dtype, low, high, write = CASES[case]
    arrays = (low + rng.random((12, 9, 7)) * (high - low)).astype(dtype)
    arrays[:, 0, :2] = low, high
    source = packed({f"{i:02}.{'tif' if write is tiff else 'png'}": write(a) for i, a in enumerate(arrays)})
    data = all_ways(source, tmp_path)
    assert data.observed == (low, high)
    np.testing.assert_array_equal(data.x[:, 0], arrays)
    assert data.x.dtype == (
        np.float64 if np.dtype(dtype).itemsize == 4 and dtype != np.float32 else np.float32
    )
    assert data.layout == Layout(types=(np.dtype(dtype).name,))
    np.testing.assert_array_equal(data.layout.restore(data.x)[:, 0], arrays)
    assert data.high == 1


def test_bytes_stay_bytes_and_masks_of_0_and_1_are_full_scale(rng, packed, tmp_path):
    source = packed({f"{i:02}.png": saved(rng.integers(0, 2, (6, 6), dtype=np.uint8)) for i in range(12)})
    data = all_ways(source, tmp_path)
    assert (data.x.dtype, data.high, data.layout) == (np.uint8, 1, Layout())
    array = load(data.x)
    assert (array.x.dtype, array.high) == (np.uint8, 1)


def test_two_depths_in_one_source_are_refused_by_name(rng, packed, refused, tmp_path):
    eight = {f"{i}.png": saved(rng.integers(0, 256, (6, 6), dtype=np.uint8)) for i in range(6)}
    source = packed(eight | {"9.png": saved(np.full((6, 6), 900, np.uint16))})
    refused(source, "'0.png' has 8 bits", "'9.png' has 16 bits", "one scale")
    with pytest.raises(Exception, match=r"'9\.png' has 16"):
        pack(source, tmp_path / "out")


def test_wide_pictures_are_resized_in_their_own_units(packed, tmp_path):
    ramp = np.broadcast_to(np.linspace(-1000, 1000, 32).astype(np.int16), (32, 32))
    source = packed({f"{i:02}.tif": tiff(ramp) for i in range(12)})
    data = all_ways(source, tmp_path, size=8)
    np.testing.assert_allclose(data.x[0, 0, 0], ramp[0].reshape(8, 4).mean(1), atol=40)
    assert data.x.min() >= -1000 and (data.x == np.rint(data.x)).all()


def test_colour_of_16_bits_is_said_to_lose_its_lower_half(rng, packed, tmp_path):
    deep = rng.integers(0, 65536, (12, 5, 4, 3), dtype=np.uint16)
    data = all_ways(packed({f"{i:02}.png": png_of_16_bit_colour(a) for i, a in enumerate(deep)}), tmp_path)
    np.testing.assert_array_equal(data.x.transpose(0, 2, 3, 1), deep >> 8)
    assert data.left_out == {"pictures' lower 8 of 16 bits of colour": 12}


@pytest.mark.parametrize("form", ["TIFF", "GIF", "PNG"])
def test_pages_are_said_and_may_be_examples_or_channels(rng, packed, tmp_path, form):
    tones = rng.integers(0, 256, (12, 3), dtype=np.uint8)
    files = {}
    for number, (first, *rest) in enumerate(tones):
        frames = [Image.new("L", (6, 4), int(tone)) for tone in rest]
        name = f"{'ab'[number % 2]}/{number:02}.{form.lower()}"
        files[name] = saved(np.full((4, 6), first, np.uint8), form, save_all=True, append_images=frames)
    source = packed(files)
    order = sorted(range(12), key=lambda number: (number % 2, number))
    first = all_ways(source, tmp_path / "1")
    assert first.x[:, 0, 0, 0].tolist() == tones[order, 0].tolist()
    assert first.left_out == {"files' further pages (data.pages=examples or channels reads them)": 12}
    examples = all_ways(source, tmp_path / "2", pages="examples")
    assert examples.x[:, 0, 0, 0].tolist() == tones[order].ravel().tolist()
    assert examples.labels.tolist() == [0] * 18 + [1] * 18
    channels = all_ways(source, tmp_path / "3", pages="channels")
    assert channels.event == (3, 4, 6)
    assert channels.x[:, :, 0, 0].tolist() == tones[order].tolist()
    assert not channels.left_out


def test_files_of_different_numbers_of_pages_are_no_channels(packed, refused):
    def stack(count):
        rest = [Image.new("L", (4, 4), 9)] * (count - 1)
        return saved(np.zeros((4, 4), np.uint8), "TIFF", save_all=True, append_images=rest)

    source = packed({"a.tif": stack(5), "b.tif": stack(4)})
    refused(source, "'a.tif' has 5", "'b.tif' has 4", "data.pages", pages="channels")
