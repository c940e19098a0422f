"""What the steps since the last line of the log have said, on the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class TermsBuffer:
    """The terms of some steps, written into memory that is allocated once.

    Nothing small outlives its step: small tensors kept between the large ones that every step frees would
    keep the allocator from giving those out again, and memory would grow with each step up to the log line.
    """

    def __init__(self, room: int) -> None:
        """Begin with none.

        Args:
            room: the most steps that are ever held.
        """
        self.room = room
        self.count = 0
        self._terms: Tensor | None = None
        self._rows: Sequence[Tensor] = ()
        self._skipped: Tensor | None = None

    def __len__(self) -> int:
        """Count the steps."""
        return self.count

    def add(self, terms: Sequence[Tensor], skipped: Tensor | None) -> None:
        """Take what a step gave.

        Args:
            terms: each of shape `(b,)`, without a gradient.
            skipped: 1 if the step was left out, else 0, shape `()`; None where none ever is.
        """
        if self._terms is None:
            self._terms = terms[0].new_zeros(self.room, len(terms), len(terms[0]))
            # Taken once: a row that is taken anew in each step costs more than to copy the numbers into it.
            self._rows = self._terms.flatten(start_dim=1).unbind()
            self._skipped = None if skipped is None else skipped.new_zeros(self.room)
        torch.cat(tuple(terms), out=self._rows[self.count])
        if skipped is not None and self._skipped is not None:
            self._skipped[self.count] = skipped
        self.count += 1

    def sums(self) -> Tensor:
        """Give the sum of each term over each step's examples.

        Returns:
            Shape `(steps, terms)`, on the device.
        """
        return torch.empty(0, 0) if self._terms is None else self._terms[: self.count].sum(dim=2)

    def taken(self) -> Tensor:
        """Say which steps moved the weights.

        Returns:
            Shape `(steps,)`, bool, on the CPU.
        """
        if self._skipped is None:
            return torch.ones(self.count, dtype=torch.bool)
        return self._skipped[: self.count].cpu() == 0

    def clear(self) -> None:
        """Forget them; the memory stays."""
        self.count = 0
