"""Run folders of earlier formats stay readable: `format_1` is one, as its README says."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import latentia
from latentia.cli import main
from latentia.core.errors import RunError
from latentia.runs.recipe import FORMAT
from latentia.runs.session import resume

FIRST = Path(__file__).with_name("format_1")


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(FIRST, tmp_path / "run"))


def changed(folder, **fields):
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return folder


def test_a_run_of_format_1_works_as_it_did(folder):
    run = latentia.Run.open(folder)
    assert (run.event.kind, run.event) == ("image", (1, 8, 8))
    found = run.encode(latentia.load("digits").x[:2])
    np.testing.assert_allclose(found, [[0.23522685, -0.09267785], [0.19100644, -0.3438984]], atol=1e-5)
    assert run.sample(3).shape == (3, 1, 8, 8)
    found = latentia.evaluate(run, only=("reconstruction",))
    assert found.figures["mse"].value == pytest.approx(run.metrics("test")[-1]["mse"], rel=1e-3)
    from latentia.report import build

    assert "<svg" in build([run], quiet=True).read_text(encoding="utf-8")


def test_a_run_of_format_1_goes_on_and_becomes_one_of_today(folder):
    ended = resume(folder, {"epochs": 3}, quiet=True)
    assert ended.finished
    assert [row["step"] for row in latentia.Run.open(folder).metrics("validation")] == [24, 36]
    recipe = json.loads((folder / "model.json").read_text())
    assert recipe["format"] == FORMAT and recipe["event"] == {"kind": "image", "shape": [1, 8, 8]}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prior": {"name": "standard_norml"}}, "names what this version does not have: unknown prior"),
        ({"model": {"name": "vae", "latent_dim": 2, "gone": 1}}, "names what this version does not have"),
        ({"format": FORMAT + 1}, f"this version reads up to {FORMAT}; use a newer latentia"),
        ({"format": FORMAT}, "its event is no kind and shape"),
        ({"format": FORMAT, "event": {"kind": "hologram", "shape": [2]}}, "'hologram'"),
    ],
    ids=["component", "setting", "later", "event", "kind"],
)
def test_what_cannot_be_read_is_one_line(folder, capsys, fields, words):
    with pytest.raises(RunError, match=words):
        latentia.Run.open(changed(folder, **fields))
    with pytest.raises(SystemExit) as ended:
        main(["sample", str(folder), "--output", str(folder / "s.npy")])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
