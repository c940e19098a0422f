"""Masses in whole numbers are those of the likelihoods, and whatever is pushed is popped again."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentia.coding import bitsback
from latentia.coding.exact import OUT_BITS
from latentia.coding.levels import levels_of
from latentia.coding.masses import Listed, Table, cost
from latentia.coding.stack import Stack
from latentia.core.errors import ConfigError
from latentia.data.transforms import Scale
from latentia.probability import (
    Bernoulli,
    BetaBinomial,
    Categorical,
    DiscretisedLogistic,
    DiscretisedLogisticMixture,
    Gaussian,
)

LIKELIHOODS = {
    "bernoulli": Bernoulli(),
    "logistic": DiscretisedLogistic(levels=17),
    "mixture": DiscretisedLogisticMixture(components=3, levels=256),
    "categorical": Categorical(levels=5),
    "beta_binomial": BetaBinomial(levels=256),
}


def coded(likelihood):
    found = levels_of(likelihood, Scale())
    found.tables = found.compute(None)
    return found


def decoded(likelihood, count, spread=1.5, seed=0):
    """Decoder outputs of entries in two channels, in the grid's units."""
    shape = likelihood.features((2, 3))
    h = spread * torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))
    return (h.double() * 2**OUT_BITS).round().numpy()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_code_lengths_are_those_of_the_likelihood(name):
    likelihood = LIKELIHOODS[name]
    found = coded(likelihood)
    h = decoded(likelihood, 400)
    p = likelihood(torch.from_numpy(h / 2**OUT_BITS), 2)
    with torch.no_grad():
        x = p.sample()
        want = -p.log_prob(x).numpy() / math.log(2)
    symbols = (x * (found.n - 1)).round().long().numpy().reshape(400, -1)
    got = cost(*found.masses(h.reshape(400, *likelihood.features((2, 3)))).choices(symbols))
    assert got.mean() == pytest.approx(want.mean(), rel=5e-4)
    assert np.abs(got - want).max() < 0.05 * want.max()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_all_symbols_together_have_a_mass_of_one_and_none_is_impossible(name):
    likelihood = LIKELIHOODS[name]
    found = coded(likelihood)
    masses = found.masses(decoded(likelihood, 3, spread=30.0))
    borders = [np.zeros(masses.shape)]
    borders += [masses.below(np.full(masses.shape, float(k))) for k in range(1, found.n)]
    borders.append(np.broadcast_to(masses.total, masses.shape))
    sizes = np.diff(borders, axis=0)
    assert (sizes > 0).all() and (np.stack(borders) == np.rint(borders)).all()
    assert borders[-1].max() < 2**53
    total = (
        sum(2.0 ** -cost(*masses.choices(np.full(masses.shape, k)))[0] for k in range(2))
        if found.n == 2
        else 1
    )
    assert total <= 1 + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_is_pushed_is_popped_again(data):
    name = data.draw(st.sampled_from(sorted(LIKELIHOODS)))
    likelihood, seed = LIKELIHOODS[name], data.draw(st.integers(0, 2**32 - 1))
    found, rng = coded(likelihood), np.random.default_rng(seed)
    h = decoded(likelihood, 2, spread=data.draw(st.sampled_from([0.1, 3.0, 1e3])), seed=seed)
    masses = found.masses(h)
    symbols = rng.integers(0, found.n, masses.shape)
    stacks = [Stack(), Stack()]
    bits, chances = masses.choices(symbols)
    for at, stack in enumerate(stacks):
        stack.push(bits[:, at].ravel(), chances[:, at].ravel())
    length = sum(stack.size for stack in stacks)
    assert length <= cost(bits, chances).sum() + 130
    again = [Stack(stack.content) for stack in stacks]
    assert (bitsback.popped(masses, again) == symbols).all()
    assert all(stack.empty for stack in again)


def test_a_pop_is_a_draw():
    masses = Table(np.array([0, 1, 3, 7, 16]) * 2.0**20, (1, 20_000))
    words = np.random.default_rng(0).integers(1, 2**32, 5000, dtype=np.uint32)
    found = bitsback.popped(masses, [Stack(words.tobytes())])
    shares = np.bincount(found[0], minlength=4) / 20_000
    assert shares == pytest.approx(np.array([1, 2, 4, 9]) / 16, abs=0.015)


def test_a_single_symbol_costs_nothing():
    masses = Listed(np.full((1, 10, 1), 5.0))
    assert cost(*masses.choices(np.zeros((1, 10), np.int64)))[0] < 1e-5


def test_a_density_is_refused():
    with pytest.raises(ConfigError, match=r"'Gaussian' is a density.*discretised_logistic_mixture"):
        levels_of(Gaussian(), Scale())
