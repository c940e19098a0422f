"""Grids of images, pixel by pixel."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from latentia.core.errors import DataError, LatentiaError
from latentia.plots.images import TILE, below, beside, grid, save_png


def test_pixels_are_those_of_the_data():
    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1).repeat(64, 2).repeat(64, 3) * 51
    pixels = np.asarray(grid(images, 255, columns=3, pad=2, background="white"))
    assert pixels.shape == (2 * 66 + 2, 3 * 66 + 2)
    for index in range(6):
        row, column = divmod(index, 3)
        tile = pixels[2 + 66 * row :, 2 + 66 * column :][:64, :64]
        assert (tile == 51 * index).all()
    assert (pixels[:2] == 255).all()
    assert (pixels[66:68] == 255).all()


@pytest.mark.parametrize(
    ("low", "high", "value", "shown"), [(0, 16, 8, 128), (-1, 3, 1, 128), (0, 1, 7, 255)]
)
def test_range_of_the_data(low, high, value, shown):
    picture = grid(np.full((1, 1, 64, 64), value, np.float32), high, low=low, pad=0)
    assert set(np.asarray(picture).ravel()) == {shown}


def test_small_images_are_enlarged_by_whole_factors_without_smoothing():
    image = np.random.default_rng(0).integers(0, 17, (1, 1, 8, 8), dtype=np.uint8)
    pixels = np.asarray(grid(image, 16, pad=0))
    assert pixels.shape == (56, 56)
    assert (pixels[::7, ::7] == np.rint(image[0, 0] / 16 * 255)).all()
    assert (pixels.reshape(8, 7, 8, 7) == pixels[::7, ::7][:, None, :, None]).all()


@pytest.mark.parametrize(
    ("size", "tile"), [((28, 28), 56), ((28, 20), 56), ((56, 10), 56), ((200, 150), 200)]
)
def test_the_longer_side_reaches_the_tile(size, tile):
    assert grid(np.zeros((1, 1, *size), np.uint8), pad=0).height == tile >= TILE


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_channels(channels, mode):
    images = np.random.default_rng(0).integers(0, 256, (2, channels, 60, 60), dtype=np.uint8)
    picture = grid(images, columns=2, pad=0)
    assert picture.mode == mode
    second = np.asarray(picture)[:, 60:]
    assert (second == (images[1, 0] if channels == 1 else images[1].transpose(1, 2, 0))).all()


def test_transparent_background():
    picture = grid(np.zeros((2, 1, 60, 60), np.uint8), pad=2, background=None)
    assert picture.mode == "LA"
    alpha = np.asarray(picture)[..., 1]
    assert alpha[0, 0] == 0
    assert alpha[2, 2] == 255


def test_coloured_background_keeps_its_colour():
    picture = grid(np.zeros((1, 1, 60, 60), np.uint8), background="#ff0000")
    assert picture.mode == "RGB"
    assert picture.getpixel((0, 0)) == (255, 0, 0)


def test_values_that_are_no_numbers_are_black():
    assert np.asarray(grid(np.full((1, 1, 60, 60), np.nan), 1.0, pad=0)).max() == 0


@pytest.mark.parametrize("shape", [(0, 1, 8, 8), (3, 2, 8, 8), (3, 8, 8)])
def test_no_images(shape):
    with pytest.raises(DataError, match="no images to show"):
        grid(np.zeros(shape))


def test_joining():
    black, white = Image.new("L", (10, 4), 0), Image.new("L", (6, 8), 255)
    assert beside([black, white], 3).size == (19, 8)
    assert below([black, white], 3).size == (10, 15)
    assert beside([black, white], 3, background=None).mode == "LA"


def test_saved_whole(tmp_path):
    picture = grid(np.random.default_rng(0).random((4, 3, 20, 20)), 1.0)
    save_png(picture, tmp_path / "new" / "a.png")
    assert (np.asarray(Image.open(tmp_path / "new" / "a.png")) == np.asarray(picture)).all()
    (tmp_path / "file").write_text("")
    with pytest.raises(LatentiaError, match="cannot write"):
        save_png(picture, tmp_path / "file" / "a.png")


def test_drawing_grids_imports_nothing_heavy():
    code = "import sys, latentia.plots.images; print({'torch', 'matplotlib', 'sklearn'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"
