"""Objectives as settings: what is refused before anything is built, and what a run of each leaves behind."""

import dataclasses
import sys

import numpy as np
import pytest
import torch

from latentia import api, assembly
from latentia.core import storage
from latentia.core.errors import ConfigError, MissingExtra
from latentia.core.needs import COMPLETE
from latentia.core.types import Batch
from latentia.data import load
from latentia.data.loader import loaders
from latentia.metrics import average_terms
from latentia.networks import ConvFeatures
from latentia.objectives import DReG, FactorVAE
from latentia.objectives.schedules import TensorSchedule
from latentia.probability import DiagonalGaussian, Posterior
from latentia.runs import session
from latentia.training import Training
from latentia.training.folder import RunFolder

SMALL = {"network": {"name": "mlp", "hidden": [16]}, "training": {"epochs": 2}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": {"name": "iwae", "samples": 0}}, r"'objective\.samples' must be at least 1, not 0"),
        (
            {"model": "autoencoder", "objective": "iwae"},
            r"objective 'iwae' needs a posterior with a density, and 'delta' has none; use .*reconstruction",
        ),
        ({"posterior": "delta", "objective": "dreg"}, r"objective 'dreg' needs .*'delta' has none; use"),
        ({"posterior": "delta", "objective": "factor"}, r"objective 'factor' needs .*'delta' has none; use"),
        ({"objective": {"name": "info_vae", "mmd": -1.0}}, r"'objective\.mmd' must not be negative, not -1"),
        ({"objective": {"name": "info_vae", "alpha": 2.0}}, r"'objective\.alpha' must be .*to 1, not 2"),
        ({"objective": {"name": "wae_mmd", "scales": []}}, r"'objective\.scales' must be positive numbers"),
        ({"objective": {"name": "wae_mmd", "beta": 2.0}}, r"unknown key 'objective\.beta'"),
        ({"objective": {"name": "capacity", "gamma": -2.0}}, r"'objective\.gamma' must not be negative"),
        ({"objective": {"name": "factor", "betas": [0.5]}}, r"'objective\.betas' are two numbers"),
        ({"objective": {"name": "factor", "hidden": [0]}}, r"'objective\.hidden' must be at least 1, not 0"),
        (
            {"objective": {"name": "ms_ssim", "scales": 2, "window": 9}},
            r"'ms_ssim' with 2 scales and windows of 9 needs images of at least 9 .*have 8; use a smaller",
        ),
        (
            {"objective": "ms_ssim"},
            r"3 scales .* at least 28 pixels a side, and these have 8; use .*scales=2",
        ),
        (
            {"model": "autoencoder", "objective": {"name": "perceptual", "base": "elbo"}},
            r"objective 'elbo' needs a posterior with a density, and 'delta' has none",
        ),
        ({"objective": {"name": "perceptual", "base": "dreg"}}, r"'objective\.base' changes .*; use .*iwae"),
        (
            {"objective": {"name": "perceptual", "base": {"name": "ms_ssim", "base": "dreg", "scales": 2}}},
            r"'objective\.base' changes .*; use .*iwae",
        ),
        (
            {
                "model": "hierarchical_vae",
                "network": "ladder_mlp",
                "objective": {"name": "perceptual", "base": "dreg"},
            },
            r"objective 'dreg' changes the gradient through z, and the levels of model 'hierarchical_vae'",
        ),
        (
            {"objective": {"name": "perceptual", "base": "semi_supervised"}},
            r"objective 'semi_supervised' trains a classifier, and model 'vae' has none; use --model",
        ),
        (
            {"objective": {"name": "perceptual", "base": "masked_reconstruction"}},
            r"model 'vae' hides nothing .*masked_autoencoder",
        ),
        (
            {"posterior": "delta"},
            r"'elbo' needs a posterior with a density.*use posterior\.name=diagonal_gau",
        ),
        ({"objective": {"name": "ms_ssim", "window": 2}}, r"'objective\.window' must be odd, not 2"),
        ({"objective": {"name": "ms_ssim", "scales": 6}}, r"'objective\.scales' must be at most 5, not 6"),
        ({"objective": {"name": "perceptual", "features": "dino"}}, r"unknown features 'dino'"),
        ({"objective": {"name": "beta_tc", "beta": -1.0}}, r"'objective\.beta' must not be negative"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_built(settings, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        session.start("digits", {**SMALL, **settings}, out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_package_that_is_missing_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    objective = {"name": "ms_ssim", "scales": 1, "window": 3}
    with pytest.raises(MissingExtra, match=r"'ms_ssim' needs the package torchmetrics.*latentia\[metrics\]"):
        session.start("digits", {**SMALL, "objective": objective}, out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("objective", ["beta_tc", "factor"])
def test_a_posterior_that_is_no_product_is_refused(objective, tmp_path, monkeypatch):
    monkeypatch.setattr(DiagonalGaussian, "gives", Posterior.gives)
    with pytest.raises(ConfigError, match=rf"'{objective}' needs a posterior that is a product .*; use"):
        session.start("digits", {**SMALL, "objective": objective}, out=tmp_path / "run", quiet=True)


def test_an_adversary_on_a_loop_with_one_optimiser_is_refused():
    @dataclasses.dataclass(frozen=True)
    class OneOptimiser(Training):
        gives = frozenset()

    with pytest.raises(ConfigError, match=r"'factor' trains an adversary .* 'OneOptimiser' has but one; use"):
        assembly.complete({"objective": "factor"}, load("digits"), OneOptimiser)


def test_the_adversary_is_in_the_checkpoint_and_in_the_log_but_not_in_the_model(tmp_path):
    run = api.train("digits", out=tmp_path / "run", objective="factor", **SMALL)
    folder = RunFolder(tmp_path / "run")
    kept = storage.load_tensors(sorted(folder.checkpoints.glob("*.safetensors"))[-1])[0]
    assert any(name.startswith("discriminator.weights.") for name in kept)
    assert kept["discriminator.optimiser.steps"] == kept["optimiser.steps"] > 0
    weights = storage.load_tensors(folder.weights_file)[0]
    assert weights.keys() == run.model.state_dict().keys()
    assert all(0 < row["adversary"] < 2 for row in run.metrics("train"))
    assert all(0.2 < row["adversary_accuracy"] < 0.8 for row in run.metrics("train"))
    plain = api.train("digits", out=tmp_path / "plain", **SMALL)
    assert "adversary" not in plain.metrics("train")[-1]


def test_a_checkpoint_that_calls_the_discriminator_the_opponent_is_gone_on_with(tmp_path):
    api.train("digits", out=tmp_path / "run", objective="factor", **SMALL)
    for file in sorted(RunFolder(tmp_path / "run").checkpoints.glob("*.safetensors")):
        tensors, header = storage.load_tensors(file)
        former = {name.replace("discriminator.", "opponent."): value for name, value in tensors.items()}
        assert former.keys() != tensors.keys()
        storage.save_tensors(file, former, header)
    outcome = session.resume(tmp_path / "run", {"epochs": 3}, quiet=True)
    steps = [row["step"] for row in outcome.folder.metrics() if row["split"] == "train"]
    assert steps[-1] == 3 * steps[0]


def test_an_autoencoder_trains_as_a_wasserstein_autoencoder(tmp_path):
    free = api.train("digits", out=tmp_path / "free", model="autoencoder", latent_dim=2, **SMALL)
    settings = {**SMALL, "objective": {"name": "wae_mmd", "mmd": 1000.0}, "training": {"epochs": 40}}
    run = api.train("digits", out=tmp_path / "wae", model="autoencoder", latent_dim=2, **settings)
    assert run.metrics("test")[-1]["rate"] == 0
    distance = [r.metrics("health")[-1]["aggregate_mmd"] for r in (free, run)]
    assert distance[1] < 0.5 * distance[0]


def test_the_penalty_of_a_batchwise_objective_is_the_same_in_every_evaluation(tmp_path):
    run = api.train("digits", out=tmp_path / "run", objective="info_vae", **SMALL)
    loader = loaders(run.dataset, run.transform)["test"]
    first = average_terms(run.model, run.objective, loader)
    torch.rand(7)  # what was drawn before does not matter
    assert average_terms(run.model, run.objective, loader) == first


def test_learning_rate_and_betas_of_the_adversary_are_settings():
    adversary = FactorVAE((2,), lr=0.5, betas=(0.1, 0.2)).adversary
    assert (adversary.lr, adversary.betas) == (0.5, (0.1, 0.2))
    assert DReG().adversary is None


@pytest.mark.parametrize("objective", ["ms_ssim", "perceptual"])
def test_a_distance_of_pictures_is_refused_on_a_table(objective, tmp_path):
    table = np.random.default_rng(0).normal(size=(60, 7)).astype(np.float32)
    with pytest.raises(ConfigError, match=r"images, and an example has shape 7; use objective\.|shape 7"):
        session.start(table, {**SMALL, "objective": objective}, out=tmp_path / "run", quiet=True)


@pytest.mark.parametrize("model", ["vae", "autoencoder"])
def test_a_distance_is_added_to_the_objective_of_the_model(model, tmp_path):
    for name, more in (("ms_ssim", {"scales": 2}), ("perceptual", {"features": {"name": "conv", "seed": 3}})):
        settings = {**SMALL, "objective": {"name": name, "weight": 0.5, **more}}
        run = api.train("digits", out=tmp_path / name, model=model, latent_dim=2, **settings)
        assert (
            run.spec["objective"]["base"]["name"] == {"vae": "elbo", "autoencoder": "reconstruction"}[model]
        )
        last = run.metrics("test")[-1]
        assert last["penalty"] > 0
        assert (last["bits_per_dim"] is None) == (model == "autoencoder")


def test_objectives_add_to_objectives_that_add_with_what_a_run_fills_in_at_any_depth(tmp_path):
    inner = {"name": "ms_ssim", "scales": 2, "base": {"name": "factor", "hidden": [8]}}
    outer = {
        "name": "perceptual",
        "weight": 0.5,
        "schedule": {"name": "linear", "warmup": 1.0},
        "base": inner,
    }
    run = api.train("digits", out=tmp_path / "run", objective=outer, latent_dim=2, **SMALL)
    assert run.spec["objective"]["base"]["data_range"] == 1.0
    assert run.objective.adversary is run.objective.base.base.adversary is not None
    assert run.objective.needs == FactorVAE.needs | {COMPLETE} and run.objective.bound
    assert run.metrics("train")[-1]["adversary"] > 0


@pytest.mark.parametrize("base", ["elbo", "semi_supervised"])
def test_each_part_has_its_own_schedule(base):
    model = {"elbo": "vae", "semi_supervised": "semi_supervised_vae"}[base]
    dataset = load("digits")
    own = (
        {"name": base} if base != "elbo" else {"name": "elbo", "schedule": {"name": "linear", "warmup": 0.5}}
    )
    table = {"name": "perceptual", "schedule": {"name": "linear", "warmup": 1.0}, "base": own}
    spec = assembly.complete({"model": model, "objective": table}, dataset, Training)
    parts = assembly.fresh(spec, dataset.event, 0)
    x = parts.transform(torch.from_numpy(dataset.x[:6]))
    c = torch.from_numpy(parts.condition.of(dataset)[:6]) if parts.condition else None
    state = parts.model(Batch(x, torch.arange(6), c))
    objective, held = parts.objective, parts.objective.with_tensor_schedules(x.device)
    for progress in (0.0, 0.25, 0.75, 1.0):
        terms, alone = objective(state, progress), objective.base(state, progress)
        added = progress * terms.diagnostics["distance"]
        assert torch.allclose(terms.penalty, alone.penalty + added)
        assert terms.weight == (min(1, 2 * progress) if base == "elbo" else 1.0)
        for _, part in held.parts():
            if isinstance(part, TensorSchedule):
                part.set(progress)
        assert torch.allclose(held(state).loss, terms.loss)
    assert (terms.diagnostics["distance"] > 0).all()
    assert [objective.settled(progress) for progress in (0.5, 0.99, 1.0)] == [False, False, True]


def test_arguments_of_what_an_objective_adds_to_need_no_name():
    given = {"objective": {"name": "perceptual", "base": {"beta": 4.0}, "features": {"channels": [8]}}}
    spec = assembly.complete(given, load("digits"), Training)["objective"]
    assert (spec["base"]["name"], spec["base"]["beta"]) == ("elbo", 4.0)
    assert (spec["features"]["name"], spec["features"]["channels"]) == ("conv", [8])


def test_weights_of_a_feature_network_come_from_a_file(tmp_path):
    recipe = ConvFeatures((4,), seed=5)
    storage.save_tensors(tmp_path / "own.safetensors", recipe.network((1, 8, 8)).state_dict())
    read = ConvFeatures((4,), weights=str(tmp_path / "own.safetensors")).network((1, 8, 8))
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(read(x)[0], recipe.network((1, 8, 8))(x)[0])
    assert not any(parameter.requires_grad for parameter in read.parameters())
    with pytest.raises(ConfigError, match=r"own\.safetensors does not fit features\.channels=\[4, 8\]"):
        ConvFeatures((4, 8), weights=str(tmp_path / "own.safetensors")).network((1, 8, 8))
