"""Where Windows lacks what POSIX has, files are locked, synced and read in its way; here by stand-ins."""

import errno
import os
import sys
import types

import numpy as np
import pytest

from latentia.core import storage
from latentia.core.errors import LatentiaError, RunError
from latentia.data import load
from latentia.data.packing.claims import Claims
from latentia.data.shards import Shards


@pytest.fixture
def windows(monkeypatch):
    """No fcntl, but a stand-in for msvcrt, whose locks are of a byte and a descriptor."""
    held, failures = {}, []

    def locking(descriptor, mode, count):
        file = os.fstat(descriptor)
        place = file.st_ino, os.lseek(descriptor, 0, os.SEEK_CUR)
        if mode == "unlock":
            assert held.pop(place) == descriptor
            return
        if mode == "wait" and failures:
            raise failures.pop()
        if held.get(place, descriptor) != descriptor and not _closed(held[place]):  # numbers are used again
            raise PermissionError(errno.EACCES, "Permission denied")
        held[place] = descriptor

    module = types.SimpleNamespace(locking=locking, LK_LOCK="wait", LK_NBLCK="try", LK_UNLCK="unlock")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", module)
    monkeypatch.delattr(os, "preadv")
    monkeypatch.delattr(os, "O_DIRECTORY")
    monkeypatch.delattr(errno, "EDQUOT")
    return failures


def _closed(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return True
    return False


def test_a_piece_of_work_is_held_by_one(windows, tmp_path):
    with Claims(tmp_path) as first, Claims(tmp_path) as second:
        with first.held(3) as mine, second.held(3) as other, second.held(4) as next_one:
            assert (mine, other, next_one) == (True, False, True)
        with second.held(3) as mine:
            assert mine
        windows.extend([OSError(errno.EDEADLK, "ten seconds are over")] * 2)
        with first.held(0, wait=True) as mine:
            assert mine
        assert not windows


def test_a_folder_is_held_by_one(windows, tmp_path):
    with storage.exclusive(tmp_path), pytest.raises(RunError, match="in use"), storage.exclusive(tmp_path):
        pass
    with storage.exclusive(tmp_path):
        pass


def test_files_are_written_and_streamed(windows, tmp_path, monkeypatch):
    array = np.random.default_rng(0).integers(0, 256, (3000, 20, 20, 1), dtype=np.uint8)
    np.save(tmp_path / "a.npy", array)
    x = load(tmp_path / "a.npy", buffer=1).x
    assert isinstance(x, Shards)
    np.testing.assert_array_equal(x[:], array.transpose(0, 3, 1, 2))
    storage.write_json(tmp_path / "b.json", {"a": 1})
    assert storage.read_json(tmp_path / "b.json") == {"a": 1}
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(LatentiaError, match=r"cannot write .*: full; free some space"):
        storage.write_json(tmp_path / "b.json", {"a": 2})
