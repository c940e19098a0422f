"""An image that is sent is brought to the units of the data that the run was trained on."""

import io

import numpy as np
from PIL import Image

from latentia.core.event import Event
from latentia.serving.validation import image

EVENT = Event("image", (1, 2, 2))


def sent(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def test_bytes_stay_bytes_and_follow_the_largest_value():
    grey = np.array([[0, 128], [64, 255]], np.uint8)
    assert image(sent(grey), EVENT).tolist() == [[grey.tolist()]]
    assert image(sent(grey), EVENT, 0, 16).tolist() == [[[[0, 8], [4, 16]]]]
    assert image(sent(grey), EVENT).dtype == np.uint8


def test_data_that_are_no_bytes_keep_all_levels():
    grey = np.array([[0, 51], [102, 255]], np.uint8)
    scaled = image(sent(grey), EVENT, 0, 1, whole=False)
    np.testing.assert_allclose(scaled[0, 0], [[0, 0.2], [0.4, 1]], rtol=1e-6)
    signed = image(sent(grey), EVENT, -1000, 1000, whole=False)
    np.testing.assert_allclose(signed[0, 0], [[-1000, -600], [-200, 1000]], rtol=1e-6)


def test_sixteen_bits_are_taken_in_their_own_units():
    deep = np.array([[0, 4095], [17, 1]], np.uint16)
    assert image(sent(deep), EVENT, 0, 4095, whole=False).tolist() == [[deep.tolist()]]
    assert image(sent(deep * 16), EVENT).tolist() == [[[[0, 255], [1, 0]]]]
