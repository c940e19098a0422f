"""Latent health, where everything is known."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import kl_divergence

from latentia.data.loader import Loader
from latentia.data.transforms import Identity
from latentia.metrics.diagnosis import collapse, diagnose
from latentia.metrics.figures import Figure, Unmeasurable
from latentia.metrics.health import (
    active_units,
    decoder_use,
    encode_split,
    prior_distance,
    prior_holes,
    split_rate,
)
from latentia.models import VAE, Autoencoder
from tests.metrics.conftest import Known, Linear


def rate_of(known):
    q, p = known.model.encode(torch.from_numpy(known.x)), known.model.prior()
    return float(kl_divergence(q, p).mean())


def test_the_parts_of_the_rate_add_up_to_it(known):
    codes = encode_split(known.model, known.loader)
    parts = split_rate(known.model, codes)
    sums = parts.mutual_information + parts.total_correlation + parts.dimension_wise_kl
    error = sums.std(ddof=1) / math.sqrt(len(sums))
    assert abs(sums.mean() - rate_of(known)) < 3 * error
    assert parts.examples == len(codes) == 600


def test_at_the_true_posterior_the_aggregate_is_the_prior():
    known = Known(count=2000)
    parts = split_rate(known.model, encode_split(known.model, known.loader))
    assert parts.total_correlation.mean() == pytest.approx(0, abs=0.05)
    assert parts.dimension_wise_kl.mean() == pytest.approx(0, abs=0.05)
    # I(x; z) = 1/2 sum_j log (1 / posterior variance): prior variance over what is left of it
    exact = -0.5 * np.log(known.posterior_variance).sum()
    assert parts.mutual_information.mean() == pytest.approx(exact, abs=0.1)


def test_equal_latents_correlate_totally(known):
    """Two latents that are copies: TC is half the log of a determinant."""
    with torch.no_grad():
        known.model.encoder.weight[1] = known.model.encoder.weight[0]
        known.model.encoder.bias[2:] = math.log(0.5)  # variance of each posterior
    codes = encode_split(known.model, known.loader)
    parts = split_rate(known.model, codes)
    means = codes.mean.double().numpy()[:, 0]
    c = means.var()
    # z_j = m + e_j with m nearly normal: correlation c / (c + 0.5), TC = -1/2 log (1 - r^2)
    r = c / (c + 0.5)
    assert parts.total_correlation.mean() == pytest.approx(-0.5 * math.log(1 - r**2), abs=0.1)


def test_active_units_are_those_whose_mean_moves(known):
    assert active_units(encode_split(known.model, known.loader)) == 2
    with torch.no_grad():
        known.model.encoder.weight[1] *= 0.01
    assert active_units(encode_split(known.model, known.loader)) == 1


def test_a_prior_that_covers_the_data_has_no_holes_and_one_that_does_not_has():
    known = Known(count=2000)
    share, error, count = prior_holes(known.model, encode_split(known.model, known.loader))
    assert abs(share - 0.01) < 4 * error + 0.01
    assert count == 1000
    known.spoil(shift=30.0)
    assert prior_holes(known.model, encode_split(known.model, known.loader))[0] == 1.0


def test_the_distance_from_the_prior_is_zero_at_the_prior_and_grows_away_from_it():
    known = Known(count=2000)
    near, error, count = prior_distance(known.model, encode_split(known.model, known.loader))
    assert abs(near) < 4 * error
    assert count == 2000
    far = [
        prior_distance(known.model, encode_split(known.spoil(shift=step).model, known.loader))[0]
        for step in (1, 1)
    ]
    assert 10 * error < far[0] < far[1] < 2


def test_the_decoder_uses_what_tells_examples_apart(known):
    gains = decoder_use(known.model, known.loader, encode_split(known.model, known.loader))
    assert gains.mean() > 1 and len(gains) == 600
    with torch.no_grad():
        known.model.decoder.weight.zero_()
    assert decoder_use(known.model, known.loader, encode_split(known.model, known.loader)).max() == 0


def test_an_autoencoder_has_no_rate_to_divide_but_a_distance():
    torch.manual_seed(0)
    model = Autoencoder((6,), 2, network=Linear()).eval()
    loader = Loader(torch.randn(300, 6), torch.arange(300), Identity())
    codes = encode_split(model, loader)
    for measure in (split_rate, prior_holes):
        with pytest.raises(Unmeasurable, match="is a point, as an autoencoder's is"):
            measure(model, codes)
    assert prior_distance(model, codes)[2] == 200
    assert active_units(codes) == 2


def test_a_collapsed_posterior_draws_no_noise_that_the_prior_draws(known):
    with torch.no_grad():
        known.model.encoder.weight.zero_()
        known.model.encoder.bias.zero_()
    codes = encode_split(known.model, known.loader)
    values = [prior_distance(known.model, codes, seed)[0] for seed in range(6)]
    spread = np.std(values[1:], ddof=1)
    assert abs(values[0]) < 5 * spread  # equal noise would make two samples one, and the distance negative


def test_small_latents_that_carry_much_are_no_collapse():
    small = diagnose(
        {
            **figures(rate=65.8, active_units=0, latents=16),
            "kl_per_dimension": Figure((4.1,) * 16, "", "test", ""),
        }
    )
    assert small == ()


def test_figures_that_are_not_finite_are_not_judged():
    assert (
        diagnose(figures(decoder_use=float("nan"), latent_spread=float("nan"), prior_holes=float("nan")))
        == ()
    )


def test_few_examples_are_refused_with_their_number():
    few = Known(count=11)
    codes = encode_split(few.model, few.loader)
    with pytest.raises(Unmeasurable, match="at least 200 examples, and there are 11"):
        prior_holes(few.model, codes)
    with pytest.raises(Unmeasurable, match="at least 20 examples, and there are 11"):
        prior_distance(few.model, codes)


def test_latents_with_height_and_width_are_flattened():
    class Map(nn.Module):
        def forward(self, x):
            return torch.cat([x.reshape(-1, 1, 2, 3), torch.zeros(len(x), 1, 2, 3)], dim=1)

    model = VAE((6,), 2, network=Linear())
    model.latent, model.encoder = (1, 2, 3), Map()
    from latentia.probability import DiagonalGaussian, StandardNormal

    model.posterior, model.prior = DiagonalGaussian((1, 2, 3)), StandardNormal((1, 2, 3))
    loader = Loader(torch.randn(300, 6), torch.arange(300), Identity())
    codes = encode_split(model.eval(), loader)
    parts = split_rate(model, codes)
    sums = parts.mutual_information + parts.total_correlation + parts.dimension_wise_kl
    exact = float(kl_divergence(model.encode(loader.data), model.prior()).mean())
    assert abs(sums.mean() - exact) < 4 * sums.std() / math.sqrt(len(sums))


def figures(**values):
    return {name: Figure(float(value), "", "test", "") for name, value in values.items()}


def named(**values):
    return [finding.name for finding in diagnose(figures(**values))]


SOUND = {
    "rate": 20,
    "active_units": 15,
    "latents": 16,
    "decoder_use": 90,
    "latent_spread": 1,
    "prior_holes": 0.02,
}


def test_a_sound_model_is_told_so():
    assert named(**SOUND) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"rate": 0.01, "active_units": 1}, "full collapse"),
        ({"active_units": 8}, "partial collapse"),
        ({"decoder_use": 0.2}, "decoder ignores z"),
        ({"latent_spread": 11}, "latent scale off"),
        ({"latent_spread": 0.2}, "latent scale off"),
        ({"prior_holes": 0.4}, "holes"),
    ],
)
def test_what_is_wrong_is_named_with_the_setting_to_change(change, finding):
    found = diagnose(figures(**{**SOUND, **change}))
    assert [item.name for item in found] == [finding]
    assert any(word in found[0].advice for word in ("objective.", "--sampler", "network.", "model."))
    assert any(character.isdigit() for character in found[0].what)


def test_an_autoencoder_off_the_prior_is_told_to_sample_otherwise():
    found = diagnose(figures(active_units=16, latents=16, decoder_use=90, latent_spread=11))
    assert [item.name for item in found] == ["latent scale off"]
    assert "--model vae" in found[0].advice


def test_collapse_is_judged_by_rate_and_activity():
    assert collapse(20.0, 16, 16) is None
    assert collapse(0.05, 3, 16).name == "full collapse"
    assert collapse(20.0, 3, 16).name == "partial collapse"
    # A rate that no latent carries is the distance of one posterior from a prior that has learned otherwise.
    assert collapse(0.7, 0, 16).name == "full collapse"
