import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentia.data.readers.labels import encode


@pytest.mark.parametrize(
    ("values", "codes", "names"),
    [
        ([0, 1, 2, 1], [0, 1, 2, 1], ()),
        ([0.0, 1.0, 1.0], [0, 1, 1], ()),
        ([True, False], [1, 0], ("False", "True")),
        ([1, 7, 3], [0, 2, 1], ("1", "3", "7")),
        ([-1, 1, -1], [0, 1, 0], ("-1", "1")),
        ([-1, 0, 1], [-1, 0, 1], ()),
        ([-1, 4, 2], [-1, 1, 0], ("2", "4")),
        ([1.0, np.nan, 0.0], [1, -1, 0], ()),
        (["b", "a", ""], [1, 0, -1], ("a", "b")),
        ([b"b", b"a"], [1, 0], ("a", "b")),
        (np.array(["b", None, np.nan, "a"], dtype=object), [1, -1, -1, 0], ("a", "b")),
        ([[2], [3]], [0, 1], ("2", "3")),
        (["NA", "none", "null", "nan", ""], [0, 2, 3, 1, -1], ("NA", "nan", "none", "null")),
        (["10", "9", "007"], [2, 1, 0], ("007", "9", "10")),
        (["1", "NA", "0"], [1, -1, 0], ("0", "1")),
    ],
)
def test_codes_and_names(values, codes, names):
    found, called = encode(np.asarray(values))
    assert found.tolist() == codes
    assert found.dtype == np.int64
    assert called == names


@pytest.mark.parametrize("values", [[0.5, 1.0], [[1, 2], [3, 4]], [np.inf, 1.0], [1j, 2j]])
def test_what_is_no_class(values):
    assert encode(np.asarray(values)) is None


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1))
def test_equal_labels_have_equal_codes(values):
    codes, names = encode(np.array(values, dtype=np.int64))
    pairs = {(value, code) for value, code in zip(values, codes.tolist())}
    assert len(pairs) == len(set(values))
    if names:
        assert all(code == -1 or names[code] == str(value) for value, code in pairs)
    present = sorted({code for _, code in pairs} - {-1})
    assert present == list(range(len(present)))
