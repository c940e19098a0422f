"""The verb `explore`, as a user runs it."""

import shutil
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from latentia import api
from latentia.cli import main
from latentia.core import config, storage
from latentia.core.errors import RunError
from latentia.explorer.explore import app_of
from latentia.sweeps import opened_family

COMMAND = [sys.executable, "-c", "from latentia.cli import main; main()"]


def told(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_a_missing_run_is_one_line(capsys, tmp_path):
    line = told(capsys, "explore", str(tmp_path / "nowhere"))
    assert "does not exist" in line and line.count("\n") == 1


def test_a_port_in_use_is_one_line_and_nothing_was_begun(capsys, plane, monkeypatch):
    begun = []
    monkeypatch.setattr("latentia.explorer.explore.app_of", lambda *given, **more: begun.append(given))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = told(capsys, "explore", str(plane.folder.path), "--port", port, "--no-browser")
    assert "in use" in line and "--port" in line and line.count("\n") == 1 and begun == []


def test_a_name_may_be_allowed(plane):
    from starlette.testclient import TestClient

    client = TestClient(app_of([plane], quick=False, allow=["atlas"]), base_url="http://atlas")
    assert client.get("/").status_code == 200
    assert "--allow-host" in client.get("/", headers={"host": "elsewhere"}).json()["error"]


def test_it_serves_the_page_and_ends_when_asked(plane):
    words = [*COMMAND, "explore", str(plane.folder.path), "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1]
        assert address.startswith("http://127.0.0.1:")
        page = urllib.request.urlopen(address).read().decode()
        process.terminate()
        assert process.wait(120) == 0
    assert '<script type="module" src="app.js">' in page


def test_data_that_have_vanished_are_named_with_their_run(capsys, tmp_path):
    np.save(tmp_path / "x.npy", np.eye(20, dtype=np.float32))
    network, training = {"name": "mlp", "hidden": [4]}, {"epochs": 1}
    run = api.train(tmp_path / "x.npy", out=tmp_path / "run", network=network, training=training)
    (tmp_path / "x.npy").unlink()
    line = told(capsys, "explore", str(run.folder.path), "--no-browser")
    assert f"the data that {run.folder.path} was trained on" in line and line.count("\n") == 1


def test_the_page_of_a_sweep_has_the_name_of_its_folder(monkeypatch, plane, tmp_path):
    plan = {"source": "digits", "over": {"objective.beta": [0.5, 1]}, "settings": {}}
    storage.write_text(tmp_path / "betas" / "sweep.toml", config.write_toml(plan))
    shutil.copytree(plane.folder.path, tmp_path / "betas" / "objective.beta=1")
    titles = []
    monkeypatch.setattr("latentia.explorer.explore.app_of", lambda runs, title, **_: titles.append(title))
    monkeypatch.setattr("latentia.explorer.explore.serve", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        main(["explore", str(tmp_path / "betas"), "--no-browser"])
    assert ended.value.code == 0
    assert titles == ["betas"]


def test_a_sweep_stands_for_its_runs(plane, tmp_path):
    plan = {"source": "digits", "over": {"objective.beta": [0.5, 1, 4]}, "settings": {}}
    storage.write_text(tmp_path / "sweep.toml", config.write_toml(plan))
    with pytest.raises(RunError, match="no trained run yet"):
        opened_family([tmp_path])
    for name in ("objective.beta=0.5", "objective.beta=4"):
        shutil.copytree(plane.folder.path, tmp_path / name)
    folders, labels, axis = opened_family([tmp_path])
    assert [folder.name for folder in folders] == ["objective.beta=0.5", "objective.beta=4"]
    assert labels == ["β = 0.5", "β = 4"]
    assert axis == {"name": "objective.beta", "values": ["0.5", "4"], "spoken": "β"}
    folders, labels, axis = opened_family([plane.folder.path, tmp_path])
    assert labels == ["plane", "β = 0.5", "β = 4"] and axis is None
