"""What goes in comes back: the order of axes and the types of an example's values."""

import numpy as np
import pytest

from latentia.core.errors import DataError
from latentia.data.layout import Layout


@pytest.mark.parametrize(
    ("axes", "given", "event"),
    [
        ("same", (5, 6), (5, 6)),
        ("channels_last", (4, 5, 3), (3, 4, 5)),
        ("channels_last", (7, 4, 5, 3), (3, 7, 4, 5)),
        ("no_channel", (4, 5), (1, 4, 5)),
        ("flat", (20,), (1, 4, 5)),
    ],
)
def test_examples_come_back_as_they_stood_in_the_source(axes, given, event):
    layout = Layout(axes)
    x = np.arange(2 * np.prod(given), dtype=np.float32).reshape(2, *given)
    inside = layout.arrange(x, event)
    assert inside.shape == (2, *event)
    assert layout.shape(event) == given
    np.testing.assert_array_equal(layout.restore(inside), x)
    np.testing.assert_array_equal(layout.arrange(inside, event), inside)
    np.testing.assert_array_equal(layout.arrange(x[0], event), inside[:1])


def test_channels_last_move_whole_channels():
    x = np.zeros((2, 4, 5, 3))
    x[..., 2] = 1
    assert Layout("channels_last").arrange(x, (3, 4, 5))[:, 2].all()


def test_another_shape_is_refused_in_the_order_of_the_source():
    with pytest.raises(DataError, match="examples of shape 4x5x3, and these have 4x5x4"):
        Layout("channels_last").arrange(np.zeros((2, 4, 5, 4)), (3, 4, 5))


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("uint8", [-3.0, 126.6, 300.0], [0, 127, 255]),
        ("int16", [-40000.0, -1000.4, 2.5], [-32768, -1000, 2]),
        ("bool", [0.49, 0.5, 1.2], [False, True, True]),
        ("int64", [1e30, 3.2, -1e30], [2**63 - 1024, 3, -(2**63)]),
        ("float64", [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]),
    ],
)
def test_values_come_back_in_their_type(name, values, expected):
    back = Layout(types=(name,)).restore(np.array([values]))
    assert back.dtype == np.dtype(name)
    np.testing.assert_array_equal(back[0], np.array(expected, dtype=name))


def test_each_column_of_a_table_has_its_own_type():
    layout = Layout(types=("int64", "bool", "float64"))
    x = np.array([[1.6, 0.7, 0.25]])
    np.testing.assert_array_equal(layout.restore(x), [[2.0, 1.0, 0.25]])
    columns = layout.columns_of(x)
    assert [column.dtype.name for column in columns] == ["int64", "bool", "float64"]
    assert [column.tolist() for column in columns] == [[2], [True], [0.25]]


def test_a_record_of_plain_values_is_read_back():
    layout = Layout("channels_last", ("uint8",))
    assert Layout.from_record(layout.record()) == layout
    assert Layout.from_record({}) == Layout()
