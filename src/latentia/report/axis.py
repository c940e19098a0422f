"""What a sweep changes from run to run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

_CALLED = {
    "objective.beta": "β",
    "model.latent_dim": "latents",
    "training.lr": "learning rate",
    "training.seed": "seed",
    "data.seed": "seed of the split",
    "condition.draw": "draw of labels",
}
_PLAIN = ("seed", "seed of the split", "draw of labels")
"""Names that stand before their value without a sign of equality."""


def called(key: str) -> str:
    """Say what a person calls a setting.

    Args:
        key: such as "objective.beta".

    Returns:
        Such as "β"; of most settings the last part of the key, of a component's name what it is one of.
    """
    return _CALLED.get(key, _last(key).replace("_", " "))


def _last(key: str) -> str:
    return key.removesuffix(".name").rsplit(".", 1)[-1]


def _with_value(key: str, value: str) -> str:
    name = called(key)
    return f"{name} {value}" if name in _PLAIN else f"{name} = {value}"


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


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
    def spoken(self) -> str:
        """What a person calls the setting, such as "β"; several are separated by commas."""
        return ", ".join(map(called, self.name.split(", ")))

    @property
    def titles(self) -> tuple[str, ...]:
        """What each run is called, such as "β = 0.5, seed 1"."""
        names = self.name.split(", ")
        rows = [value.split(", ") for value in self.values]
        if any(len(row) != len(names) for row in rows):
            return tuple(f"{self.spoken} = {value}" for value in self.values)
        return tuple(", ".join(map(_with_value, names, row)) for row in rows)

    @property
    def short(self) -> str:
        """The setting without its section, such as "beta"; several are separated by commas."""
        return ", ".join(map(_last, self.name.split(", ")))

    @property
    def ordered(self) -> bool:
        """Whether it means something that one value follows another: seeds and words are but names."""
        rows = [value.split(", ") for value in self.values]
        columns = zip(self.name.split(", "), zip(*rows, strict=False), strict=False)
        return any(called(name) not in _PLAIN and all(map(_is_number, column)) for name, column in columns)

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
