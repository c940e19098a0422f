"""Tables, shown column by column."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from latentia.data.column import DISCRETE, Column, column_names
from latentia.data.readers.plain import texts
from latentia.data.splits import spread
from latentia.plots.exhibits import Exhibit, Words
from latentia.plots.tables import Frame, TableColumn, agreements, frames, histograms
from latentia.plots.theme import LIGHT
from latentia.report.inputs import Inputs
from latentia.report.series import Series
from latentia.report.views import Made

if TYPE_CHECKING:
    from latentia.data.dataset import Dataset

SHOWN = 12
NAMED = 40
"""Profiles of more columns than this have numbers under them instead of names."""


ROWS = 5
"""Rows of a table that stand side by side in their own words."""


class Columns(Series):
    """Distributions of the first columns that vary; paths as profiles over all of these columns.

    In a profile each column is in units of its standard deviation, from its mean. A table with words, times
    or truth values has none: its rows are written down.
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column without a value in the sample
            mean, std = np.nanmean(train, axis=0), np.nanstd(train, axis=0)
        self.varying = np.flatnonzero(std > 0)
        self.varying = self.varying if len(self.varying) else np.arange(train.shape[1])
        self.mean, self.std = mean[self.varying], np.where(std > 0, std, 1.0)[self.varying]
        names = dataset.columns or column_names(train.shape[1])
        self.names = [names[index] for index in self.varying]
        schema = dataset.schema
        self.typed = tuple(schema.columns[at] for at in self.varying) if schema and schema.mixed else ()
        self.columns = [*map(_shown, self.typed)] or [TableColumn(name) for name in self.names]

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
        return histograms(words, self.columns[:SHOWN], [("data", self._first(x))])

    def compare(self, words: Words, given: np.ndarray, made: Sequence[Made]) -> list[Exhibit]:
        """Show for each run one chart of what came out over what went in; see `View`."""
        rows = [self._beside(words, given, made)] if self.typed else []
        if len(made) == 1:
            return [self._agreement(words, given, made[0]), *rows]
        exhibits = rows
        for number, each in enumerate(made):
            caption = words.caption if number == 0 else ""
            own = Words(f"{words.name}-{number + 1}", each.label, caption, f"{words.alt}: {each.label}")
            exhibits.append(replace(self._agreement(own, given, each), wide=False))
        return exhibits

    def _agreement(self, words: Words, given: np.ndarray, made: Made) -> Exhibit:
        if any(column.words for column in self.columns[:SHOWN]):
            words = replace(
                words, caption=f"{words.caption} Of categories the spots are larger for more rows."
            )
        return agreements(words, self.columns[:SHOWN], self._first(given), self._first(made.x))

    def _beside(self, words: Words, given: np.ndarray, made: Sequence[Made]) -> Exhibit:
        """Write the first originals down beside what each run made of them; what differs is marked."""
        columns, shown = self.typed[:SHOWN], []
        count = max(1, ROWS // 2) if len(made) == 1 else 1
        for start in range(0, min(len(given), 2 * count), count):
            sets = [given[start : start + count], *(each.x[start : start + count] for each in made)]
            labels = ["original", *(["reconstruction"] if len(made) == 1 else [each.label for each in made])]
            cells = [
                [cell for pair in zip(*(texts(column, x[:, at]) for x in sets), strict=True) for cell in pair]
                for column, at in zip(columns, self.varying)
            ]
            whole = len(sets)
            marked = [[cell != row[at - at % whole] for at, cell in enumerate(row)] for row in cells]
            names = [column.name for column in columns]
            shown.append(Frame("", labels * (len(cells[0]) // whole), names, cells, marked))
        caption = (
            "Some originals, each beside what came back; what differs is coloured, and empty is missing."
        )
        own = Words(f"{words.name}-rows", "Rows", caption, f"{words.alt}, written down")
        return frames(own, shown)

    def traversal(self, words: Words, walks: np.ndarray, labels: Sequence[str]) -> Exhibit:
        """Show each walk as lines, or, where rows have words, written down; see `View`."""
        if not self.typed:
            return super().traversal(words, walks, labels)
        shown = [self._walk(walk, label) for walk, label in zip(walks, labels, strict=True)]
        caption = words.caption.removesuffix(" Low values are dark, high ones light.")
        caption = caption.replace("From the first example (dark) to the second (light).", "").strip()
        told = f"{caption} From left to right; what changed is coloured, and what stays is left out.".strip()
        return frames(replace(words, caption=told), shown)

    def _walk(self, walk: np.ndarray, label: str) -> Frame:
        """Write down the columns that change along a walk."""
        steps = walk[np.linspace(0, len(walk) - 1, min(ROWS, len(walk))).round().astype(int)]
        written = [texts(column, steps[:, at]) for column, at in zip(self.typed, self.varying)]
        moved = [at for at, cells in enumerate(written) if len(set(cells)) > 1]
        title = f"{label}: nothing changes" if not moved else label
        cells = [written[at] for at in moved[:SHOWN]]
        marked = [[cell != cells[max(0, at - 1)] for at, cell in enumerate(cells)] for cells in cells]
        names = [self.typed[at].name for at in moved[:SHOWN]]
        heads = ["start", *[""] * (len(steps) - 2), "end"]
        return Frame(title, heads[: len(steps)], names, cells, marked)

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
        colours = [LIGHT["line"], *(each.colour for each in made)]
        return histograms(words, self.columns[:SHOWN], groups, colours)


def _shown(column: Column) -> TableColumn:
    """Say how a chart shows a column: categories and truth values by words, times as such."""
    if column.kind in DISCRETE:
        return TableColumn(column.name, tuple(map(str, column.categories)))
    if column.kind == "boolean":
        return TableColumn(column.name, ("False", "True"))
    if column.kind == "time" and column.origin:
        return TableColumn(column.name, write=lambda value: texts(column, np.array([value]))[0][:10])
    return TableColumn(column.name)
