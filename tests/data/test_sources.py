import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentia.core.errors import Note
from latentia.data import load


def test_digits_are_found_anywhere():
    data = load("digits")
    assert data.x.shape == (1797, 1, 8, 8)
    assert data.x.dtype == np.uint8
    assert data.high == 16
    assert data.observed == (0, 16)
    assert data.event.kind == "image"
    assert data.classes == 10
    assert (data.name, data.source) == ("digits", "digits")
    assert data.summary() == (
        "digits: 8x8 grey images, uint8 0..16, 10 labels, "
        "1,536 train + 81 validation + 180 test (seeded split)"
    )


def test_a_word_is_the_built_in_source_wherever_it_is_said(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    (tmp_path / "clothing").mkdir()
    (tmp_path / "x.npy").rename(tmp_path / "clothing" / "x.npy")
    monkeypatch.chdir(tmp_path)
    with pytest.warns(Note, match=r"'clothing' is the built-in .* give \./clothing"):
        assert load("clothing").source == "clothing"
    for own in ("./clothing", "clothing/", Path("clothing")):
        assert load(own).x.shape == (4, 2)


def test_summary_of_other_kinds(encoded, packed, rng):
    table = load(np.linspace(-1, 2, 60, dtype=np.float32).reshape(20, 3))
    assert table.summary() == (
        "array: table of 3 columns, float32 -1..2, no labels, 17 train + 1 validation + 2 test (seeded split)"
    )
    clips = load((rng.integers(0, 256, (3, 3, 2, 8, 9), dtype=np.uint8), [0, 0, 0]))
    assert ": clips of 3x2x8x9 (channels, time, height, width), " in clips.summary()
    assert clips.summary().endswith(", 1 label, 3 train")
    files = {f"{part}/{i}.png": encoded(6, 9) for part in ("train", "val") for i in range(20)}
    given = load(packed(files))
    assert ": 6x9 colour images, " in given.summary()
    assert given.summary().endswith("18 train + 20 validation (given) + 2 test (seeded split)")


def test_the_same_seed_gives_the_same_splits():
    one, again, other = load("digits"), load("digits", seed=0), load("digits", seed=1)
    for name in one.splits:
        np.testing.assert_array_equal(one.splits[name], again.splits[name])
    assert not np.array_equal(one.splits["test"], other.splits["test"])


def test_paths_as_text_object_and_relative(tmp_path, monkeypatch):
    np.save(tmp_path / "a.b.npy", np.zeros((4, 2)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for source in ("a.b.npy", "./a.b.npy", "~/a.b.npy", Path("a.b.npy"), tmp_path / "a.b.npy"):
        data = load(source)
        assert data.source == str(tmp_path / "a.b.npy")
        assert data.name == "a.b"


def test_a_folder_with_one_data_file_stands_for_it(tmp_path, refused):
    np.save(tmp_path / "a.npy", np.zeros((4, 2)))
    (tmp_path / "README.md").write_text("about")
    assert load(tmp_path).name == "a"
    np.save(tmp_path / "b.npy", np.zeros((4, 2)))
    refused(tmp_path, tmp_path, "2 data files", "a.npy, b.npy")


def test_missing_paths_suggest_a_name(tmp_path, refused, monkeypatch):
    np.save(tmp_path / "faces.npy", np.zeros((4, 2)))
    refused(
        tmp_path / "face.npy", tmp_path / "face.npy", "no such file or folder", "did you mean 'faces.npy'?"
    )
    refused(tmp_path / "gone" / "x.npy", "no such file or folder", f"no folder {tmp_path / 'gone'}")
    monkeypatch.chdir(tmp_path)
    refused("digit", "did you mean 'digits'?")
    refused("zzzzzz", "known: clothing, digits, faces.npy, sprites")
    refused("", "no source")
    refused(" ", "no source")


def test_kinds_that_are_not_read(tmp_path, refused):
    for name in ("a.pkl", "a.xyz", "a", "clip.mp9"):
        (tmp_path / name).write_bytes(b"x")
        refused(tmp_path / name, tmp_path / name, "cannot be read", ".npz")
    (tmp_path / "a.png").write_bytes(b"x")
    refused(tmp_path / "a.png", "'a.png'", "--skip-bad")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "b.png")
    refused(tmp_path / "b.png", "holds 1 example; at least 2 are needed")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path / "empty", "empty folder")
    refused(7, "int")
    refused([[1, 2]], "list")


def test_a_file_without_permission(tmp_path, refused):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((4, 2)))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("permissions do not bind this user")
    refused(path, path, "Permission denied")


@pytest.mark.parametrize("count", [2, 3, 9])
def test_two_or_more_rows_work(count):
    data = load(np.zeros((count, 3)))
    assert {name: len(at) for name, at in data.splits.items()} == {"train": count, "validation": 0, "test": 0}


def test_importing_stays_light():
    code = (
        "import sys, latentia.data; "
        "heavy = {'torch', 'PIL', 'sklearn', 'pandas', 'datasets', 'tqdm', 'simplejpeg'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
