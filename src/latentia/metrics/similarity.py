"""Structural similarity of images as published: over the windows that lie within the picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from latentia.core.extras import optional
from latentia.metrics.figures import Unmeasurable

WINDOW = 11
"""Pixels along a side of the Gaussian window, whose standard deviation is 1.5."""
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the scales of MS-SSIM, from the finest on."""
_VALUES = 2**22  # that are compared at a time


def structural_similarity(given: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """Compare images by SSIM, the mean over the windows that lie within the picture and over channels.

    A window that reaches over the edge would see the picture's reflection and count it once more.

    Args:
        given: images of range 1, shape `(N, C, H, W)`.
        decoded: other images, same shape.

    Returns:
        The similarity of each pair, shape `(N,)`.

    Raises:
        MissingExtra: without torchmetrics.
        Unmeasurable: if no window fits.

    References:
        Zhou Wang, Alan Bovik, Hamid Sheikh, Eero Simoncelli, "Image Quality Assessment: From Error
        Visibility to Structural Similarity", 2004.
    """
    _check(given, 1)
    measure = _measure()
    return _by_parts(given, decoded, lambda a, b: _whole(measure, a, b))


def multiscale_similarity(given: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """Compare images by MS-SSIM over five scales, each over the windows that lie within the picture.

    Contrast and structure count at every scale, luminance at the coarsest; what is negative counts as 0.

    Args:
        given: images of range 1, shape `(N, C, H, W)`.
        decoded: other images, same shape.

    Returns:
        The similarity of each pair, shape `(N,)`.

    Raises:
        MissingExtra: without torchmetrics.
        Unmeasurable: if no window fits into the coarsest scale.

    References:
        Zhou Wang, Eero Simoncelli, Alan Bovik, "Multiscale Structural Similarity for Image Quality
        Assessment", 2003.
    """
    _check(given, len(EXPONENTS))
    measure = _measure()

    def compare(one: Tensor, other: Tensor) -> Tensor:
        found = one.new_ones(len(one))
        for weight in EXPONENTS[:-1]:
            # torchmetrics takes contrast and structure over the windows within the picture already
            _, contrast = measure(
                one, other, data_range=1.0, reduction="none", return_contrast_sensitivity=True
            )
            found = found * contrast.clamp(min=0) ** weight
            one, other = functional.avg_pool2d(one, 2), functional.avg_pool2d(other, 2)
        return found * _whole(measure, one, other).clamp(min=0) ** EXPONENTS[-1]

    return _by_parts(given, decoded, compare)


def _measure() -> Callable[..., tuple[Tensor, Tensor]]:
    images = optional("torchmetrics.functional.image", "metrics", "structural similarity")
    return images.structural_similarity_index_measure


def _whole(measure: Callable[..., tuple[Tensor, Tensor]], one: Tensor, other: Tensor) -> Tensor:
    """Give SSIM: of torchmetrics' map over a picture padded by reflection, the part without padding."""
    _, every = measure(one, other, data_range=1.0, reduction="none", return_full_image=True)
    edge = WINDOW // 2
    return every[..., edge:-edge, edge:-edge].flatten(1).mean(dim=1)


def _check(images: np.ndarray, scales: int) -> None:
    """Refuse images of which the coarsest scale has no window."""
    needed = WINDOW * 2 ** (scales - 1)
    if min(images.shape[2:]) < needed:
        height, width = images.shape[2:]
        raise Unmeasurable(f"images of {height}x{width} are too small for it: it needs {needed} pixels")


def _by_parts(
    given: np.ndarray, decoded: np.ndarray, compare: Callable[[Tensor, Tensor], Tensor]
) -> np.ndarray:
    size = max(1, _VALUES // given[0].size)
    values = []
    for start in range(0, len(given), size):
        pair = [torch.from_numpy(np.ascontiguousarray(a[start : start + size])) for a in (decoded, given)]
        values.append(compare(pair[0].float(), pair[1].float()).numpy())
    return np.concatenate(values)
