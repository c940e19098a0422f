"""The verb export: folders that other programs read."""

import json
from unittest import mock

import numpy as np
import pytest

import latentia
from latentia.cli import main
from latentia.core import storage
from latentia.core.errors import LatentiaError, RunError
from latentia.export import parity, write_onnx
from latentia.runs.model import Trained


def cli(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secret place") / "digits"
    return latentia.train(
        "digits",
        model={"name": "conditional_vae", "drop": 0.2},
        network={"name": "mlp", "hidden": [16]},
        latent_dim=3,
        epochs=1,
        out=folder,
    )


@pytest.fixture(scope="module")
def onnx(run, tmp_path_factory):
    """The export as ONNX, by the command line."""
    folder = tmp_path_factory.mktemp("export") / "onnx"
    assert cli("export", run.folder.path, "--to", "onnx", "-o", folder) == 0
    return folder


def test_data_go_in_and_come_out_in_their_own_units(run, onnx):
    x = run.dataset.x[:5]
    c = run.conditions_at(np.arange(5))
    ports = {"x": x.astype(np.float32), "c": c}
    mean, std = parity.session((onnx / "encoder.onnx").read_bytes()).run(["mean", "std"], ports)
    np.testing.assert_allclose(mean, run.encode(x, c), rtol=1e-4, atol=1e-5)
    assert (std > 0).all()
    (back,) = parity.session((onnx / "decoder.onnx").read_bytes()).run(["x"], {"z": mean, "c": c})
    np.testing.assert_allclose(back, run.decode(run.encode(x, c), c), rtol=1e-4, atol=1e-4)
    assert back.max() <= 16


def test_the_record_beside_it_says_names_shapes_ranges_labels_and_what_was_compared(run, onnx):
    record = json.loads((onnx / "model.json").read_text())
    encoder, decoder = record["graphs"]["encoder"], record["graphs"]["decoder"]
    assert [(port["name"], port["shape"]) for port in encoder["inputs"]] == [
        ("x", ["n", 1, 8, 8]),
        ("c", ["n", 10]),
    ]
    assert [port["name"] for port in encoder["outputs"]] == ["mean", "std"]
    assert decoder["inputs"][0]["shape"] == ["n", 3]
    assert record["ranges"]["x"] == [0.0, 16.0]
    assert len(record["condition"]["examples"]) == 10 and record["condition"]["unknown"] == "a row of NaN"
    assert decoder["compared"]["real"] == decoder["compared"]["random"] == 64
    assert max(decoder["compared"]["largest_relative_difference"].values()) <= parity.TOLERANCE
    assert record["missing"] == {}


def test_nothing_is_written_over_and_nothing_is_left_behind(run, onnx, tmp_path, monkeypatch, capsys):
    assert cli("export", run.folder.path, "--to", "onnx", "-o", onnx) == 2
    assert "is not empty" in capsys.readouterr().err
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    assert cli("export", run.folder.path, "--to", "onnx", "-o", tmp_path / "new") == 2
    assert "differs from torch" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_a_graph_is_told_in_one_line(run, tmp_path, monkeypatch):
    def fails(*_):
        raise LatentiaError("no such operation")

    monkeypatch.setattr("latentia.export.onnx.as_onnx", fails)
    with pytest.raises(
        LatentiaError, match=r"model 'conditional_vae', network 'mlp'.* cannot be written as ONNX"
    ):
        write_onnx(run, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def hub_folder(run, tmp_path_factory):
    figures = {
        "figures": {
            "mse": {"value": 0.0123, "error": 0.001, "unit": "", "split": "test", "examples": 180},
            "rate_by_level": {
                "value": [1.0, 2.0],
                "error": None,
                "unit": "nats",
                "split": "test",
                "examples": 1,
            },
        },
        "about": {"data": "digits", "latentia": "0.1.0"},
    }
    storage.write_json(run.folder.evaluation_file, figures)
    folder = tmp_path_factory.mktemp("hub") / "model"
    assert cli("export", run.folder.path, "--to", "hub", "-o", folder) == 0
    return folder


def test_the_folder_of_a_hub_gives_the_same_model_back(run, hub_folder):
    again = Trained.from_pretrained(hub_folder)
    x, c = run.dataset.x[:4], run.conditions_at(np.arange(4))
    assert np.array_equal(again.encode(x, c), run.encode(x, c))
    assert again.label_names == run.label_names
    card = (hub_folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: latentia\n") and "Trained.from_pretrained(" in card
    assert "| `mse` | 0.0123 ± 0.0010 |" in card and "rate_by_level" not in card


def test_an_export_names_no_place_of_this_machine(run, onnx, hub_folder):
    for folder in (onnx, hub_folder):
        for path in folder.rglob("*"):
            for word in (str(run.folder.path), "secret place", str(run.folder.path.home()) + "/"):
                assert word.encode() not in path.read_bytes(), path


@pytest.fixture
def hub(monkeypatch):
    """The library of the Hub with a client that checks the signatures of its calls and sends nothing."""
    import huggingface_hub as library

    client = mock.create_autospec(library.HfApi, instance=True)
    monkeypatch.setattr(library, "HfApi", mock.create_autospec(library.HfApi, return_value=client))
    monkeypatch.setattr(library, "snapshot_download", mock.create_autospec(library.snapshot_download))
    return library, client


def test_a_push_sends_the_folder_with_a_card_that_knows_its_name(run, hub):
    _, client = hub
    sent = {}

    def upload(**given):
        folder = given["folder_path"]
        from pathlib import Path

        sent.update({path.name: path.read_text(errors="replace") for path in Path(folder).iterdir()})
        return "https://huggingface.co/someone/digits"

    client.upload_folder.side_effect = upload
    assert run.push_to_hub("someone/digits", private=True) == "https://huggingface.co/someone/digits"
    client.create_repo.assert_called_once_with("someone/digits", private=True, exist_ok=True)
    assert set(sent) == {"model.json", "model.safetensors", "README.md"}
    assert 'from_pretrained("hf:someone/digits")' in sent["README.md"]


def test_a_name_of_the_hub_is_fetched_and_a_failure_is_one_line(hub, hub_folder):
    library, client = hub
    library.snapshot_download.return_value = str(hub_folder)
    assert Trained.from_pretrained("hf:someone/digits").latent == (3,)
    library.snapshot_download.side_effect = OSError("no\nnetwork")
    with pytest.raises(RunError, match=r"hf:someone/digits cannot be fetched \(no network\)"):
        Trained.from_pretrained("hf:someone/digits")
    client.create_repo.side_effect = OSError("401")
    with pytest.raises(RunError, match=r"does not take the model \(401\).*hf auth login"):
        Trained.from_pretrained(hub_folder).push_to_hub("someone/digits")


def test_a_model_that_travels_leaves_the_paths_of_files_at_home(run):
    from latentia.runs.hub import without_paths

    recipe = {**run.recipe, "condition": {"name": "vectors", "path": "/home/someone/attributes.npy"}}
    assert without_paths(recipe)["condition"]["path"] == "attributes.npy"


def test_a_run_is_whole_whichever_way_it_is_opened(run):
    opened, read = latentia.Run.open(run.folder.path), latentia.Run.from_pretrained(run.folder.path)
    assert type(read) is latentia.Run and read.folder.path == run.folder.path
    assert read.spec == opened.spec == run.spec and read.spec["data"]["source"] == "digits"
    assert np.array_equal(read.example(0), run.example(0)) and read.metrics("test") == run.metrics("test")


def test_a_model_without_its_run_is_not_taken_for_a_run(hub_folder):
    with pytest.raises(RunError, match=r"no run\.toml.*Trained\.from_pretrained"):
        latentia.Run.from_pretrained(hub_folder)
    with pytest.raises(RunError, match=r"Trained\.from_pretrained\('hf:someone/digits'\)"):
        latentia.Run.from_pretrained("hf:someone/digits")
