"""Tables, shown column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from latentia.data.splits import spread
from latentia.plots.charts import agreements, histograms
from latentia.plots.exhibits import Exhibit, Words
from latentia.plots.theme import LIGHT
from latentia.report.inputs import Inputs
from latentia.report.series import Series
from latentia.report.views import Made

if TYPE_CHECKING:
    from latentia.data.dataset import Dataset

SHOWN = 12
NAMED = 40
"""Profiles of more columns than this have numbers under them instead of names."""


class Columns(Series):
    """Distributions of the first columns that vary; paths as profiles over all of these columns.

    In a profile each column is in units of its standard deviation, from its mean.
    """

    samples_drawn = 1000
    samples_joint = 1000
    noise = True

    def __init__(self, dataset: Dataset) -> None:
        """Find the columns that vary.

        Args:
            dataset: the data of the report.
        """
        super().__init__(dataset)
        train = dataset.some(dataset.splits["train"]).astype(np.float64)
        mean, std = train.mean(axis=0), train.std(axis=0)
        self.varying = np.flatnonzero(std > 0)
        self.varying = self.varying if len(self.varying) else np.arange(train.shape[1])
        self.mean, self.std = mean[self.varying], np.where(std > 0, std, 1.0)[self.varying]
        names = dataset.columns or [f"column {index}" for index in range(train.shape[1])]
        self.names = [names[index] for index in self.varying]

    @property
    def remark(self) -> str:
        """Say which columns are shown."""
        total = self.dataset.event[0]
        if len(self.varying) <= SHOWN:
            return ""
        constant = " that vary" if len(self.varying) < total else ""
        return f"Distributions are shown for the first {SHOWN} of the table's {total:,} columns{constant}."

    def _first(self, x: np.ndarray) -> np.ndarray:
        return x[:, self.varying[:SHOWN]]

    def _values(self, x: np.ndarray) -> np.ndarray:
        """Give profiles, `(N, 1, F)`."""
        return ((x[:, self.varying] - self.mean) / self.std)[:, None]

    @property
    def _ticks(self) -> Sequence[str]:
        return self.names if len(self.names) <= NAMED else ()

    def gallery_of(self, inputs: Inputs) -> np.ndarray:
        """Take up to 5,000 rows: a distribution needs many; see `View`."""
        return spread(self.dataset.splits["train"], 5000)

    def compared_of(self, inputs: Inputs) -> np.ndarray:
        """Take as many rows as the statistics do; see `View`."""
        return inputs.encoded

    def gallery(self, words: Words, x: np.ndarray, columns: int) -> Exhibit:
        """Show how each column is distributed; see `View`."""
        return histograms(words, self.names[:SHOWN], [("data", self._first(x))])

    def compare(self, words: Words, given: np.ndarray, made: Sequence[Made]) -> list[Exhibit]:
        """Show for each run one chart of what came out over what went in; see `View`."""
        if len(made) == 1:
            return [self._agreement(words, given, made[0])]
        exhibits = []
        for number, each in enumerate(made):
            caption = words.caption if number == 0 else ""
            own = Words(f"{words.name}-{number + 1}", each.label, caption, f"{words.alt}: {each.label}")
            exhibits.append(replace(self._agreement(own, given, each), wide=False))
        return exhibits

    def _agreement(self, words: Words, given: np.ndarray, made: Made) -> Exhibit:
        return agreements(words, self.names[:SHOWN], self._first(given), self._first(made.x))

    def samples(self, drawn: Mapping[str, tuple[Words, Sequence[Made]]], data: np.ndarray) -> list[Exhibit]:
        """Show how samples are distributed over how the data are; see `View`.

        Of several runs there is a chart for each sampler, of one run a single one for all of its samplers.
        """
        grey = f"Grey: {len(data):,} training rows."
        first, runs = next(iter(drawn.values()))
        if len(runs) > 1:
            return [
                self._overlaid(replace(words, caption=f"{words.caption} {grey}"), data, made)
                for words, made in drawn.values()
            ]
        captions = " ".join(words.caption for words, _ in drawn.values())
        alt = "Histograms of each column: data and samples"
        joined = Words(first.name, "Samples and data", f"{captions} {grey}", alt)
        colours = (LIGHT["first"], LIGHT["second"])
        samplers = [
            Made(sampler, made[0].x, colour)
            for (sampler, (_, made)), colour in zip(drawn.items(), colours, strict=False)
        ]
        return [self._overlaid(joined, data, samplers)]

    def _overlaid(self, words: Words, data: np.ndarray, made: Sequence[Made]) -> Exhibit:
        groups = [("data", self._first(data)), *((each.label, self._first(each.x)) for each in made)]
        return histograms(words, self.names[:SHOWN], groups, [LIGHT["line"], *(each.colour for each in made)])
