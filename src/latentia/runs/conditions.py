"""Conditions: from whatever a user says of examples to the rows that a conditional model takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentia.core.config import parse_value
from latentia.core.errors import ConfigError
from latentia.data.conditions import Condition, ConditionRows, Labels, as_condition_rows
from latentia.data.shards import Examples, as_examples
from latentia.runs.inputs import Inputs


class Conditioned(Inputs):
    """A model with its condition c: what may be said of an example, and the row that the model takes.

    A condition may be said as

    - a label, by name or number, or a list of them, one for each example;
    - numbers in the units of the data: a vector, as many as the condition has, or several, `(n, C)`;
    - values by name, where the numbers have names: `{"sky": 3}`, or a list of such;
    - text, as on the command line: `3,5`, `0.2,1` or `sky=3,hue=0.5`, or `all` for every label in turn;
    - rows that the model takes already, of the type `ConditionRows`: these stay as they are.

    Whatever takes a condition takes it in all of these forms, and reads it by `conditions`.
    """

    def conditions(self, values: Any, count: int | None = None) -> ConditionRows | None:
        """Turn conditions in the user's words into the rows that the model takes.

        Args:
            values: one condition or several, in any of the forms above; None where nothing is said.
            count: how many examples they are for; as many as there are conditions by default.

        Returns:
            Shape `(count, C)`, float32, one condition repeated for all, and rows of NaN where nothing is said
            to a model that does without. None for a model without a condition, or without values and count.

        Raises:
            ConfigError: if the model has no condition, needs one, does not know this one, or there are not as
                many as examples.
        """
        size = self.model.condition
        if values is None:
            return self._not_said(count) if size and count is not None else None
        rows = self._rows(values, count)
        if count is None:
            return rows
        if len(rows) not in (1, count):
            raise _misshapen(rows.shape, size, count)
        return as_condition_rows(np.broadcast_to(rows, (count, size)))

    def _rows(self, values: Any, count: int | None = None) -> ConditionRows:
        """Turn conditions into rows, as many as there are."""
        condition = self._required()
        if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] != condition.size:
            raise _misshapen(values.shape, condition.size, count)
        if isinstance(values, str) and values == "all" and "all" not in self.label_names:
            rows = self.named_conditions()[1]
            if not len(rows):
                raise ConfigError("the condition 'all' needs labels; give the numbers of one condition")
            return rows
        if isinstance(values, str) and values not in self.label_names:
            values = _read(values)
        if not isinstance(values, ConditionRows):
            values = condition.rows(values, self.label_names)
        if not len(values) and count != 0:
            raise ConfigError("the condition is empty; give one at least")
        return as_condition_rows(np.atleast_2d(values))

    def _required(self) -> Condition:
        """Give the condition of a model that has one."""
        if self.condition is None:
            name = self.recipe["model"]["name"]
            raise ConfigError(f"model '{name}' takes no condition; train one with --model conditional_vae")
        return self.condition

    def _not_said(self, count: int) -> ConditionRows:
        if not self.model.dropped:
            without = ", or train with model.drop=0.1 to do without"
            raise ConfigError(
                "the model needs a condition: give one (--condition, such as a label)"
                + (without if "drop" in self.recipe["model"] else "")
            )
        return self.unknown_conditions(count)

    def unknown_conditions(self, count: int) -> ConditionRows:
        """Give conditions that say nothing.

        Args:
            count: how many.

        Returns:
            Rows of NaN, shape `(count, C)`.
        """
        return as_condition_rows(np.full((count, self.model.condition), np.nan))

    def condition_rows(self, values: Any) -> ConditionRows:
        """Take back rows that were given before, and lost their type on the way to a page and back.

        Args:
            values: numbers, shape `(n, C)` or `(C,)`.

        Returns:
            Shape `(n, C)`.

        Raises:
            ConfigError: if they are no such rows, or the model has no condition.
        """
        size = self._required().size
        try:
            rows = np.atleast_2d(np.array(values, np.float32))
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError("'condition' must be a list of numbers") from error
        if rows.ndim != 2 or rows.shape[1] != size:
            raise _misshapen(rows.shape, size, None)
        return as_condition_rows(rows)

    def named_conditions(self) -> tuple[list[str], ConditionRows]:
        """List the conditions worth showing side by side.

        Returns:
            A name and a row for each, `(n, C)`; none where there is no finite list, or no condition.
        """
        known = self.condition.examples(self.label_names) if self.condition else []
        rows = np.array([row for _, row in known]).reshape(len(known), self.model.condition)
        return [str(name) for name, _ in known], as_condition_rows(rows)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes that a condition is about; their numbers where they have no names."""
        if self.label_names or not isinstance(self.condition, Labels):
            return self.label_names
        return tuple(map(str, range(self.condition.classes)))

    def classes_of(self, c: np.ndarray | None, count: int | None = None) -> list[str] | None:
        """Name the classes that conditions stand for.

        Args:
            c: rows, shape `(n, C)`, or None.
            count: how many examples they are for, as for `conditions`.

        Returns:
            A name for each, empty where it is not known; None where conditions are no labels.
        """
        if c is None or not isinstance(self.condition, Labels):
            return None
        rows = np.asarray(self.conditions(c, count))
        return ["" if np.isnan(row).any() else self.class_names[int(row.argmax())] for row in rows]

    @torch.no_grad()
    def complete(self, x: Examples, c: Any = None) -> Any:
        """Fill in conditions that are not known where the model infers them: with the most probable class.

        Args:
            x: data, shape `(N, *event)`.
            c: conditions, as `conditions` takes them, or None; rows of NaN where they are not known.

        Returns:
            Shape `(N, C)`; c itself for a model that infers none.
        """
        if not self.model.classifies:
            return c
        x = as_examples(x)
        chunks = self._chunks(self.unknown_conditions(1) if c is None else c, self.count(x))
        filled = [self.model.complete(part, next(chunks)) for part in self.prepare(x)]
        return as_condition_rows(torch.cat([part for part in filled if part is not None]).cpu().numpy())

    def condition_tensor(self, c: Any, count: int) -> Tensor | None:
        """Turn conditions into rows as `conditions` does, and bring them to where the model is.

        Args:
            c: conditions, as `conditions` takes them, or None.
            count: how many examples.

        Returns:
            Shape `(count, C)`, or None.
        """
        rows = self.conditions(c, count)
        return None if rows is None else self.tensor(rows)

    def _chunks(self, c: Any, count: int) -> Iterator[Tensor | None]:
        rows = self.condition_tensor(c, count)
        for start in range(0, count, self.chunk):
            yield None if rows is None else rows[start : start + self.chunk]


def _read(text: str) -> Any:
    """Read a condition that was written as text: a value, several with commas between them, or by name."""
    if "=" not in text:
        return parse_value(text)
    pairs = [part.partition("=") for part in text.split(",")]
    return {name.strip(): parse_value(value.strip()) for name, _, value in pairs}


def _misshapen(shape: tuple[int, ...], size: int, count: int | None) -> ConfigError:
    want = f"1x{size}" if count is None else f"{count}x{size} or 1x{size}"
    return ConfigError(f"the condition must have shape {want}, not {'x'.join(map(str, shape))}")
