"""Runs against a discriminator of patches: what they keep, choose, say, and how they end."""

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latentia import Run
from latentia.core import storage
from latentia.core.needs import BOUND
from latentia.core.processes import Processes
from latentia.objectives import ELBO, Adversarial, FactorVAE
from latentia.runs import session
from latentia.training import LatentWatch, LossWatch, Training
from latentia.training.folder import RunFolder

TINY = {"name": "adversarial", "layers": 1, "channels": 4, "start": 0.2, "ramp": 0.2}


def settings(objective=None, **training):
    return {
        "model": {"name": "vae", "latent_dim": 2},
        "network": {"name": "mlp", "hidden": [8]},
        "likelihood": {"name": "l1"},
        "objective": {**TINY, **(objective or {})},
        "training": {"epochs": 5, "log_every": 1, "device": "cpu", **training},
    }


def images(n=48):
    return np.random.default_rng(0).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)


def train(path, objective=None, *, n=48, **training):
    np.save(path.with_suffix(".npy"), images(n))
    chosen = settings(objective, **training)
    folder = session.start(path.with_suffix(".npy"), chosen, out=path, quiet=True).folder
    return folder, [row for row in folder.metrics() if row["split"] == "train"]


def test_the_discriminator_is_in_the_checkpoint_and_not_in_the_model(tmp_path):
    base = {"name": "perceptual", "features": {"name": "conv", "channels": [4]}, "base": "elbo"}
    folder, rows = train(tmp_path / "run", {"base": base, "lecam": 0.01})
    kept = storage.load_tensors(sorted(folder.checkpoints.glob("*.safetensors"))[-1])[0]
    assert {"discriminator.weights.network.0.weight", "discriminator.weights.levels.true"} <= kept.keys()
    assert kept["discriminator.weights.levels.begun"] == 1
    run = Run.open(tmp_path / "run")
    assert storage.load_tensors(folder.weights_file)[0].keys() == run.model.state_dict().keys()
    assert run.spec["objective"]["base"]["base"]["name"] == "elbo"
    early = [row["adversarial"] for row in rows if row["step"] <= 0.2 * rows[-1]["step"]]
    late = [row["adversarial"] for row in rows if row["step"] > 0.25 * rows[-1]["step"]]
    assert early and not any(early) and all(late)
    assert all(row["adversary"] > 0 and 0 <= row["adversary_accuracy"] <= 1 for row in rows)
    assert rows[0]["penalty"] > 0  # the perceptual distance


def test_the_discriminator_learns_before_it_has_a_say(tmp_path):
    _, rows = train(tmp_path / "run", {"start": 0.9, "ramp": 0.1, "lr": 3e-3}, epochs=60)
    assert not any(row["adversarial"] for row in rows if row["step"] < 0.9 * rows[-1]["step"])
    half = [row for row in rows if row["step"] < 0.9 * rows[-1]["step"]][-1]
    assert half["adversary"] < 0.6 * rows[0]["adversary"] and half["adversary_accuracy"] > 0.9


def test_weights_are_chosen_without_the_discriminator(tmp_path):
    folder, _ = train(tmp_path / "run", {"weight": 50.0}, epochs=20)
    rows = [row for row in folder.metrics() if row["split"] == "validation"]
    assert all(row["loss"] == pytest.approx(row["distortion"] + row["rate"]) for row in rows)
    header = storage.load_tensors(folder.weights_file)[1]
    late = [row for row in rows if row["step"] >= 0.9 * rows[-1]["step"]]
    best = min(late, key=lambda row: row["loss"])
    assert (header["step"], header["score"]) == (best["step"], best["loss"])


def test_batches_of_one_train(tmp_path):
    _, rows = train(tmp_path / "run", batch_size=1, n=10)
    assert len(rows) > 20 and all(math.isfinite(row["loss"]) for row in rows)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_ten_seeds_give_no_nan(tmp_path, precision):
    """Under a rate at which both sides move fast, with a say from the start."""
    for seed in range(10):
        _, rows = train(
            tmp_path / f"{precision} {seed}", {"start": 0.0, "ramp": 0.0, "lr": 1e-2, "weight": 1.0},
            seed=seed, lr=1e-2, batch_size=16, precision=precision, epochs=8,
        )  # fmt: skip
        assert all(math.isfinite(value) for row in rows for value in row.values() if value != "train")
        assert all(row["adversarial"] != 0 for row in rows)


def test_parts_of_a_batch_give_the_gradient_of_the_batch(tmp_path):
    """Each example's ratio is its own, so it makes no difference which ones it stands beside."""

    def weights(name, **training):
        chosen = settings(TINY | {"start": 0.0, "lecam": 0.01}, batch_size=16, epochs=4, **training)
        chosen |= {
            "model": {"name": "autoencoder", "latent_dim": 2},
            "data": {"validation": 0.0, "test": 0.0},
        }
        folder = session.start(images(), chosen, out=tmp_path / name, quiet=True).folder
        return storage.load_tensors(sorted(folder.checkpoints.glob("*.safetensors"))[-1])[0]

    whole, parts = weights("whole"), weights("parts", accumulate=4)
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        if "weight" in name or "levels" in name:
            torch.testing.assert_close(value, parts[name], rtol=1e-3, atol=1e-4, msg=name)


def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path):
    for name, training in (("whole", {}), ("broken", {"max_minutes": 1e-6})):
        train(tmp_path / name, {"lecam": 0.01}, **training)
    for minutes in (1e-6, 10.0):
        session.resume(tmp_path / "broken", {"max_minutes": minutes}, quiet=True)
    ends = [
        sorted(RunFolder(tmp_path / name).checkpoints.glob("*.safetensors"))[-1]
        for name in ("whole", "broken")
    ]
    one, other = (storage.load_tensors(end)[0] for end in ends)
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_compiling_is_left_out_and_said(tmp_path):
    said = []
    session.start(images(), settings(compile="always"), out=tmp_path / "run", quiet=True, say=said.append)
    assert any("not compiled: the objective differentiates while it scores" in line for line in said)


def watched(objective, steps=4000):
    return SimpleNamespace(
        objective=objective, total_steps=steps, model=None, train=None,
        settings=Training(epochs=1), processes=Processes(),
    )  # fmt: skip


@pytest.mark.parametrize("watch", [LossWatch, LatentWatch])
@pytest.mark.parametrize(
    ("loss", "accuracy", "message"),
    [
        (0.01, 1.0, r"from step 900 on .*right about 100% .*use objective\.lr=2\.5e-05 .*lecam"),
        (1.0, 0.51, r"from step 900 on .*right about 51% .* chance; use objective\.lr=0\.0004"),
        (0.6, 0.8, None),
    ],
)  # fmt: skip
def test_a_discriminator_that_is_stuck_is_a_warning_with_the_setting_to_change(
    watch, loss, accuracy, message
):
    objective = Adversarial((1, 8, 8), ELBO(), layers=1, channels=4)
    objective.gives = objective.gives - {BOUND}  # bits per dimension need a model
    run, looks = watched(objective), watch()
    means = {"loss": 1.0, "distortion": 1.0, "rate": 1.0}
    for step in range(100, 1301, 100):  # it has its full say from step 1000 on
        shown = looks.steps(run, step, means | {"adversary": loss, "adversary_accuracy": accuracy})
        assert shown["adversary"] == f"{accuracy:.0%} right"
        assert bool(looks.warnings()) == (message is not None and step == 1300)
    if message is not None:
        (warning,) = looks.warnings()
        assert re.search(message, warning), warning
    looks.steps(run, 1400, means | {"adversary": 0.6, "adversary_accuracy": 0.8})
    assert looks.warnings() == []  # it has recovered


def test_a_blind_discriminator_of_the_factor_vae_is_what_is_wanted():
    looks, run = LossWatch(), watched(FactorVAE((2,)))
    for step in range(100, 4001, 100):
        looks.steps(run, step, {"loss": 1.0, "adversary": math.log(2), "adversary_accuracy": 0.5})
    assert looks.warnings() == []


def test_a_run_whose_discriminator_has_won_ends_with_a_warning(tmp_path):
    said = []
    chosen = settings({"lr": 1e-2, "weight": 1e-3}, epochs=110, batch_size=8, log_every=20)
    session.start(images(), chosen, out=tmp_path / "run", quiet=True, say=said.append)
    (line,) = [line for line in said if line.startswith("warning: from step ")]
    assert re.search(r"right about 100% of the patches, its loss is .* use objective\.lr=0\.0025 \(now", line)
