import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentia.core.errors import DataError
from latentia.data.raw import consecutive
from latentia.data.splits import make_splits, spread

shares = st.floats(0, 0.95)


@given(count=st.integers(1, 300), validation=shares, test=shares, seed=st.integers(0, 2**32))
def test_drawn_splits_are_a_partition_and_repeat(count, validation, test, seed):
    splits = make_splits(count, {}, validation, test, seed)
    assert list(splits) == ["train", "validation", "test"]
    assert np.array_equal(np.sort(np.concatenate(list(splits.values()))), np.arange(count))
    assert len(splits["train"]) >= 1
    for name, at in make_splits(count, {}, validation, test, seed).items():
        assert at.dtype == np.int64
        assert np.array_equal(at, np.sort(at))
        assert np.array_equal(at, splits[name])


@given(counts=st.tuples(st.integers(1, 100), st.integers(0, 50), st.integers(1, 50)), seed=st.integers(0, 99))
def test_a_given_test_is_left_alone(counts, seed):
    given_parts = consecutive(dict(zip(("train", "validation", "test"), counts)))
    splits = make_splits(sum(counts), given_parts, 0.3, 0.5, seed)
    assert np.array_equal(splits["test"], given_parts["test"])
    if counts[1]:
        assert np.array_equal(splits["validation"], given_parts["validation"])
        assert np.array_equal(splits["train"], given_parts["train"])
    assert set(splits["validation"]).isdisjoint(given_parts["test"])
    assert len(np.unique(np.concatenate(list(splits.values())))) == sum(counts)


def test_shares():
    sizes = {name: len(at) for name, at in make_splits(1000, {}, 0.05, 0.1).items()}
    assert sizes == {"train": 855, "validation": 45, "test": 100}
    sizes = {name: len(at) for name, at in make_splits(10, {}, 0.05, 0.1).items()}
    assert sizes == {"train": 9, "validation": 0, "test": 1}
    sizes = {name: len(at) for name, at in make_splits(12, {}, 0.05, 0.1).items()}
    assert sizes == {"train": 10, "validation": 1, "test": 1}
    for count in range(1, 10):
        assert len(make_splits(count, {}, 0.5, 0.5)["train"]) == count
    assert len(make_splits(1000, {}, 0, 0)["train"]) == 1000


def test_seeds_differ():
    one, other = (make_splits(500, {}, seed=seed) for seed in (0, 1))
    assert not np.array_equal(one["test"], other["test"])
    assert not np.array_equal(one["validation"], other["validation"])


def test_no_training_examples():
    with pytest.raises(DataError, match=r"things: brings test .* no training"):
        make_splits(5, {"test": np.arange(5)}, where="things")


def test_some_of_a_split_are_spread_over_it():
    rows = np.arange(100, 200)
    assert spread(rows, 4).tolist() == [100, 125, 150, 175]
    assert np.array_equal(spread(rows, 100), rows) and np.array_equal(spread(rows, None), rows)
    assert len(set(spread(rows, 99).tolist())) == 99
