"""The tail index of weights, where it is known."""

import numpy as np
import pytest
from scipy.stats import genpareto

from latentia.metrics.tails import HEAVY, pareto_k, tail_length


@pytest.mark.parametrize("k", [-0.3, 0.0, 0.2, 0.5, 0.7, 0.9, 1.5])
def test_the_index_of_a_generalised_pareto_distribution_is_found(k):
    """425 excesses as of 20,000 weights; the prior draws the estimate to 1/2 by 10 / 435 of the way."""
    excess = genpareto.rvs(k, size=(425, 400), random_state=np.random.default_rng(0))
    largest = np.log(3.0 + np.concatenate([np.zeros((1, 400)), excess]))
    found = pareto_k(largest)
    expected = (425 * k + 5) / 435
    assert found.mean() == pytest.approx(expected, abs=0.025)
    assert found.std() == pytest.approx((1 + k) / np.sqrt(425), rel=0.25 if k >= 0 else 0.4)
    assert pareto_k(np.random.default_rng(1).permutation(largest, axis=0)) == pytest.approx(found)


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_weights_of_a_normal_under_a_narrower_one_have_the_index_that_they_must(share):
    """w = exp((1 - v) n^2 / 2), n a standard normal, exceeds t with probability t^(-1 / (1 - v))."""
    weights = (1 - share) * np.random.default_rng(0).normal(size=(20_000, 200)) ** 2 / 2
    largest = np.sort(weights, axis=0)[-tail_length(20_000) - 1 :]
    found = pareto_k(largest)
    assert found.mean() == pytest.approx(1 - share, abs=0.09)  # the logs bend the tail a little
    assert (found > HEAVY).mean() == pytest.approx(1.0 if share < 0.3 else 0.0, abs=0.1)


def test_scale_and_order_of_weights_do_not_matter():
    largest = np.random.default_rng(0).normal(size=(50, 3)) * 2
    assert pareto_k(largest + 2000) == pytest.approx(pareto_k(largest), abs=1e-6)
    assert pareto_k(largest[::-1]) == pytest.approx(pareto_k(largest))


def test_tails_without_a_shape_have_the_values_that_they_are_given():
    assert pareto_k(np.zeros((10, 2))).tolist() == [0, 0]
    assert pareto_k(np.array([[0.0, 1, 2, 3, 4, 2000]]).T).tolist() == [np.inf]
    assert np.isnan(pareto_k(np.zeros((5, 2)))).all()
    assert np.isnan(pareto_k(np.zeros((0, 2)))).all()


def test_the_tail_is_the_published_one():
    assert [tail_length(count) for count in (1, 20, 24, 25, 200, 225, 5000)] == [0, 0, 5, 5, 40, 45, 213]
