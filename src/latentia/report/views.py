"""How each kind of data is shown: pixel grids, lines, or columns. The sections are the same for all."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latentia.plots.exhibits import Exhibit, Words
from latentia.report.inputs import Inputs

if TYPE_CHECKING:
    from latentia.data.dataset import Dataset

IN_ROW = 10
"""Examples side by side."""


@dataclass(frozen=True)
class Made:
    """What a run made of what all runs of the page were given.

    Attributes:
        label: what the run is called.
        x: data in the data's units.
        colour: hexadecimal; the run's own where runs are drawn into one panel.
    """

    label: str
    x: np.ndarray
    colour: str


class View(abc.ABC):
    """Turns arrays of examples into exhibits. Arrays are in the units of the data.

    What runs made of the same inputs comes as a list with one entry for each run; of a single run, as one.
    """

    samples_drawn: int = 64
    """How many samples are worth drawing."""
    samples_joint: int = 20
    """The same for each of several runs."""
    noise: bool = False
    """Whether samples are drawn from p(x|z), to be held against the data; else they are its means."""

    def __init__(self, dataset: Dataset) -> None:
        """Learn the range and the names from the data.

        Args:
            dataset: the data of the report.
        """
        self.dataset = dataset

    @property
    def remark(self) -> str:
        """What is left out of the figures, or an empty string."""
        return ""

    def gallery_of(self, inputs: Inputs) -> np.ndarray:
        """Choose the training examples that show what the data are.

        Args:
            inputs: what was chosen for the report.

        Returns:
            Positions.
        """
        return inputs.gallery

    def compared_of(self, inputs: Inputs) -> np.ndarray:
        """Choose the held-out examples whose reconstructions are shown.

        Args:
            inputs: what was chosen for the report.

        Returns:
            Positions.
        """
        return inputs.shown

    @abc.abstractmethod
    def gallery(self, words: Words, x: np.ndarray, columns: int) -> Exhibit:
        """Show examples.

        Args:
            words: what is written around it.
            x: examples, `(N, *event)`.
            columns: how many in a row.

        Returns:
            The exhibit.
        """

    @abc.abstractmethod
    def compare(self, words: Words, given: np.ndarray, made: Sequence[Made]) -> list[Exhibit]:
        """Show the originals with the reconstructions of each run.

        Args:
            words: what is written around it.
            given: the originals, `(N, *event)`.
            made: the reconstructions of each run, same shape.

        Returns:
            The exhibits.
        """

    def unusual(
        self, words: Words, given: np.ndarray, expected: np.ndarray, parts: np.ndarray, scale: float
    ) -> list[Exhibit]:
        """Show strange examples of a run with what it would have expected.

        Args:
            words: what is written around it.
            given: the examples, `(N, *event)`.
            expected: what it makes of them, same shape.
            parts: what each entry adds to the score, same shape.
            scale: the largest part in any run of the report, of an image the largest sum over channels.

        Returns:
            The exhibits.
        """
        return self.compare(words, given, [Made("expected", expected, "")])

    @abc.abstractmethod
    def samples(self, drawn: Mapping[str, tuple[Words, Sequence[Made]]], data: np.ndarray) -> list[Exhibit]:
        """Show samples.

        Args:
            drawn: for each sampler, what is written around it and what each run drew with it, `(N, *event)`.
            data: training examples.

        Returns:
            The exhibits.
        """

    @abc.abstractmethod
    def paths(
        self, words: Words, made: Sequence[Made], ends: np.ndarray, labels: Sequence[str]
    ) -> list[Exhibit]:
        """Show interpolations between pairs.

        Args:
            words: what is written around it.
            made: the decoded paths of each run, `(P, T, *event)`.
            ends: the two originals of each pair, `(P, 2, *event)`.
            labels: names of the pairs.

        Returns:
            The exhibits.
        """

    @abc.abstractmethod
    def traversal(self, words: Words, walks: np.ndarray, labels: Sequence[str]) -> Exhibit:
        """Show what each latent dimension does.

        Args:
            words: what is written around it.
            walks: decoded paths, `(dims, T, *event)`.
            labels: names of the dimensions.

        Returns:
            The exhibit.
        """

    def sheet(self, words: Words, decoded: np.ndarray, side: int) -> Exhibit | None:
        """Show what a plane of latents decodes to, where that can be seen.

        Args:
            words: what is written around it.
            decoded: `(side * side, *event)`, row by row.
            side: how many in a row.

        Returns:
            The exhibit, or None.
        """
        return None
