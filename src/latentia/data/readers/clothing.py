"""Clothing: 1,500 pictures of Fashion-MNIST that come with the package, found anywhere, offline."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latentia.data.raw import Raw

FILE = Path(__file__).with_name("clothing.png")
"""All images in one column, class after class, each class as often; the licence is beside it."""
SIDE = 28
CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def read() -> Raw:
    """Read the 1,500 grey 28x28 pictures of ten kinds of clothing.

    They are 150 of each class of the 60,000 training images of Fashion-MNIST, drawn by a fixed seed
    (`python -m tools.clothing` in a checkout) and otherwise as they were; none of its test images is among
    them. Copyright 2017 Zalando SE, MIT licence.

    Returns:
        Images `(1500, 1, 28, 28)`, uint8 0..255, in the order of their labels, which have names.

    References:
        Han Xiao, Kashif Rasul, Roland Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
        Machine Learning Algorithms", 2017. https://arxiv.org/abs/1708.07747
    """
    from PIL import Image

    with Image.open(FILE) as column:
        images = np.array(column).reshape(-1, 1, SIDE, SIDE)
    labels = np.repeat(np.arange(len(CLASSES)), len(images) // len(CLASSES))
    return Raw(images, labels, CLASSES)
