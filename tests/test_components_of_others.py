"""Components of another package: the code of docs/components.md, on PYTHONPATH, from training to export."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import latentia
from latentia.core import registry, storage
from latentia.core.config import check_component, parameters, read_toml
from latentia.core.errors import ConfigError, DataError, RunError
from latentia.objectives import ELBO
from latentia.runs import hub
from latentia.runs.model import Trained
from latentia.training.folder import RunFolder

PAGE = Path(__file__).parents[1] / "docs" / "components.md"
LIMITED = {"training": {"epochs": 1, "batch_size": 64}, "network": {"name": "mlp", "hidden": [8]}}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder with the files that the page shows, each of which begins with its path."""
    root = tmp_path_factory.mktemp("elsewhere")
    blocks = re.findall(r"```(?:python|toml)\n# (\S+\.\w+)\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    for name, text in blocks:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    (root / "mypackage" / "__init__.py").touch()
    (root / "mypackage" / "broken.py").write_text("import a_package_that_is_not_there\n")
    (root / "mypackage" / "late.py").write_text(
        "from __future__ import annotations\n"
        "from latentia.objectives import ELBO\n"
        "class Late(ELBO):\n    def __init__(self, base: Nowhere): ...\n"
    )
    named = root / "mypackage-1.0.dist-info"
    named.mkdir()
    about = ("Metadata-Version: 2.1", "Name: mypackage", "Version: 1.0", "")
    (named / "METADATA").write_text("\n".join(about))
    entries = ("objective.sparse = mypackage.losses:Sparse", "prior.lost = mypackage.gone:Lost", "")
    (named / "entry_points.txt").write_text("\n".join(["[latentia.components]", *entries]))
    return root


@pytest.fixture
def importable(package, monkeypatch):
    """The package for this process, too."""
    monkeypatch.syspath_prepend(str(package))
    registry._entries.cache_clear()
    yield package
    registry._entries.cache_clear()


def verb(*arguments, path=()):
    """Run a verb in a process of its own, with folders on its path."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(
        [*map(str, path), *filter(None, [environment.get("PYTHONPATH")])]
    )
    command = [sys.executable, "-c", "from latentia.cli import main; main()", *map(str, arguments)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=300)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def trained(package, tmp_path_factory):
    """The page's run, stopped by its limit of time at once and gone on with."""
    path = tmp_path_factory.mktemp("runs") / "rings"
    code, said = verb(
        "train", "--config", package / "run.toml", "--out", path, "--max-minutes", "1e-9", path=[package]
    )
    assert code == 0 and "out of time" in said, said
    code, said = verb("train", "--resume", path, "--max-minutes", "5", "--quiet", path=[package])
    assert code == 0, said
    return path


def test_a_run_file_with_parts_of_another_package_trains_resumes_and_records_their_names(trained):
    spec, recipe = read_toml(trained / "run.toml"), json.loads((trained / "model.json").read_text())
    assert spec["data"]["source"] == "mypackage.data:rings" and spec["data"]["key"] == "3"
    assert spec["network"] == recipe["network"] == {"name": "mypackage.networks:OneLayer", "width": 16}
    assert recipe["objective"]["name"] == "mypackage.losses:Sparse"
    assert recipe["objective"]["base"]["beta"] == 0.5
    assert recipe["data"]["name"] == "rings" and len(recipe["data"]["classes"]) == 3
    assert RunFolder(trained).metrics()[-1]["penalty"] > 0


def test_the_verbs_find_the_parts_of_another_package(trained, package, tmp_path):
    code, said = verb("evaluate", trained, "--only", "reconstruction", "--quiet", path=[package])
    assert code == 0, said
    assert json.loads((trained / "evaluation.json").read_text())["about"]["data"]
    code, said = verb("export", trained, "--to", "onnx", "-o", tmp_path / "onnx", path=[package])
    assert code == 0, said
    assert (tmp_path / "onnx" / "encoder.onnx").exists()


def test_a_page_and_a_table_of_runs_with_parts_of_another_package(trained, importable, tmp_path):
    from latentia.explorer.view import View

    run = latentia.Run.open(trained)
    assert run.dataset.name == "rings" and len(run.dataset) == 400
    assert run.reconstruct(run.dataset.x[:3]).shape == (3, 2)
    assert View(run, 0).state()["model"] == "vae"
    given = {"objective": "sparse", "latent_dim": 1, **LIMITED}
    named = latentia.train("mypackage.data:rings", out=tmp_path / "named", **given)
    assert named.spec["objective"]["name"] == "sparse"
    assert named.spec["objective"]["base"]["name"] == "elbo"


@pytest.mark.parametrize(
    "words", [["evaluate"], ["train", "--resume"], ["export", "--to", "onnx", "-o", "o"]]
)
def test_a_package_that_is_missing_is_one_line(trained, words):
    code, said = verb(*words, trained)
    assert code == 2
    assert re.fullmatch(
        r"latentia: .*'mypackage\.\w+:\w+': the module 'mypackage\.\w+' cannot be imported "
        r"\(ModuleNotFoundError: No module named 'mypackage'\); install its package .* or put its folder on "
        r"PYTHONPATH\n",
        said,
    ), said


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("objective", "mypackage.broken:X", r"'mypackage\.broken' cannot be imported \(Module.*not_there"),
        ("objective", "mypackage.losses:Spars", r"'mypackage\.losses' has no 'Spars'; did you mean 'Sparse'"),
        ("network", "mypackage.losses:Sparse", r"is no network: a subclass of latentia\.networks\.Network"),
        ("objective", "mypackage.data:rings", r"is no objective: a subclass of latentia\.objectives\.Obj"),
        ("objective", "latentia.objectives:Wrapper", r"cannot be built: it does not define added"),
        ("objective", "mypackage/losses.py:Sparse", r"is no name; write package\.module:NAME"),
        (
            "objective",
            "mypackage.late:Late",
            r"annotations of mypackage\.late:Late .*'Nowhere' is not defined",
        ),
        ("prior", "lost", r"prior 'mypackage\.gone:Lost': the module 'mypackage\.gone' cannot be imported"),
        ("objective", "spars", r"unknown objective 'spars'; did you mean 'sparse'\?"),
    ],
)
def test_what_is_no_component_is_refused(kind, name, message, importable):
    with pytest.raises(ConfigError, match=message):
        check_component(kind, name, kind)


def test_names_lead_to_components_and_back(importable):
    sparse = registry.lookup("objective", "mypackage.losses:Sparse")
    assert registry.lookup("objective", "sparse") is sparse
    assert "sparse" in registry.names("objective")
    assert registry.name_of("objective", sparse) == "mypackage.losses:Sparse"
    assert registry.name_of("objective", ELBO) == "elbo"
    with pytest.raises(ConfigError, match=r"unknown key 'objective\.weigth'; did you mean 'weight'"):
        check_component("objective", {"name": "sparse", "base": "elbo", "weigth": 1.0}, "objective")
    assert set(parameters(sparse)) == {"base", "weight", "schedule"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 3", r"read:x is no function; name one that returns an array"),
        ("def x(folder): ...", r"read:x needs 'folder', which is no setting of data"),
        ("def x(): return [[1.0]]", r"from a list that \w+:x gave; latentia reads"),
    ],
)
def test_a_reader_that_is_none_is_refused(text, message, tmp_path, monkeypatch):
    name = f"reader{abs(hash(text))}_read"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DataError, match=message):
        latentia.load(f"{name}:x")


def test_a_reader_brings_splits_and_takes_its_settings_alone(tmp_path, monkeypatch):
    (tmp_path / "with_splits.py").write_text(
        "import numpy as np\nfrom latentia.data import Raw\n"
        "def read(label=None):\n"
        "    parts = {'train': np.arange(8), 'test': np.arange(8, 10)}\n"
        "    return Raw(np.eye(10, dtype=np.float32), parts=parts, label=label or '')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    dataset = latentia.load("with_splits:read", label="own", validation=0.25)
    assert dataset.label == "own" and dataset.splits["test"].tolist() == [8, 9]
    assert dataset.source == "with_splits:read"
    assert np.array_equal(dataset.x, np.eye(10))
    with pytest.raises(ConfigError, match=r"data\.key=a does not apply to with_splits:read; leave it out"):
        latentia.load("with_splits:read", key="a")


def test_a_model_from_the_hub_imports_what_is_trusted_alone(trained, importable, tmp_path, monkeypatch):
    Trained.from_pretrained(trained).save_pretrained(tmp_path / "sent")
    monkeypatch.setattr(hub, "download", lambda name: tmp_path / "sent")
    with pytest.raises(RunError, match=r"names the component 'mypackage\.\w+:\w+'.*trusted=\['mypackage'\]"):
        Trained.from_pretrained("hf:owner/name")
    with pytest.raises(RunError, match=r"trusted=\['mypackage'\]"):
        Trained.from_pretrained("hf:owner/name", trusted=["another"])
    assert Trained.from_pretrained("hf:owner/name", trusted=["mypackage"]).latent == (2,)
    recipe = storage.read_json(tmp_path / "sent" / "model.json")
    assert set(registry.outside(recipe)) == {"mypackage.losses:Sparse", "mypackage.networks:OneLayer"}
