"""Arrays other than images, shown as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from latentia.plots.charts import Curve, gradient, lines
from latentia.plots.exhibits import Exhibit, Words
from latentia.plots.theme import LIGHT
from latentia.report.views import Made, View

CHANNELS = 3
SHOWN = 6
STYLES = ("-", "--", ":")
JOINT = 4
"""Samples of each of several runs."""


class Series(View):
    """The last dimension runs to the right; the first channels are drawn over each other."""

    samples_drawn = SHOWN
    samples_joint = JOINT

    @property
    def remark(self) -> str:
        """Say how arrays become lines."""
        channels = int(np.prod(self.dataset.event[:-1]))
        dashes = " Channels differ in the dashes of their lines." if channels > 1 else ""
        left_out = f" The first {CHANNELS} of {channels:,} rows are shown." if channels > CHANNELS else ""
        return f"Each array is drawn along its last dimension.{dashes}{left_out}"

    def _values(self, x: np.ndarray) -> np.ndarray:
        """Give the channels to draw, `(N, C, T)`."""
        return x.reshape(len(x), -1, x.shape[-1])[:, :CHANNELS]

    def _curves(self, example: np.ndarray, colour: str, label: str = "") -> list[Curve]:
        x = np.arange(example.shape[-1])
        return [
            Curve(x, channel, label, colour, style) for channel, style in zip(example, STYLES, strict=False)
        ]

    @property
    def _ticks(self) -> Sequence[str]:
        return ()

    def gallery(self, words: Words, x: np.ndarray, columns: int) -> Exhibit:
        """Show one panel for each of a few examples; see `View`."""
        panels = [("", self._curves(example, LIGHT["first"])) for example in self._values(x[:SHOWN])]
        return lines(words, panels, columns=3, ticks=self._ticks)

    def compare(self, words: Words, given: np.ndarray, made: Sequence[Made]) -> list[Exhibit]:
        """Show a few originals under the reconstructions of each run; see `View`."""
        if len(made) == 1:
            made = [Made("reconstruction", made[0].x, LIGHT["second"])]
        panels = []
        for index, original in enumerate(self._values(given[:SHOWN])):
            curves = self._curves(original, LIGHT["muted"], "original")
            for each in made:
                curves += self._curves(self._values(each.x[index][None])[0], each.colour, each.label)
            panels.append(("", curves))
        return [lines(words, panels, columns=3, ticks=self._ticks, legend=True)]

    def samples(self, drawn: Mapping[str, tuple[Words, Sequence[Made]]], data: np.ndarray) -> list[Exhibit]:
        """Show for each sampler a row of panels for each run, or more of one run; see `View`."""
        return [
            self._rows(words, made) if len(made) > 1 else self.gallery(words, made[0].x, 3)
            for words, made in drawn.values()
        ]

    def _rows(self, words: Words, made: Sequence[Made]) -> Exhibit:
        panels = [
            (each.label if index == 0 else "", self._curves(example, each.colour))
            for each in made
            for index, example in enumerate(self._values(each.x[:JOINT]))
        ]
        return lines(words, panels, columns=JOINT, ticks=self._ticks)

    def paths(
        self, words: Words, made: Sequence[Made], ends: np.ndarray, labels: Sequence[str]
    ) -> list[Exhibit]:
        """Show the paths of each run as lines from dark to light, pair by pair; see `View`."""
        if len(made) == 1:
            named = replace(words, alt=f"{words.alt}: {', '.join(labels)}")
            return [self.traversal(named, made[0].x, labels)]
        exhibits = []
        for pair, label in enumerate(labels):
            titled = Words(
                f"{words.name}-{pair + 1}", f"{words.title}: {label}", words.caption, f"{words.alt}: {label}"
            )
            walks = np.stack([each.x[pair] for each in made])
            shown = self.traversal(titled, walks, [each.label for each in made])
            exhibits.append(replace(shown, wide=False))
        return exhibits

    def traversal(self, words: Words, walks: np.ndarray, labels: Sequence[str]) -> Exhibit:
        """Show each dimension as lines from dark to light; see `View`."""
        panels = []
        for walk, label in zip(walks, labels, strict=True):
            colours = gradient(len(walk))
            steps = zip(self._values(walk), colours, strict=True)
            panels.append((label, [curve for step, colour in steps for curve in self._curves(step, colour)]))
        return lines(words, panels, columns=2, ticks=self._ticks)
