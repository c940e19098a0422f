"""From what an exact decoder gives to the masses of symbols: the likelihoods of which files can be made."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from latentia.coding.curves import COARSE, Curve, Powers, curve, powers, sigmoid
from latentia.coding.exact import OUT_BITS
from latentia.coding.masses import Listed, Located, Masses, Mixed, Truths
from latentia.core.errors import ConfigError
from latentia.probability import (
    Bernoulli,
    BetaBinomial,
    Categorical,
    DiscretisedLogistic,
    DiscretisedLogisticMixture,
    Likelihood,
)
from latentia.probability.levels import LOG_SCALE, LOG_SCALES, MIDDLE, OverLevels

UNIT = 2.0**OUT_BITS
SIGMOID_REACH = 20
"""Beyond plus and minus this the sigmoid counts as 0 and 1."""
INVERSE_BITS = 22
"""Inverse scales, of which one level is the unit, are multiples of 2^-22."""
WEIGHT_BITS = 17
"""The largest weight of a mixture is 2^17."""
MOST_PARTS = 32
"""Components of a mixture at the most, so that its masses stay below 2^53."""
MEAN_REACH = 4.0
"""Locations are held within so many times the range of the data to both sides."""
LISTED_BITS = 30
"""The largest mass of one symbol among several is 2^30."""

Tables = Mapping[str, np.ndarray]


class Symbols(abc.ABC):
    """What makes masses of a decoder's output, by tables that are part of the coder.

    Attributes:
        n: how many symbols an entry may have.
    """

    kind: ClassVar[type[Likelihood]]
    n: int

    def __init__(self, likelihood: Likelihood) -> None:
        """Take the likelihood.

        Args:
            likelihood: of the trained model.
        """
        self.n = likelihood.levels if isinstance(likelihood, OverLevels) else 2

    @abc.abstractmethod
    def tables(self) -> dict[str, np.ndarray]:
        """Compute the tables, whole numbers by name."""

    @abc.abstractmethod
    def masses(self, h: np.ndarray, tables: Tables) -> Masses:
        """Give the masses of all entries.

        Args:
            h: what the decoder gives, whole numbers in units of 2^-14, shape `(B, *features)`.
            tables: what `tables` gave.

        Returns:
            Masses of shape `(B, entries)`.
        """


def symbols_of(likelihood: Likelihood) -> Symbols:
    """Find what codes a likelihood.

    Args:
        likelihood: of the trained model.

    Returns:
        The symbols.

    Raises:
        ConfigError: if it is a density, or one that cannot be coded.
    """
    for kind in (_Truths, _Logistic, _Mixture, _Categories, _BetaBinomial):
        if type(likelihood) is kind.kind:
            return kind(likelihood)
    name = type(likelihood).__name__
    if not likelihood.discrete:
        raise ConfigError(
            f"likelihood '{name}' is a density, and only probabilities of values make files without loss; "
            "train with --likelihood discretised_logistic_mixture, or bernoulli for data of two values"
        )
    raise ConfigError(
        f"likelihood '{name}' cannot be coded; train with --likelihood bernoulli, discretised_logistic, "
        "discretised_logistic_mixture, beta_binomial or categorical"
    )


def _curve(tables: Tables) -> Curve:
    return Curve(tables["sigmoid"])


class _Truths(Symbols):
    kind = Bernoulli

    def tables(self) -> dict[str, np.ndarray]:
        return {"sigmoid": curve(sigmoid, SIGMOID_REACH).values}

    def masses(self, h: np.ndarray, tables: Tables) -> Masses:
        return Truths(_curve(tables), h.reshape(len(h), -1))


class _Logistic(Symbols):
    """A discretised logistic: mu and log s."""

    kind = DiscretisedLogistic
    LOW = LOG_SCALES[0] - LOG_SCALE

    def tables(self) -> dict[str, np.ndarray]:
        unit = np.exp(-LOG_SCALE) / (self.n - 1)
        inverse = powers(-1.0, self.LOW, LOG_SCALES[1] - LOG_SCALE, INVERSE_BITS, unit)
        return {"sigmoid": curve(sigmoid, SIGMOID_REACH).values, "inverse_scale": inverse.values}

    def masses(self, h: np.ndarray, tables: Tables) -> Masses:
        offset, log_scale = h.reshape(len(h), 2, -1).swapaxes(0, 1)
        parts = self.located(offset[..., None], log_scale[..., None], np.array([MIDDLE]), tables)
        return Mixed(parts, None)

    def located(
        self, offset: np.ndarray, log_scale: np.ndarray, centres: np.ndarray, tables: Tables
    ) -> Located:
        """Give logistics over levels, whose centres are in units of the data's range."""
        ends = MEAN_REACH * UNIT
        centre = np.clip(offset, -ends, ends) * (self.n - 1.0)
        centre += np.rint(centres * (self.n - 1) * UNIT) - 0.5 * UNIT  # the first border is half a level up
        inverse = Powers(tables["inverse_scale"], int(np.floor(self.LOW * COARSE)))(log_scale)
        shift = OUT_BITS + INVERSE_BITS - 20
        return Located(_curve(tables), centre, inverse, self.n, int(UNIT), shift)


class _Mixture(_Logistic):
    """A mixture of such."""

    kind = DiscretisedLogisticMixture

    def __init__(self, likelihood: Likelihood) -> None:
        super().__init__(likelihood)
        self.parts = likelihood.numbers // 3
        if self.parts > MOST_PARTS:
            raise ConfigError(
                f"a mixture of {self.parts} components cannot be coded; train with at most "
                f"likelihood.components={MOST_PARTS}"
            )

    def tables(self) -> dict[str, np.ndarray]:
        return {**super().tables(), "weight": powers(1.0, -13.0, 0.0, WEIGHT_BITS).values}

    def masses(self, h: np.ndarray, tables: Tables) -> Masses:
        # (B, 3 K C, H, W): all channels of the first number, then all of the second.
        apart = np.moveaxis(h.reshape(len(h), 3, self.parts, -1), 2, -1)
        logits, offset, log_scale = (np.ascontiguousarray(apart[:, at]) for at in range(3))
        weights = Powers(tables["weight"], -13 * COARSE)(logits - logits.max(axis=-1, keepdims=True))
        centres = (np.arange(self.parts) + 0.5) / self.parts
        return Mixed(self.located(offset, log_scale, centres, tables), weights)


class _Categories(Symbols):
    """A logit for each level."""

    kind = Categorical

    def tables(self) -> dict[str, np.ndarray]:
        return {"weight": powers(1.0, -20.0, 0.0, LISTED_BITS).values}

    def masses(self, h: np.ndarray, tables: Tables) -> Masses:
        return self.listed(np.moveaxis(h.reshape(len(h), self.n, -1), 1, -1), tables)

    def listed(self, logits: np.ndarray, tables: Tables) -> Masses:
        """Give masses from logits in the last dimension."""
        weight = Powers(tables["weight"], -20 * COARSE)
        return Listed(weight(logits - logits.max(axis=-1, keepdims=True)))


class _BetaBinomial(_Categories):
    """A beta-binomial: log alpha and log beta, whose logarithms of the gamma function are a table."""

    kind = BetaBinomial
    GRID = 5
    """log alpha and log beta are rounded to 2^-5."""

    def tables(self) -> dict[str, np.ndarray]:
        from scipy.special import gammaln

        at = np.arange(self.n, dtype=np.float64)
        ends = int(BetaBinomial.LIMIT) << self.GRID
        alpha = np.exp(np.arange(-ends, ends + 1) / (1 << self.GRID))
        rising = gammaln(at + alpha[:, None]) - gammaln(alpha)[:, None]
        choose = gammaln(float(self.n)) - gammaln(at + 1) - gammaln(self.n - at)
        rounded = {"rising": np.rint(rising * UNIT), "choose": np.rint(choose * UNIT)}
        return {**super().tables(), **{name: table.astype(np.int64) for name, table in rounded.items()}}

    def masses(self, h: np.ndarray, tables: Tables) -> Masses:
        ends = int(BetaBinomial.LIMIT) << self.GRID
        at = np.floor(h.reshape(len(h), 2, -1) * 2.0 ** (self.GRID - OUT_BITS) + 0.5)
        alpha, beta = np.clip(at + ends, 0, 2 * ends).astype(np.intp).swapaxes(0, 1)
        rising = tables["rising"]
        logits = rising[alpha] + rising[beta][..., ::-1] + tables["choose"]
        return self.listed(logits.astype(np.float64), tables)
