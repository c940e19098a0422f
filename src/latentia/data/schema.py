"""What the columns of a table hold: made by the reader, kept in the model, applied to all other data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from latentia.core.errors import DataError, nearest, quoted
from latentia.data.cells import WrongCell
from latentia.data.coding import decode, encode, needs_double
from latentia.data.column import DISCRETE, KINDS, Column, Kind
from latentia.data.series import cells_of, pandas_for

__all__ = ["DISCRETE", "KINDS", "Column", "Kind", "Schema"]

_COUNTED = {
    "integer": ("integer", "integers"),
    "real": ("real", "reals"),
    "boolean": ("boolean", "booleans"),
    "category": ("category", "categories"),
    "ordered": ("ordered category", "ordered categories"),
    "time": ("time", "times"),
}


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in their order.

    Attributes:
        columns: what each of them holds.
        ignored: the columns of the source that were left out.
    """

    columns: tuple[Column, ...] = ()
    ignored: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns are called."""
        return tuple(column.name for column in self.columns)

    @property
    def mixed(self) -> bool:
        """Whether some of them hold anything else than numbers."""
        return any(column.kind not in ("real", "integer") for column in self.columns)

    def codes(self, table: Any, where: str = "the table given") -> np.ndarray:
        """Write a table as numbers, its columns found by their names.

        Args:
            table: a data frame, with these columns and perhaps others, in any order.
            where: what messages call it.

        Returns:
            Shape `(N, F)`, as `Column` says: float64 where digits need it, else float32.

        Raises:
            DataError: if a column is missing, is there twice, or holds what it did not hold before.
        """
        words = [str(name) for name in table.columns]
        doubled = [word for word, count in Counter(words).items() if count > 1 and word in self.names]
        if doubled:
            raise DataError(f"{where}: has two columns '{doubled[0]}'; rename one")
        names = dict(zip(words, table.columns))
        require_columns(self.names, words, where)
        return coded(self.columns, lambda name: table[names[name]], where)

    def frame(self, x: np.ndarray, *, clip: bool = False, index: Any = None) -> Any:
        """Give numbers as the table that they stand for, in its types; see `latentia.data.coding.decode`.

        Args:
            x: codes, shape `(N, F)`.
            clip: keep numbers and times within the ends of the training split, as rows that are made up.
            index: that of the frame; numbers from 0 on by default.

        Returns:
            A data frame of pandas.
        """
        pandas = pandas_for("the columns of a table")
        made = {column.name: decode(column, x[:, at], clip=clip) for at, column in enumerate(self.columns)}
        frame = pandas.DataFrame(made)
        return frame if index is None else frame.set_index(index)

    def fitted(self, ends: Sequence[tuple[float, float]], holes: Sequence[bool]) -> Schema:
        """Take in what the training split is like.

        Args:
            ends: the smallest and the largest code of each column.
            holes: whether values of it are missing.

        Returns:
            The schema that says so.
        """
        columns = [
            replace(column, low=float(low), high=float(high), missing=bool(missing))
            for column, (low, high), missing in zip(self.columns, ends, holes, strict=True)
        ]
        return replace(self, columns=tuple(columns))

    def counted(self) -> str:
        """Count the columns of each kind, in words."""
        counts = Counter(column.kind for column in self.columns)
        return ", ".join(f"{count} {_COUNTED[kind][count != 1]}" for kind, count in counts.most_common())

    def record(self) -> dict[str, Any]:
        """Give what `from_record` reads, of plain values."""
        columns = [{**asdict(column), "categories": list(column.categories)} for column in self.columns]
        return {"columns": columns, "ignored": list(self.ignored)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Schema:
        """Read what `record` gave.

        Args:
            record: plain values.

        Returns:
            The schema.
        """
        columns = (Column(**{**row, "categories": tuple(row["categories"])}) for row in record["columns"])
        return cls(tuple(columns), tuple(record.get("ignored", ())))


def require_columns(wanted: Sequence[str], there: Sequence[str], where: str) -> None:
    """Refuse a table that lacks columns.

    Args:
        wanted: what they are called.
        there: what those of the table are called.
        where: what messages call it.

    Raises:
        DataError: naming them, and what is nearest to the first.
    """
    missing = [name for name in wanted if name not in set(there)]
    if missing:
        listed = quoted(missing, 12)
        others = [name for name in there if name not in set(wanted)]
        clause = nearest(missing[0], others) if others else ""
        if "did you mean" not in clause:
            clause = f" (it has {', '.join(map(repr, others[:5]))})" if others else ""
        raise DataError(
            f"{where}: has no column {listed}{clause.removesuffix('?')}; the run was "
            f"trained on {len(wanted)} columns, and needs all of them"
        )


def ignored(names: Sequence[str], where: str) -> str:
    """Say that a run does without columns, which its own data had not.

    Args:
        names: what they are called.
        where: what messages call the table.

    Returns:
        A note.
    """
    return f"{where}: column{'s' * (len(names) > 1)} {quoted(names)} ignored, which the run does not know"


def coded(
    columns: Sequence[Column],
    take: Callable[[str], Any],
    where: str,
    line: Callable[[int], str] | None = None,
) -> np.ndarray:
    """Write columns as numbers.

    Args:
        columns: what they hold.
        take: gives the cells of one by its name.
        where: what messages call the table.
        line: describes where a row, counted from 0, stands in its file.

    Returns:
        Shape `(N, F)`, float32 where it holds every number as it is, else float64.

    Raises:
        DataError: if a column holds what it cannot hold.
    """
    found = []
    for column in columns:
        try:
            found.append(encode(column, cells_of(take(column.name))))
        except WrongCell as error:
            place = line(error.row) if line else ""
            raise DataError(
                f"{where}: row {error.row + 1}{place}, column '{column.name}' {error.told}; the run was "
                f"trained on {column.kind} values of it"
            ) from error
    return stacked(columns, found)


def stacked(columns: Sequence[Column], codes: Sequence[np.ndarray]) -> np.ndarray:
    """Put the codes of columns side by side.

    Args:
        columns: what they hold.
        codes: of each, `(N,)`.

    Returns:
        Shape `(N, F)`, float32 where it holds every number as it is, else float64.
    """
    wide = any(map(needs_double, columns, codes))
    x = np.empty((len(codes[0]) if codes else 0, len(codes)), np.float64 if wide else np.float32)
    for at, values in enumerate(codes):
        x[:, at] = values
    return x
