"""What a sweep changes from run to run."""

from __future__ import annotations

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
