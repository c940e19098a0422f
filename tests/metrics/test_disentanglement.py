"""Disentanglement metrics, where mathematics says what they must give."""

import itertools
import math

import numpy as np
import pytest

from latentia.core.errors import ConfigError
from latentia.metrics import factor_prediction
from latentia.metrics.disentanglement import (
    DCI,
    METRICS,
    betavae_score,
    dci,
    disentanglement,
    factorvae_score,
    mig,
    modularity,
    mutual_information,
    sap,
)
from latentia.metrics.figures import Ledger, Unmeasurable

pytestmark = pytest.mark.filterwarnings("error")

SIZES = (4, 3, 5)
NAMES = ("shape", "colour", "scale")
CHANCE = np.mean([1 / size for size in SIZES])


def grid(*sizes, times=1):
    """Every combination of factors, each as often."""
    rows = np.array(list(itertools.product(*map(range, sizes))), dtype=np.int64)
    return np.tile(rows, (times, 1))


def perfect(factors, dead=1):
    """One code for each factor, centred, each of another scale, and codes that are constant."""
    scales = np.array([1.0, 10.0, 0.3])[: factors.shape[1]]
    codes = (factors - factors.mean(axis=0)) * scales
    return np.hstack([codes, np.full((len(factors), dead), 0.7)]).astype(np.float32)


def rotated(factors):
    """A code of unit variance times I - (2/3) 11': squares of 1/9 and twice 4/9 in each dimension.

    Some sums lie on the edge of a bin; a little noise keeps rounding from choosing their side.
    """
    codes = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    return codes @ (np.eye(3) - 2 / 3) + 0.02 * noise(len(factors), 3)


def noise(rows, codes=5, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, codes))


def ledger_of(codes, factors, names=NAMES, **options):
    ledger = Ledger({}, {})
    disentanglement(ledger, codes, factors, names, split="test", **options)
    assert set(ledger.figures) | set(ledger.missing) == set(METRICS)
    assert not set(ledger.figures) & set(ledger.missing)
    return ledger


def test_mutual_information_of_a_two_by_two_table_is_that_by_hand():
    # Code and factor agree in 8 of 10 rows: p = 0.4, 0.1, 0.1, 0.4 and all margins are a half.
    factor = np.array([0] * 5 + [1] * 5)
    code = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0], dtype=float)
    by_hand = 2 * 0.4 * math.log(0.4 / 0.25) + 2 * 0.1 * math.log(0.1 / 0.25)
    found = mutual_information(np.stack([code, 0 * code, factor], axis=1), factor[:, None])
    assert found[:, 0] == pytest.approx([by_hand, 0, math.log(2)], abs=1e-12)


def test_the_bins_are_those_of_a_histogram():
    # The information of a code about its own bins is their entropy.
    code = noise(2000, 1)
    counts, edges = np.histogram(code, 20)
    bins = np.digitize(code, edges[:-1]) - 1
    share = counts[counts > 0] / counts.sum()
    assert mutual_information(code, bins)[0, 0] == pytest.approx(-(share * np.log(share)).sum(), abs=1e-12)


def test_a_perfect_code_has_a_gap_of_one():
    factors = grid(*SIZES, times=2)
    assert mig(perfect(factors), factors) == pytest.approx(1, abs=1e-12)


def test_the_gap_of_a_noisy_channel_is_its_capacity():
    # A fifth of the bits are flipped: I = ln 2 - H(0.2), and no other code says anything.
    factor = np.arange(200) % 2
    code = np.where(np.arange(200) // 2 % 5 == 0, 1 - factor, factor)
    entropy = -0.2 * math.log(0.2) - 0.8 * math.log(0.8)
    found = mig(np.stack([code, np.zeros(200)], axis=1), factor[:, None])
    assert found == pytest.approx(1 - entropy / math.log(2), abs=1e-12)


def test_a_factor_in_two_codes_has_no_gap():
    factors = grid(*SIZES, times=2)
    codes = perfect(factors)
    twice = np.hstack([codes, -3 * codes[:, :1]])
    assert mig(twice, factors) == pytest.approx(2 / 3, abs=1e-12)


def test_the_gap_does_not_depend_on_order_or_sign_of_codes():
    factors = grid(*SIZES, times=10)
    codes = rotated(factors) + 0.1 * noise(len(factors), 3)
    turned = codes[:, [2, 0, 1]] * [-1, 1, -1]
    assert mig(turned, factors) == pytest.approx(mig(codes, factors), abs=1e-12)


def test_modularity_counts_a_code_that_says_nothing_as_nothing():
    factors = grid(*SIZES, times=2)
    assert modularity(perfect(factors, dead=0), factors) == pytest.approx(1, abs=1e-12)
    assert modularity(perfect(factors, dead=1), factors) == pytest.approx(3 / 4, abs=1e-12)


def test_a_code_of_two_factors_of_three_is_half_modular():
    # z = a + 2b says ln 2 about a, as much about b, and nothing about c: 1 - 1 / (3 - 1).
    factors = grid(2, 2, 2, times=5)
    codes = (factors @ [1, 2, 0])[:, None]
    assert modularity(codes, factors) == pytest.approx(1 / 2, abs=1e-12)


def test_sap_of_a_perfect_code_is_one_less_chance():
    # Alone, a code with two or three evenly spaced values tells them all apart, and any other code is at
    # chance: 1/2, 1/3, 1/2. (Of four values in a row a linear machine cannot single out an inner one.)
    factors = grid(2, 3, 2, times=600)
    # The best of three codes at chance, over 2,400 test rows with a standard error of 0.01.
    assert sap(perfect(factors), factors) == pytest.approx(1 - (1 / 2 + 1 / 3 + 1 / 2) / 3, abs=0.025)


def test_importance_by_hand():
    # Code 0 makes all of factor 0 and half of factor 1, code 1 the other half.
    found = DCI(np.array([[1, 0.5], [0, 0.5]]), np.array([1.0, 0.5]), fitted=2)
    entropy = -(2 / 3) * math.log2(2 / 3) - (1 / 3) * math.log2(1 / 3)
    assert found.disentanglement == pytest.approx(0.75 * (1 - entropy) + 0.25 * 1, abs=1e-8)
    assert found.completeness == pytest.approx(0.5 * 1 + 0.5 * 0, abs=1e-8)
    assert found.informativeness == 0.75
    assert DCI(np.full((3, 3), 1 / 3), np.ones(1), 1).disentanglement == pytest.approx(0, abs=1e-8)
    assert DCI(np.zeros((3, 2)), np.ones(1), 1).completeness == pytest.approx(0, abs=1e-8)


def test_trees_find_a_perfect_code():
    factors = grid(*SIZES, times=5)
    found = dci(perfect(factors), factors)
    assert found.importance.shape == (4, 3)
    assert found.disentanglement == pytest.approx(1, abs=1e-3)
    assert found.completeness == pytest.approx(1, abs=1e-3)
    assert found.informativeness == 1
    assert found.fitted == 200


def test_a_perfect_code_wins_every_vote():
    factors = grid(*SIZES)
    codes = perfect(factors)
    assert factorvae_score(codes, factors, train_votes=500, evaluation_votes=500) == 1
    assert betavae_score(codes, factors, train_points=2000, evaluation_points=1000) > 0.99


def test_codes_are_left_out_by_their_standard_deviation():
    # 0.06 is above the limit of 0.05, and so is not its square.
    factors = grid(*SIZES)
    unit = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    options = {"train_votes": 200, "evaluation_votes": 200}
    assert factorvae_score(0.06 * unit, factors, **options) == 1
    assert factorvae_score(0.04 * unit, factors, **options) == 0


def test_one_active_code_votes_for_one_factor_only():
    factors = grid(*SIZES)
    codes = perfect(factors) * [1, 0, 0, 1]
    # The share of one factor among 5,000 random ones: 1/3, within four standard errors of 0.0067.
    assert factorvae_score(codes, factors) == pytest.approx(1 / 3, abs=0.027)


def test_a_rotation_hides_the_factors_but_keeps_them():
    factors = grid(3, 3, 3, times=20)
    straight, turned = perfect(factors, dead=0), rotated(factors)
    # On a grid a - 2(b + c) still says something of its own about a, whose share of its variance is 1/9.
    assert mig(turned, factors) < 0.5 * mig(straight, factors)
    assert modularity(turned, factors) < modularity(straight, factors) - 0.15
    assert sap(turned, factors) < 0.1 * sap(straight, factors)
    found = dci(turned, factors)
    assert found.disentanglement < 0.5
    assert found.completeness < 0.5
    assert found.informativeness > 0.95
    assert betavae_score(turned, factors) > 0.85


def test_a_rotation_that_spreads_a_factor_evenly_wins_half_the_votes():
    # Fixing a factor takes 4/9 of the variance from two codes and 1/9 from the third. Which of the two
    # varies least is a fair coin, so each code gets as many votes from two factors: half of them are right.
    factors = grid(3, 3, 3)
    assert factorvae_score(rotated(factors), factors) == pytest.approx(1 / 2, abs=4 * math.sqrt(0.25 / 5000))


def test_votes_on_a_full_grid_are_the_published_ones():
    # The published loop renders any combination of factors; on a full grid that is a row of the table.
    factors = grid(*SIZES)
    codes = rotated(factors) * [1.0, 2.0, 3.0] + 0.5 * noise(len(factors), 3)
    random = np.random.default_rng(1)
    place = np.array([15, 5, 1])

    def votes(total):
        counts = np.zeros((3, 3), dtype=int)
        for _ in range(total):
            fixed = random.integers(3)
            chosen = random.integers(0, SIZES, size=(64, 3))
            chosen[:, fixed] = chosen[0, fixed]
            local = codes[chosen @ place].var(axis=0, ddof=1)
            counts[np.argmin(local / codes.var(axis=0, ddof=1)), fixed] += 1
        return counts

    named = votes(4000).argmax(axis=1)
    accuracy = votes(4000)[range(3), named].sum() / 4000
    error = math.sqrt(0.25 / 4000 + 0.25 / 5000)
    assert factorvae_score(codes, factors) == pytest.approx(accuracy, abs=4 * error)


def test_noise_is_at_chance():
    factors = grid(*SIZES, times=100)
    codes = noise(len(factors))
    # 6,000 rows: information of about (19 x 4) / 12,000 nats in every code, which the gap removes.
    assert mig(codes, factors) < 0.005
    # Standard errors: below 0.009 over 2,000 test rows and below 0.007 over 5,000 points; a limit of
    # four, doubled because train and evaluation see the same rows, whose luck can be learnt.
    assert sap(codes, factors) < 0.036
    assert betavae_score(codes, factors) == pytest.approx(1 / 3, abs=0.054)
    assert factorvae_score(codes, factors) == pytest.approx(1 / 3, abs=0.054)
    found = dci(codes[:900], np.random.default_rng(1).permutation(factors)[:900])
    assert found.informativeness == pytest.approx(CHANCE, abs=4 * math.sqrt(0.25 / 900))


def test_pairs_do_not_give_a_factor_away_by_drawing_the_same_row_twice():
    # 20 rows for each of 72 values: pairs drawn with replacement would be one row in 1 of 20 cases
    # against 1 of 72, which alone tells the factors of noise apart in about 69% of the points.
    factors = grid(20, 72)
    assert betavae_score(noise(len(factors), 10), factors) == pytest.approx(0.5, abs=0.06)


def test_values_need_not_be_numbered_from_zero():
    factors = grid(*SIZES, times=2)
    codes = perfect(factors)
    strange = np.array([-1, 7, 100, 3, 50])[factors]
    assert mig(codes, strange) == pytest.approx(mig(codes, factors), abs=1e-12)
    assert factorvae_score(codes, strange, train_votes=200, evaluation_votes=200) == 1


def test_the_ledger_gets_every_figure():
    factors = grid(*SIZES, times=5)
    said = []
    ledger = ledger_of(rotated(factors), factors, tick=said.append)
    assert not ledger.missing
    for figure in ledger.figures.values():
        assert figure.split == "test"
        assert figure.better == "higher"
        assert figure.unit == ""
        assert figure.examples == 300
        assert 0 <= figure.value <= 1
    with_error = {name for name, figure in ledger.figures.items() if figure.error is not None}
    assert with_error == {"dci_informativeness", "factorvae_score", "betavae_score"}
    score = ledger.figures["factorvae_score"]
    assert score.error == pytest.approx(math.sqrt(score.value * (1 - score.value) / 5000))
    assert "100 others to test" in ledger.figures["sap"].protocol
    assert "200 random examples to fit and 100" in ledger.figures["dci_completeness"].protocol
    assert "full grid is the published sampling" in ledger.figures["factorvae_score"].protocol
    assert [text for text in said if text.startswith("DCI")] == [
        "DCI: factor 'shape' (1 of 3)",
        "DCI: factor 'colour' (2 of 3)",
        "DCI: factor 'scale' (3 of 3)",
    ]
    assert len(said) == 3 + 3 + 2


def test_the_same_seed_gives_the_same_figures():
    factors = grid(*SIZES, times=2)
    codes = rotated(factors) + 0.3 * noise(len(factors), 3)
    first, again = (ledger_of(codes, factors, seed=3).figures for _ in range(2))
    assert first == again
    assert factorvae_score(codes, factors, seed=4) != first["factorvae_score"].value


def test_fewer_rows_are_fitted_where_trees_would_take_too_long(monkeypatch):
    factors = grid(*SIZES, times=10)
    codes = noise(len(factors), 3)
    monkeypatch.setattr(factor_prediction, "_DCI_WORK", 3 * sum(SIZES) * 250)
    ledger = ledger_of(codes, factors)
    assert "250 random examples to fit (of 400, to bound the time) and 200" in (
        ledger.figures["dci_informativeness"].protocol
    )
    assert ledger.figures["dci_informativeness"].examples == 450
    with pytest.raises(Unmeasurable, match=r"200 latent dimensions take too long .* fewer dimensions"):
        dci(noise(len(factors), 200), factors)


def test_a_factor_with_one_value_is_named():
    factors = grid(4, 3, 1, times=10)
    ledger = ledger_of(noise(len(factors)), factors)
    assert not ledger.figures
    for reason in ledger.missing.values():
        assert reason.startswith("factor 'scale' has one value in these data; ")


def test_codes_that_are_not_finite_are_counted():
    factors = grid(*SIZES, times=2)
    codes = noise(len(factors))
    codes[3, 1], codes[5, 2], codes[5, 3] = math.nan, math.inf, -math.inf
    ledger = ledger_of(codes, factors)
    assert not ledger.figures
    assert set(ledger.missing.values()) == {
        "the codes of 2 of 120 examples are not finite; "
        "the model has diverged: train it with a lower learning rate"
    }


def test_one_factor_leaves_the_gaps_and_the_prediction():
    factors = grid(4, times=50)
    ledger = ledger_of(np.hstack([factors, noise(200, 2)]), factors, ("shape",))
    assert set(ledger.figures) == {"mig", "sap", "dci_completeness", "dci_informativeness"}
    assert set(ledger.missing.values()) == {
        "needs at least 2 known factors, and there is 1; use a data set with more"
    }


def test_one_code_leaves_what_needs_no_second():
    factors = grid(*SIZES, times=2)
    ledger = ledger_of(perfect(factors, dead=0)[:, :1], factors)
    assert set(ledger.missing) == {"mig", "sap", "dci_completeness"}
    assert set(ledger.missing.values()) == {
        "needs at least 2 latent dimensions, and there is 1; use a model with more"
    }


def test_too_few_examples_are_told_how_many_are_needed():
    factors = grid(2, 60)
    ledger = ledger_of(noise(len(factors)), factors, ("object", "azimuth"))
    assert set(ledger.figures) == {"factorvae_score", "betavae_score"}
    need = "need at least {} examples for the 60 values of factor 'azimuth', and there are 120; use more data"
    assert ledger.missing["mig"] == "20 bins of codes " + need.format("1,200")
    assert ledger.missing["sap"] == ledger.missing["dci_completeness"] == "predictions " + need.format("180")


def test_a_value_of_a_single_example_leaves_nothing_to_vary():
    factors = np.vstack([grid(2, 3, times=20), [[0, 3]]])
    ledger = ledger_of(noise(len(factors)), factors, ("object", "azimuth"))
    assert set(ledger.missing) == {"factorvae_score", "betavae_score"}
    assert set(ledger.missing.values()) == {
        "factor 'azimuth' has 1 of 4 values with a single example, so that nothing varies while it is "
        "fixed; use more data"
    }


def test_a_factor_that_is_constant_where_machines_are_fitted_is_named():
    factors = np.zeros((12, 1), dtype=np.int64)
    factors[np.random.default_rng(0).permutation(12)[-1]] = 1  # a row to test on
    with pytest.raises(Unmeasurable, match="factor 'lamp' has one value in the 8 examples to fit on"):
        sap(noise(12), factors, ("lamp",), seed=0)


def test_no_examples_are_no_figures():
    ledger = ledger_of(np.empty((0, 4)), np.empty((0, 3), dtype=np.int64))
    assert set(ledger.missing.values()) == {"there are no examples; use data that have some"}


@pytest.mark.parametrize(
    ("codes", "factors", "names", "words"),
    [
        (np.zeros(5), np.zeros((5, 1), dtype=int), (), r"\(N, D\)"),
        (np.zeros((5, 2)), np.zeros((4, 1), dtype=int), (), "same N examples"),
        (np.zeros((5, 2)), np.zeros((5, 1)), (), "whole numbers"),
        (np.zeros((5, 2)), np.zeros((5, 1), dtype=int), ("a", "b"), "'names' must name 1 factors"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(codes, factors, names, words):
    with pytest.raises(ConfigError, match=words):
        mig(codes, factors, names)
