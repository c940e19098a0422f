import itertools

import numpy as np
import pytest

from latentia.data import load
from latentia.data.readers import sprites

SIZES = (3, 4, 8, 8, 8)


@pytest.fixture(scope="module")
def raw():
    return sprites.read()


@pytest.fixture(scope="module")
def pictures(raw):
    """The pictures by shape, scale, rotation, x and y."""
    return raw.x.reshape(*SIZES, 64, 64)


@pytest.fixture(scope="module")
def centres(pictures):
    """Area of each picture and its centre of gravity, from the left and from the top, in pixels."""
    ink = pictures / np.float32(255)
    middles = np.arange(64) + 0.5
    area = ink.sum(axis=(-2, -1), dtype=np.float64)
    return area, ink.sum(axis=-2) @ middles / area, ink.sum(axis=-1) @ middles / area


def test_every_combination_is_there_once(raw):
    assert raw.x.shape == (6144, 1, 64, 64)
    assert raw.x.dtype == np.uint8
    assert raw.factors.dtype == np.int64
    assert raw.factor_names == ("shape", "scale", "rotation", "x", "y")
    assert raw.factors.tolist() == [list(row) for row in itertools.product(*map(range, SIZES))]


def test_all_pictures_are_different(raw):
    assert len({picture.tobytes() for picture in raw.x}) == len(raw.x)


def test_a_step_in_x_or_y_moves_the_picture_by_four_whole_pixels(pictures):
    np.testing.assert_array_equal(pictures[:, :, :, 1:, :, :, 4:], pictures[:, :, :, :-1, :, :, :-4])
    np.testing.assert_array_equal(pictures[..., 1:, 4:, :], pictures[..., :-1, :-4, :])


def test_x_and_y_are_the_centre_of_gravity_whatever_shape_scale_and_rotation(centres):
    _, left, top = centres
    steps = 18 + 4 * np.arange(8)
    # An edge is met to within half a sample, 1/32 of a pixel, and so is the centre.
    np.testing.assert_allclose(left, np.broadcast_to(steps[:, None], SIZES), atol=0.05)
    np.testing.assert_allclose(top, np.broadcast_to(steps, SIZES), atol=0.05)


def test_area_grows_with_the_square_of_the_scale_and_is_the_same_for_all_shapes(centres):
    area, _, _ = centres
    scales = np.array([1 / 2, 2 / 3, 5 / 6, 1])[:, None, None, None]
    assert (np.diff(area, axis=1) > 0).all()
    # Half a sample all along the outline of the smallest arrow is 2 % of its area.
    np.testing.assert_allclose(area, np.broadcast_to(256 * scales**2, SIZES), rtol=0.02)


def test_a_step_in_rotation_turns_by_an_eighth_counter_clockwise(pictures, centres):
    _, left, top = centres
    ink = pictures[:, :, :, 3, 4] / 255
    middles = np.arange(64) + 0.5
    across = middles - left[:, :, :, 3, 4, None, None]
    upwards = (top[:, :, :, 3, 4, None] - middles)[..., None]
    z = across + 1j * upwards
    # The mean of z |z|^2 turns as z does, and so tells a full turn from half of one.
    moment = (ink * z * abs(z) ** 2).sum(axis=(-2, -1))
    turns = np.angle(np.roll(moment, -1, axis=2) / moment, deg=True)
    np.testing.assert_allclose(turns, 45, atol=2)


def test_two_steps_in_rotation_turn_the_picture_by_a_quarter(pictures):
    # At the fourth row and column the middle of the window is a corner of pixels.
    window = pictures[..., 3, 3, 13:47, 13:47].astype(int)
    quarter = np.rot90(window, axes=(-2, -1))
    # An edge that lies on a row of samples may fall on either side of it: a sixteenth of a pixel.
    np.testing.assert_allclose(window[:, :, 2:], quarter[:, :, :-2], atol=1 + 255 / 16)


def test_no_shape_looks_the_same_before_the_full_turn(pictures):
    ink = pictures[:, :, :, 3, 3].astype(float)
    for one, other in itertools.combinations(range(8), 2):
        moved = abs(ink[:, :, one] - ink[:, :, other]).sum(axis=(-2, -1))
        assert (moved > 0.1 * ink[:, :, one].sum(axis=(-2, -1))).all()


def test_the_border_stays_black(raw):
    border = np.ones((64, 64), bool)
    border[1:-1, 1:-1] = False
    assert not raw.x[..., border].any()


def test_sprites_are_ink_on_paper_with_smooth_edges(raw):
    levels = np.bincount(raw.x.reshape(-1), minlength=256) / raw.x.size
    assert levels[0] + levels[255] > 0.95
    assert (levels[1:255] > 0).sum() > 100


def test_drawing_again_gives_the_same(raw):
    again = sprites.read()
    np.testing.assert_array_equal(again.x, raw.x)
    np.testing.assert_array_equal(again.factors, raw.factors)


def test_the_word_sprites_is_a_source():
    data = load("sprites")
    assert (data.name, data.source, data.event.kind, data.high) == ("sprites", "sprites", "image", 255)
    assert data.label_names == ("heart", "arrow", "flag")
    assert data.labels.tolist() == data.factors[:, 0].tolist()
    together = np.concatenate([data.splits[name] for name in ("train", "validation", "test")])
    assert np.sort(together).tolist() == list(range(6144))
    assert data.summary() == (
        "sprites: 64x64 grey images, uint8 0..255, 3 labels, 5 known factors, "
        "5,254 train + 276 validation + 614 test (seeded split)"
    )


def test_any_factor_may_be_the_labels(refused):
    data = load("sprites", label="rotation", size=32)
    assert data.event == (1, 32, 32)
    assert data.labels.tolist() == data.factors[:, 2].tolist()
    assert (data.classes, data.label_names) == (8, ())
    refused("sprites", "sprites", "no factor 'rotatoin'", "did you mean 'rotation'?", label="rotatoin")
