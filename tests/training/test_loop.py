"""What the loop does at its edges."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from latentia import api
from latentia.core import storage
from latentia.core.errors import ConfigError, DataError, LatentiaError, MissingExtra, TrainingError
from latentia.metrics import average_terms
from latentia.objectives import FactorVAE
from latentia.runs import session
from latentia.training.folder import RunFolder
from latentia.training.optimiser import Adam

SMALL = {"model": {"name": "vae", "latent_dim": 2}, "network": {"name": "mlp", "hidden": [16]}}


def small(**training):
    return {**SMALL, "training": {"epochs": 3, **training}}


def images(n=60, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)


def test_training_lowers_the_loss_and_logs_all_splits(tmp_path):
    run = api.train("digits", out=tmp_path / "run", **small(epochs=20))
    validation = run.metrics("validation")
    assert validation[-1]["loss"] < validation[0]["loss"]
    test = run.metrics("test")[-1]
    assert test["loss"] == pytest.approx(test["distortion"] + test["rate"], rel=1e-6)
    assert len(test["kl"]) == 2
    assert sum(test["kl"]) == pytest.approx(test["rate"], rel=1e-5)


def test_the_kept_weights_are_the_best_validated_ones(tmp_path):
    run = api.train("digits", out=tmp_path / "run", **small(epochs=15, validate_every=1, lr=0.05))
    rows = run.metrics("validation")
    best = min(rows, key=lambda row: row["loss"])
    _, header = storage.load_tensors(run.folder.weights_file)
    assert header["step"] == best["step"]
    assert header["score"] == best["loss"]


def test_what_an_adversary_adds_to_the_loss_does_not_choose_the_weights(tmp_path, monkeypatch):
    noise = torch.Generator().manual_seed(0)

    def noisy(self, state, progress=1.0):
        terms = self.elbo(state)
        return replace(terms, adversarial=1e3 * torch.randn(len(terms.rate), generator=noise))

    monkeypatch.setattr(FactorVAE, "__call__", noisy)
    run = api.train("digits", out=tmp_path / "run", objective="factor", **small(epochs=12, validate_every=1))
    rows = run.metrics("validation")
    best = min(rows, key=lambda row: row["distortion"] + row["rate"])
    assert min(rows, key=lambda row: row["loss"]) is not best  # as it was chosen, the noise would choose
    _, header = storage.load_tensors(run.folder.weights_file)
    assert (header["step"], header["score"]) == (best["step"], best["score"])
    assert best["score"] == pytest.approx(best["distortion"] + best["rate"], rel=1e-6)
    assert len({row["adversarial"] for row in run.metrics("train")}) > 1


def test_validation_uses_the_training_objective_and_waits_for_beta_to_settle(tmp_path):
    settings = small(epochs=10, validate_every=1)
    settings["objective"] = {"beta": 3.0, "schedule": {"name": "linear", "warmup": 0.65}}
    run = api.train("digits", out=tmp_path / "run", **settings)
    last = run.metrics("validation")[-1]
    assert last["loss"] == pytest.approx(last["distortion"] + 3 * last["rate"], rel=1e-6)
    half = run.metrics("validation")[4]
    assert half["loss"] == pytest.approx(half["distortion"] + 3 * (0.5 / 0.65) * half["rate"], rel=1e-6)
    _, header = storage.load_tensors(run.folder.weights_file)
    assert header["step"] >= 0.65 * last["step"]


def test_early_stopping(tmp_path):
    run = api.train(images(), out=tmp_path / "run", **small(epochs=400, patience=2, validate_every=1, lr=0.1))
    rows = run.metrics("validation")
    assert len(rows) < 400
    best = min(range(len(rows)), key=lambda i: rows[i]["loss"])
    assert len(rows) - 1 - best == 2


def test_the_average_of_the_weights_is_what_is_kept(tmp_path):
    api.train(images(), out=tmp_path / "run", **small(ema=0.9, epochs=5), data={"validation": 0.0})
    newest = sorted((tmp_path / "run/checkpoints").glob("*.safetensors"))[-1]
    tensors, header = storage.load_tensors(newest)
    kept, kept_header = storage.load_tensors(tmp_path / "run/model.safetensors")
    assert kept_header["step"] == header["step"]
    first = "encoder.1.weight"
    assert torch.equal(kept[first], tensors["average.0"])
    assert not torch.equal(kept[first], tensors[f"model.{first}"])


def test_a_batch_larger_than_the_data_is_all_of_it(tmp_path):
    run = api.train(images(20), out=tmp_path / "run", **small(batch_size=4096))
    assert run.metrics("train")[-1]["step"] == 3


def test_two_rows_are_enough(tmp_path):
    run = api.train(np.array([[1.0, 2.0], [3.0, 5.0]], dtype=np.float32), out=tmp_path / "run", **small())
    assert run.reconstruct(run.dataset.x).shape == (2, 2)
    assert run.metrics("test") == []


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_term(tmp_path):
    x = np.random.default_rng(0).normal(size=(400, 5)).astype(np.float32)
    x[123, 2] = 1e38  # finite, and its square is not
    settings = small(batch_size=16, checkpoint_seconds=0.001, epochs=2)
    settings |= {"transform": "none", "likelihood": "gaussian"}
    with pytest.raises(
        TrainingError, match=r"the (distortion|rate) is (inf|nan) at step \d+.*last good checkpoint"
    ):
        session.start((x, None), settings, out=tmp_path / "run", quiet=True)
    tensors, header = storage.load_tensors(tmp_path / "run/failed-batch.safetensors")
    assert len(tensors["index"]) == 16
    assert torch.equal(tensors["x"], torch.from_numpy(x)[tensors["index"]])
    assert 123 in tensors["index"].tolist()
    for file in RunFolder(tmp_path / "run").checkpoints.glob("*.safetensors"):
        saved, progress = storage.load_tensors(file)
        assert progress["step"] < header["step"]
        assert all(torch.isfinite(value).all() for value in saved.values())


def test_nothing_is_written_when_the_settings_are_wrong(tmp_path):
    for settings in (
        {"model": {"name": "vae", "latent_dim": 0}},
        {"training": {"epochs": 0}},
        {"training": {"lr": -1.0}},
        {"training": {"trackers": ["nosuch"]}},
        {"objective": {"beta": -1.0}},
        {"network": {"name": "mlp", "hidden": [0]}},
        {"model": "autoencoder", "objective": "elbo"},
    ):
        with pytest.raises(ConfigError):
            session.start("digits", settings, out=tmp_path / "run", quiet=True)
        assert list(tmp_path.iterdir()) == []


def test_values_outside_of_the_support_are_refused(tmp_path):
    x = np.random.default_rng(0).uniform(0, 255, (30, 1, 8, 8)).astype(np.float32)
    with pytest.raises(DataError, match=r"'bernoulli' needs values in \[0, 1\], and the data reach 25"):
        session.start(x, {"likelihood": "bernoulli"}, out=tmp_path / "run", quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_a_run_repeats_from_its_own_run_file(tmp_path):
    from latentia.core import config

    first = api.train("digits", out=tmp_path / "first", **small())
    spec = config.read_toml(first.folder.run_file)
    source = spec["data"].pop("source")
    second = api.train(source, out=tmp_path / "second", **spec)
    assert first.folder.weights_file.read_bytes() == second.folder.weights_file.read_bytes()


def test_average_terms_of_an_example_do_not_depend_on_those_after_it(tmp_path, monkeypatch):
    from latentia.data.loader import Loader, loaders
    from latentia.metrics import terms

    monkeypatch.setattr(terms, "BLOCK", 64)
    run = api.train("digits", out=tmp_path / "run", model="vae", training={"epochs": 1})
    loader = loaders(run.dataset, run.transform)["test"]
    parts = list(terms.per_example(run.model, run.objective, loader))
    whole = average_terms(run.model, run.objective, loader)
    assert [len(part["loss"]) for part in parts] == [64, 64, 52]
    assert whole.loss == pytest.approx(float(torch.cat([p["loss"] for p in parts]).double().mean()), rel=1e-9)
    assert whole.examples == len(loader)
    first = next(
        terms.per_example(run.model, run.objective, Loader(loader.data, loader.rows[:64], run.transform))
    )
    assert torch.equal(first["loss"], parts[0]["loss"])


def test_tensorboard_gets_every_line(tmp_path):
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match=r"latentia\[tensorboard\]"):
            api.train(images(), out=tmp_path / "run", **small(trackers=["tensorboard"]))
        return
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = api.train(images(), out=tmp_path / "run", **small(trackers=["tensorboard"]))
    events = EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    logged = [row["loss"] for row in run.metrics("train")]
    assert [event.value for event in events.Scalars("train/loss")] == pytest.approx(logged, rel=1e-5)


def test_bfloat16_trains_where_it_is_asked_for(tmp_path):
    run = api.train(images(), out=tmp_path / "run", **small(precision="bfloat16"))
    assert math.isfinite(run.metrics("train")[-1]["loss"])


def test_an_unknown_device_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"device 'abacus' cannot be used here"):
        session.start("digits", small(device="abacus"), out=tmp_path / "run", quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    target = tmp_path / "file.json"
    storage.write_json(target, {"old": True})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LatentiaError, match=r"cannot write .*file\.json: No space left on device"):
        storage.write_json(target, {"new": True})
    assert json.loads(target.read_text()) == {"old": True}
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_the_latents_are_looked_at_at_a_modest_interval(tmp_path):
    run = api.train(
        images(400), out=tmp_path / "run", model="vae", training={"epochs": 60, "validate_every": 1}
    )
    rows = run.metrics("health")
    assert 20 <= len(rows) <= 31
    assert rows[-1]["step"] == run.metrics("train")[-1]["step"]
    for row in rows:
        assert 0 <= row["active_units"] <= 16
        if "mutual_information" in row:  # as long as 20 examples, which validate, can tell it
            rate = row["mutual_information"] + row["total_correlation"] + row["dimension_wise_kl"]
            assert rate > -0.5  # an estimate of what is not negative
            assert row["mutual_information"] < np.log(20) - 0.1
    settings = {"epochs": 2, "validate_every": 1}
    plain = api.train(images(400), out=tmp_path / "ae", model="autoencoder", training=settings)
    assert set(plain.metrics("health")[-1]) == {"split", "step", "active_units"}


def test_a_run_that_collapses_says_so_and_what_to_change(tmp_path):
    said = []
    settings = {
        "model": {"name": "vae", "latent_dim": 3},
        "objective": {"beta": 1e4},
        "training": {"epochs": 30},
    }
    session.start("digits", settings, out=tmp_path / "run", say=said.append, quiet=True)
    warnings = [line for line in said if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert "full collapse at step" in warnings[0] and "0 of 3 are active" in warnings[0]
    assert "objective.beta" in warnings[0] and "objective.free_bits" in warnings[0]
    said.clear()
    session.start("digits", {"training": {"epochs": 30}}, out=tmp_path / "well", say=said.append, quiet=True)
    assert not any(line.startswith("warning: ") for line in said)


def test_a_collapse_is_noticed_under_a_bound_of_several_samples(tmp_path):
    """In noise there is nothing for a latent to carry."""
    x = (np.random.default_rng(0).random((3000, 1, 4, 4)) < 0.5).astype(np.float32)
    settings = {
        "model": {"name": "vae", "latent_dim": 2},
        "objective": {"name": "iwae", "samples": 5},
        "likelihood": "bernoulli",
        "network": {"name": "mlp", "hidden": [16]},
        "training": {"epochs": 30, "lr": 3e-3},
    }
    said = []
    session.start(x, settings, out=tmp_path / "run", say=said.append, quiet=True)
    (warning,) = [line for line in said if line.startswith("warning: ")]
    assert "full collapse" in warning and "objective.name=elbo" in warning


def test_a_step_with_a_steep_gradient_changes_no_weight_and_is_counted(tmp_path):
    x = np.random.default_rng(0).normal(size=(400, 5)).astype(np.float32)
    x[123, 2] = 1e15  # its gradient is finite and steep
    fixed = {"transform": "none", "likelihood": "gaussian", "data": {"validation": 0.0, "test": 0.0}}
    skipping = small(batch_size=16, epochs=1, skip=1e6, log_every=1) | fixed
    run = api.train(x, out=tmp_path / "run", **skipping)
    rows = run.metrics("train")
    assert sum(row["skipped"] for row in rows) == 1
    # What was left out is left out of the weights: they are as small as without that example.
    tensors, _ = storage.load_tensors(run.folder.weights_file)
    assert all(torch.isfinite(value).all() and value.abs().max() < 10 for value in tensors.values())


def test_the_optimiser_leaves_everything_as_it_is_where_a_step_is_skipped():
    torch.manual_seed(0)
    parameter = torch.nn.Parameter(torch.randn(5))
    optimiser = Adam([parameter])
    parameter.grad = torch.randn(5)
    optimiser.step(0.1)
    before = {name: value.clone() for name, value in optimiser.state().items()}, parameter.detach().clone()
    parameter.grad = torch.full((5,), math.nan)
    optimiser.step(0.1, torch.ones(()))
    assert torch.equal(parameter, before[1])
    assert all(torch.equal(value, before[0][name]) for name, value in optimiser.state().items())
    parameter.grad = torch.ones(5)
    twin = torch.nn.Parameter(parameter.detach().clone())
    other = Adam([twin])
    for name, value in other.state().items():
        value.copy_(optimiser.state()[name])
    twin.grad = torch.ones(5)
    optimiser.step(0.1, torch.zeros(()))
    other.step(0.1)
    assert torch.equal(parameter, twin)


def test_a_run_that_skips_every_step_says_so(tmp_path):
    with pytest.raises(TrainingError, match=r"training\.skip=1e-09 left out all of the last"):
        session.start((images(), None), small(skip=1e-9, epochs=200), out=tmp_path / "run", quiet=True)
