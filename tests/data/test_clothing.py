"""The built-in pictures of clothing: a part of Fashion-MNIST's training images, as it is."""

import numpy as np
import pytest

from latentia.data import load
from latentia.data.readers import clothing
from tools.clothing import choose


def test_clothing_is_found_anywhere():
    data = load("clothing")
    assert (data.name, data.source, data.event.kind) == ("clothing", "clothing", "image")
    assert data.x.shape == (1500, 1, 28, 28)
    assert data.x.dtype == np.uint8
    assert data.label_names == clothing.CLASSES
    assert np.bincount(data.labels).tolist() == [150] * 10
    assert data.summary() == (
        "clothing: 28x28 grey images, uint8 0..255, 10 labels, "
        "1,282 train + 68 validation + 150 test (seeded split)"
    )


def test_classes_are_told_apart_by_the_nearest_mean():
    # Were images or labels out of step, one in ten would be right; a nearest mean is right for about seven.
    data = load("clothing")
    x = data.x.reshape(10, 150, -1).astype(float)
    distances = np.linalg.norm(x[:, 75:, None] - x[:, :75].mean(axis=1), axis=-1)
    assert (distances.argmin(axis=-1) == np.arange(10)[:, None]).mean() > 0.5


def test_it_is_made_of_the_training_images_of_fashion_mnist(shared_data):
    folder = shared_data / "fashion_mnist"
    if not folder.is_dir():
        pytest.skip(f"no Fashion-MNIST at {folder}")
    np.testing.assert_array_equal(load("clothing").x[:, 0], choose(folder))
