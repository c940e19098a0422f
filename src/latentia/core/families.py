"""The families of distributions that a column of a table may have, in the words that both sides use.

`likelihood=columns` models a column by one of them, and `inputs=columns` shows its values to an encoder.
"""

from __future__ import annotations

from collections.abc import Sequence

from latentia.core.errors import ConfigError, nearest

NUMBERS = ("gaussian", "student_t", "histogram")
"""Of numbers, which are standardised."""
COUNTS = ("negative_binomial", "zero_inflated")
"""Of whole numbers from 0 on, as they are."""
BERNOULLI = "bernoulli"
"""Of 0 and 1."""
CATEGORICAL = "categorical"
"""Of the codes 0..K-1 of K categories, and K for another value."""
FAMILIES = (*NUMBERS, *COUNTS, BERNOULLI, CATEGORICAL)


def check_families(families: Sequence[str], sizes: Sequence[int], where: str) -> None:
    """Refuse what describes no columns.

    Args:
        families: the family of each column.
        sizes: how many categories each column has; 0 where it has none.
        where: the section, for messages.

    Raises:
        ConfigError: for no column, an unknown family, or sizes that do not fit.
    """
    if not families:
        raise ConfigError(f"'{where}.families' is empty: name the family of each column")
    for family in families:
        if family not in FAMILIES:
            raise ConfigError(f"'{where}.families' has no family '{family}'{nearest(family, FAMILIES)}")
    if len(sizes) != len(families):
        raise ConfigError(f"'{where}.sizes' has {len(sizes)} entries, and there are {len(families)} columns")
    for place, (family, size) in enumerate(zip(families, sizes, strict=True)):
        if family == CATEGORICAL and size < 1:
            raise ConfigError(f"'{where}.sizes' must give column {place + 1} a category at least, not {size}")


def check_vector(event: Sequence[int], count: int, what: str) -> None:
    """Refuse examples that are no rows of as many columns.

    Args:
        event: shape of one example.
        count: how many columns there are.
        what: what is for them.

    Raises:
        ConfigError: if the shape is another.
    """
    if tuple(event) != (count,):
        shape = "x".join(map(str, event))
        raise ConfigError(f"{what} describes rows of {count} columns, and an example has shape {shape}")
