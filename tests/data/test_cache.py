import os

import numpy as np
import pytest

from latentia.data import load
from latentia.data.readers import stack


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    monkeypatch.setenv("LATENTIA_CACHE", str(folder))
    return folder


@pytest.fixture
def decoded(monkeypatch):
    """Count how often an image is decoded."""
    counts = []
    decode = stack.read_picture

    def counting(*arguments, **options):
        counts.append(1)
        return decode(*arguments, **options)

    monkeypatch.setattr(stack, "read_picture", counting)
    return counts


def same(one, other):
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.labels, other.labels)
    assert one.label_names == other.label_names
    assert one.summary() == other.summary()
    for name in one.splits:
        np.testing.assert_array_equal(one.splits[name], other.splits[name])


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz"])
def test_second_load_equals_the_first_and_decodes_nothing(encoded, packed, home, decoded, kind):
    files = {
        f"{part}/{label}/{i}.png": encoded() for part in ("train", "test") for label in "ab" for i in range(6)
    }
    path = packed(files, kind)
    first = load(path)
    assert len(decoded) == 24
    second = load(path)
    assert len(decoded) == 24
    same(first, second)
    assert sorted(file.suffix for file in home.iterdir()) == [".json", ".npy"]


def test_writing_to_the_data_changes_no_file(encoded, packed, home):
    path = packed({f"{i}.png": encoded() for i in range(4)})
    first = load(path).x.copy()
    load(path).x[:] = 7
    np.testing.assert_array_equal(load(path).x, first)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_change_is_noticed_and_replaces_the_entry(encoded, packed, home, decoded, kind):
    files = {f"{i}.png": encoded() for i in range(4)}
    load(packed(files, kind))
    old = {file.name for file in home.iterdir()}
    path = packed(files | {"0.png": encoded()}, kind)
    later = path.stat().st_mtime + 5
    os.utime(path if kind == "zip" else path / "0.png", (later, later))
    changed = load(path)
    assert len(decoded) == 8
    assert len(list(home.iterdir())) == 2
    assert old.isdisjoint(file.name for file in home.iterdir())
    path = packed(files | {"4.png": encoded()}, kind)
    assert len(load(path)) == len(changed) + 1


def test_sizes_are_kept_apart(encoded, packed, home, decoded):
    path = packed({f"{i}.png": encoded() for i in range(4)})
    assert load(path).event == (3, 8, 8)
    assert load(path, size=4).event == (3, 4, 4)
    assert load(path).event == (3, 8, 8)
    assert load(path, size=(4, 4)).event == (3, 4, 4)
    assert len(decoded) == 8


def test_a_damaged_entry_is_made_again(encoded, packed, home):
    path = packed({f"{i}.png": encoded() for i in range(4)})
    first = load(path)
    for suffix, content in ((".npy", b"\x93NUMPY"), (".json", b"{"), (".json", b"[]"), (".json", b"{}")):
        for file in home.glob(f"*{suffix}"):
            file.write_bytes(content)
        np.testing.assert_array_equal(load(path).x, first.x)


def test_off_writes_nothing(encoded, packed, tmp_path, monkeypatch, decoded):
    monkeypatch.setenv("LATENTIA_CACHE", "off")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    path = packed({f"{i}.png": encoded() for i in range(4)})
    load(path)
    load(path)
    assert len(decoded) == 8
    assert not (tmp_path / "xdg").exists()


def test_the_place_follows_xdg(encoded, packed, tmp_path, monkeypatch):
    monkeypatch.delenv("LATENTIA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    load(packed({f"{i}.png": encoded() for i in range(4)}))
    assert len(list((tmp_path / "xdg" / "latentia").iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_no_failure(encoded, packed, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LATENTIA_CACHE", str(tmp_path / "file" / "kept"))
    assert len(load(packed({f"{i}.png": encoded() for i in range(4)}))) == 4
