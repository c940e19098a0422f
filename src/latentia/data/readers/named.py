"""What the folders say that files of sounds and volumes are in."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentia.data.raw import consecutive
from latentia.data.readers.arrangement import arrange as arrange_pictures


class Named(NamedTuple):
    """Files in the order of their examples.

    Attributes:
        names: their paths inside the folder.
        labels: class of each, -1 for none, or None if there are no classes.
        label_names: names of the classes.
        parts: positions of the splits; empty if there are none.
        left_out: what is no example, and how many files of it there are.
    """

    names: list[str]
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    parts: dict[str, np.ndarray]
    left_out: dict[str, int]

    @property
    def label(self) -> str:
        """Where the labels come from."""
        return "folders" if self.labels is not None else ""

    def parts_of(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Give the positions of the splits, where a file has several examples or none.

        Args:
            counts: how many each has, `(len(names),)`.

        Returns:
            Positions of examples.
        """
        return consecutive({part: int(counts[at].sum()) for part, at in self.parts.items()})


def files_of(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    """List the files of a kind in a folder and its sub-folders.

    Args:
        folder: where to look.
        suffixes: how their names end.

    Returns:
        Their paths inside it, sorted; none that is hidden.
    """
    found = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [
        path.as_posix()
        for path in found
        if path.name.lower().endswith(suffixes) and not any(part.startswith(".") for part in path.parts)
    ]


def arrange(names: list[str], where: str) -> Named:
    """Read splits and labels off the names of files, as for pictures.

    Args:
        names: paths inside the source, parts separated by slashes.
        where: the source, for messages.

    Returns:
        The files in the order of their splits.
    """
    found = arrange_pictures(names, where)
    left_out = {what.replace("picture", "file", 1): count for what, count in found.left_out.items()}
    return Named([names[at] for at in found.order], found.labels, found.label_names, found.parts, left_out)
