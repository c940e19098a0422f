"""The columns of a table as symbols: each by the family of its likelihood, holes and all.

A column's symbol is the cell of a histogram or of counts, or a category; two more say that a value lies in no
cell, and that it is missing. Which of a cell's numbers it is stands in a second symbol, as does what lies in
no cell.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from latentia.coding.counts import CELLS, Count, Counts, logs_of
from latentia.coding.curves import COARSE, GRID_BITS, Powers, powers
from latentia.coding.masses import Even, Listed, Masses
from latentia.coding.stages import Stage
from latentia.coding.symbols import Symbols
from latentia.core.errors import ConfigError, DataError
from latentia.data.schema import Column, Schema
from latentia.data.transforms import Standardise
from latentia.networks import Columns as Shown
from latentia.probability import Columns

WEIGHT_BITS = 20
"""The largest mass of a cell or a category is 2^20."""
SHARE_BITS = 20
"""The odds of a hole, and of a value in no cell, are multiples of 2^-20."""
MOST_ODDS = 2.0**26
"""The odds of a hole are 64 at the most, so that all masses stay below 2^53."""
ESCAPES = 2.0**-13
"""The odds that a value lies in no cell."""
OPEN_BITS = 32
"""Numbers in no cell lie within 2^31 of the first cell."""
WIDEST = 1 << OPEN_BITS
REACH_BITS = 8
"""What the encoder sees of a number is held within plus and minus 2^8."""


@dataclass(frozen=True)
class _Kind:
    """One column: where its logits stand in the decoder's output, and what its symbols mean.

    Attributes:
        column: what it holds.
        at: the places of its symbols' logits among those of all columns, -1 for one that is 0.
        numeric: whether it has cells.
        count: of a negative binomial, where its numbers stand.
    """

    column: Column
    at: list[int]
    numeric: bool
    count: Count | None = None

    @property
    def places(self) -> int:
        """Of a number, how many digits behind the point."""
        return 0 if self.count else self.column.decimals or 0


class TableSymbols(Symbols):
    """The symbols of `likelihood=columns`."""

    def __init__(self, model: Any, transform: Any, schema: Schema | None) -> None:
        """Take the likelihood.

        Args:
            model: the trained model.
            transform: between stored data and the model.
            schema: what the columns hold.

        Raises:
            ConfigError: if a column has a density, or a family that cannot be coded.
        """
        if schema is None or type(transform) is not Standardise:
            raise ConfigError(
                "a table is coded by its columns; train on a table, with --transform standardise"
            )
        # A copy on the CPU, wherever the model computes.
        self._inputs = copy.deepcopy(model.inputs).cpu() if model.inputs else None
        self._kinds = _kinds(model.likelihood, schema)
        self._mean, self._std = (
            np.broadcast_to(part.cpu().numpy(), len(self._kinds)) for part in (transform.mean, transform.std)
        )
        self._likelihood = model.likelihood
        self.size = max(len(kind.at) for kind in self._kinds) + 2
        self._columns = np.arange(len(self._kinds))
        # Behind the decoder's numbers stand one for what is no symbol, and a constant 0.
        self._at = np.full((len(self._kinds), self.size - 2), -2)
        for row, kind in enumerate(self._kinds):
            self._at[row, : len(kind.at)] = kind.at
        counted = {row: kind.count for row, kind in enumerate(self._kinds) if kind.count}
        self._counted = list(counted)
        self._counts = Counts(list(counted.values())) if counted else None
        self._logged = self._in_logarithms()

    def _in_logarithms(self) -> list[tuple[int, int]]:
        """Find the columns that the encoder sees in logarithms, and where in what it reads they stand."""
        for row in self._counted:
            if (self._mean[row], self._std[row]) != (0, 1):
                why = "is of counts, which the transform changes; leave 'transform' out when training"
                raise _refused(self._kinds[row].column, why)
        if not isinstance(self._inputs, Shown):
            return []
        places = self._inputs.counted.nonzero().flatten().tolist()
        found = [(int(self._inputs.plain[place]), place) for place in places]
        for row, _ in found:
            if row not in self._counted:
                why = (
                    "is shown to the encoder as counts, which its likelihood has none of; leave 'inputs' out"
                )
                raise _refused(self._kinds[row].column, why)
        return found

    def compute(self, x: np.ndarray | None) -> dict[str, np.ndarray]:
        """Find the numbers of all cells, and how often values are missing; see `Symbols`."""
        count = len(self._kinds)
        share = np.full(count, 2.0**-SHARE_BITS) if x is None else np.isnan(x).mean(axis=0)
        least = 2.0**-SHARE_BITS if x is None else 1 / (len(x) + 2)
        known = [kind.column.missing for kind in self._kinds]
        odds = np.where(known, np.maximum(share, least), 2.0**-SHARE_BITS)
        odds = np.minimum(odds, 1 - least) / np.maximum(1 - odds, least)
        escapes = np.where([kind.numeric for kind in self._kinds], ESCAPES, 0.0)
        borders = np.zeros((count, self.size - 1), np.int64)
        for row, kind in enumerate(self._kinds):
            if kind.numeric and not kind.count:
                edges = self._edges(row)
                borders[row] = np.pad(edges, (0, self.size - 1 - len(edges)), mode="edge")
        counts: dict[str, np.ndarray] = {}
        if self._counts is not None:
            highest = [self._kinds[row].column.high for row in self._counted]
            edges, counts = self._counts.compute(highest)
            wide = ((0, 0), (0, self.size - 1 - CELLS - 1))
            borders[self._counted] = np.pad(edges, wide, mode="edge")
        odds = np.minimum(np.rint(np.stack([escapes, odds]) * 2.0**SHARE_BITS), MOST_ODDS)
        return {
            "weight": powers(1.0, -16.0, 0.0, WEIGHT_BITS).values,
            "odds": odds.astype(np.int64),
            "borders": borders,
            **counts,
        }

    def _edges(self, row: int) -> np.ndarray:
        """Give the first number of each cell, and of what is behind, in units of the column's last digit."""
        groups: Any = self._likelihood.groups
        for group, columns in zip(groups, self._likelihood.columns, strict=True):
            places = columns.tolist()
            if row in places:
                at, cells = places.index(row), group.cells
                edges = cells.edges[at, : int(cells.used[at]) + 1].double().cpu().numpy()
                numbers = edges * self._std[row] + self._mean[row]
                return np.ceil(numbers * 10.0 ** self._kinds[row].places).astype(np.int64)
        raise TypeError("every column is in a group")

    def of(self, raw: np.ndarray, first: int = 0) -> np.ndarray:
        """Find cells, categories and holes; see `Symbols`."""
        found = np.zeros((len(raw), 2 * len(self._kinds)), np.int64)
        for row, kind in enumerate(self._kinds):
            values = raw[:, row].astype(np.float64)
            missing = np.isnan(values)
            whole = np.rint(np.where(missing, 0.0, values) * 10.0**kind.places)
            if kind.numeric:
                main, rest = self._in_cells(row, np.clip(whole, -(2.0**62), 2.0**62).astype(np.int64))
            else:
                main, rest = whole.astype(np.int64), np.zeros(len(raw), np.int64)
            main[missing], rest[missing] = self.size - 1, 0
            wrong = (rest < 0) | (rest >= WIDEST) | (main < 0)
            if not kind.numeric:
                wrong |= ~missing & (main >= len(kind.at))
            else:
                wrong |= ~missing & (self._number(row, main, rest, raw.dtype) != raw[:, row])
            if wrong.any():
                at = int(np.flatnonzero(wrong)[0])
                value = f"{values[at]:g}" if kind.numeric else "an unknown category"
                raise DataError(
                    f"example {first + at}: column '{kind.column.name}' holds {value}, which the "
                    "run's likelihood has no probability of; leave the row out, or train on data that have "
                    "such values"
                )
            found[:, row], found[:, row + len(self._kinds)] = main, rest
        return found

    def _in_cells(self, row: int, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the cells of numbers, and which of a cell's numbers they are."""
        borders = self.tables["borders"][row]
        main = np.searchsorted(borders, whole, side="right") - 1
        outside = (main < 0) | (main >= self.size - 2)
        main = np.where(outside, self.size - 2, main)
        return main, whole - self._first(row, main)

    def _first(self, row: int, main: np.ndarray) -> np.ndarray:
        """Give the first number of cells, and of what lies in none."""
        borders = self.tables["borders"][row]
        least = 0 if self._kinds[row].count else borders[0] - WIDEST // 2
        return np.where(main == self.size - 2, least, borders[np.minimum(main, self.size - 2)])

    def _number(self, row: int, main: np.ndarray, rest: np.ndarray, dtype: Any) -> np.ndarray:
        return ((self._first(row, main) + rest) / 10.0 ** self._kinds[row].places).astype(dtype)

    def values(self, symbols: np.ndarray, dtype: Any) -> np.ndarray:
        """Give numbers and codes, NaN for holes; see `Symbols`."""
        count = len(self._kinds)
        found = np.empty((len(symbols), count), dtype)
        for row, kind in enumerate(self._kinds):
            main, rest = symbols[:, row], symbols[:, row + count]
            found[:, row] = self._number(row, main, rest, dtype) if kind.numeric else main
            found[main == self.size - 1, row] = np.nan
        return found

    def seen(self, symbols: np.ndarray) -> np.ndarray:
        """Standardise numbers to the grid, and show them to the inputs; see `Symbols`."""
        values = self.values(symbols, np.float64)
        # Numbers are rounded to the grid one by one, which IEEE 754 fixes; what follows moves them, no more.
        scaled = (values - self._mean) / self._std
        ends = 2.0 ** (REACH_BITS + GRID_BITS)
        x = torch.from_numpy(np.clip(np.rint(scaled * 2.0**GRID_BITS), -ends, ends) * 2.0**-GRID_BITS)
        shown = x if self._inputs is None else self._inputs(x)
        found = (shown.double() * 2.0**GRID_BITS).round().numpy()
        # Machines may round a logarithm differently, so that of a count is put in its place.
        for row, place in self._logged:
            found[:, place] = logs_of(values[:, row], self.tables["count.logs"])
        return found

    @property
    def reach(self) -> float:
        """How far numbers reach; see `Symbols`."""
        return 2.0 ** (REACH_BITS + GRID_BITS)

    def stages(self, h: np.ndarray) -> list[Stage]:
        """Give cells, categories, escapes and holes, then the numbers of cells; see `Symbols`."""
        return [lambda _: self.masses(h), self.rest]

    def masses(self, h: np.ndarray) -> Masses:
        """Give the masses of cells, categories, escapes and holes.

        Args:
            h: what the decoder gives, whole numbers in units of 2^-14, shape `(B, features)`.

        Returns:
            Masses of shape `(B, F)`.
        """
        least = np.full((len(h), 1), -(2.0**40))
        padded = np.concatenate([h, least, np.zeros((len(h), 1))], axis=1)
        logits = padded[:, self._at]
        exponential, borders = Powers(self.tables["weight"], -16 * COARSE), self.tables["borders"]
        weights = exponential(logits - logits.max(axis=-1, keepdims=True))
        if self._counts is not None:
            edges = borders[self._counted, : CELLS + 1]
            weights[:, self._counted, :CELLS] = self._counts.weights(h, edges, self.tables, exponential)
        empty = (self._at == -2) | (self._numeric()[:, None] & (np.diff(borders, axis=1) == 0))
        weights = np.where(empty, 0.0, weights)
        total = weights.sum(axis=-1)
        more = [np.floor(total * odds * 2.0**-SHARE_BITS) for odds in self.tables["odds"].astype(np.float64)]
        return Listed(np.concatenate([weights, np.stack(more, axis=-1)], axis=-1))

    def _numeric(self) -> np.ndarray:
        return np.array([kind.numeric for kind in self._kinds])

    def rest(self, symbols: np.ndarray) -> Masses:
        """Give the numbers of cells equal masses.

        Args:
            symbols: cells, categories, escapes and holes, shape `(B, F)`.

        Returns:
            The masses of which of a cell's numbers it is, of the same shape.
        """
        widths = np.diff(self.tables["borders"], axis=1)
        widths = np.concatenate(
            [widths, np.full((len(widths), 1), WIDEST), np.ones((len(widths), 1))], axis=1
        )
        widths[~self._numeric()] = 1
        return Even(np.maximum(widths[self._columns, np.minimum(symbols, self.size - 1)], 1), WIDEST)

    def header(self) -> dict[str, Any]:
        """Say what the columns are; see `Symbols`."""
        columns = [[kind.column.name, kind.column.kind, kind.places, len(kind.at)] for kind in self._kinds]
        return {"symbols": "columns", "columns": columns}


def _kinds(likelihood: Columns, schema: Schema) -> list[_Kind]:
    """Find the logits of each column, and refuse those that have none."""
    found: dict[int, _Kind] = {}
    start = 0
    groups: Any = likelihood.groups
    for group, columns in zip(groups, likelihood.columns, strict=True):
        family = type(group).__name__.strip("_").lower()
        for number, place in enumerate(columns.tolist()):
            column = schema.columns[place]
            if family == "histograms":
                low = start + number * group.bins
                at = range(low, low + int(group.cells.used[number]))
                if column.kind == "real" and column.decimals is None:
                    raise _refused(column, "holds reals of any number of digits; round it")
                found[place] = _Kind(column, list(at), True)
            elif family == "names":
                span = group.spans[number]
                found[place] = _Kind(column, list(range(start + span.start, start + span.stop - 1)), False)
            elif family == "bernoullis":
                found[place] = _Kind(column, [-1, start + number], False)
            elif family == "counts":
                zeros = start + group.count + number if group.inflated else -1
                count = Count(start + number, zeros, float(group.log_dispersion.detach()[number]))
                # Its cells' logits are no numbers of the decoder's: they are found by its mean.
                found[place] = _Kind(column, [-1] * CELLS, True, count)
            else:
                raise _refused(
                    column,
                    f"has the family {family}, which is not coded; train with likelihood.numbers=histogram",
                )
        start += group.width
    return [found[place] for place in range(len(found))]


def _refused(column: Column, why: str) -> ConfigError:
    return ConfigError(f"column '{column.name}' {why}, or take it out with data.drop")
