"""The real data sets, as their own descriptions count them."""

import numpy as np
import pytest

from latentia.data import load


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_mnist_and_fashion_mnist(shared_data, name):
    data = load(shared_data / name)
    assert data.x.shape == (70_000, 1, 28, 28)
    assert data.x.dtype == np.uint8
    assert data.observed == (0, 255)
    assert data.given_test
    assert np.bincount(data.labels[data.splits["test"]]).sum() == 10_000
    assert data.summary() == (
        f"{name}: 28x28 grey images, uint8 0..255, 10 labels, "
        "57,000 train + 3,000 validation (seeded split) + 10,000 test (given)"
    )


def test_mnist_has_the_known_digits(shared_data):
    data = load(shared_data / "mnist")
    # The mean of the training images is quoted everywhere as 0.1307, the first label is a 5.
    assert data.x[:60_000].mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert data.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.labels[60_000:60_005].tolist() == [7, 2, 1, 0, 4]


def test_cifar10_from_its_archive(shared_data, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTIA_CACHE", str(tmp_path))
    path = shared_data / "cifar10" / "cifar10_jpg.tar.gz"
    data = load(path)
    assert data.x.shape == (60_000, 3, 32, 32)
    assert data.given_test
    assert len(data.splits["test"]) == 10_000
    assert len(data.splits["train"]) + len(data.splits["validation"]) == 50_000
    assert data.label_names[:3] == ("airplane", "automobile", "bird")
    assert np.bincount(data.labels[data.splits["test"]]).tolist() == [1000] * 10
    again = load(path)
    np.testing.assert_array_equal(again.x, data.x)
    np.testing.assert_array_equal(again.labels, data.labels)


@pytest.mark.parametrize(
    ("path", "shape", "classes"),
    [
        ("freyfaces", (1965, 1, 28, 20), 0),
        ("olivetti_faces", (400, 1, 64, 64), 40),
        ("coil20", (1440, 1, 64, 64), 0),  # two factors for each image are no labels
        ("pneumoniamnist", (5856, 1, 28, 28), 2),
        ("lpc_sprites/lpc_sprites_64x64.npz", (11664, 3, 64, 64), 0),
        ("lpc_sprites/lpc_sprites_clips_8x64x64.npz", (600, 3, 8, 64, 64), 0),
        ("adbench/45_wine.npz", (129, 13), 2),
        ("omniglot/images_background_small1.zip", (2720, 1, 105, 105), 5),
    ],
)
def test_small_sets(shared_data, path, shape, classes):
    data = load(shared_data / path)
    assert data.x.shape == shape
    assert data.x.dtype == (np.float64 if len(shape) == 2 else np.uint8)
    assert data.classes == classes


def test_photographs_need_a_size(shared_data, refused):
    path = shared_data / "clothing_subset"
    refused(path, "clothing_subset.zip", "711x400", "--size")
    data = load(path, size=64)
    assert data.x.shape == (340, 3, 64, 64)
    assert len(data.splits["test"]) == 60
