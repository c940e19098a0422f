"""Make the built-in pictures of clothing again, from the files of Fashion-MNIST.

python -m tools.clothing FOLDER

FOLDER holds the four IDX files of https://github.com/zalandoresearch/fashion-mnist, gzipped or not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from latentia.core.storage import atomic_write
from latentia.data import load
from latentia.data.readers.clothing import CLASSES, FILE, SIDE

TRAINING = 60_000
EACH = 150
SEED = 0


def choose(folder: Path) -> np.ndarray:
    """Choose training images, as many of each class, in the order of the classes and then of the files.

    Args:
        folder: that of the four files.

    Returns:
        Shape `(1500, 28, 28)`, uint8.
    """
    data = load(folder)
    assert data.labels is not None  # noqa: S101 - the four files have them
    labels, rng = data.labels[:TRAINING], np.random.default_rng(SEED)
    rows = [
        np.sort(rng.choice(np.flatnonzero(labels == label), EACH, replace=False))
        for label in range(len(CLASSES))
    ]
    return data.x[np.concatenate(rows), 0]


if __name__ == "__main__":
    column = Image.fromarray(choose(Path(sys.argv[1])).reshape(-1, SIDE))
    with atomic_write(FILE) as handle:
        column.save(handle, "PNG", optimize=True)
