"""Made rows beside real ones: what each figure is where it is known."""

import numpy as np

from latentia.metrics.likeness import copies, likeness, nearer

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
    assert found.shape > 0.9 and found.trend > 0.9 and found.copies == 0 and found.nearer is None
    assert str(found).startswith("column shapes 0.9")
