"""Latents alone, rounded: examples of any model with continuous latents, with loss.

The encoder gives means in floating point, which no reader has to repeat: what they are rounded to is in the
file, by masses of whole numbers. What the decoder makes of it is computed in floating point.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from latentia.coding.coder import InTurn, popped_row
from latentia.coding.curves import VALUE_BITS
from latentia.coding.masses import RARE, Masses
from latentia.coding.stack import Stack
from latentia.coding.stages import Choices
from latentia.core import storage
from latentia.core.errors import DataError

FORMAT = 1
"""Of the coder: what its numbers are and how they are used. It changes with whatever changes a file."""
STEP_BITS = 30
"""Steps are multiples of 2^-30."""
FINEST, COARSEST = 2.0**-20, 2.0**20
"""Steps lie between these."""
BEYOND = 1.0
"""Numbers reach by so many spans of the training examples' further to both sides, and are held there."""
MOST = 1 << 14
"""Multiples of a step that a channel may have: a step grows where there would be more."""
SMOOTH = 16.0
"""As many examples' worth of a logistic distribution stand beside those that were counted."""
SHARES = tuple(2.0**-n for n in range(1, 13))
"""Steps that are tried where the posterior is a point: shares of a channel's deviation, coarse ones first."""
WORSE = 1.01
"""The squared error may grow to so many times that of latents that are not rounded."""


class LatentCoder(InTurn):
    r"""Codes rounded latents, each channel by a distribution of its own.

    z of channel c is coded as the nearest multiple k of a step. Where q(z|x) has a deviation the step is
    sqrt(12) times its root mean square over training examples: rounding errors then vary as much as the draws
    that the decoder was trained with. A point posterior has none; there all steps are one share of the
    channels' deviations, 2^-n, the largest at which the squared error of training examples grows by at most
    1 %. The probability of k is that of a histogram of training examples, smoothed by a logistic
    distribution.

    References:
        Robert Gray, David Neuhoff, "Quantization", 1998.
    """

    prior_rounds = 1
    costs = "the latents' -log2 p"
    loss = "as --lossy asks for"
    held = "rounded latents"
    choose: Callable[[np.ndarray], np.ndarray]
    """Gives the latents of examples in the data's units, `(N, *latent)`; whoever has the run sets it."""
    show: Callable[[np.ndarray, Any], np.ndarray]
    """Gives examples in the data's units and of a type, as the decoder has them, from latents."""

    def __init__(self, model: Any, tables: Mapping[str, np.ndarray]) -> None:
        """Take the tables.

        Args:
            model: the trained model.
            tables: what `make` computed.
        """
        self.tables = {name: table.astype(np.int64) for name, table in tables.items()}
        self.event, self._latent = tuple(model.event), tuple(model.latent)
        self._model = model
        places = int(np.prod(self._latent[1:], dtype=int))
        self._rows = np.repeat(np.arange(self._latent[0]), places)
        self.steps = (self.tables["steps"] * 2.0**-STEP_BITS)[self._rows]
        self._lowest = self.tables["lowest"][self._rows]
        self._counts = self.tables["counts"][self._rows]
        self._borders = self.tables["borders"].astype(np.float64)

    @classmethod
    def make(
        cls, model: Any, z: np.ndarray, deviation: np.ndarray, error: Callable[[np.ndarray], float]
    ) -> LatentCoder:
        """Make the coder of a trained model.

        Args:
            model: the trained model.
            z: posterior means of training examples, shape `(N, *latent)`.
            deviation: of q(z|x), the root mean square over examples and places, shape `(C,)`.
            error: gives the squared error of what is decoded from latents of these examples.

        Returns:
            The coder.
        """
        channels = np.moveaxis(z.astype(np.float64).reshape(*z.shape[:2], -1), 1, 0)
        flat = channels.reshape(len(channels), -1)
        low, high = flat.min(axis=1), flat.max(axis=1)
        spread = flat.std(axis=1)
        steps = np.sqrt(12) * deviation.astype(np.float64)
        if not steps.any():
            steps = _share(z, spread, error) * spread
        reach = (1 + 2 * BEYOND) * (high - low)
        steps = np.clip(np.where(steps > 0, steps, 1.0), np.maximum(FINEST, reach / (MOST - 2)), COARSEST)
        whole = np.rint(steps * 2.0**STEP_BITS)
        steps = whole * 2.0**-STEP_BITS
        lowest = np.floor((low - BEYOND * (high - low)) / steps)
        counts = np.ceil((high + BEYOND * (high - low)) / steps) - lowest + 1
        borders = np.zeros((len(flat), int(counts.max()) + 1))
        for row, values in enumerate(flat):
            k = np.rint(values / steps[row]) - lowest[row]
            borders[row] = _borders(k.astype(np.int64), int(counts[row]), borders.shape[1] - 1)
        tables = {"steps": whole, "lowest": lowest, "counts": counts, "borders": borders}
        return cls(model, {name: table.astype(np.int64) for name, table in tables.items()})

    def of(self, raw: np.ndarray, first: int = 0) -> np.ndarray:
        """Round the latents of examples; see `Compressor`."""
        z = self.choose(raw.reshape(len(raw), *self.event)).reshape(len(raw), -1).astype(np.float64)
        wrong = ~np.isfinite(z).all(axis=1)
        if wrong.any():
            raise DataError(
                f"example {first + int(np.flatnonzero(wrong)[0])} has latents that are no finite numbers; "
                "its values lie far outside of those that the run was trained on"
            )
        return np.clip(np.rint(z / self.steps) - self._lowest, 0, self._counts - 1).astype(np.int64)

    def values(self, symbols: np.ndarray, dtype: Any) -> np.ndarray:
        """Give what the decoder makes of rounded latents; see `Compressor`."""
        z = ((symbols + self._lowest) * self.steps).astype(np.float32)
        return self.show(z.reshape(len(symbols), *self._latent), dtype).reshape(len(symbols), -1)

    def choices(self, x: np.ndarray) -> list[Choices]:
        """Give the binary choices of some examples; see `InTurn`."""
        return [_Channels(self._borders, self._rows, len(x)).choices(x)]

    def read(self, count: int, stack: Stack) -> np.ndarray:
        """Read some examples; see `InTurn`."""
        found = popped_row(_Channels(self._borders, self._rows, count), stack)
        return np.minimum(found, self._counts - 1)  # a damaged file may say more

    def header(self) -> dict[str, Any]:
        """Say what the numbers are; see `Stamped`."""
        return {
            "format": FORMAT,
            "latents": list(self._latent),
            "bits": [STEP_BITS, VALUE_BITS, RARE, self.rows],
            "event": list(self.event),
            "model": str(storage.checksum(self._model.state_dict())),
        }

    def probed(self) -> Any:
        """Code fixed latents; see `Stamped`."""
        fixed = np.arange(2 * len(self._rows)).reshape(2, -1) * 104729 % self._counts
        yield from self.choices(fixed)[0]


class _Channels(Masses):
    """A distribution for each channel, the same for all examples and places."""

    def __init__(self, borders: np.ndarray, rows: np.ndarray, count: int) -> None:
        """Take masses below each symbol, `(C, n + 1)`, the channel of each entry, and how many examples."""
        self.n, self.shape = borders.shape[1] - 1, (count, len(rows))
        self._borders, self._rows = borders, rows
        self.total = borders[rows, -1]

    def below(self, k: np.ndarray) -> np.ndarray:
        """Look it up; see `Masses`."""
        return self._borders[self._rows, k.astype(np.intp)]


def _share(z: np.ndarray, spread: np.ndarray, error: Callable[[np.ndarray], float]) -> float:
    """Choose the largest share of the channels' deviations that hardly adds to the squared error."""
    wide = spread.reshape(-1, *(1,) * (z.ndim - 2))
    least = error(z)
    for share in SHARES:
        steps = np.where(wide > 0, share * wide, 1.0)
        if error((np.rint(z / steps) * steps).astype(z.dtype)) <= WORSE * least:
            return share
    return SHARES[-1]


def _borders(k: np.ndarray, count: int, size: int) -> np.ndarray:
    """Give the mass below each of some symbols, of which the last ones may not occur, `(size + 1,)`."""
    seen = np.bincount(k, minlength=count)[:count]
    scale = max(float(k.std()) * np.sqrt(3) / np.pi, 0.3)
    edges = (np.arange(count + 1) - 0.5 - k.mean()) / scale
    below = 0.5 + 0.5 * np.tanh(0.5 * edges)
    below[0], below[-1] = 0.0, 1.0
    p = (seen + SMOOTH * np.diff(below)) / (len(k) + SMOOTH)
    masses = np.rint(p * 2.0**VALUE_BITS) + 2.0 ** (VALUE_BITS - RARE)
    return np.concatenate([[0.0], np.pad(masses, (0, size - count)).cumsum()])
