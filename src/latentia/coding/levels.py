"""Likelihoods of levels: from what an exact decoder gives to the masses of their values."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch

from latentia.coding.curves import (
    COARSE,
    GRID_BITS,
    Curve,
    Powers,
    activation,
    activation_table,
    curve,
    powers,
    sigmoid,
)
from latentia.coding.exact import OUT_BITS
from latentia.coding.masses import MIXTURE_BITS, Listed, Located, Masses, Mixed, Truths
from latentia.coding.stages import Stage
from latentia.coding.symbols import Symbols
from latentia.core.errors import ConfigError, DataError
from latentia.data.transforms import Binarise, Identity, Scale
from latentia.probability import (
    Bernoulli,
    BetaBinomial,
    Categorical,
    DiscretisedLogistic,
    DiscretisedLogisticMixture,
    Likelihood,
    PixelLogisticMixture,
)
from latentia.probability.levels import LOG_SCALE, LOG_SCALES, MIDDLE, OverLevels

UNIT = 2.0**OUT_BITS
SIGMOID_REACH = 20
"""Beyond plus and minus this the sigmoid counts as 0 and 1."""
INVERSE_BITS = 22
"""Inverse scales, of which one level is the unit, are multiples of 2^-22."""
MOST_PARTS = 32
"""Components of a mixture at the most, so that its masses stay below 2^53."""
MEAN_REACH = 4.0
"""Locations are held within so many times the range of the data to both sides."""
LISTED_BITS = 30
"""The largest mass of one symbol among several is 2^30."""


class Levels(Symbols):
    """Values that are evenly spaced between two ends: two of them, or the levels of pixels.

    Attributes:
        n: how many there are.
    """

    kind: ClassVar[type[Likelihood]]

    def __init__(self, likelihood: Likelihood, transform: Any) -> None:
        """Take the likelihood.

        Args:
            likelihood: of the trained model.
            transform: between stored data and the model; its ends are the least and the largest value.

        Raises:
            ConfigError: if the transform has no ends.
        """
        if type(transform) not in (Scale, Binarise, Identity):
            name = type(transform).__name__.lower()
            raise ConfigError(f"transform '{name}' has no levels to code; train with --transform scale")
        self.n = likelihood.levels if isinstance(likelihood, OverLevels) else 2
        self._low, self._high = float(transform.low), float(transform.high)
        level, unit = np.arange(self.n, dtype=np.int64), 1 << GRID_BITS
        self._seen = ((2 * level * unit + self.n - 1) // (2 * (self.n - 1))).astype(np.float64)

    def of(self, raw: np.ndarray, first: int = 0) -> np.ndarray:
        """Find the levels; see `Symbols`."""
        scaled = (raw.astype(np.float64) - self._low) / (self._high - self._low) * (self.n - 1)
        found = np.clip(np.rint(np.nan_to_num(scaled)), 0, self.n - 1).astype(np.int64)
        wrong = self.values(found, raw.dtype) != raw
        if wrong.any():
            row, entry = np.argwhere(wrong)[0]
            known = f"{self.n} values from {self._low:g} to {self._high:g} alone"
            raise DataError(
                f"example {first + row} holds {raw[row, entry]:g}, and the run's likelihood has "
                "probabilities of "
                + (f"{self._low:g} and {self._high:g} alone" if self.n == 2 else known)
                + "; bring the data to these values"
                + ", or train with --likelihood discretised_logistic_mixture" * (self.n == 2)
            )
        return found

    def values(self, symbols: np.ndarray, dtype: Any) -> np.ndarray:
        """Give the values of levels; see `Symbols`."""
        return (self._low + symbols * (self._high - self._low) / (self.n - 1)).astype(dtype)

    def seen(self, symbols: np.ndarray) -> np.ndarray:
        """Give level / (n - 1); see `Symbols`."""
        return self._seen.take(np.minimum(symbols, self.n - 1))

    @property
    def reach(self) -> float:
        """One; see `Symbols`."""
        return float(1 << GRID_BITS)

    def header(self) -> dict[str, Any]:
        """Say what the levels are; see `Symbols`."""
        name = type(self).__name__.strip("_").lower()
        return {"symbols": name, "values": [self._low, self._high, self.n]}

    def stages(self, h: np.ndarray) -> list[Stage]:
        """Give one stage, of all entries; see `Symbols`."""
        return [lambda _: self.masses(h)]

    @abc.abstractmethod
    def masses(self, h: np.ndarray) -> Masses:
        """Give the masses of all entries, each by itself.

        Args:
            h: what the decoder gives, whole numbers in units of 2^-14, shape `(B, *features)`.

        Returns:
            Masses of shape `(B, entries)`.
        """

    def _curve(self) -> Curve:
        return Curve(self.tables["sigmoid"])


def levels_of(likelihood: Likelihood, transform: Any) -> Levels:
    """Find what codes a likelihood.

    Args:
        likelihood: of the trained model.
        transform: between stored data and the model.

    Returns:
        The symbols.

    Raises:
        ConfigError: if it is a density, or one that cannot be coded.
    """
    for kind in (_Truths, _Logistic, _Mixture, _PixelMixture, _Categories, _BetaBinomial):
        if type(likelihood) is kind.kind:
            return kind(likelihood, transform)
    name = type(likelihood).__name__
    if not likelihood.discrete:
        raise ConfigError(
            f"likelihood '{name}' is a density, and only probabilities of values make files without loss; "
            "train with --likelihood discretised_logistic_mixture, or bernoulli for data of two values"
        )
    raise ConfigError(
        f"likelihood '{name}' cannot be coded; train with --likelihood bernoulli, discretised_logistic, "
        "discretised_logistic_mixture, pixel_logistic_mixture, beta_binomial or categorical"
    )


class _Truths(Levels):
    kind = Bernoulli

    def compute(self, x: np.ndarray | None) -> dict[str, np.ndarray]:
        return {"sigmoid": curve(sigmoid, SIGMOID_REACH).values}

    def masses(self, h: np.ndarray) -> Masses:
        return Truths(self._curve(), h.reshape(len(h), -1))


class _Logistic(Levels):
    """A discretised logistic: mu and log s."""

    kind = DiscretisedLogistic
    LOW = LOG_SCALES[0] - LOG_SCALE

    def compute(self, x: np.ndarray | None) -> dict[str, np.ndarray]:
        unit = np.exp(-LOG_SCALE) / (self.n - 1)
        inverse = powers(-1.0, self.LOW, LOG_SCALES[1] - LOG_SCALE, INVERSE_BITS, unit)
        return {"sigmoid": curve(sigmoid, SIGMOID_REACH).values, "inverse_scale": inverse.values}

    def masses(self, h: np.ndarray) -> Masses:
        offset, log_scale = h.reshape(len(h), 2, -1).swapaxes(0, 1)
        parts = self.located(offset[..., None], log_scale[..., None], np.array([MIDDLE]))
        return Mixed(parts, None)

    def located(
        self, offset: np.ndarray, log_scale: np.ndarray, centres: np.ndarray, moved: Any = 0.0
    ) -> Located:
        """Give logistics over levels: centres in units of the data's range, moved by 2^-14 of a level."""
        ends = MEAN_REACH * UNIT * (self.n - 1.0)
        centre = np.clip(offset * (self.n - 1.0) + moved, -ends, ends)
        centre += np.rint(centres * (self.n - 1) * UNIT) - 0.5 * UNIT  # the first border is half a level up
        inverse = Powers(self.tables["inverse_scale"], int(np.floor(self.LOW * COARSE)))(log_scale)
        shift = OUT_BITS + INVERSE_BITS - 20
        return Located(self._curve(), centre, inverse, self.n, int(UNIT), shift)


class _Mixture(_Logistic):
    """A mixture of such."""

    kind = DiscretisedLogisticMixture

    def __init__(self, likelihood: Likelihood, transform: Any) -> None:
        super().__init__(likelihood, transform)
        self.parts = likelihood.numbers // 3
        if self.parts > MOST_PARTS:
            raise ConfigError(
                f"a mixture of {self.parts} components cannot be coded; train with at most "
                f"likelihood.components={MOST_PARTS}"
            )

    def compute(self, x: np.ndarray | None) -> dict[str, np.ndarray]:
        return {**super().compute(x), "weight": powers(1.0, -13.0, 0.0, MIXTURE_BITS).values}

    def masses(self, h: np.ndarray) -> Masses:
        # (B, 3 K C, H, W): all channels of the first number, then all of the second.
        apart = np.moveaxis(h.reshape(len(h), 3, self.parts, -1), 2, -1)
        logits, offset, log_scale = (np.ascontiguousarray(apart[:, at]) for at in range(3))
        return Mixed(self.located(offset, log_scale, self.centres), self.weights(logits))

    @property
    def centres(self) -> np.ndarray:
        """Where components lie at an offset of 0."""
        return (np.arange(self.parts) + 0.5) / self.parts

    def weights(self, logits: np.ndarray) -> np.ndarray:
        """Give weights from logits in the last dimension."""
        return Powers(self.tables["weight"], -13 * COARSE)(logits - logits.max(axis=-1, keepdims=True))


class _PixelMixture(_Mixture):
    """A mixture for each pixel: a stage for each colour, which knows those before it."""

    kind = PixelLogisticMixture

    def __init__(self, likelihood: Likelihood, transform: Any) -> None:
        super().__init__(likelihood, transform)
        self._likelihood: Any = likelihood

    def compute(self, x: np.ndarray | None) -> dict[str, np.ndarray]:
        return {**super().compute(x), "activation.tanh": activation_table("tanh")}

    def stages(self, h: np.ndarray) -> list[Stage]:
        if h.ndim == 2 or h.shape[1] == 3 * self.parts:
            return super().stages(h)
        colours = self._likelihood.colours(h.shape[1])
        flat = h.reshape(len(h), h.shape[1], -1)
        # Each (B, C, places, K): sums are over the components of a place.
        logits, offset, log_scale, slopes = (
            np.ascontiguousarray(np.moveaxis(part.reshape(len(h), self.parts, -1, flat.shape[2]), 1, -1))
            for part in np.split(flat, np.cumsum(self._likelihood.split(colours))[:-1], axis=1)
        )
        tanh = activation("tanh", self.tables["activation.tanh"])
        steps = tanh(torch.from_numpy(np.floor(slopes * 2.0 ** (GRID_BITS - OUT_BITS) + 0.5))).numpy()
        pixels = _Pixels(self, self.weights(logits[:, 0]), offset, log_scale, steps)
        return [partial(pixels.masses, colour) for colour in range(colours)]


@dataclass(frozen=True)
class _Pixels:
    """The colours of some pixels.

    Attributes:
        levels: gives logistics.
        weights: of components before anything is known, shape `(B, places, K)`.
        offset: of the locations, in units of 2^-14 of the range, shape `(B, C, places, K)`.
        log_scale: in units of 2^-14; same shape.
        slopes: in units of 2^-12, shape `(B, C (C - 1) / 2, places, K)`.
    """

    levels: _PixelMixture
    weights: np.ndarray
    offset: np.ndarray
    log_scale: np.ndarray
    slopes: np.ndarray

    def masses(self, colour: int, found: np.ndarray) -> Mixed:
        """Give the masses of a colour, once those before it are known, `(B, colour places)`."""
        # A damaged file may say a level that there is none of.
        seen = np.minimum(found, self.levels.n - 1).astype(np.float64)
        seen = seen.reshape(len(found), colour, self.weights.shape[1])
        weights = self.weights
        for before in range(colour):
            weights = self._mixed(before, seen, weights).posterior(seen[:, before])
        return self._mixed(colour, seen, weights)

    def _mixed(self, colour: int, seen: np.ndarray, weights: np.ndarray) -> Mixed:
        moved = np.zeros_like(weights)
        for before in range(colour):
            # Twice the distance from the middle of the range, in levels.
            twice = 2 * seen[:, before, :, None] - (self.levels.n - 1)
            moved += self.slopes[:, colour * (colour - 1) // 2 + before] * twice
        moved *= 2.0 ** (OUT_BITS - GRID_BITS - 1)
        offset, log_scale = self.offset[:, colour], self.log_scale[:, colour]
        return Mixed(self.levels.located(offset, log_scale, self.levels.centres, moved), weights)


class _Categories(Levels):
    """A logit for each level."""

    kind = Categorical

    def compute(self, x: np.ndarray | None) -> dict[str, np.ndarray]:
        return {"weight": powers(1.0, -20.0, 0.0, LISTED_BITS).values}

    def masses(self, h: np.ndarray) -> Masses:
        return self.listed(np.moveaxis(h.reshape(len(h), self.n, -1), 1, -1))

    def listed(self, logits: np.ndarray) -> Masses:
        """Give masses from logits in the last dimension."""
        weight = Powers(self.tables["weight"], -20 * COARSE)
        return Listed(weight(logits - logits.max(axis=-1, keepdims=True)))


class _BetaBinomial(_Categories):
    """A beta-binomial: log alpha and log beta, whose logarithms of the gamma function are a table."""

    kind = BetaBinomial
    GRID = 5
    """log alpha and log beta are rounded to 2^-5."""

    def compute(self, x: np.ndarray | None) -> dict[str, np.ndarray]:
        from scipy.special import gammaln

        at = np.arange(self.n, dtype=np.float64)
        ends = int(BetaBinomial.LIMIT) << self.GRID
        alpha = np.exp(np.arange(-ends, ends + 1) / (1 << self.GRID))
        rising = gammaln(at + alpha[:, None]) - gammaln(alpha)[:, None]
        choose = gammaln(float(self.n)) - gammaln(at + 1) - gammaln(self.n - at)
        rounded = {"rising": np.rint(rising * UNIT), "choose": np.rint(choose * UNIT)}
        return {**super().compute(x), **{name: table.astype(np.int64) for name, table in rounded.items()}}

    def masses(self, h: np.ndarray) -> Masses:
        ends = int(BetaBinomial.LIMIT) << self.GRID
        at = np.floor(h.reshape(len(h), 2, -1) * 2.0 ** (self.GRID - OUT_BITS) + 0.5)
        alpha, beta = np.clip(at + ends, 0, 2 * ends).astype(np.intp).swapaxes(0, 1)
        rising = self.tables["rising"]
        logits = rising[alpha] + rising[beta][..., ::-1] + self.tables["choose"]
        return self.listed(logits.astype(np.float64))
