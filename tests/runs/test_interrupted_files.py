"""Files that were not finished: what was killed goes on, and a full disk is one line and no half file."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from latentia.core.errors import ConfigError, DataError
from latentia.runs.compression import Compressed, compress
from tests.coding.test_golden import GOLDEN
from tests.evaluation.test_files import opened
from tests.runs.test_compression import said

SMALL = 12_000
"""Bytes that fit on the disk of these tests."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return opened(GOLDEN / "levels", tmp_path_factory.mktemp("levels"))


@pytest.fixture(scope="module")
def x():
    return np.tile(np.load(GOLDEN / "levels" / "examples.npy").reshape(-1, 1, 8, 8), (12, 1, 1, 1))


@pytest.fixture(scope="module")
def file(run, x, tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "x.lat"
    compress(run, x, path, block=16)
    return path


def command(run, *words):
    return [sys.executable, "-m", "latentia", *map(str, words), "--run", str(run.folder.path)]


def reader(run, path):
    return Compressed(run, path.open("rb"), str(path))


def test_decompressing_that_was_killed_goes_on_and_gives_the_same_file(run, x, file, tmp_path):
    words = command(run, "decompress", file, "--resume", "-o", tmp_path / "x.npy")
    part = tmp_path / ".x.npy.part"
    process = subprocess.Popen(words, env=os.environ, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (part.is_file() and part.stat().st_size > 20_000):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert part.is_file() and not (tmp_path / "x.npy").exists()
    done = subprocess.run(words, env=os.environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0 and "2400x" in done.stdout and not part.exists()
    assert np.array_equal(np.load(tmp_path / "x.npy").reshape(x.shape), x)


def test_blocks_that_are_there_stay_and_others_are_made_anew(run, x, file, tmp_path, monkeypatch):
    found = reader(run, file)
    found.save(tmp_path / "x.npy", 0, len(x))
    whole = (tmp_path / "x.npy").read_bytes()
    row = x[0].nbytes
    head = len(whole) - len(x) * row
    read, begun = Compressed.read, []

    def told(self, first=0, end=None, **given):
        begun.append(first)
        return read(self, first, end, **given)

    monkeypatch.setattr(Compressed, "read", told)
    part = tmp_path / ".x.npy.part"
    changed = bytearray(whole)
    changed[head + 100 * row + 7] ^= 1
    contents = (whole[: head + 37 * row + 5], whole[:head], whole[: head - 3], whole, bytes(changed))
    for content, first in zip(contents, (32, 0, 0, None, 96), strict=True):
        part.write_bytes(content)
        begun.clear()
        assert (
            reader(run, file).save(tmp_path / "x.npy", 0, len(x), resume=True)
            == np.load(tmp_path / "x.npy").shape
        )
        assert begun == ([] if first is None else [first]) and not part.exists()
        assert (tmp_path / "x.npy").read_bytes() == whole
    part.write_bytes(whole.replace(b"2400", b"2401", 1))
    with pytest.raises(DataError, match="was begun with another run, or a file of another size; leave out"):
        reader(run, file).save(tmp_path / "x.npy", 0, len(x), resume=True)


def test_what_cannot_be_gone_on_with_is_refused(run, x, file, tmp_path, capsys):
    with pytest.raises(ConfigError, match="without loss, and these are some of them"):
        reader(run, file).save(tmp_path / "x.npy", 0, 5, resume=True)
    for words in (["-o", tmp_path / "x.csv"], ["-o", tmp_path / "x.npy", "--rows", "0:5"]):
        code, _, err = said(capsys, "decompress", file, "--run", run.folder.path, "--resume", *words)
        assert code == 2 and "--resume is for a whole file as .npy" in err


def test_what_is_read_is_not_written_over(run, x, file, tmp_path, capsys):
    np.save(tmp_path / "x.npy", x[:20])
    (tmp_path / "link.npy").symlink_to(tmp_path / "x.npy")
    given = (tmp_path / "x.npy").read_bytes()
    for out in ("x.npy", "link.npy"):
        words = ("compress", run.folder.path, tmp_path / "x.npy", "-o", tmp_path / out)
        code, _, err = said(capsys, *words)
        assert code == 2 and "it is what is read; give another name" in err
    (tmp_path / "x.npy").write_bytes(content := file.read_bytes())
    words = ("decompress", tmp_path / "x.npy", "--run", run.folder.path, "-o", tmp_path / "x.npy")
    code, _, err = said(capsys, *words)
    assert code == 2 and "it is what is read" in err and (tmp_path / "x.npy").read_bytes() == content != given


def test_a_damaged_block_leaves_no_half_of_a_file(run, x, file, tmp_path):
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    (tmp_path / "y.lat").write_bytes(content)
    with pytest.raises(DataError, match="block 150 of 150"):
        reader(run, tmp_path / "y.lat").save(tmp_path / "y.npy", 0, len(x))
    assert [each.name for each in tmp_path.iterdir()] == ["y.lat"]


def limited():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))


@pytest.mark.parametrize("ending", [".lat", ".npy", ".csv"])
def test_where_no_more_can_be_written_it_says_one_line_and_goes_on_later(run, x, file, tmp_path, ending):
    out = tmp_path / f"x{ending}"
    if ending == ".lat":
        np.save(tmp_path / "given.npy", x)
        words = [
            sys.executable,
            "-m",
            "latentia",
            "compress",
            str(run.folder.path),
            str(tmp_path / "given.npy"),
        ]
        words += ["--block", "16", "-o", str(out)]
    else:
        words = command(run, "decompress", file, "-o", out)
    done = subprocess.run(
        words, env=os.environ, check=False, capture_output=True, text=True, preexec_fn=limited
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert f"cannot write {out}: File too large; free some space" in done.stderr
    left = {each.name for each in tmp_path.iterdir()} - {"given.npy"}
    assert left == (set() if ending == ".csv" else {f".x{ending}.part"})
    if ending != ".csv":
        assert subprocess.run([*words, "--resume"], env=os.environ, check=False).returncode == 0
        whole = file.read_bytes() if ending == ".lat" else None
        assert whole is None or out.read_bytes() == whole
        assert whole is not None or np.array_equal(np.load(out).reshape(x.shape), x)


def test_a_disk_that_is_full_at_the_last_moment_is_told(run, x, file, tmp_path, monkeypatch, capsys):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    np.save(tmp_path / "given.npy", x[:20])
    monkeypatch.setattr(os, "fsync", full)
    for words in (
        ["compress", run.folder.path, tmp_path / "given.npy", "-o", tmp_path / "x.lat"],
        ["decompress", file, "--run", run.folder.path, "--rows", "0:20", "-o", tmp_path / "x.npy"],
        ["decompress", file, "--run", run.folder.path, "--rows", "0:20", "-o", tmp_path / "x.png"],
    ):
        code, _, err = said(capsys, *words)
        assert code == 2 and "No space left on device; free some space or choose another place" in err
        assert not words[-1].exists()
