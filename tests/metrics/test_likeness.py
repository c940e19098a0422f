"""Made rows beside real ones: what each figure is where it is known."""

import numpy as np
import pytest

from latentia.metrics.likeness import copies, likeness, nearer
from latentia.metrics.tables import column_shapes, pair_trends

NUMERIC = (True, False)


def rows(count, seed):
    generator = np.random.default_rng(seed)
    category = generator.integers(0, 3, count)
    return np.stack([category + 0.1 * generator.normal(size=count), category], axis=1).astype(float)


def test_copies_are_counted_with_their_holes():
    real = np.array([[1.0, np.nan], [2.0, 1.0]])
    made = np.array([[1.0, np.nan], [1.0, 1.0], [2.0, 1.0], [2.0, np.nan]])
    assert copies(real, made) == 0.5


def test_what_repeats_the_training_rows_is_nearer_to_them():
    train, holdout = rows(500, 0), rows(500, 1)
    little = np.array([1e-5, 0])
    assert nearer(train, train + little, NUMERIC, holdout) > 0.9
    assert nearer(train, holdout + little, NUMERIC, holdout) < 0.1
    assert abs(nearer(train, rows(4000, 2), NUMERIC, holdout) - 0.5) < 0.06
    assert nearer(train, rows(300, 2), NUMERIC, train) == 0.5  # a tie counts half


def test_columns_and_pairs_have_their_names():
    found = likeness(rows(400, 0), rows(400, 1), ["size", "kind"], NUMERIC)
    assert set(found.shapes) == {"size", "kind"} and set(found.trends) == {("size", "kind")}
    assert found.shape > 0.9 and found.trend > 0.8 and found.copies == 0 and found.nearer is None
    assert str(found).startswith("column shapes 0.9")


def five_columns(count, change):
    """Two numbers and two categories that go together, a category that does not, and holes; by a formula."""
    at = np.arange(count)
    size = (at * 37 % 101).astype(float)
    weight = 0.5 * size + (at * 53 % 29) + change * (at % 7)
    kind = np.where(size > 60, 2.0, np.where(size > 25 + 20 * change, 1.0, 0.0))
    grade = np.where(at % 5 == 0, (at // 5) % 3, kind)
    x = np.stack([size, weight, kind, grade, (at * 13 % 4).astype(float)], axis=1)
    x[at % 11 == 3, 0] = np.nan
    x[at % (13 if change else 9) == 4, 3] = np.nan
    return x


def test_shapes_and_trends_are_those_of_sdmetrics():
    """The expected values are what QualityReport of sdmetrics 0.32.0 gave for these rows."""
    real, made, numeric = five_columns(300, 0), five_columns(240, 1), (True, True, False, False, False)
    shapes = column_shapes(real, made, numeric)
    assert shapes == pytest.approx([0.979298988473, 0.9275, 0.805833333333, 0.846255529005, 1.0], abs=1e-12)
    trends = pair_trends(real, made, numeric)
    weak = float("nan")
    first = [
        0.994517646428,
        0.785,
        0.795,
        weak,
        0.758333333333,
        0.794166666667,
        weak,
        0.784166666667,
        weak,
        weak,
    ]
    assert trends == pytest.approx(first, abs=1e-12, nan_ok=True)
    assert np.nanmean(trends) == pytest.approx(0.818530718849, abs=1e-12)


def test_shuffled_columns_do_not_pass_for_rows():
    """Pairs that have nothing to do with each other would hide that those that do have lost it."""
    real = rows(2000, 0)
    beside = np.concatenate([real, np.random.default_rng(1).normal(size=(2000, 8))], axis=1)
    shuffled = np.random.default_rng(2).permuted(beside, axis=0)
    found = likeness(beside, shuffled, [f"x{at}" for at in range(10)], (True, False, *[True] * 8))
    assert found.shape == 1 and set(found.trends) == {("x0", "x1")} and found.trend < 0.4


def test_rows_without_pairs_that_go_together_have_no_trend():
    real = np.random.default_rng(0).normal(size=(400, 2))
    found = likeness(real[:200], real[200:], ["a", "b"], (True, True))
    assert np.isnan(found.trend) and "no pair of columns that goes together" in str(found)
