"""Parts of one's own from Python: modules, functions, data of torch, callbacks, trackers, data in memory."""

import json
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import latentia
from latentia.core import own
from latentia.core.errors import ConfigError, DataError, MissingComponent, Note, RunError
from latentia.core.types import Terms
from latentia.training import Callback

WORDS = "python"
TINY = {"latent_dim": 3, "epochs": 3, "threads": 1}
X = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
Y = np.random.default_rng(1).integers(3, size=300)


def pair():
    encoder = nn.Sequential(nn.Linear(6, 16), nn.Tanh())
    decoder = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 6))
    return encoder, decoder


def squared(state):
    return (state.p_x.mean - state.batch.x).square().flatten(start_dim=2).sum(dim=2).mean(dim=0)


def test_two_modules_are_a_network_and_the_command_line_is_told_before(tmp_path, monkeypatch):
    encoder, decoder = pair()
    with pytest.warns(Note, match=r"command line cannot open this run again: its network is of this session"):
        run = latentia.train(X, network=(encoder, decoder), out=tmp_path / "run", **TINY)
    inside = [module for module in run.model.modules() if isinstance(module, nn.Tanh)]
    assert len(inside) == 2
    again = latentia.open_run(tmp_path / "run")
    assert np.array_equal(again.encode(X), run.encode(X))
    monkeypatch.setattr(own, "_held", {})  # another program
    with pytest.raises(MissingComponent, match=r"in Python, with latentia.open_run\(PATH, network="):
        latentia.open_run(tmp_path / "run")
    lent = latentia.open_run(tmp_path / "run", network=pair())
    assert np.array_equal(lent.encode(X), run.encode(X))


def test_modules_train_from_the_weights_that_they_have_and_stay_as_they_are(tmp_path):
    encoder, decoder = pair()
    before = decoder[0].weight.detach().clone()
    with pytest.warns(Note, match="cannot open"):
        run = latentia.train(X, network=(encoder, decoder), out=tmp_path / "run", lr=1e-9, **TINY)
    assert torch.equal(decoder[0].weight, before)
    trained = run.model.state_dict()
    assert any(value.shape == before.shape and torch.allclose(value, before) for value in trained.values())


def test_modules_that_do_not_fit_are_one_line(tmp_path):
    encoder, decoder = pair()
    refused = pytest.raises(ConfigError, match=r"encoder given does not take a batch of shape Bx6 \(Runtime")
    with refused, pytest.warns(Note):
        latentia.train(X, network=(nn.Linear(7, 2), decoder), out=tmp_path / "run", **TINY)
    with pytest.raises(ConfigError, match="a tuple of two modules"):
        latentia.train(X, network=encoder, out=tmp_path / "run", **TINY)
    assert not (tmp_path / "run").exists()


def test_a_function_is_an_objective(tmp_path, monkeypatch):
    run = latentia.train(X, objective=squared, out=tmp_path / "run", **TINY)
    assert run.spec["objective"] == {"name": "function", "of": f"{__name__}:squared", "samples": 1}
    found = run.metrics("test")[-1]["distortion"]

    def terms(state):
        zero = torch.zeros(len(state.batch.x))
        return Terms(squared(state), zero, zero)

    with pytest.warns(Note, match="its objective is of this session"):
        same = latentia.train(X, objective=terms, out=tmp_path / "terms", **TINY)
    assert same.metrics("test")[-1]["distortion"] == pytest.approx(found, rel=1e-5)
    with pytest.raises(ConfigError, match="one for each example"), pytest.warns(Note):
        latentia.train(X, objective=lambda state: squared(state).mean(), out=tmp_path / "bad", **TINY)


class Pictures(Dataset):
    def __len__(self):
        return 200

    def __getitem__(self, at):
        return torch.full((1, 4, 4), at / 200), at % 2


class Endless(IterableDataset):
    def __iter__(self):
        return (X[at] for at in range(50))


@pytest.mark.parametrize(
    "source",
    [Pictures(), DataLoader(Pictures(), batch_size=7, shuffle=True)],
    ids=["dataset", "loader"],
)
def test_data_of_torch_are_a_source(source):
    data = latentia.load(source)
    assert data.event == (1, 4, 4)
    assert np.array_equal(data.x[:, 0, 0, 0], np.arange(200, dtype=np.float32) / 200)
    assert np.array_equal(data.labels, np.arange(200) % 2)


def test_data_of_torch_without_labels_and_without_length():
    assert np.array_equal(latentia.load(TensorDataset(torch.from_numpy(X))).x, X)
    assert np.array_equal(latentia.load(Endless()).x, X[:50])
    uneven = [np.zeros(3, np.float32), np.zeros(4, np.float32)]

    class Uneven(Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, at):
            return uneven[at]

    with pytest.raises(DataError, match=r"the Uneven given: example 1 has shape \(4,\)"):
        latentia.load(Uneven())


class Noted(Callback):
    def __init__(self, last):
        self.steps, self.logged, self.validated, self.ended, self.last = 0, [], [], [], last

    def on_step(self, at):
        self.steps += 1
        assert at.step == self.steps
        return at.step == self.last

    def on_log(self, at, row):
        self.logged.append(row["loss"])

    def on_validation(self, at, row):
        self.validated.append((at.epoch, row["loss"]))

    def on_end(self, at):
        self.ended.append(at.step)


def test_callbacks_are_called_and_stop_a_training(tmp_path):
    every = Noted(last=5)
    settings = {"validate_every": 1, "log_every": 1}
    run = latentia.train(
        X, out=tmp_path / "run", latent_dim=3, epochs=9, training=settings, batch_size=128, callbacks=[every]
    )
    assert every.steps == 5
    assert len(every.logged) == 5
    assert [epoch for epoch, _ in every.validated] == [1.0, 2.0]
    assert every.ended == [5]
    assert max(row["step"] for row in run.metrics("train")) == 5
    assert run.metrics("test")


def test_a_function_is_called_at_each_validation_and_may_stop(tmp_path):
    seen = []

    def enough(at, row):
        seen.append(row["loss"])
        return len(seen) == 2

    latentia.train(
        X, out=tmp_path / "run", latent_dim=3, epochs=9, training={"validate_every": 1}, callbacks=[enough]
    )
    assert len(seen) == 2
    with pytest.raises(ConfigError, match="callbacks="):
        latentia.train(X, out=tmp_path / "bad", callbacks=[3], **TINY)


def _stand_in_wandb(log):
    class Session:
        id = "abc"

        def log(self, row):
            log.append(row)

        def finish(self):
            log.append("end")

    def init(**given):
        log.append(given)
        return Session()

    return types.SimpleNamespace(init=init)


def test_wandb_gets_each_number_and_a_resumed_run_goes_on(tmp_path, monkeypatch):
    log = []
    monkeypatch.setitem(sys.modules, "wandb", _stand_in_wandb(log))
    trackers = {"trackers": ["wandb"]}
    run = latentia.train(X, out=tmp_path / "run", training=trackers, **TINY)
    first, *rows, end = log
    assert (first["name"], first["project"], first["id"]) == ("run", "latentia", None)
    assert first["config"]["model"]["latent_dim"] == 3
    assert end == "end"
    logged = run.metrics("train")[-1]
    assert {"train/loss": logged["loss"], "step": logged["step"]}.items() <= next(
        row for row in rows if "train/loss" in row and row["step"] == logged["step"]
    ).items()
    log.clear()
    latentia.resume(tmp_path / "run", epochs=4)
    assert log[0]["id"] == "abc"


def test_mlflow_gets_each_number(tmp_path, monkeypatch):
    params, metrics, ended = {}, [], []

    class Client:
        def get_experiment_by_name(self, name):
            return None

        def create_experiment(self, name):
            return f"experiment {name}"

        def create_run(self, place, run_name):
            assert (place, run_name) == ("experiment latentia", "run")
            return types.SimpleNamespace(info=types.SimpleNamespace(run_id="7"))

        def log_param(self, run, key, value):
            params[key] = value

        def log_metric(self, run, key, value, step):
            metrics.append((run, key, value, step))

        def set_terminated(self, run):
            ended.append(run)

    monkeypatch.setitem(sys.modules, "mlflow", types.SimpleNamespace(MlflowClient=Client))
    run = latentia.train(X, out=tmp_path / "run", training={"trackers": ["mlflow"]}, **TINY)
    row = run.metrics("train")[-1]
    assert params["model.latent_dim"] == 3
    assert ("7", "train/loss", row["loss"], row["step"]) in metrics
    assert ended == ["7"]
    assert json.loads((tmp_path / "run" / "mlflow.json").read_text()) == {"id": "7"}


@pytest.mark.parametrize("package", ["wandb", "mlflow"])
def test_a_missing_tracker_names_its_extra(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(latentia.LatentiaError, match=rf"pip install 'latentia\[{package}\]'"):
        latentia.train(X, out=tmp_path / "run", training={"trackers": [package]}, **TINY)


def test_a_tracker_that_cannot_begin_is_told_in_one_line(tmp_path, monkeypatch):
    def client():
        raise OSError("no server\nat that address")

    monkeypatch.setitem(sys.modules, "mlflow", types.SimpleNamespace(MlflowClient=client))
    with pytest.raises(latentia.LatentiaError) as caught:
        latentia.train(X, out=tmp_path / "run", training={"trackers": ["mlflow"]}, **TINY)
    assert str(caught.value).startswith("training.trackers=mlflow cannot begin: no server at that address;")


def test_a_tracker_that_fails_on_the_way_is_left_out_and_training_goes_on(tmp_path, monkeypatch):
    log = []
    package = _stand_in_wandb(log)
    begin = package.init

    def init(**given):
        session = begin(**given)
        monkeypatch.setattr(type(session), "log", lambda self, row: log[0]["no such key"])
        return session

    monkeypatch.setattr(package, "init", init)
    monkeypatch.setitem(sys.modules, "wandb", package)
    with pytest.warns(Note, match="training.trackers=wandb is left out from here on") as told:
        run = latentia.train(X, out=tmp_path / "run", training={"trackers": ["wandb"]}, **TINY)
    assert len(told) == 1 and run.metrics("train") and "end" not in log


def test_a_run_on_an_array_keeps_it_and_is_no_dead_end(tmp_path):
    straight = latentia.train((X, Y), out=tmp_path / "straight", **TINY | {"epochs": 4})
    run = latentia.train((X, Y), out=tmp_path / "run", **TINY | {"epochs": 4}, training={"patience": 4})
    again = latentia.open_run(tmp_path / "run")
    for split, rows in run.dataset.splits.items():
        assert np.array_equal(again.dataset.x[again.dataset.splits[split]], run.dataset.x[rows])
        assert np.array_equal(again.dataset.labels[again.dataset.splits[split]], run.dataset.labels[rows])
    assert again.sample(3).shape == (3, 6)
    assert again.report().is_file()
    longer = latentia.resume(tmp_path / "run", epochs=5)
    assert max(row["epoch"] for row in longer.metrics("train")) == 5
    assert np.array_equal(straight.encode(X), again.encode(X))


def test_a_run_on_a_data_frame_keeps_its_columns(tmp_path):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "size": rng.normal(size=200),
            "city": rng.choice(["Oslo", "Bodø"], 200),
            "n": rng.integers(5, size=200),
        }
    )
    latentia.train(frame, out=tmp_path / "run", **TINY)
    again = latentia.open_run(tmp_path / "run")
    made = again.sample(5)
    assert list(made.columns) == ["size", "city", "n"]
    assert {*made["city"]} <= {"Oslo", "Bodø"}
    assert len(again.dataset) == 200


def test_what_was_not_kept_is_said(tmp_path):
    import shutil

    run = latentia.train(X, out=tmp_path / "run", **TINY)
    shutil.rmtree(run.folder.data)
    bare = latentia.open_run(tmp_path / "run")
    assert bare.sample(2).shape == (2, 6)
    assert bare.encode(X[:2]).shape == (2, 3)
    assert bare.decode(np.zeros((1, 3), np.float32)).shape == (1, 6)
    with pytest.raises(RunError, match="has not kept"):
        _ = bare.dataset
