"""What is asked of a run, checked and brought into one form; and how it is given back."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentia.core.event import Event
from latentia.runs.inputs import UNUSED_TO_HOLES
from latentia.runs.run import Run
from latentia.serving import info as record
from latentia.serving import rows
from latentia.serving import validation as checks
from latentia.serving.errors import Refusal, TooMuch


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Attributes:
        examples: examples, latents or samples.
        importance: importance samples for log p(x), over all examples.
        latents: latents that fillings rest on, over all examples.
    """

    examples: int = 4096
    importance: int = 65_536
    latents: int = 4_194_304


class Intake:
    """Examples, latents and conditions of callers, as rows that may be joined with those of others."""

    def __init__(self, run: Run, limits: Limits | None = None) -> None:
        """Read what the checks need.

        Args:
            run: the run.
            limits: what one request may ask for.
        """
        self.run = run
        self.limits = limits or Limits()
        self.lock = threading.RLock()
        self.facts = record.facts(run)
        self._whole = not run.model.holes

    @property
    def event(self) -> Event:
        """What one example is."""
        return self.run.event

    @property
    def latent(self) -> tuple[int, ...]:
        """The shape of one latent."""
        return self.run.latent

    def examples(self, x: Any) -> np.ndarray:
        """Check examples.

        Args:
            x: one or several, as lists or an array, in the units of the data, the values of a table as their
                codes; in the order of axes that the run's data had, or in the project's. Or the rows of a
                table: objects with the values of its columns by name. NaN and None are missing values.

        Returns:
            Shape `(N, *event)`.
        """
        return self.given(x).x

    def given(self, x: Any) -> rows.Given:
        """Check examples, and say what they were and what was done with them.

        Args:
            x: as `examples`.

        Returns:
            The examples, whether they were objects, and notes.

        Raises:
            Refusal: if they do not fit.
        """
        if rows.is_rows(x):
            if isinstance(x, list):
                checks.count_of(len(x), self.limits.examples, "examples in x")
            found = rows.read(x, self.run.record, self.event)
        else:
            try:
                found = rows.Given(self._numbers(x))
            except Refusal as error:
                if self.run.record.schema is None or error.status != Refusal.status:
                    raise
                raise Refusal(f"{error}; or send rows as objects by column name") from error
        if self._whole and found.x.dtype.kind == "f" and np.isnan(found.x).any():
            with self.lock:
                self.run.take_holes()
            found = found._replace(notes=(*found.notes, UNUSED_TO_HOLES))
        return found

    def _numbers(self, x: Any) -> np.ndarray:
        layout = self.run.record.layout
        if layout.axes != "same" and isinstance(x, (list, np.ndarray)):
            array, shape = checks.numbers(x, "x", holes=True), layout.shape(self.event)
            x = layout.arrange(array, self.event) if shape in (array.shape, array.shape[1:]) else array
        return checks.examples(x, self.event, self.limits.examples)

    def image(self, data: bytes) -> np.ndarray:
        """Decode an image file, brought to the run's size and channels.

        Args:
            data: the file's content.

        Returns:
            Shape `(1, *event)`, in the units of the data.
        """
        known = self.facts
        return checks.image(data, self.event, known.low, known.high, known.whole)

    def latents(self, z: Any) -> np.ndarray:
        """Check latents, or codes of a model that has some.

        Args:
            z: one or several, as lists or an array, in their shape or flat.

        Returns:
            Shape `(N, *latent)`, float32.

        Raises:
            TooMuch: for more than one request may hold.
        """
        array = checks.numbers(z, "z")
        if not array.ndim or not array.size:
            raise Refusal(f"'z' holds no latent; give some of shape {checks.shape_of(self.latent)}")
        if array.size > self.limits.examples * int(np.prod(self.latent)):  # before anything is made of it
            raise TooMuch(f"'z' holds more than {self.limits.examples:,} latents; send them in parts")
        found = self.run.as_latents(array)
        checks.count_of(len(found), self.limits.examples, "latents in z")
        return checks.numbers(found, "z")

    def conditions(self, condition: Any, count: int, *, inferred: bool = False) -> np.ndarray | None:
        """Turn conditions in the user's words into one row for each example.

        Args:
            condition: one or several, as `Run.conditions` takes them; or None.
            count: how many examples there are.
            inferred: whether a model that classifies may tell from the data what is not given.

        Returns:
            Shape `(count, C)`, rows of NaN where they are not known, or None for a model without a condition.
        """
        if condition is None and inferred and self.run.model.classifies:
            return self.run.unknown_conditions(count)
        return self.run.conditions(condition, count)

    def told(self, x: np.ndarray, *, named: bool = False, clip: bool = False) -> Any:
        """Give examples as JSON has them: rows of words, dates and truth values as objects.

        Args:
            x: shape `(N, *event)`, in the data's units.
            named: the caller gave objects; rows of numbers alone become such, too.
            clip: keep numbers and times within the ends of the training split, as rows that are made up.

        Returns:
            A list of objects, or x.
        """
        schema = self.run.record.schema
        if schema is None or not schema.mixed:
            schema = self.run.record.reading if named else None
        return x if schema is None else rows.objects(x, schema, clip=clip)
