"""Holes are filled by the model's own conditional distribution: against a closed form, and as data were."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentia.core.errors import ConfigError
from latentia.data import load
from latentia.runs.fitting import fit
from latentia.runs.imputation import impute

SAMPLES = 20_000


def linear(rows, **sections):
    settings = {
        "model": {"latent_dim": 2}, "network": {"name": "mlp", "hidden": []},
        "likelihood": {"name": "columns", "numbers": "gaussian"},
        "training": {"epochs": 60, "batch_size": 50, "validate_every": 20, "lr": 1e-2, "compile": "never"},
    }  # fmt: skip
    return fit(load(rows, validation=0.1, test=0.0), {**settings, **sections})


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(400, 2))
    x = z @ generator.normal(size=(2, 5)) + 0.5 * generator.normal(size=(400, 5))
    return (x * [1, 2, 3, 1, 0.5] + [0, 1, -5, 2, 0]).astype(np.float32)


@pytest.fixture(scope="module")
def model(rows):
    return linear(rows)


@pytest.fixture(scope="module")
def holed(rows):
    x = rows[:40].astype(np.float64)
    x[np.random.default_rng(1).random(x.shape) < 0.4] = np.nan
    x[0] = np.nan
    x[1] = rows[1]
    return x


def conditional(model, x):
    """Give mean and covariance of what a row lacks, of N(b, W W^T + diag(s^2)) that a linear model is."""
    z = np.concatenate([np.zeros((1, 2)), np.eye(2)]).astype(np.float32)
    points = model.inference.decode(z).astype(np.float64)
    b, w = points[0], (points[1:] - points[0]).T
    with torch.no_grad():
        p = model.model.decode(torch.zeros(1, 2))
        one, two = (model.transform.invert(p.mean + k * p.variance.sqrt()) for k in (0, 1))
    sigma = (two - one)[0].double().numpy()
    total = w @ w.T + np.diag(sigma**2)
    m, o = np.isnan(x), ~np.isnan(x)
    gain = total[np.ix_(m, o)] @ np.linalg.inv(total[np.ix_(o, o)])
    return b[m] + gain @ (x[o] - b[o]), total[np.ix_(m, m)] - gain @ total[np.ix_(o, m)]


def test_means_and_draws_are_those_of_the_conditional_gaussian(model, holed):
    found = impute(model, holed, samples=SAMPLES, draws=4000)
    for at, row in enumerate(holed):
        missing = np.isnan(row)
        if not missing.any():
            continue
        mean, covariance = conditional(model, row)
        deviation = np.sqrt(np.diag(covariance))
        error = 1 / np.sqrt(found.effective[at]) + 1 / np.sqrt(4000)
        assert found.effective[at] > 500
        assert (np.abs(found.best[at, missing] - mean) < 5 * error * deviation).all()
        drawn = found.draws[:, at, missing]
        assert (np.abs(drawn.mean(axis=0) - mean) < 5 * error * deviation).all()
        scaled = (np.cov(drawn.T).reshape(covariance.shape) - covariance) / np.outer(deviation, deviation)
        assert np.abs(scaled).max() < 8 * error
        ends = np.quantile(drawn, [0.05, 0.95], axis=0)
        assert np.allclose((ends - mean) / deviation, [[-1.645], [1.645]], atol=8 * error)


def test_observed_values_are_kept_to_the_bit_and_each_row_is_filled_alone(model, holed):
    found = impute(model, holed, samples=200, draws=2)
    seen = ~np.isnan(holed)
    for made in (found.best, *found.draws):
        assert made.dtype == np.float64 and np.array_equal(made[seen], holed[seen])
        assert not np.isnan(made).any()
    alone = impute(model, holed[[7, 3]], samples=200)
    assert np.array_equal(alone.best, found.best[[7, 3]])
    assert np.array_equal(found.best, impute(model, holed, samples=200, seed=9).best)
    assert not np.array_equal(found.draws, impute(model, holed, samples=200, draws=2, seed=9).draws)


def test_a_model_trained_with_holes_is_the_conditional_gaussian_too(rows, holed):
    x = rows.copy()
    x[np.random.default_rng(2).random(x.shape) < 0.3] = np.nan
    model = linear(x, objective={"name": "iwae", "samples": 5})
    assert model.model.inputs.holes
    found = impute(model, holed, samples=SAMPLES)
    for at in range(2, 40):
        missing = np.isnan(holed[at])
        if missing.any():
            mean, covariance = conditional(model, holed[at])
            error = 6 / np.sqrt(found.effective[at]) * np.sqrt(np.diag(covariance))
            assert (np.abs(found.best[at, missing] - mean) < error).all()


def test_a_row_without_values_is_one_of_the_prior(model, holed):
    found = impute(model, holed[:1], samples=SAMPLES, draws=2000)
    mean, covariance = conditional(model, holed[0])
    assert np.allclose(found.best[0], mean, atol=0.1 * np.sqrt(np.diag(covariance)).max())
    assert np.allclose(found.draws[:, 0].std(axis=0), np.sqrt(np.diag(covariance)), rtol=0.15)


def test_an_autoencoder_fills_in_what_it_would_reconstruct():
    generator = np.random.default_rng(3)
    rows = generator.normal(size=(400, 2)) @ generator.normal(size=(2, 5))
    rows = (rows + 0.1 * generator.normal(size=(400, 5))).astype(np.float32)
    model = linear(rows, model={"name": "autoencoder", "latent_dim": 2}, likelihood={"name": "gaussian"})
    x = rows[:100].astype(np.float64)
    hidden = np.zeros(x.shape, bool)
    hidden[np.arange(100), np.arange(100) % 5] = True
    x[hidden] = np.nan
    found = impute(model, x, draws=2)
    assert np.isnan(found.effective).all() and found.draws.shape == (2, 100, 5)
    truth, mean = rows[:100][hidden], np.broadcast_to(rows.mean(axis=0), x.shape)[hidden]
    spread = np.broadcast_to(rows.std(axis=0), x.shape)[hidden]
    error, floor = ((made - truth) / spread for made in (found.best[hidden], mean))
    assert np.square(error).mean() < 0.3 * np.square(floor).mean()
    again = model.inference.reconstruct(found.best.astype(np.float32))[hidden]
    assert np.abs((again - found.best[hidden]) / spread).mean() < 0.1  # it has come to rest


@pytest.mark.parametrize("name", ["samples", "draws"])
def test_numbers_out_of_range_are_refused(model, holed, name):
    with pytest.raises(ConfigError, match=f"'{name}' must be at least"):
        impute(model, holed, **{name: -1})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("inputs", "outputs"), [(5, 4), (13, 7), (5, 256), (64, 64)])
def test_a_row_gives_the_same_in_every_place_of_a_block(inputs, outputs, dtype):
    """What `blocks.padded` rests on: some libraries round a small product by its place if they may."""
    layer = torch.nn.Linear(inputs, outputs, dtype=dtype)
    made = layer(torch.randn(1, inputs, dtype=dtype).expand(512, inputs).contiguous())
    assert torch.equal(made, made[:1].expand_as(made))
