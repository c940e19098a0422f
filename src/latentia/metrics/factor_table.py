"""Codes beside the known factors of their examples, checked, and divided into rows to fit and to test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentia.core.errors import ConfigError
from latentia.metrics.figures import Unmeasurable

TRAIN_ROWS = 10_000
TEST_ROWS = 5_000


@dataclass(frozen=True, eq=False)
class FactorTable:
    """One row for each example.

    Attributes:
        codes: shape `(N, D)`, float64, all finite.
        factors: shape `(N, F)`, int64; the values of factor f are numbered 0 to K_f - 1.
        names: of the factors.
        sizes: K_f, how many values each factor has; two or more.
    """

    codes: np.ndarray
    factors: np.ndarray
    names: tuple[str, ...]
    sizes: tuple[int, ...]

    def need_rows(self, for_each_value: int, purpose: str) -> None:
        """Refuse a table that is too short for its factors.

        Args:
            for_each_value: how many rows there must be, on average, for each value of a factor.
            purpose: what they are for, as the subject of "need".

        Raises:
            Unmeasurable: if there are fewer.
        """
        name, size = max(zip(self.names, self.sizes), key=lambda pair: pair[1])
        needed = for_each_value * size
        if len(self.codes) < needed:
            raise Unmeasurable(
                f"{purpose} need at least {needed:,} examples for the {size:,} values of factor '{name}', "
                f"and there are {len(self.codes):,}; use more data"
            )

    def divide(self, seed: int, limit: int = TRAIN_ROWS) -> tuple[np.ndarray, np.ndarray]:
        """Choose rows to fit on and other rows to test on.

        Args:
            seed: seed of the choice.
            limit: how many rows to fit on at most; the rows to test on do not depend on it.

        Returns:
            Their positions: 10,000 and 5,000, or two thirds and one third where there are fewer.

        Raises:
            Unmeasurable: if a factor has one value in the rows to fit on.
        """
        order = np.random.default_rng(seed).permutation(len(self.codes))
        train, test = divided(len(order))
        fit = order[: min(train, limit)]
        for name, values in zip(self.names, self.factors[fit].T):
            if (values == values[0]).all():
                raise Unmeasurable(
                    f"factor '{name}' has one value in the {len(fit):,} examples to fit on; use more data"
                )
        return fit, order[train : train + test]


def divided(rows: int) -> tuple[int, int]:
    """Say how many of some rows are to fit on and how many to test on.

    Args:
        rows: how many there are.

    Returns:
        10,000 and 5,000, or two thirds and one third where there are fewer than 15,000.
    """
    if rows >= TRAIN_ROWS + TEST_ROWS:
        return TRAIN_ROWS, TEST_ROWS
    train = 2 * rows // 3
    return train, rows - train


def check_count(what: str, found: int, least: int) -> None:
    """Refuse codes or factors that are too few.

    Args:
        what: one of them: "latent dimension" or "known factor".
        found: how many there are.
        least: how many there must be.

    Raises:
        Unmeasurable: if there are fewer.
    """
    if found < least:
        source = "model" if what == "latent dimension" else "data set"
        raise Unmeasurable(
            f"needs at least {least} {what}s, and there {'is' if found == 1 else 'are'} {found}; "
            f"use a {source} with more"
        )


def tabulate(
    codes: np.ndarray,
    factors: np.ndarray,
    names: Sequence[str] = (),
    *,
    least_codes: int = 1,
    least_factors: int = 1,
) -> FactorTable:
    """Check codes and factors, and put them side by side.

    Args:
        codes: one code for each example, shape `(N, D)`.
        factors: the values of its factors, shape `(N, F)`, whole numbers.
        names: of the factors; their positions where empty.
        least_codes: how many dimensions a code must have.
        least_factors: how many factors there must be.

    Returns:
        The table.

    Raises:
        ConfigError: if the shapes do not fit, or the factors are not whole numbers.
        Unmeasurable: if a code is not finite, a factor has one value, or there are too few.
    """
    _check_shapes(codes, factors, names)
    names = tuple(names) or tuple(str(position) for position in range(factors.shape[1]))
    if not len(codes):
        raise Unmeasurable("there are no examples; use data that have some")
    check_count("latent dimension", codes.shape[1], least_codes)
    check_count("known factor", factors.shape[1], least_factors)
    broken = int((~np.isfinite(codes)).any(axis=1).sum())
    if broken:
        raise Unmeasurable(
            f"the codes of {broken:,} of {len(codes):,} examples are not finite; "
            "the model has diverged: train it with a lower learning rate"
        )
    numbered = np.empty(factors.shape, dtype=np.int64)
    sizes: list[int] = []
    for position, name in enumerate(names):
        values, numbered[:, position] = np.unique(factors[:, position], return_inverse=True)
        if len(values) == 1:
            raise Unmeasurable(
                f"factor '{name}' has one value in these data; leave it out, or use data in which it varies"
            )
        sizes.append(len(values))
    return FactorTable(codes.astype(np.float64), numbered, names, tuple(sizes))


def _check_shapes(codes: np.ndarray, factors: np.ndarray, names: Sequence[str]) -> None:
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors):
        raise ConfigError(
            "'codes' must have shape (N, D) and 'factors' (N, F) for the same N examples, "
            f"not {codes.shape} and {factors.shape}"
        )
    if factors.dtype.kind not in "iub":
        raise ConfigError(f"'factors' must be whole numbers, not {factors.dtype}")
    if names and len(names) != factors.shape[1]:
        raise ConfigError(f"'names' must name {factors.shape[1]} factors, not {len(names)}")
