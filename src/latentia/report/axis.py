"""What a sweep changes from run to run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """A setting that differs between runs, and its values.

    Attributes:
        name: the setting, such as "objective.beta".
        values: its value in each run, in the order of the runs.
    """

    name: str
    values: tuple[str, ...]

    @property
    def short(self) -> str:
        """The setting without its section, such as "beta"; several are separated by commas."""
        return ", ".join(name.rsplit(".", 1)[-1] for name in self.name.split(", "))

    def without(self, names: Collection[str]) -> Axis | None:
        """Leave settings out.

        Args:
            names: the settings, such as "training.seed".

        Returns:
            The axis of the others, one value for each run as before; None where nothing is left.
        """
        own = self.name.split(", ")
        kept = [place for place, name in enumerate(own) if name not in names]
        values = [value.split(", ") for value in self.values]
        if not kept or any(len(value) != len(own) for value in values):
            return None
        left = tuple(", ".join(value[place] for place in kept) for value in values)
        return Axis(", ".join(own[place] for place in kept), left)
