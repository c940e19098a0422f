"""What data are scaled by: statistics of the training split, and without losing digits."""

import numpy as np
import pytest
import torch

from latentia import api, assembly
from latentia.core.errors import DataError
from latentia.data import load
from latentia.data.transforms import Scale, Standardise
from latentia.runs import session
from latentia.training import Training


def arrays(kind=np.float32):
    """Pictures between 2 and 5 in the training split, and one value of 9 in the test split."""
    x = np.random.default_rng(0).uniform(2, 5, (60, 1, 8, 8)).astype(kind)
    dataset = load(x, validation=0.1, test=0.2)
    x[dataset.splits["test"][0], 0, 3, 3] = 9
    x[dataset.splits["validation"][0], 0, 3, 3] = -1
    return x, load(x, validation=0.1, test=0.2)


def test_the_range_is_that_of_the_training_split():
    x, dataset = arrays()
    train = x[dataset.splits["train"]]
    assert dataset.observed == (-1, 9)
    assert dataset.training_range == (train.min(), train.max())
    spec = assembly.complete({}, dataset, Training)
    assert spec["transform"] == {"name": "scale", "low": float(train.min()), "high": float(train.max())}


def test_what_lies_outside_of_it_stays_in_proportion_and_is_said(tmp_path):
    x, _ = arrays()
    said = []
    settings = {
        "model": {"name": "vae", "latent_dim": 2},
        "training": {"epochs": 1},
        "data": {"validation": 0.1, "test": 0.2},
        "likelihood": {"name": "gaussian_optimal"},
    }
    session.start(x, settings, out=tmp_path / "run", quiet=True, say=said.append)
    (line,) = [line for line in said if "the ends of the training split" in line]
    assert "reach from -1 to 9 and stay in proportion" in line
    assert float(Scale(2.0, 5.0)(torch.tensor([8.0]))) == pytest.approx(2)
    settings["transform"] = {"name": "scale", "low": -1.0, "high": 9.0}
    said.clear()
    session.start(x, settings, out=tmp_path / "known", quiet=True, say=said.append)
    assert not any("the ends of the training split" in line for line in said)


@pytest.mark.parametrize("likelihood", ["continuous_bernoulli", "bce"])
def test_a_likelihood_that_ends_there_refuses_with_advice_that_works(likelihood):
    _, dataset = arrays()
    settings = {"likelihood": likelihood, "transform": {"name": "scale"}}
    with pytest.raises(
        DataError, match=r"beside the training split reach .*transform.low=-1 transform.high=9"
    ):
        assembly.complete(settings, dataset, Training)
    known = {"name": "scale", "low": -1.0, "high": 9.0}
    assert assembly.complete({**settings, "transform": known}, dataset, Training)["transform"] == known


def test_the_statistics_of_columns_are_those_of_the_training_split():
    x = np.random.default_rng(0).normal(size=(80, 3))
    dataset = load(x, test=0.25)
    x[dataset.splits["test"]] += 100
    spec = assembly.complete({}, load(x, test=0.25), Training)
    train = x[dataset.splits["train"]]
    assert np.allclose(spec["transform"]["mean"], train.mean(axis=0), atol=1e-6)
    assert np.allclose(spec["transform"]["std"], train.std(axis=0), atol=1e-6)


def test_columns_between_0_and_1_are_scaled_each_by_its_own(tmp_path):
    rng = np.random.default_rng(0)
    hidden = rng.random((200, 1))
    x = np.hstack([hidden, 1e-3 * (1 - hidden), 0.5 * hidden**2]) * (1 + 0.01 * rng.normal(size=(200, 3)))
    dataset = load(x.clip(0, 1))
    assert dataset.observed[0] >= 0
    assert dataset.observed[1] <= 1
    assert assembly.complete({}, dataset, Training)["transform"]["name"] == "standardise"
    run = api.train(x.clip(0, 1), model="autoencoder", latent_dim=1, epochs=150, batch_size=32, lr=3e-3,
                    out=tmp_path / "run")  # fmt: skip
    error = (run.reconstruct(x.clip(0, 1)) - x) ** 2
    assert (error.mean(axis=0) < 0.1 * x.var(axis=0)).all()


@pytest.mark.parametrize("likelihood", ["bernoulli", "bce", "continuous_bernoulli"])
def test_columns_stay_between_0_and_1_where_the_likelihood_needs_it(likelihood):
    dataset = load(np.random.default_rng(0).random((100, 3)))
    table = assembly.complete({"likelihood": likelihood}, dataset, Training)["transform"]
    assert table["name"] == ("binarise" if likelihood == "bernoulli" else "none")


TIMES = 1.7e9 + np.arange(400.0)[:, None] * [[1.0, 60.0]]
"""Seconds since 1970: float32 has one number for 128 of them."""


def test_standardised_times_keep_their_digits():
    transform = Standardise(tuple(TIMES.mean(axis=0)), tuple(TIMES.std(axis=0)))
    x = transform(torch.from_numpy(TIMES))
    assert x.dtype == torch.float32
    wanted = (TIMES - TIMES.mean(axis=0)) / TIMES.std(axis=0)
    assert np.allclose(x.numpy(), wanted, atol=1e-6)
    back = transform.invert(x)
    assert back.dtype == torch.float64
    assert np.abs(back.numpy() - TIMES).max() < 0.01


def test_scaled_times_keep_their_digits():
    transform = Scale(float(TIMES.min()), float(TIMES.max()))
    x = transform(torch.from_numpy(TIMES))
    assert x.dtype == torch.float32
    assert np.abs(transform.invert(x).numpy() - TIMES).max() < 0.01


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint32])
def test_large_whole_numbers_keep_their_digits(kind):
    numbers = (2**30 + np.arange(200)).astype(kind)[:, None]
    transform = Standardise((float(numbers.mean()),), (float(numbers.std()),))
    x = transform(torch.from_numpy(numbers))
    assert len(torch.unique(x)) == 200


def test_columns_near_zero_stay_float32():
    transform = Standardise((1.0, -2.0), (0.5, 3.0))
    x = torch.randn(5, 2)
    assert transform.invert(x).dtype == torch.float32
    assert torch.equal(transform(x), (x - torch.tensor([1.0, -2.0])) / torch.tensor([0.5, 3.0]))


def test_salt_and_pepper_of_a_table_are_its_extremes():
    x = 50 + 9 * np.random.default_rng(0).normal(size=(80, 3))
    settings = {"model": "denoising_autoencoder", "corruption": "salt_and_pepper"}
    dataset = load(x)
    spec = assembly.complete(settings, dataset, Training)
    train = x[dataset.splits["train"]]
    scaled = (train - train.mean(axis=0)) / train.std(axis=0)
    assert spec["corruption"]["low"] == pytest.approx(scaled.min(), abs=1e-5)
    assert spec["corruption"]["high"] == pytest.approx(scaled.max(), abs=1e-5)


def test_a_column_of_equal_values_has_no_spread_whatever_the_rounding_of_their_mean():
    """A deviation of 1e-17 would make of a value that another split has some 1e17."""
    from latentia.assembly.defaults import moments

    x = np.random.default_rng(0).normal(size=(744, 3))
    x[:, 1] = -0.1 / 3
    for holes in (0, 5):
        x[:holes, 1] = np.nan
        mean, deviation = moments(x)
        assert deviation[1] == 0.0
        assert np.isclose(mean[1], -0.1 / 3)
        assert deviation[0] > 0.9
