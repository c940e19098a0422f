"""Transforms: what happens to a batch on the device, between the stored data and the model.

Data stay as they came (uint8 mostly); each batch is scaled, binarised or dequantised when it is
drawn. `invert` takes the model's values back to the data's units.
"""

from __future__ import annotations

import abc
import math
from typing import ClassVar

import torch
from torch import Tensor

from latentia.core.registry import register

UNIT = (0.0, 1.0)

PLAIN = (torch.uint8, torch.int8, torch.int16, torch.bool, torch.float16, torch.bfloat16, torch.float32)
"""Types whose values float32 holds; others are scaled in float64, and rounded when their offset is gone."""
APART = 2.0**10
"""Values this many times larger than what they spread over keep four digits of it in float32."""


def _wide(raw: Tensor) -> torch.dtype:
    return torch.float32 if raw.dtype in PLAIN else torch.float64


def _result(x: Tensor, apart: bool) -> torch.dtype:
    """Give the type of values in the data's units; Apple's GPUs have no float64."""
    return torch.float64 if apart and x.device.type != "mps" else torch.float32


class Transform(abc.ABC):
    """A map from stored data to the values that the model sees."""

    kind: ClassVar[str] = "transform"
    random: ClassVar[bool] = False
    """Whether it draws noise, from torch's global generator."""

    @abc.abstractmethod
    def __call__(self, raw: Tensor) -> Tensor:
        """Prepare a batch.

        Args:
            raw: stored data, shape `(B, *event)`, any numeric type; NaN, which stays NaN, where a value is
                missing.

        Returns:
            The model's x, float32, same shape.
        """

    @abc.abstractmethod
    def expected(self, raw: Tensor) -> Tensor:
        """Give what `__call__` gives on average: the values without its noise.

        Args:
            raw: stored data, shape `(B, *event)`.

        Returns:
            Float32, same shape.
        """

    @abc.abstractmethod
    def invert(self, x: Tensor) -> Tensor:
        """Take the model's values to the units of the data.

        Args:
            x: values in the model's units, shape `(*batch, *event)`.

        Returns:
            In the data's units, same shape: float32, or float64 where float32 would lose what the values
            differ in, as of times in seconds since 1970.
        """

    @abc.abstractmethod
    def range(self, low: float, high: float) -> tuple[float, float]:
        """Give the range of the prepared values.

        Args:
            low: smallest stored value.
            high: largest stored value.

        Returns:
            Smallest and largest prepared value.
        """

    @property
    @abc.abstractmethod
    def log2_unit(self) -> float:
        """Bits per dimension that one unit of x spans more than one unit of the data.

        A density of x in bits per dimension, plus this, is the density of the stored data, by the
        change of variables; 0 where the prepared values are discrete.
        """

    @property
    def log2_units(self) -> Tensor:
        """The same of each entry, broadcastable against an example."""
        return torch.tensor(self.log2_unit, dtype=torch.float64)


@register("transform", "scale")
class Scale(Transform):
    """(raw - low) / (high - low): uint8 to [0, 1], or any known range."""

    def __init__(self, low: float = 0.0, high: float = 255.0) -> None:
        """Set the range that becomes [0, 1].

        Args:
            low: the stored value that becomes 0.
            high: the stored value that becomes 1.
        """
        self.low = low
        self.high = high
        self._factor = 1.0 / (high - low) if high > low else 1.0

    def __call__(self, raw: Tensor) -> Tensor:
        """Scale; see `Transform`."""
        return self.expected(raw)

    def expected(self, raw: Tensor) -> Tensor:
        """Scale; see `Transform`."""
        values = raw.to(_wide(raw), copy=True)  # a copy, so that it can be changed in place
        values = (values if self.low == 0 else values.sub_(self.low)).mul_(self._factor)
        return values.to(torch.float32)

    def invert(self, x: Tensor) -> Tensor:
        """Undo the scaling; see `Transform`."""
        apart = max(abs(self.low), abs(self.high)) > APART / self._factor
        return x.to(_result(x, apart)) / self._factor + self.low

    def range(self, low: float, high: float) -> tuple[float, float]:
        """Scale both ends; see `Transform`."""
        return (low - self.low) * self._factor, (high - self.low) * self._factor

    @property
    def log2_unit(self) -> float:
        """Give log2 of the range; see `Transform`."""
        return -math.log2(self._factor)


@register("transform", "signed")
class Signed(Scale):
    """2 (raw - low) / (high - low) - 1: uint8 to [-1, 1], as diffusers' codecs take pictures."""

    def __init__(self, low: float = 0.0, high: float = 255.0) -> None:
        """Set the range that becomes [-1, 1].

        Args:
            low: the stored value that becomes -1.
            high: the stored value that becomes 1.
        """
        super().__init__((low + high) / 2, high)


@register("transform", "binarise")
class Binarise(Scale):
    """Dynamic binarisation: each value is 1 with the probability that it states, drawn anew each time.

    References:
        Ruslan Salakhutdinov, Iain Murray, "On the Quantitative Analysis of Deep Belief Networks",
        2008.
    """

    random: ClassVar[bool] = True

    def __call__(self, raw: Tensor) -> Tensor:
        """Draw; see `Transform`. The probability is met to within 2^-16, and exactly at 0 and 1."""
        p = self.expected(raw)
        # Sixteen random bits decide a value; torch draws sixty-four at a time for little more than
        # the price of one float, and on a CPU this is the slowest part of preparing a batch.
        words = torch.empty(-(-p.numel() // 4), dtype=torch.int64, device=p.device)
        bits = words.random_(-(2**63), None).view(torch.uint16)[: p.numel()].view(p.shape)
        drawn = (bits.to(torch.float32) < p * 65536.0).to(torch.float32)
        return drawn.masked_fill(p.isnan(), math.nan) if raw.is_floating_point() else drawn

    @property
    def log2_unit(self) -> float:
        """Give 0: the values are discrete; see `Transform`."""
        return 0.0


@register("transform", "dequantise")
class Dequantise(Scale):
    """(raw + u) / (high + 1) with u uniform on [0, 1): integer data as a density on [0, 1).

    A density of the result bounds the probability of the integers: log P >= E log p - D log(high + 1).

    References:
        Lucas Theis, Aaron van den Oord, Matthias Bethge, "A note on the evaluation of generative
        models", 2016.
    """

    random: ClassVar[bool] = True

    def __init__(self, high: float = 255.0) -> None:
        """Set the number of levels.

        Args:
            high: the largest integer; levels run from 0 to it.
        """
        super().__init__(0.0, high + 1.0)

    def __call__(self, raw: Tensor) -> Tensor:
        """Add noise and scale; see `Transform`."""
        values = raw.to(torch.float32)
        return (values + torch.rand_like(values)) * self._factor

    def expected(self, raw: Tensor) -> Tensor:
        """Scale the middle of each level; see `Transform`."""
        return (raw.to(torch.float32) + 0.5) * self._factor

    def range(self, low: float, high: float) -> tuple[float, float]:
        """Scale both ends, the level's width included; see `Transform`."""
        return low * self._factor, (high + 1.0) * self._factor


class Jittered(Transform):
    """Another transform over raw + u, u uniform on [-1/2, 1/2): whole numbers as a density.

    The intervals [raw - 1/2, raw + 1/2) cover the line, so that log P(raw) >= E_u log p(raw + u) for any
    density p; the scale that a model was trained on stays.
    """

    random: ClassVar[bool] = True

    def __init__(self, base: Transform) -> None:
        """Wrap a transform.

        Args:
            base: what follows the noise.
        """
        self.base = base

    def __call__(self, raw: Tensor) -> Tensor:
        """Add noise and prepare; see `Transform`."""
        values = raw.to(torch.float32)
        return self.base(values + torch.rand_like(values).sub_(0.5))

    def expected(self, raw: Tensor) -> Tensor:
        """Prepare without noise; see `Transform`."""
        return self.base.expected(raw)

    def invert(self, x: Tensor) -> Tensor:
        """Invert the other transform; see `Transform`."""
        return self.base.invert(x)

    def range(self, low: float, high: float) -> tuple[float, float]:
        """Give the range, half a unit wider; see `Transform`."""
        return self.base.range(low - 0.5, high + 0.5)

    @property
    def log2_unit(self) -> float:
        """Give the other transform's; see `Transform`."""
        return self.base.log2_unit


def dequantising(base: Transform, high: float, support: tuple[float, float]) -> Transform:
    """Make whole numbers continuous, so that a density's bound holds for the numbers themselves.

    Args:
        base: the transform that a model was trained with.
        high: the largest whole number that the data may hold; the smallest is 0.
        support: where the model's density is.

    Returns:
        The transform itself if it dequantises already; with noise around each number where the density
        reaches that far; else `Dequantise`, whose values stay within [0, 1).

    References:
        Lucas Theis, Aaron van den Oord, Matthias Bethge, "A note on the evaluation of generative
        models", 2016.
    """
    if isinstance(base, (Dequantise, Jittered)):
        return base
    low, top = Jittered(base).range(0.0, high)
    return Jittered(base) if support[0] <= low and top <= support[1] else Dequantise(high)


@register("transform", "standardise")
class Standardise(Transform):
    """(raw - mean) / std, each column by its own: tables."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Set the statistics, which come from the training split.

        Args:
            mean: mean of each column, or one for all.
            std: standard deviation of each column, or one for all; 0 is taken as 1.
        """
        self.mean = torch.tensor(mean, dtype=torch.float64)
        spread = torch.tensor(std, dtype=torch.float64)
        self.std = torch.where(spread > 0, spread, torch.ones_like(spread))
        self._apart = bool((self.mean.abs() > APART * self.std).any())

    def __call__(self, raw: Tensor) -> Tensor:
        """Standardise; see `Transform`."""
        return self.expected(raw)

    def expected(self, raw: Tensor) -> Tensor:
        """Standardise; see `Transform`."""
        kind = _wide(raw)
        mean, std = self.mean.to(raw.device, kind), self.std.to(raw.device, kind)
        return ((raw.to(kind) - mean) / std).to(torch.float32)

    def invert(self, x: Tensor) -> Tensor:
        """Undo the standardisation; see `Transform`."""
        kind = _result(x, self._apart)
        return x.to(kind) * self.std.to(x.device, kind) + self.mean.to(x.device, kind)

    def range(self, low: float, high: float) -> tuple[float, float]:
        """Give no bound: columns differ; see `Transform`."""
        return -math.inf, math.inf

    @property
    def log2_unit(self) -> float:
        """Give the mean of log2 std; see `Transform`."""
        return float(self.log2_units.mean())

    @property
    def log2_units(self) -> Tensor:
        """Give log2 std of each column; see `Transform`."""
        return self.std.log2()


@register("transform", "none")
class Identity(Scale):
    """The stored values, as float32."""

    def __init__(self) -> None:
        """Take values as they are."""
        super().__init__(0.0, 1.0)
