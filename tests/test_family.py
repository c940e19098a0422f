"""Priors, posteriors and samplers through the same doors as everything else."""

import numpy as np
import pytest

import latentia
from latentia.core.errors import ConfigError

QUICK = {"epochs": 1, "latent_dim": 3, "network": {"name": "mlp", "hidden": [8]}}


def test_a_vamp_prior_learns_the_range_of_its_data_and_starts_from_examples(tmp_path):
    x = np.random.default_rng(0).normal(5, 3, size=(300, 6)).astype(np.float32)
    prior = {"name": "vamp", "pseudo_inputs": 20}
    run = latentia.train(x, out=tmp_path / "run", prior=prior, likelihood="gaussian", **QUICK)
    train = x[run.dataset.splits["train"]]
    scaled = np.concatenate([part.numpy() for part in run.prepare(train)])
    given = run.spec["prior"]
    assert given["low"] == pytest.approx(scaled.min(), abs=1e-5)
    assert given["high"] == pytest.approx(scaled.max(), abs=1e-5)
    inputs = run.model.prior.inputs.numpy()
    nearest = np.abs(inputs[:, None] - scaled[None]).max(axis=2).min(axis=1)
    assert np.median(nearest) < 0.3  # a few steps of 0.001 from an example; noise would be 2 away
    assert np.isfinite(run.sample(3)).all()


def test_a_run_draws_from_every_sampler_and_keeps_their_fits(tmp_path):
    posterior = {"name": "full_gaussian"}
    run = latentia.train("digits", out=tmp_path / "run", prior="mixture", posterior=posterior, **QUICK)
    for name, settings in (
        ("prior", {}),
        ("mixture", {}),
        ("flow", {"steps": 5}),
        ("two_stage", {"steps": 5}),
    ):
        made = run.sample(4, sampler=name, **settings)
        assert made.shape == (4, 1, 8, 8) and np.isfinite(made).all()
        again = latentia.open_run(tmp_path / "run").sample(4, sampler=name, **settings)
        assert (made == again).all()
    kept = {path.name for path in (tmp_path / "run" / "samplers").iterdir()}
    assert kept == {"mixture.safetensors", "flow.safetensors", "two_stage.safetensors"}


def test_health_of_a_correlated_posterior_and_a_learned_prior_says_what_it_can(tmp_path):
    run = latentia.train("digits", out=tmp_path / "run", prior="maf", posterior="full_gaussian", **QUICK)
    found = latentia.evaluate(run, only=["health", "likelihood"], samples=4, limit=4)
    assert {"mutual_information", "aggregate_kl", "aggregate_mmd", "log_likelihood"} <= set(found.figures)
    assert "is no product over" in found.missing["total_correlation"]
    assert "is one number, which has no parts" in found.missing["kl_per_dimension"]


def test_a_prior_of_posteriors_refuses_a_posterior_without_density(tmp_path):
    with pytest.raises(
        ConfigError, match=r"prior 'vamp' mixes posteriors.*'delta' has none.*prior\.name=mixture"
    ):
        latentia.train("digits", out=tmp_path / "run", model="autoencoder", prior="vamp")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_samples_of_any_sampler_are_measured_and_not_measured_twice(tmp_path):
    run = latentia.train("digits", out=tmp_path / "run", **QUICK)
    lines = []
    for _ in range(2):
        asked = {"only": ["generation"], "samplers": ["mixture"]}
        found = latentia.evaluate(run, say=lines.append, **asked)
    assert lines == ["generation ..."]
    assert {"frechet_mixture", "recall_midpoint"} <= set(found.figures)
    assert "frechet_prior" not in found.figures
    with pytest.raises(ConfigError, match="unknown sampler 'two_stages'; did you mean 'two_stage'"):
        latentia.evaluate(run, samplers=["two_stages"])
