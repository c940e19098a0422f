"""The rate divided where every part is known: latents that are normal over data, at rates beyond log N."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

from latentia.metrics.aggregate import split_rate
from latentia.metrics.density_fit import fitted_split
from latentia.metrics.encoded import Codes
from latentia.metrics.figures import Unmeasurable

COUNT, DIMS = 2000, 8
MODEL = SimpleNamespace(coder=None, prior=lambda c: Independent(Normal(torch.zeros(DIMS), 1.0), 1))


def encoded(rate, correlated):
    """Posteriors of variance v whose means are normal over the data, with I(x; z) = `rate`."""
    torch.manual_seed(0)
    root = torch.randn(DIMS, DIMS, dtype=torch.float64) / math.sqrt(DIMS)
    spread = 0.6 * root @ root.T if correlated else torch.eye(DIMS, dtype=torch.float64)
    values = torch.linalg.eigvalsh(spread)
    low, high = -12.0, 6.0  # log v, by bisection: I = 1/2 log det (spread + v) / v^D, or all variances 1
    for _ in range(60):
        v = math.exp((low + high) / 2)
        if correlated:
            told = 0.5 * float(torch.log1p(values / v).sum())
        else:
            told = -0.5 * DIMS * math.log(v)
        low, high = ((low + high) / 2, high) if told > rate else (low, (low + high) / 2)
    of_means = spread if correlated else (1 - v) * spread
    means = MultivariateNormal(torch.zeros(DIMS), of_means.float() + 1e-7 * torch.eye(DIMS)).sample((COUNT,))
    whole = of_means + v * torch.eye(DIMS)
    determinant, trace = float(torch.logdet(whole)), float(whole.trace())
    blocks = [Independent(Normal(part, torch.full_like(part, math.sqrt(v))), 1) for part in means.split(500)]
    drawn = means + math.sqrt(v) * torch.randn(COUNT, DIMS)
    exact = {
        "aggregate_kl": 0.5 * (trace - DIMS - determinant),
        "total_correlation": 0.5 * (float(whole.diagonal().log().sum()) - determinant),
        "mutual_information": rate,
    }
    return Codes(tuple(blocks), means, drawn), exact


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize("rate", [5.0, 15.0, 25.0])
def test_a_fitted_density_divides_rates_that_no_mixture_of_examples_can(rate, correlated):
    codes, exact = encoded(rate, correlated)
    mixed = split_rate(MODEL, codes)
    fitted = fitted_split(MODEL, codes, mixed)
    for name, value in exact.items():
        values = getattr(fitted, name)
        error = values.std(ddof=1) / math.sqrt(len(values))
        assert values.mean() == pytest.approx(value, abs=4 * error + 0.1), name
    assert len(fitted.aggregate_kl) == COUNT // 2
    least, most = mixed.between
    assert least - 0.15 < rate and most > rate - 0.15
    assert mixed.mutual_information.mean() < math.log(COUNT) + 1e-9
    if rate > 10:  # the mixture books what it cannot tell as distance from the prior, with small errors
        assert mixed.saturated
        assert mixed.aggregate_kl.mean() - exact["aggregate_kl"] > rate - math.log(COUNT) - 0.5


def test_what_few_examples_can_tell_is_not_saturated():
    assert not split_rate(MODEL, encoded(1.5, False)[0]).saturated
    assert not split_rate(MODEL, encoded(2.0, True)[0]).saturated


def test_one_example_tells_nothing():
    codes, _ = encoded(5.0, False)
    q = Independent(Normal(codes.mean[:1], 0.5), 1)
    split = split_rate(MODEL, Codes((q,), codes.mean[:1], codes.drawn[:1]))
    assert split.between == pytest.approx((0.0, float(split.aggregate_kl[0])))
    assert split.saturated


def test_a_density_that_the_prior_beats_is_not_taken():
    codes, _ = encoded(5.0, False)
    fitted = fitted_split(MODEL, codes, None)
    assert fitted.density.startswith("the prior")
    assert (fitted.aggregate_kl == 0).all() and fitted.total_correlation is None


def test_clusters_are_fitted_by_a_mixture():
    codes, _ = encoded(3.0, False)
    centres = torch.randn(5, DIMS) * 3
    place = centres[torch.arange(COUNT) % 5]
    moved = Codes(
        tuple(
            Independent(Normal(q.base_dist.loc + part, q.base_dist.scale), 1)
            for q, part in zip(codes.posteriors, place.split(500), strict=True)
        ),
        codes.mean + place,
        codes.drawn + place,
    )
    fitted = fitted_split(MODEL, moved, None)
    # five far clusters, each N(c, I): I = 3 + log 5
    assert "mixture of 5" in fitted.density
    assert -0.2 < fitted.mutual_information.mean() - (3 + math.log(5)) < 0.5  # an upper bound, and near


def test_what_cannot_be_fitted_has_its_reason():
    codes, _ = encoded(5.0, False)
    few = Codes(codes.posteriors[:1], codes.mean[:90], codes.drawn[:90])
    with pytest.raises(Unmeasurable, match="it needs 100 examples"):
        fitted_split(MODEL, few, None)
    told = SimpleNamespace(coder=None, prior=lambda c: Independent(Normal(torch.zeros(3, DIMS), 1.0), 1))
    with pytest.raises(Unmeasurable, match="depends on the condition"):
        fitted_split(told, codes, None)
