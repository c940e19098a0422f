"""The one loop in memory: what has no latents, best weights without a file, signals."""

import os
import signal

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from latentia import api, assembly
from latentia.core import storage
from latentia.core.errors import TrainingError
from latentia.data import load
from latentia.data.loader import Loader, loaders
from latentia.data.transforms import Identity
from latentia.objectives import Cosine, LossFunction
from latentia.training import Trainer, Training, train_in_memory


@pytest.fixture(autouse=True)
def nothing_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not os.listdir(tmp_path)


def cross_entropy(module, batch):
    return functional.cross_entropy(module(batch.x), batch.c, reduction="none")


def digits():
    data = load("digits")
    x = torch.from_numpy(np.asarray(data.x)).flatten(1).float() / 16
    whole = Loader(x, torch.arange(len(x)), Identity(), torch.from_numpy(data.labels))
    return data, {name: whole.over(rows) for name, rows in data.splits.items()}


def test_a_plain_classifier_is_logistic_regression():
    """The same convex loss, so the same optimum: cross-entropy and |W|^2 / 2 over all examples."""
    from sklearn.linear_model import LogisticRegression

    data, splits = digits()
    x, labels = splits["train"].data.numpy(), data.labels
    train, test = data.splits["train"], data.splits["test"]

    def penalised(module, batch):
        return cross_entropy(module, batch) + module.weight.square().sum() / (2 * len(train))

    torch.manual_seed(0)
    model = nn.Linear(64, 10)
    settings = Training(epochs=60, lr=0.03)
    only = {"train": splits["train"]}
    outcome = Trainer(model, LossFunction(penalised), only, settings, quiet=True).fit()
    assert outcome.progress.finished == "epochs"
    peer = LogisticRegression(max_iter=1000).fit(x[train], labels[train])
    logits = torch.from_numpy(peer.decision_function(x[train]))
    own, its = model.weight.detach(), torch.from_numpy(peer.coef_)
    least = functional.cross_entropy(logits, torch.from_numpy(labels[train])) + its.square().sum() / (
        2 * len(train)
    )
    assert outcome.progress.last_loss == pytest.approx(float(least), rel=0.03)
    assert torch.corrcoef(torch.stack([own.flatten(), its.flatten().float()]))[0, 1] > 0.98
    with torch.no_grad():
        right = (model(torch.from_numpy(x[test])).argmax(dim=1).numpy() == labels[test]).mean()
    assert right == pytest.approx(peer.score(x[test], labels[test]), abs=0.012)  # two of 180 examples


def test_a_linear_denoiser_is_the_wiener_filter():
    """The best linear guess of x from x + sigma n is Cov (Cov + sigma^2 I)^-1 for centred x."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 5)) @ rng.normal(size=(5, 5))
    x -= x.mean(axis=0)
    cov, sigma = np.cov(x.T, bias=True), 0.8
    wiener = cov @ np.linalg.inv(cov + sigma**2 * np.eye(5))

    def loss(module, batch):
        guess = module(batch.x + sigma * torch.randn_like(batch.x))
        return (guess - batch.x).square().sum(dim=1)

    model = nn.Linear(5, 5)
    whole = Loader(torch.from_numpy(x).float(), torch.arange(4000), Identity())
    settings = Training(epochs=60, batch_size=500, lr=0.03, schedule=Cosine())
    outcome = Trainer(model, LossFunction(loss), {"train": whole}, settings, quiet=True).fit()
    assert np.abs(model.weight.detach().numpy() - wiener).max() < 0.02
    least = np.trace(cov) - np.trace(wiener @ cov)  # the error that is left
    assert outcome.progress.last_loss == pytest.approx(least, rel=0.05)


def test_the_best_weights_end_in_the_model():
    _, splits = digits()
    torch.manual_seed(0)
    model = nn.Linear(64, 10)
    settings = Training(epochs=12, batch_size=64, lr=3.0, schedule=Cosine(rise=True), validate_every=1)
    trainer = Trainer(model, LossFunction(cross_entropy), splits, settings, quiet=True)
    progress = trainer.fit().progress
    scores = [row["score"] for row in trainer.record.rows if row["split"] == "validation"]
    assert progress.best_score == min(scores) < scores[-1]
    now = trainer.watch.validate(trainer.watched, 0, 1.0).score
    assert now == pytest.approx(progress.best_score, rel=1e-6)


def test_a_vae_in_memory_has_the_weights_of_a_vae_in_a_folder(tmp_path_factory):
    given = {"model": {"name": "vae", "latent_dim": 2}, "network": {"name": "mlp", "hidden": [16]}}
    given["training"] = {"epochs": 4, "validate_every": 1}
    run = api.train("digits", out=tmp_path_factory.mktemp("runs") / "run", **given)
    spec, data = run.spec, load("digits")
    parts = assembly.fresh(spec, data.event, spec["training"]["seed"])
    assembly.begin(parts, data, spec["training"]["seed"])
    settings = Training(epochs=4, validate_every=1, lr=spec["training"]["lr"])
    trainer = Trainer(parts.model, parts.objective, loaders(data, parts.transform), settings, quiet=True)
    trainer.fit()
    kept, _ = storage.load_tensors(run.folder.weights_file)
    assert all(torch.equal(kept[name], value) for name, value in parts.model.state_dict().items())
    assert any(row["split"] == "health" for row in trainer.record.rows)


@pytest.mark.usefixtures("interruptible")
def test_a_signal_stops_it_with_the_best_weights_so_far():
    calls = []

    def interrupted(module, batch):
        calls.append(len(batch.x))
        if len(calls) == 30:
            signal.raise_signal(signal.SIGINT)
        return cross_entropy(module, batch)

    _, splits = digits()
    before = signal.getsignal(signal.SIGINT)
    settings = Training(epochs=50, validate_every=1)
    outcome = Trainer(nn.Linear(64, 10), LossFunction(interrupted), splits, settings, quiet=True).fit()
    assert outcome.interrupted == signal.SIGINT
    assert not outcome.progress.finished
    assert outcome.progress.best_step
    assert signal.getsignal(signal.SIGINT) is before
    calls.clear()
    with pytest.raises(KeyboardInterrupt):  # where training is a part of other work, that ends as well
        train_in_memory(
            nn.Linear(64, 10), LossFunction(interrupted), splits["train"].data,
            targets=splits["train"].c, steps=100, batch_size=64, lr=1e-3,
        )  # fmt: skip


def test_training_within_other_work_repeats_and_leaves_the_generators_alone():
    x = torch.randn(100, 3)
    noisy = LossFunction(lambda net, batch: (net(batch.x + torch.randn(3)) - batch.x).square().sum(dim=1))

    def fitted():
        model = nn.Linear(3, 3)
        nn.init.eye_(model.weight)
        nn.init.zeros_(model.bias)
        before = torch.get_rng_state()
        train_in_memory(model, noisy, x, steps=50, batch_size=16, lr=1e-2, held_out=20)
        assert torch.equal(torch.get_rng_state(), before)
        return model.weight

    first = fitted()
    torch.randn(7)  # what was drawn before does not matter
    assert torch.equal(first, fitted())


def test_a_loss_that_is_not_finite_is_one_line_and_no_file():
    nan = LossFunction(lambda net, batch: net(batch.x).sum(dim=1) * float("nan"))
    with pytest.raises(TrainingError, match=r"the distortion is nan at step 1: it was trained in memory"):
        train_in_memory(nn.Linear(3, 1), nan, torch.randn(20, 3), steps=5, batch_size=10, lr=1e-3)
