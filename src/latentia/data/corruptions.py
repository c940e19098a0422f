"""Corruptions: what is done to an example before an encoder sees it, for models that undo it."""

from __future__ import annotations

import abc
import math
from typing import ClassVar

import torch
from torch import Tensor

from latentia.core.errors import ConfigError
from latentia.core.needs import HIDDEN, Words
from latentia.core.registry import register


def _share(value: float, where: str) -> float:
    if not 0 <= value <= 1:
        raise ConfigError(f"'{where}' is a share, from 0 to 1, not {value}")
    return value


class Corruption(abc.ABC):
    """A random map of examples in the model's units; it draws from torch's global generator."""

    kind: ClassVar[str] = "corruption"
    gives: ClassVar[Words] = frozenset()
    """`HIDDEN` where it hides entries, rather than changing them; see `latentia.core.needs`."""
    fill: float = 0.0
    """What the encoder sees in the place of a hidden entry, in the model's units."""

    @abc.abstractmethod
    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Corrupt some examples.

        Args:
            x: the data, shape `(B, *event)`.

        Returns:
            What the encoder sees, same shape; and where entries were hidden, bool, same shape.
        """


@register("corruption", "gaussian_noise")
class GaussianNoise(Corruption):
    """x + sigma * e, e standard normal in each entry."""

    def __init__(self, sigma: float = 0.5) -> None:
        """Set the noise.

        Args:
            sigma: standard deviation, in the model's units.
        """
        if not sigma >= 0:
            raise ConfigError(f"'corruption.sigma' must not be negative, not {sigma}")
        self.sigma = sigma

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Add noise; see `Corruption`."""
        return x + self.sigma * torch.randn_like(x), torch.zeros_like(x, dtype=torch.bool)


@register("corruption", "salt_and_pepper")
class SaltAndPepper(Corruption):
    """A share of the entries becomes the lowest or the highest value, each as likely."""

    def __init__(self, share: float = 0.3, low: float = 0.0, high: float = 1.0) -> None:
        """Set the noise.

        Args:
            share: share of the entries, on average.
            low: the value of pepper, in the model's units.
            high: the value of salt.
        """
        self.share = _share(share, "corruption.share")
        self.low = low
        self.high = high

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Replace entries; see `Corruption`."""
        u = torch.rand_like(x)
        grains = torch.where(u < 0.5 * self.share, self.low, self.high).to(x.dtype)
        salted = torch.where(u < self.share, grains, x).masked_fill(x.isnan(), math.nan)
        return salted, torch.zeros_like(x, dtype=torch.bool)


class _Hiding(Corruption):
    """Hides entries: the encoder sees one value in the place of them all.

    Where that is far from the data, as black is for light pictures, what is hidden is louder than what is
    shown; a run takes the mean of its training data.
    """

    gives: ClassVar[Words] = frozenset({HIDDEN})

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Hide entries; see `Corruption`."""
        hidden = self.chosen(x)
        return x.masked_fill(hidden, self.fill), hidden

    @abc.abstractmethod
    def chosen(self, x: Tensor) -> Tensor:
        """Choose what to hide.

        Args:
            x: the data, shape `(B, *event)`.

        Returns:
            True where an entry is hidden, same shape.
        """


@register("corruption", "dropout")
class Dropout(_Hiding):
    """Each entry is hidden with the same probability: cells of a table, pixels and channels of an image."""

    def __init__(self, share: float = 0.3, fill: float = 0.0) -> None:
        """Set the probability.

        Args:
            share: share of the entries, on average.
            fill: what is seen in their place, in the model's units; a run takes the mean of its data.
        """
        self.share = _share(share, "corruption.share")
        self.fill = fill

    def chosen(self, x: Tensor) -> Tensor:
        """Draw each entry by itself; see `_Hiding`."""
        return torch.rand_like(x) < self.share


@register("corruption", "patches")
class Patches(_Hiding):
    """An image is cut into squares, and a share of them is hidden: as many in every image.

    References:
        Kaiming He et al., "Masked Autoencoders Are Scalable Vision Learners", 2022.
    """

    def __init__(self, event: tuple[int, ...], share: float = 0.5, size: int = 4, fill: float = 0.0) -> None:
        """Set the squares.

        Args:
            event: shape of one example.
            share: share of the squares, rounded to whole ones.
            size: side of a square in pixels; those at the right and lower edge are cut off.
            fill: as `Dropout`.

        Raises:
            ConfigError: if the data are no images, or the square is larger than the image.
        """
        self.share = _share(share, "corruption.share")
        self.fill = fill
        if len(event) != 3:
            shape = "x".join(map(str, event))
            raise ConfigError(
                f"corruption 'patches' needs images, and the data have shape {shape}; "
                "use corruption.name=dropout"
            )
        if not 1 <= size <= min(event[1:]):
            raise ConfigError(
                f"'corruption.size' must be from 1 to {min(event[1:])}, the image's side, not {size}"
            )
        self.size = size
        self.grid = tuple(math.ceil(side / size) for side in event[1:])
        self.hidden = round(share * math.prod(self.grid))

    def chosen(self, x: Tensor) -> Tensor:
        """Draw squares of each image without putting any back; see `_Hiding`."""
        order = torch.rand(len(x), math.prod(self.grid), device=x.device).argsort(dim=1).argsort(dim=1)
        squares = (order < self.hidden).unflatten(1, (1, *self.grid))
        tall = squares.repeat_interleave(self.size, dim=2)[:, :, : x.shape[2]]
        return tall.repeat_interleave(self.size, dim=3)[..., : x.shape[3]].expand_as(x)
