"""The default learns on dark and on light pictures, and a run that learned nothing says so."""

import numpy as np
import pytest
import torch

import latentia
from latentia import api
from latentia.cli import main
from latentia.core.errors import TrainingError
from latentia.data.loader import loaders
from latentia.data.transforms import Scale
from latentia.metrics import floor, mean_example
from latentia.runs import session

SIDE = 16
SETTINGS = {"data": {"validation": 0.1, "test": 0.1}}


def spots(n=160, *, light=False, seed=11):
    """One bright spot on black, as under a microscope; or ink on paper."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    centre = rng.uniform(4, 12, (2, n, 1, 1))
    spot = 0.9 * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * 1.2**2))
    grey = (np.clip(spot + rng.normal(0, 0.01, spot.shape), 0, 1) * 255).astype(np.uint8)
    return (255 - grey if light else grey)[:, None]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("light", [False, True], ids=["dark", "light"])
def test_the_default_autoencoder_learns(tmp_path, light, seed):
    x = spots(light=light)
    training = {"epochs": 60, "batch_size": 16, "seed": seed}
    run = api.train(
        x, model={"name": "autoencoder", "latent_dim": 4}, training=training, out=tmp_path / "run", **SETTINGS
    )
    error = np.mean((run.reconstruct(x) - x.astype(float)) ** 2)
    assert error < 0.1 * x.var()


def test_a_decoder_that_begins_far_from_the_data_does_not_learn(tmp_path, monkeypatch):
    monkeypatch.setattr("latentia.models.vae.VAE.begin", lambda self, x: None)
    said = []
    settings = {
        "model": {"name": "autoencoder", "latent_dim": 4},
        "training": {"epochs": 20, "batch_size": 16},
        **SETTINGS,
    }
    np.save(tmp_path / "spots.npy", spots())
    source = str(tmp_path / "spots.npy")
    folder = session.start(source, settings, out=tmp_path / "run", quiet=True, say=said.append).folder
    (warning,) = [line for line in said if line.startswith("warning: ")]
    assert warning.startswith("warning: worse than the mean: MSE ")
    assert "train longer (training.epochs, now 20)" in warning
    test = folder.metrics()[-1]
    assert test["mse"] > test["mse_of_mean"]
    diagnosis = api.evaluate(folder.path, only=("reconstruction",)).diagnosis
    assert diagnosis[0].name == "worse than the mean"
    from latentia.report import build

    page = build([api.open_run(folder.path)], tmp_path / "report.html", quiet=True).read_text()
    assert "Worse than the mean" in page


def test_the_advice_for_a_learning_rate_that_is_too_high_works(tmp_path):
    said = []
    settings = {
        "model": {"name": "autoencoder", "latent_dim": 4},
        "training": {"epochs": 40, "batch_size": 16, "lr": 0.3},
        **SETTINGS,
    }
    session.start(spots(), settings, out=tmp_path / "run", quiet=True, say=said.append)
    assert any("lower training.lr to 0.001 (now 0.3)" in line for line in said)
    settings["training"]["lr"] = 0.001
    said.clear()
    session.start(spots(), settings, out=tmp_path / "again", quiet=True, say=said.append)
    assert not any(line.startswith("warning") for line in said)


def test_the_floor_is_the_error_of_the_training_mean():
    x = np.random.default_rng(0).integers(0, 256, (60, 1, 4, 4)).astype(np.uint8)
    dataset = latentia.load(x, validation=0.0, test=0.2)
    splits = loaders(dataset, Scale())
    train, test = (x[dataset.splits[name]] / 255 for name in ("train", "test"))
    mean = mean_example(splits["train"])
    assert torch.allclose(mean, torch.from_numpy(train.mean(axis=0)).float())
    assert floor(splits["test"], mean) == pytest.approx(((test - train.mean(axis=0)) ** 2).mean(), rel=1e-5)


@pytest.fixture
def table(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(100, 3)))
    return str(tmp_path / "x.npy")


def test_a_run_that_diverged_is_no_success(tmp_path, table):
    settings = {"lr": 10.0, "epochs": 3, "latent_dim": 2}
    with pytest.raises(
        TrainingError, match=r"diverged: its loss was .* nats .*use training.lr=0.001 \(now 10\)"
    ):
        api.train(table, out=tmp_path / "run", **settings)
    run = api.open_run(tmp_path / "run")  # nothing is lost
    assert run.metrics("test")
    assert len(list((tmp_path / "run/checkpoints").glob("*.safetensors"))) == 2
    with pytest.raises(TrainingError, match="diverged"):  # and nothing forgotten
        session.check_learned(session.resume(tmp_path / "run", quiet=True))
    api.train(table, out=tmp_path / "cured", **{**settings, "lr": 1e-3})


def test_a_run_that_diverged_ends_with_an_error_on_the_command_line(tmp_path, table, capsys):
    arguments = ["train", table, "--lr", "10", "--epochs", "3", "--latent-dim", "2"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--out", str(tmp_path / "run")])
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert "done" not in printed.out
    assert "the run diverged" in printed.err
    assert len(printed.err.strip().splitlines()) == 1
