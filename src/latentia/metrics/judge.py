"""EfficientNet-Lite2 as a judge of pictures: it has taught no model here, so it may grade all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from latentia.metrics.features import FeatureSpace
from latentia.metrics.figures import Unmeasurable
from latentia.networks import lite, unit_distance
from latentia.networks.features import Pixels

NAME = "EfficientNet-Lite2"
PIXELS = 2**20
"""Pixels that are looked at at once, about."""


class JudgeFeatures(FeatureSpace):
    """EfficientNet-Lite2: its 120 channels at stride 16, averaged over places; distances by its first maps.

    Weights of ImageNet, from the extra `perceptual`. Images are looked at as large as they are.
    """

    def __init__(
        self,
        channels: int,
        pixels: int,
        *,
        low: float = 0.0,
        high: float = 1.0,
        device: torch.device | str = "cpu",
        quiet: bool = True,
    ) -> None:
        """Read the weights.

        Args:
            channels: of an image: 1, 3 or 4.
            pixels: of an image.
            low: the smallest value of an image.
            high: its largest value.
            device: where the network runs.
            quiet: show no progress bar.

        Raises:
            MissingExtra: if the weights are not installed.
            Unmeasurable: if these are no pictures.
        """
        if channels not in (1, 3, 4):
            raise Unmeasurable(f"{NAME} looks at images of 1, 3 or 4 channels, and these have {channels}")
        pixels_in = Pixels(low, high, [lite.MEAN] * 3, [lite.DEVIATION] * 3)
        self.maps = nn.Sequential(pixels_in, lite.pretrained(2, f"a judgement by {NAME}")).to(device)
        size = max(1, PIXELS // pixels)
        name = f"{NAME} (120 channels at stride 16, mean over places)"
        super().__init__(name, _Pooled(self.maps), batch_size=size, device=device, quiet=quiet)

    def compare(
        self, given: np.ndarray, others: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        """Look at images and at what was made of them; see `latentia.networks.unit_distance`.

        Args:
            given: images, `(N, C, H, W)`, in the units that were named.
            others: several of the same shape.

        Returns:
            The features of the images, `(N, 120)`; those of each of the others, with how far each image of it
            is from the one in its place, `(N,)`, by the maps of strides 2, 2, 4, 8 and 16.
        """
        rows: list[list[np.ndarray]] = []
        for part in self._parts(len(given)):
            first = self.maps(self._shown(given, part))
            found = [pooled(first)]
            for other in others:
                maps = self.maps(self._shown(other, part))
                found += [pooled(maps), unit_distance(first, maps)]
            rows.append([each.cpu().numpy() for each in found])
        seen, *made = (np.concatenate(parts) for parts in zip(*rows, strict=True))
        return seen, list(zip(made[::2], made[1::2], strict=True))


def pooled(maps: Sequence[Tensor]) -> Tensor:
    """Average the last of some feature maps over places.

    Args:
        maps: each `(N, channels, h, w)`.

    Returns:
        Shape `(N, channels)`.
    """
    return maps[-1].mean(dim=(2, 3))


class _Pooled(nn.Module):
    """The features of images by the network of their maps."""

    def __init__(self, maps: nn.Module) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, x: Tensor) -> Tensor:
        return pooled(self.maps(x))
