"""Masses of counts in whole numbers are those of negative binomials, and log(1 + c) is exact."""

import math

import numpy as np
import pytest
import torch

from latentia.coding.columns import MOST_ODDS, SHARE_BITS, WEIGHT_BITS
from latentia.coding.counts import BEYOND, CELLS, SINGLE, Count, Counts, logs_of
from latentia.coding.curves import COARSE, GRID_BITS, Powers, powers
from latentia.coding.exact import OUT_BITS
from latentia.probability.counts import NegativeBinomial

EXPONENTIAL = Powers(powers(1.0, -16.0, 0.0, WEIGHT_BITS).values, -16 * COARSE)


def masses(h, log_dispersion, highest, inflated=True):
    """Give the weights of cells and their edges, from log mu and the logit of pi, `(B, 2)`."""
    counts = Counts([Count(0, 1 if inflated else -1, log_dispersion)])
    edges, tables = counts.compute([highest])
    return counts.weights(np.rint(np.asarray(h) * 2.0**OUT_BITS), edges, tables, EXPONENTIAL)[:, 0], edges[0]


def truth(h, log_dispersion, k, inflated=True):
    log_mean, logit = (torch.tensor(part, dtype=torch.float64)[:, None] for part in zip(*h, strict=True))
    r = torch.tensor(log_dispersion, dtype=torch.float64)
    p = NegativeBinomial(log_mean, r, logit if inflated else None)
    return p.log_prob(torch.as_tensor(np.asarray(k), dtype=torch.float64)).numpy()


@pytest.mark.parametrize("inflated", [False, True])
@pytest.mark.parametrize("dispersion", [0.3, 1.0, 7.3, 150.0, 1e6])
def test_masses_are_those_of_negative_binomials(dispersion, inflated):
    h = [(math.log(mean), logit) for mean in (0.013, 0.77, 4.1, 15.0) for logit in (-6.3, -0.4, 2.9)]
    weights, edges = masses(h, math.log(dispersion), 40.0, inflated)
    assert (np.diff(edges) == 1).all()
    want = truth(h, math.log(dispersion), edges[:-1], inflated)
    got = np.log(weights / weights.sum(axis=1, keepdims=True))
    likely = want > want.max(axis=1, keepdims=True) - 7
    assert np.abs(got - want)[likely].max() < 0.01
    assert (np.exp(want) * (want - got)).sum(axis=1).max() < 5e-4


@pytest.mark.parametrize("dispersion", [0.5, 20.0])
def test_wide_cells_cost_next_to_nothing(dispersion):
    mean, rng = 3000.0, np.random.default_rng(0)
    weights, edges = masses([(math.log(mean), 0.0)], math.log(dispersion), 30_000.0, False)
    k = rng.negative_binomial(dispersion, dispersion / (dispersion + mean), 50_000)
    k = k[k < edges[-1]]
    at = np.searchsorted(edges, k, side="right") - 1
    got = np.log(weights[0] / weights.sum() / np.diff(edges))[at]
    want = truth([(math.log(mean), 0.0)], math.log(dispersion), k, False)[0]
    assert abs((want - got).mean()) < 0.003


@pytest.mark.parametrize("highest", [0.0, 63.9, 64.0, 1000.0, 3e6, 1e12])
@pytest.mark.parametrize("log_dispersion", [-40.0, 0.0, 5.0, 40.0])
def test_cells_have_no_gaps_and_reach_beyond_the_data(highest, log_dispersion):
    edges, tables = Counts([Count(0, -1, log_dispersion)]).compute([highest])
    widths = np.diff(edges[0])
    assert edges.shape == (1, CELLS + 1) and (widths >= 1).all() and (widths[:SINGLE] == 1).all()
    assert (widths == 1).all() == (BEYOND * highest < CELLS)
    assert edges[0, -1] > min(BEYOND * highest, 2.0**31)
    assert all(np.abs(table).max() < 2**53 for table in tables.values())


def test_all_masses_are_whole_numbers_that_float64_holds_with_the_odds_of_holes():
    ends = (-500.0, -20.0, 0.0, 20.0, 500.0)
    h = [(mean, logit) for mean in ends for logit in ends]
    for log_dispersion in (-40.0, 0.0, 40.0):
        for highest in (5.0, 1e9):
            weights, _ = masses(h, log_dispersion, highest)
            assert (weights >= 0).all() and (weights == np.rint(weights)).all()
            total = weights.sum(axis=1)
            assert total.min() > 2.0**SHARE_BITS / 2 and total.max() * MOST_ODDS / 2.0**SHARE_BITS < 2.0**53


def test_columns_keep_to_themselves():
    h = np.random.default_rng(0).normal(size=(7, 6)) * 2.0**OUT_BITS
    h = np.rint(h)
    together = [Count(3, -1, 0.3), Count(0, 5, -1.0), Count(1, -1, 2.0), Count(2, 4, 0.0)]
    highest = [3.0, 500.0, 20.0, 1e5]
    counts = Counts(together)
    edges, tables = counts.compute(highest)
    found = counts.weights(h, edges, tables, EXPONENTIAL)
    for number, (count, high) in enumerate(zip(together, highest, strict=True)):
        alone = Counts([count])
        own, tables = alone.compute([high])
        assert (alone.weights(h, own, tables, EXPONENTIAL)[:, 0] == found[:, number]).all()


def test_logarithms_of_counts_are_near_and_whole():
    _, tables = Counts([Count(0, -1, 0.0)]).compute([1.0])
    rng = np.random.default_rng(0)
    counts = np.concatenate([np.arange(20_000), np.rint(2.0 ** rng.uniform(0, 33, 20_000)), [2.0**33]])
    found = logs_of(counts, tables["count.logs"])
    assert (found == np.rint(found)).all()
    error = np.abs(found * 2.0**-GRID_BITS - np.log1p(counts))
    assert error.max() < 2.0**-11
    assert error[:8000].max() < 2.0**-13 + 2.0**-17  # nothing but rounding, of small counts
    assert (np.diff(found[:20_000]) >= 0).all()
    assert logs_of(np.array([np.nan, 0.0]), tables["count.logs"]).tolist() == [0.0, 0.0]
