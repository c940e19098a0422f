"""What the columns of a table say where the user said nothing: the family of each, and what it needs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from latentia.core.errors import ConfigError, DataError
from latentia.core.families import BERNOULLI, CATEGORICAL, COUNTS, NUMBERS
from latentia.data.column import column_names
from latentia.data.dataset import Dataset
from latentia.data.schema import Column, Schema
from latentia.data.splits import spread

if TYPE_CHECKING:
    from latentia.core.config import Table

LOOKED = 20_000
"""Training examples by which the family of a column is chosen at the most."""
SPIKE = 0.05
"""A value with more than this share of the examples is a spike, which no Gaussian has."""
SKEWED = 1.0
"""A skewness beyond this, which is that of no Gaussian."""
HEAVY = 6.0
"""A kurtosis beyond this; a Gaussian's is 3."""
LEAST = 1e6
"""A unit of whole numbers that is larger than this in the model is none."""
BINS = 64
"""Cells of a histogram, where columns are few."""
OUTPUTS = 8192
"""Numbers of the decoder's output that histograms may take, as long as each has sixteen cells."""


def columns_of(dataset: Dataset) -> tuple[Column, ...]:
    """Give what is known of the columns of a table; those of bare numbers are real.

    Args:
        dataset: the data.

    Returns:
        The columns.

    Raises:
        ConfigError: if the data are no table.
    """
    if dataset.event.kind != "vector":
        shape = "x".join(map(str, dataset.event))
        raise ConfigError(
            f"likelihood 'columns' is for tables, and an example has shape {shape}; leave 'likelihood' out"
        )
    schema = dataset.schema or Schema(tuple(map(Column, column_names(dataset.event[0]))))
    return schema.columns


def typed(dataset: Dataset) -> bool:
    """Say whether a table has columns that are no numbers."""
    return dataset.schema is not None and not all(column.numeric for column in dataset.schema.columns)


def check_likelihood(name: str, dataset: Dataset) -> None:
    """Refuse a likelihood of numbers for a table with categories.

    Args:
        name: the likelihood.
        dataset: the data.

    Raises:
        ConfigError: naming the first such column.
    """
    if name == "columns" or dataset.schema is None:
        return
    for column in dataset.schema.columns:
        if column.kind in ("category", "ordered"):
            raise ConfigError(
                f"likelihood '{name}' is for numbers, and column '{column.name}' holds categories; leave "
                "'likelihood' out, or take the column out with data.drop"
            )


def families_of(table: Table, dataset: Dataset) -> list[str]:
    """Choose the family of each column, unless the user did.

    Args:
        table: the section `likelihood`, as the user gave it.
        dataset: the data.

    Returns:
        The families, those of numbers as `likelihood.numbers` has them.

    Raises:
        ConfigError: if the data are no table, or there are others than columns.
    """
    columns, given, numbers = columns_of(dataset), table.get("families"), table.get("numbers", "auto")
    if given is None:
        x = dataset.x[spread(dataset.few(dataset.splits["train"]), LOOKED)]
        families = [_family(column, x[:, place]) for place, column in enumerate(columns)]
    else:
        families = [given] if isinstance(given, str) else list(given)
        if len(families) != len(columns):
            raise ConfigError(
                f"'likelihood.families' has {len(families)} entries, and {dataset.name} has {len(columns)} "
                "columns"
            )
        _check_counts(families, columns, dataset)
    return [numbers if family in NUMBERS and numbers in NUMBERS else family for family in families]


def _family(column: Column, values: np.ndarray) -> str:
    if column.kind in ("category", "ordered"):
        return CATEGORICAL
    if column.kind == "boolean":
        return BERNOULLI
    if column.kind == "integer":
        return "histogram"
    seen = values[~np.isnan(values)].astype(np.float64) if values.dtype.kind == "f" else values.astype(float)
    spread_ = seen.std() if len(seen) else 0.0
    if not spread_ > 0:
        return "gaussian"
    if np.unique(seen, return_counts=True)[1].max() > max(SPIKE * len(seen), 1):
        return "histogram"
    z = (seen - seen.mean()) / spread_
    return "histogram" if abs((z**3).mean()) > SKEWED or (z**4).mean() > HEAVY else "gaussian"


def _check_counts(families: list[str], columns: tuple[Column, ...], dataset: Dataset) -> None:
    for place, (family, column) in enumerate(zip(families, columns, strict=True)):
        if family not in COUNTS:
            continue
        values = dataset.some(dataset.splits["train"])[:, place]
        seen = values[~np.isnan(values.astype(np.float64))]
        if not ((seen >= 0) & (seen == np.rint(seen))).all():
            raise DataError(
                f"{dataset.name}: family '{family}' is for whole numbers from 0 on, and column "
                f"'{column.name}' holds others; use histogram"
            )


def check_transform(name: str, families: list[str], dataset: Dataset) -> None:
    """Refuse a transform that would change codes and counts.

    Args:
        name: the transform.
        families: of the columns; none for another likelihood than `columns`.
        dataset: the data.

    Raises:
        ConfigError: naming the first column that it would change.
    """
    if name in ("standardise", "none"):
        return
    for column, kept in zip(columns_of(dataset) if families else (), as_they_are(families), strict=True):
        if kept:
            raise ConfigError(
                f"transform '{name}' would change the values of column '{column.name}', which are codes or "
                "counts; leave 'transform' out"
            )


def as_they_are(families: list[str]) -> np.ndarray:
    """Say which columns keep their values in the model: codes, truth values and counts."""
    return np.array([family not in NUMBERS for family in families])


def facts_of_columns(families: list[str], transform: Table, dataset: Dataset) -> dict[str, Any]:
    """Say what the likelihood `columns` may ask of the data.

    Args:
        families: of the columns.
        transform: the checked transform.
        dataset: the data.

    Returns:
        What gives a value, by the name of the parameter.
    """
    columns = columns_of(dataset)

    @functools.cache
    def steps() -> list[float]:
        x = dataset.x[spread(dataset.few(dataset.splits["train"]), LOOKED)]
        unit = np.broadcast_to(_unit(transform), (len(columns),))
        # Whole numbers that differ at all have no smaller spread; what has one is constant but for rounding.
        unit = np.where(unit < LEAST, unit, 1.0)
        return [
            float(unit[place]) if _whole(column, x[:, place]) else 0.0 for place, column in enumerate(columns)
        ]

    wide = sum(family == "histogram" for family in families)
    return {
        "families": lambda: list(families),
        "sizes": lambda: [len(column.categories) * (column.kind != "boolean") for column in columns],
        "steps": steps,
        "bins": lambda: max(16, min(BINS, OUTPUTS // max(1, wide))),
    }


def _unit(transform: Table) -> np.ndarray:
    """Give what a unit of the data is in the model's."""
    if transform["name"] == "standardise":
        std = np.asarray(transform["std"], dtype=np.float64)
        return 1 / np.where(std > 0, std, 1.0)
    if transform["name"] == "scale" and transform["high"] > transform["low"]:
        return np.asarray(1 / (transform["high"] - transform["low"]))
    return np.ones(())


def _whole(column: Column, values: np.ndarray) -> bool:
    if column.kind == "integer":
        return True
    return column.kind == "time" and bool((values == np.rint(values))[~np.isnan(values)].all())
