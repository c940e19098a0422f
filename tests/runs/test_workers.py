"""Files by several processes, where others could not find the coder, and by two programs at once."""

import io

import numpy as np
import pytest
from sklearn.datasets import load_digits
from torch import nn

import latentia
from latentia.coding.container import sealed
from latentia.core import locks, storage
from latentia.core.errors import DataError, LatentiaError, Note, RunError
from latentia.runs import coder, workers
from latentia.runs.compression import Compressed, compress
from tests.runs.test_compression import QUICK, said

X = load_digits().images[:400, None].astype(np.uint8)
SETTINGS = {"likelihood": "discretised_logistic", "quiet": True, **QUICK, "epochs": 1}


def read(run, path, count):
    with path.open("rb") as handle:
        return np.concatenate(list(Compressed(run, handle, path.name, workers=count).read()))


def test_a_run_with_modules_of_this_program_is_coded_by_it_alone(tmp_path, capfd):
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU())
    decoder = nn.Sequential(nn.Linear(4, 16), nn.ReLU())
    settings = {**SETTINGS, "network": (encoder, decoder)}
    with pytest.warns(Note, match="of this session alone"):
        run = latentia.train(X, out=tmp_path / "run", **settings)
    compress(run, X, tmp_path / "1.lat", block=50)
    compress(run, X, tmp_path / "2.lat", block=50, workers=2)
    assert (tmp_path / "1.lat").read_bytes() == (tmp_path / "2.lat").read_bytes()
    assert (read(run, tmp_path / "2.lat", 2) == X).all()
    assert "Traceback" not in capfd.readouterr().err


def test_a_coder_that_cannot_be_kept_is_used_by_this_process_alone(tmp_path, monkeypatch):
    run = latentia.train(X, out=tmp_path / "run", **SETTINGS)  # no other process has the data

    def full(path, *_):
        raise LatentiaError(f"cannot write {path}: Permission denied; choose another place")

    monkeypatch.setattr(storage, "save_tensors", full)
    with pytest.warns(Note, match="a copy of the run may not read its files"):
        compress(run, X, tmp_path / "x.lat", block=50, workers=2)
    assert not (run.folder.path / coder.FILE).exists()
    assert (read(run, tmp_path / "x.lat", 2) == X).all()


def test_processes_are_started_where_all_find_the_coder(tmp_path, monkeypatch):
    run = latentia.train(X, out=tmp_path / "run", **SETTINGS)
    asked = []
    start = workers.pool
    monkeypatch.setattr(workers, "pool", lambda count, *given: asked.append(count) or start(1, *given))
    compress(run, X, tmp_path / "x.lat", block=50, workers=3)
    assert asked == [3]
    tensors, header = storage.load_tensors(run.folder.path / coder.FILE)
    storage.save_tensors(run.folder.path / coder.FILE, tensors, {**header, "name": "another"})
    compress(run, X, tmp_path / "y.lat", block=50, workers=3)
    assert asked == [3, 1]


def test_a_second_process_that_writes_the_same_file_is_refused(tmp_path, capsys):
    run = latentia.train(X, out=tmp_path / "run", **SETTINGS)
    np.save(tmp_path / "x.npy", X)
    content = run.compress(X)
    (tmp_path / "x.lat").write_bytes(content)
    for words, part in (
        (("compress", run.folder.path, tmp_path / "x.npy", "-o", tmp_path / "y.lat"), ".y.lat.part"),
        (
            ("decompress", tmp_path / "x.lat", "--run", run.folder.path, "-o", tmp_path / "y.npy"),
            ".y.npy.part",
        ),
    ):
        (tmp_path / part).write_bytes(b"begun")
        with (tmp_path / part).open("r+b") as handle:
            locks.lock_file(handle)
            code, _, err = said(capsys, *words)
        assert code == 2 and "is being written by another process; wait until it ends" in err
        assert (tmp_path / part).read_bytes() == b"begun" and not words[-1].exists()
        assert said(capsys, *words)[0] == 0 and words[-1].exists() and not (tmp_path / part).exists()
    assert (tmp_path / "y.lat").read_bytes() == content and (np.load(tmp_path / "y.npy") == X).all()


def test_reading_keeps_no_coder_but_the_one_that_wrote(tmp_path):
    run = latentia.train(X, out=tmp_path / "run", **SETTINGS)
    content = run.compress(X[:5])
    kept = run.folder.path / coder.FILE
    kept.unlink()
    again = latentia.open_run(run.folder.path, device="cpu")
    another = sealed(1, bytes(8), (3, 1, 8, 8, 5, 1024)) + content[25:]
    with pytest.raises(DataError, match=rf"with the {coder.FILE} or .* that .* lacks; copy it there"):
        Compressed(again, io.BytesIO(another), "x")
    assert not kept.exists()
    assert again.compress(X[:5]) and kept.exists()


def test_a_coder_of_another_version_or_damaged_is_one_line(tmp_path):
    run = latentia.train(X, out=tmp_path / "run", **SETTINGS)
    content = run.compress(X[:5])
    kept = run.folder.path / coder.FILE
    tensors, header = storage.load_tensors(kept)
    for told, changed in {
        "lacks 'probe'; delete it": {name: value for name, value in header.items() if name != "probe"},
        "lacks 'format'; delete it": {name: value for name, value in header.items() if name != "format"},
        "by another version": {**header, "format": 0},
        "was made by another version": {**header, "cell_bits": "fine"},
        "computes a fixed example otherwise": {**header, "probe": 5},
    }.items():
        storage.save_tensors(kept, tensors, changed)
        with pytest.raises(RunError, match=told):
            latentia.open_run(run.folder.path, device="cpu").decompress(content)
    kept.write_bytes(kept.read_bytes()[:-9])
    with pytest.raises(RunError, match=r"is damaged: .*; copy it again, or delete it"):
        latentia.open_run(run.folder.path, device="cpu").decompress(content)
    assert (np.concatenate(list(Compressed(run, io.BytesIO(content), "x").read())) == X[:5]).all()
