"""Buffers that training moves without a gradient, moved once for all parts of a batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentia.core.processes import Processes
from latentia.probability import Moving


class MovingBuffers:
    """Lets every part of a batch see the buffers as they were before it, and moves them by all parts.

    So it makes no difference which process works on which part. Where a batch is one part in one process,
    the pass moves the buffers, and there is nothing to do.
    """

    def __init__(self, model: nn.Module, processes: Processes, parts: int) -> None:
        """Find the buffers.

        Args:
            model: whose modules may be `Moving`.
            processes: who works on the parts.
            parts: how many a batch has.
        """
        alone = parts == 1 and processes.count == 1
        self.modules = [m for m in model.modules() if isinstance(m, Moving) and not (alone or m.still)]
        self.buffers = [b for m in self.modules if isinstance(m, nn.Module) for b in m.buffers(recurse=False)]
        self.processes = processes
        self.parts = parts
        self.before: list[Tensor] = []
        self.seen: list[Tensor] = []

    def start(self) -> None:
        """Remember the buffers before a batch."""
        self.before = [buffer.clone() for buffer in self.buffers]
        self.seen = []

    def note(self) -> None:
        """Remember what a part was seen as, and put the buffers back."""
        if self.modules:
            self.seen.append(torch.cat([seen.flatten() for module in self.modules for seen in module.seen]))
            self._restore()

    @torch.no_grad()
    def finish(self) -> None:
        """Move the buffers by all parts."""
        if not self.modules:
            return
        everywhere = self.processes.gather(torch.stack(self.seen))  # (processes, rounds, values)
        seen = everywhere.transpose(0, 1).flatten(0, 1)[: self.parts]  # as they were dealt
        start = 0
        for module in self.modules:
            each = []
            for one in module.seen:
                each.append(seen[:, start : start + one.numel()].reshape(-1, *one.shape))
                start += one.numel()
            module.move(*module.merge(*each))

    @torch.no_grad()
    def _restore(self) -> None:
        for buffer, before in zip(self.buffers, self.before, strict=True):
            buffer.copy_(before)
