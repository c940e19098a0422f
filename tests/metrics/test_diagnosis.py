"""The diagnosis: what figures are called wrong, and with which advice."""

import pytest

from latentia.metrics.diagnosis import diagnose
from latentia.metrics.figures import Figure
from latentia.metrics.known import completed
from latentia.metrics.verdict import verdict

SOUND = {
    "rate": 20.0,
    "active_units": 15.0,
    "latents": 16.0,
    "decoder_use": 90.0,
    "latent_spread": 1.0,
    "prior_holes": 0.02,
}


def figures(**values: float) -> dict[str, Figure]:
    return {name: Figure(float(value), "", "test", "") for name, value in values.items()}


SPEC = {
    "objective": {"name": "elbo", "beta": 1.0},
    "likelihood": {"name": "gaussian_optimal"},
    "training": {"epochs": 30, "lr": 1e-3},
}


def test_a_rate_that_tells_nothing_apart_is_no_sound_model():
    """Each latent carries more than 0.01 nats, so none is dead; together they carry next to nothing."""
    values = figures(
        rate=0.42, active_units=0, latents=16, decoder_use=3, latent_spread=1, mse=0.0593, mse_mean=0.0738
    ) | {"kl_per_dimension": Figure((0.02625,) * 16, "nats", "test", "")}
    found = diagnose(values, SPEC)
    assert [finding.name for finding in found] == ["near collapse"]
    assert "16 latents carry 0.42 nats" in found[0].what and "19.6% of the variance" in found[0].what
    assert "1.5 examples" in found[0].what  # e^0.42
    pressed = {**SPEC, "objective": {"name": "elbo", "beta": 8.0}}
    assert diagnose(values, pressed)[0].advice.startswith("lower objective.beta (now 8)")
    best = values | figures(mse_pca=0.05)  # so few numbers tell no more of these data
    assert diagnose(best, SPEC) == ()


def test_a_model_that_pca_beats_is_no_sound_model():
    values = figures(
        rate=9, active_units=16, latents=16, decoder_use=30, latent_spread=1, mse=0.088, mse_mean=0.2
    )
    assert diagnose(values, SPEC) == ()
    (found,) = diagnose(values | figures(mse_pca=0.027), SPEC)
    assert found.name == "worse than PCA"
    assert "MSE 0.088" in found.what and "as many numbers (16) has 0.027" in found.what
    assert "training.epochs, now 30" in found.advice
    alone = diagnose(figures(latents=16, mse=0.088, mse_mean=0.2, mse_pca=0.027), SPEC)
    assert "beta" not in alone[0].advice  # an autoencoder has none


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"precision_mixture": 0.75}, "--sampler mixture, whose precision is 75%"),
        ({"precision_mixture": 0.2, "precision_posterior": 0.3}, "better latents would not help"),
        ({"precision_mixture": 0.2, "precision_posterior": 0.8}, "two_stage"),
    ],
)
def test_samples_are_judged_beside_real_examples(change, advice):
    values = {**SOUND, "precision_prior": 0.1, "precision_real": 0.9, "recall_prior": 0.6, "recall_real": 0.9}
    (found,) = diagnose(figures(**{**values, **change}))
    assert found.name == "samples unlike the data"
    assert "10% of the prior's samples" in found.what and "90%" in found.what
    assert advice in found.advice
    few = diagnose(figures(**{**values, "precision_prior": 0.8, "recall_prior": 0.2}))
    assert [finding.name for finding in few] == ["samples lack variety"]


def test_a_verdict_is_the_gravest_finding_or_what_speaks_for_the_run():
    values = figures(**SOUND, mse=0.01, mse_mean=0.05, mse_pca=0.012, precision_prior=0.8, recall_prior=0.7)
    sound = verdict(values, diagnose(values, SPEC))
    assert sound.sound and not sound.cure
    for part in (
        "80% of the variance",
        "PCA with as many numbers 0.012",
        "15 of 16 latents",
        "80% of samples",
    ):
        assert part in sound.text
    fallen = figures(**{**SOUND, "rate": 0.02, "active_units": 0, "latent_spread": 9})
    told = verdict(fallen, diagnose(fallen, SPEC))
    assert (told.sound, told.name, told.more) == (False, "full collapse", 0)
    assert "objective.beta" in told.cure


def test_what_was_logged_stands_in_for_what_was_not_measured():
    row = {"split": "test", "rate": 0.0, "kl": [0.0, 0.0], "mse": 0.05, "mse_of_mean": 0.05}
    alone = completed({}, row, bound=True, latents=2)
    assert [finding.name for finding in diagnose(alone, SPEC)] == ["full collapse"]
    assert "rate" not in completed({}, row, bound=False, latents=2)
    measured = completed(figures(mse=0.01, rate=3), row, bound=True, latents=2)
    assert measured["rate"].value == 3 and "mse_mean" not in measured  # no error beside another's floor
