"""The data of the benchmarks: MNIST where it is at hand, else noise of the same shape and type."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
COUNT = 60_000
SHAPE = (1, 28, 28)


def mnist() -> Path | None:
    """Find MNIST's folder in `$LATENTIA_DATA`, or in `../shared/data` beside the checkout.

    Returns:
        The folder, or None where there is none.
    """
    folder = Path(os.environ.get("LATENTIA_DATA") or ROOT.parent / "shared" / "data") / "mnist"
    return folder if folder.is_dir() else None


def training_images() -> tuple[np.ndarray, str]:
    """Give the images to train on.

    Returns:
        uint8 images, shape `(60000, 1, 28, 28)`, and what to call them.
    """
    folder = mnist()
    if folder is None:
        return synthetic(COUNT), "synthetic images of MNIST's shape (MNIST was not found)"
    import latentia

    dataset = latentia.load(str(folder), validation=0.0)
    return np.ascontiguousarray(dataset.x[dataset.splits["train"]]), "MNIST's training images"


def test_images() -> tuple[np.ndarray, str]:
    """Give the images that nobody trains on.

    Returns:
        uint8 images, shape `(10000, 1, 28, 28)`, and what to call them.
    """
    folder = mnist()
    if folder is None:
        return synthetic(10_000), "synthetic images"
    import latentia

    dataset = latentia.load(str(folder))
    return np.ascontiguousarray(dataset.x[dataset.splits["test"]]), "MNIST's 10,000 test images"


def synthetic(count: int) -> np.ndarray:
    """Draw images that are mostly black, as digits are.

    Args:
        count: how many.

    Returns:
        uint8 images, shape `(count, 1, 28, 28)`.
    """
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    images[generator.random(images.shape, dtype=np.float32) > 0.2] = 0
    return images


def train_source(folder: Path) -> tuple[str, str]:
    """Give what `latentia train` can be pointed at.

    Args:
        folder: where to write synthetic images, should they be needed.

    Returns:
        A path, and what to call the data.
    """
    found = mnist()
    if found is not None:
        return str(found), "MNIST"
    path = folder / "synthetic.npy"
    np.save(path, synthetic(COUNT))
    return str(path), "synthetic images of MNIST's shape (MNIST was not found)"
