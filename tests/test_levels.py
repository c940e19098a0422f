"""Likelihoods of whole numbers from data to figures: what is chosen, what is refused, what is measured."""

import numpy as np
import pytest

import latentia
from latentia.core.errors import LatentiaError

OVER_LEVELS = [
    "discretised_logistic",
    "discretised_logistic_mixture",
    "pixel_logistic_mixture",
    "beta_binomial",
    "categorical",
]
TINY = {"latent_dim": 2, "network": {"name": "mlp", "hidden": [16]}, "epochs": 1}


def refusal(source, tmp_path, **settings):
    with pytest.raises(LatentiaError) as error:
        latentia.train(source, out=tmp_path / "run", **TINY, **settings)
    assert not (tmp_path / "run").exists()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", OVER_LEVELS)
def test_levels_and_transform_come_from_the_data(name, tmp_path):
    run = latentia.train("digits", out=tmp_path / "run", likelihood=name, **TINY)
    assert run.spec["likelihood"]["levels"] == 17
    assert run.spec["transform"] == {"name": "scale", "low": 0.0, "high": 16.0}


@pytest.mark.parametrize("name", ["discretised_logistic", "pixel_logistic_mixture"])
@pytest.mark.parametrize("shape", [(8, 8, 3), (3, 4, 6, 6), (5,)], ids=str)
def test_colour_images_videos_and_tables_of_bytes_work_as_they_come(shape, name, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (40, *shape), np.uint8)
    np.save(tmp_path / "x.npy", x)
    run = latentia.train(str(tmp_path / "x.npy"), out=tmp_path / "run", likelihood=name, **TINY)
    drawn = run.sample(4, noise=True)
    assert drawn.shape == (4, *shape) and drawn.dtype == np.uint8
    assert np.allclose(drawn, drawn.round(), atol=1e-3) and drawn.min() >= 0 and drawn.max() <= 255.001


@pytest.mark.parametrize("name", ["gaussian_diagonal", "student_t_diagonal"])
def test_a_scale_of_each_entry_is_trained_on_dequantised_numbers(name, tmp_path):
    run = latentia.train("digits", out=tmp_path / "run", likelihood=name, **TINY)
    assert run.spec["transform"] == {"name": "dequantise", "high": 16.0}


@pytest.mark.parametrize(
    ("transform", "fits"),
    [("binarise", "bernoulli"), ("dequantise", "gaussian_optimal"), ("none", "gaussian_optimal")],
)
def test_a_transform_that_leaves_the_levels_is_refused_with_a_pair_that_fits(transform, fits, tmp_path):
    line = refusal("digits", tmp_path, likelihood="beta_binomial", transform=transform)
    assert f"'beta_binomial' does not fit transform '{transform}'" in line
    assert f"use transform=scale, or --likelihood {fits}" in line


def test_another_range_or_number_of_levels_than_the_data_have_is_refused(tmp_path):
    wide = {"name": "scale", "high": 255.0}
    assert "'transform.high' 16, not 0 and 255" in refusal(
        "digits", tmp_path, likelihood="categorical", transform=wide
    )
    many = {"name": "categorical", "levels": 256}
    assert "digits has the levels 0 to 16" in refusal("digits", tmp_path, likelihood=many)
    one = {"name": "categorical", "levels": 1}
    assert "leave it out" in refusal("digits", tmp_path, likelihood=one)


def test_fractions_have_no_levels(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((40, 6)))
    line = refusal(str(tmp_path / "x.npy"), tmp_path, likelihood="categorical")
    assert "'categorical' needs whole numbers of 8 bits, and the data are float64" in line
    assert "use --likelihood gaussian_optimal" in line


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("levels") / "run"
    return latentia.train("digits", out=out, likelihood="discretised_logistic", **TINY | {"epochs": 20})


def test_bits_of_a_probability_are_its_nats_over_the_log_of_two_everywhere(run):
    found = latentia.evaluate(run, only=["likelihood"], samples=20, limit=30)
    figures = {name: figure.value for name, figure in found.figures.items()}
    assert figures["bits_per_dim"] == pytest.approx(-figures["elbo"] / (64 * np.log(2)))
    logged = run.metrics("test")[-1]
    assert logged["bits_per_dim"] == pytest.approx((logged["distortion"] + logged["rate"]) / (64 * np.log(2)))
    assert logged["bits_per_dim"] == pytest.approx(figures["bits_per_dim"], abs=0.05)
    assert 0 < figures["bits_per_dim"] < np.log2(17)  # what a uniform guess costs


def test_the_protocol_says_that_nothing_was_dequantised(run):
    found = latentia.evaluate(run, only=["likelihood"], samples=20, limit=30)
    for name in ("elbo", "log_likelihood", "bits_per_dim"):
        assert "whole numbers as stored, without dequantisation" in found.figures[name].protocol
    assert "bits for each value of the stored data" in found.figures["bits_per_dim"].protocol


def test_other_data_off_the_levels_have_no_likelihood(run, tmp_path):
    np.save(tmp_path / "other.npy", np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8))
    found = latentia.evaluate(run, data=str(tmp_path / "other.npy"), only=["likelihood"], samples=5, limit=5)
    assert "elbo" not in found.figures
    assert "knows the whole numbers from 0 to 16 alone" in found.missing["elbo"]


def test_the_report_says_bits_of_what(run, tmp_path):
    from latentia.report import build

    page = build([run], tmp_path / "page.html").read_text()
    assert "without dequantisation" in page and "grey is the probability of a 1" not in page
