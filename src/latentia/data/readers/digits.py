"""scikit-learn's embedded digits: the default data, found anywhere, offline."""

from __future__ import annotations

import numpy as np

from latentia.data.raw import Raw


def read() -> Raw:
    """Read the 1,797 grey 8x8 digits that come with scikit-learn.

    Returns:
        Images `(1797, 1, 8, 8)`, uint8 0..16, with labels 0 to 9.
    """
    from sklearn.datasets import load_digits

    pixels, target = load_digits(return_X_y=True)
    images = np.asarray(pixels).astype(np.uint8).reshape(-1, 1, 8, 8)
    return Raw(images, labels=np.asarray(target).astype(np.int64), high=16.0)
